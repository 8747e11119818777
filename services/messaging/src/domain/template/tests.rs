//! Templates: what is refused when saved, what is said when rendered.

use serde_json::json;

use super::*;

fn variant(locale: &str, text: &str, html: &str) -> Variant {
    Variant {
        locale: locale.to_owned(),
        subject: String::new(),
        text: text.to_owned(),
        html: html.to_owned(),
    }
}

fn render(text: &str, html: &str, profile: Value) -> Result<Content, String> {
    let Value::Object(profile) = profile else { unreachable!() };
    let subject = Subject { profile: without_nulls(profile), ..Subject::default() };
    let compiled = Compiled::new(&[variant("zh-CN", text, html)])?;
    compiled.render("", &subject).map(|(content, _)| content)
}

fn refusals(text: &str) -> Vec<(String, String)> {
    let error = check(&[variant("zh-CN", "好", ""), variant("en", text, "")]).unwrap_err();
    error.violations.into_iter().map(|violation| (violation.field, violation.description)).collect()
}

#[test]
fn missing_names_take_their_default_or_fail_with_the_place() {
    let text = "感谢关注,{{ profile.name | default('朋友') }}!";
    assert_eq!(render(text, "", json!({})).unwrap().text, "感谢关注,朋友!");
    assert_eq!(render(text, "", json!({"name": null})).unwrap().text, "感谢关注,朋友!");
    assert_eq!(render(text, "", json!({"name": "李雷"})).unwrap().text, "感谢关注,李雷!");
    let failure = render("第一行\n你好,{{ profile.name }}", "", json!({})).unwrap_err();
    assert!(
        failure.contains("text (zh-CN) line 2") && failure.contains("`profile.name` has no value"),
        "{failure}"
    );
    assert_eq!(render("{% if profile.vip %}贵宾{% endif %}好", "", json!({})).unwrap().text, "好");
}

#[test]
fn html_is_escaped_and_text_is_not() {
    let content =
        render("{{ profile.name }}", "<b>{{ profile.name }}</b>", json!({"name": "<小王> & 'co'"})).unwrap();
    assert_eq!(content.text, "<小王> & 'co'");
    assert!(content.html.starts_with("<b>&lt;小王&gt; &amp; "), "{}", content.html);
}

#[test]
fn mistakes_are_named_with_variant_line_and_column() {
    let found = refusals("你好\n  {{ profile.name | }}");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, "variants[1].text");
    assert!(found[0].1.starts_with("2:"), "{}", found[0].1);
    let unknown = refusals("你好 nmae\n亲爱的{{ nmae }}");
    assert!(unknown[0].1.starts_with("2:7: `nmae` is unknown"), "{}", unknown[0].1);
    assert!(refusals("{{ profile.name | shout }}")[0].1.contains("shout"));
}

#[test]
fn loops_of_loops_end() {
    let nested = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
    assert!(render(nested, "", json!({})).unwrap_err().contains("steps"));
    assert!(check(&[variant("zh-CN", nested, "")]).is_ok());
}
