//! The parser's complaints in our words: it says where; what stands there, the text itself tells.

/// What is wrong at a place of `source`; of `complaint` only its kind is used.
pub(super) fn plain(source: &str, (line, column): (usize, usize), complaint: &str) -> String {
    let says = |part: &str| complaint.contains(part);
    let rest = rest_of(source, line, column);
    if says("token recognition error") {
        return unreadable(&rest);
    }
    if says("Recursion limit") {
        return "the condition is nested too deep; split it".to_owned();
    }
    if says("reserved identifier") {
        let word = token(&rest);
        return format!("`{word}` is a reserved word; a field of that name is written profile[\"{word}\"]");
    }
    if says(" literal") {
        return format!("`{}` cannot be read; write numbers like 12.5 and texts like \"上海\"", token(&rest));
    }
    if says("has()") || says("argument to has") {
        return "`has()` takes a field, such as has(profile.city)".to_owned();
    }
    if says("unsupported syntax") {
        return "this is not part of conditions; `?` stands in test ? then : otherwise, and names need no backticks"
            .to_owned();
    }
    if says("missing ')'") {
        return "a `)` is missing here".to_owned();
    }
    if rest.trim_start().is_empty() {
        return "the condition ends too early; something is missing here".to_owned();
    }
    unexpected(&token(&rest))
}

/// A sign that no condition has.
fn unreadable(rest: &str) -> String {
    match rest.chars().next() {
        Some('"' | '\'') => "a quoted text is not closed; add the quote at its end".to_owned(),
        Some('“' | '”' | '‘' | '’' | '「' | '」' | '＂') => {
            "texts stand in plain quotes; write \"…\"".to_owned()
        }
        Some(sign @ ('&' | '|' | '=')) => format!("`{sign}` does not stand alone; write `{sign}{sign}`"),
        Some(sign @ '\u{ff01}'..='\u{ff5e}') => {
            let plain = char::from_u32(u32::from(sign) - 0xfee0).unwrap_or(sign);
            format!("`{sign}` is a full-width sign; write `{plain}`")
        }
        Some(sign) => {
            format!("`{sign}` cannot stand here; texts and names with other than a-z, 0-9 and _ need quotes")
        }
        None => "the condition ends too early; something is missing here".to_owned(),
    }
}

/// A word or sign in the wrong place.
fn unexpected(token: &str) -> String {
    let instead = match token.to_ascii_lowercase().as_str() {
        "and" => "; write `&&`",
        "or" => "; write `||`",
        "not" => "; write `!`",
        _ => "",
    };
    format!("`{token}` is not expected here{instead}")
}

/// What stands from a line and column (from 1, in characters) on.
fn rest_of(source: &str, line: usize, column: usize) -> String {
    let mut lines = source.split('\n').skip(line.saturating_sub(1));
    let here: String = lines.next().unwrap_or("").chars().skip(column.saturating_sub(1)).collect();
    lines.fold(here, |text, line| text + "\n" + line)
}

/// The word, quoted text or sign at the start.
fn token(rest: &str) -> String {
    const PAIRS: [&str; 6] = ["&&", "||", "==", "!=", "<=", ">="];
    let rest = rest.trim_start();
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    if rest.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
        return rest.chars().take_while(|c| is_word(*c)).collect();
    }
    if let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let text: String = rest.chars().skip(1).take_while(|c| *c != quote).collect();
        return format!("{quote}{text}{quote}");
    }
    match PAIRS.into_iter().find(|pair| rest.starts_with(pair)) {
        Some(pair) => pair.to_owned(),
        None => rest.chars().take(1).collect(),
    }
}
