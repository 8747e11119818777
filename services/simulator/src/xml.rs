//! The little XML the platform speaks: flat, with CDATA. Documents with a DOCTYPE are refused, and with it entities.

use roxmltree::{Document, Node, ParsingOptions};

/// `<xml>` under construction.
pub(crate) struct Writer(String);

impl Writer {
    pub(crate) fn new() -> Self {
        Self("<xml>".to_owned())
    }

    /// Any text, in CDATA. Characters that XML does not have are left out.
    pub(crate) fn text(mut self, name: &str, value: &str) -> Self {
        let value: String = value
            .chars()
            .filter(|c| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{FFFD}' | '\u{10000}'..))
            .collect();
        let value = value.replace("]]>", "]]]]><![CDATA[>");
        self.0.push_str(&format!("<{name}><![CDATA[{value}]]></{name}>"));
        self
    }

    /// A number, as it is.
    pub(crate) fn number(mut self, name: &str, value: i64) -> Self {
        self.0.push_str(&format!("<{name}>{value}</{name}>"));
        self
    }

    pub(crate) fn finish(mut self) -> String {
        self.0.push_str("</xml>");
        self.0
    }
}

/// Reads a document whose root is `<xml>`.
///
/// # Errors
/// A text that says what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Document<'_>, String> {
    let options = ParsingOptions { allow_dtd: false, nodes_limit: 1_000, ..ParsingOptions::default() };
    let document =
        Document::parse_with_options(text, options).map_err(|error| format!("not XML: {error}"))?;
    match document.root_element().tag_name().name() {
        "xml" => Ok(document),
        other => Err(format!("the root is <{other}>, not <xml>")),
    }
}

/// The child element of that name.
pub(crate) fn child<'a>(node: Node<'a, 'a>, name: &str) -> Option<Node<'a, 'a>> {
    node.children().find(|child| child.is_element() && child.tag_name().name() == name)
}

/// The text of the child of that name.
pub(crate) fn child_text<'a>(node: Node<'a, 'a>, name: &str) -> Option<String> {
    // CDATA and text beside it are separate nodes.
    child(node, name)
        .map(|child| child.children().filter_map(|part| part.text()).collect::<String>().trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for text in ["你好", "a]]>b", "<b>&amp;", "", "]]", "🎉"] {
            let written = Writer::new().text("Content", text).number("MsgId", -1).finish();
            let document = parse(&written).unwrap();
            assert_eq!(child_text(document.root_element(), "Content").unwrap(), text, "{written}");
        }
        let odd = Writer::new().text("Content", "a\u{0}\u{8}b").finish();
        assert_eq!(child_text(parse(&odd).unwrap().root_element(), "Content").unwrap(), "ab");
    }

    #[test]
    fn doctypes_entities_and_other_roots_are_refused() {
        assert!(parse("<!DOCTYPE xml [<!ENTITY a \"b\">]><xml><Content>&a;</Content></xml>").is_err());
        assert!(parse("<!DOCTYPE xml><xml/>").is_err());
        assert!(parse("<xml>&a;</xml>").is_err());
        assert!(parse("<html/>").is_err());
        assert!(parse("ok").is_err());
        assert!(parse(&format!("<xml>{}</xml>", "<a/>".repeat(2_000))).is_err());
    }
}
