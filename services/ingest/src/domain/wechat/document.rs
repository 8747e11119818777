//! What a callback says: XML or JSON, read into one form. Document types, and with them entities, are refused.

use roxmltree::{Document as Xml, Node, ParsingOptions};
use serde_json::{Map, Value};

/// More elements than any message has.
const MAX_NODES: u32 = 2_000;

/// A message's fields by name. Texts stay texts; elements within elements become objects, repeated ones lists.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Document {
    pub(crate) fields: Map<String, Value>,
}

impl Document {
    /// Reads a body, told apart by its first character.
    ///
    /// # Errors
    /// What is wrong with it, without quoting it.
    pub(crate) fn read(body: &str) -> Result<Self, String> {
        let body = body.trim_start_matches('\u{feff}').trim();
        let fields = if body.starts_with('{') {
            serde_json::from_str(body).map_err(|cause| format!("the body is not JSON: {cause}"))?
        } else {
            read_xml(body)?
        };
        Ok(Self { fields })
    }

    /// A field's text (numbers as text); empty when it is missing. Names differ in case between kinds (`MsgID`).
    pub(crate) fn text(&self, name: &str) -> String {
        let exact = self.fields.get(name);
        let found = exact.or_else(|| {
            self.fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        });
        match found {
            Some(Value::String(text)) => text.trim().to_owned(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        }
    }
}

fn read_xml(body: &str) -> Result<Map<String, Value>, String> {
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let xml = Xml::parse_with_options(body, options).map_err(|flaw| match flaw {
        roxmltree::Error::DtdDetected => "the XML has a document type, which no message has".to_owned(),
        flaw => format!("the body is neither JSON nor XML: {flaw}"),
    })?;
    match read_element(xml.root_element(), 0)? {
        Value::Object(fields) => Ok(fields),
        _ => Err("the XML has no fields".to_owned()),
    }
}

fn read_element(element: Node<'_, '_>, depth: u32) -> Result<Value, String> {
    const MAX_DEPTH: u32 = 12;
    if depth > MAX_DEPTH {
        return Err("the XML is nested too deeply".to_owned());
    }
    let mut fields: Map<String, Value> = Map::new();
    for child in element.children().filter(Node::is_element) {
        let value = read_element(child, depth + 1)?;
        match fields.get_mut(child.tag_name().name()) {
            Some(Value::Array(list)) => list.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
            None => {
                fields.insert(child.tag_name().name().to_owned(), value);
            }
        }
    }
    if !fields.is_empty() {
        return Ok(Value::Object(fields));
    }
    // CDATA and plain text beside it are separate nodes.
    Ok(Value::String(element.children().filter_map(|part| part.text()).collect()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn xml_and_json_say_the_same() {
        let xml = "<xml><ToUserName><![CDATA[gh_1]]></ToUserName><CreateTime>1714112445</CreateTime><MsgID>7</MsgID>\
                   <Content><![CDATA[几点关门?]]></Content><List><item><a>1</a></item><item><a>2</a></item></List></xml>";
        let from_xml = Document::read(xml).unwrap();
        let from_json = Document::read(
            r#" {"ToUserName":"gh_1","CreateTime":1714112445,"MsgID":7,"Content":"几点关门?"}"#,
        )
        .unwrap();
        for name in ["ToUserName", "CreateTime", "MsgId", "Content"] {
            assert_eq!(from_xml.text(name), from_json.text(name), "{name}");
            assert!(!from_xml.text(name).is_empty());
        }
        assert_eq!(from_xml.fields["List"], json!({"item": [{"a": "1"}, {"a": "2"}]}));
        assert_eq!(from_xml.text("Nothing"), "");
    }

    #[test]
    fn document_types_entities_and_bombs_are_refused() {
        let bomb =
            "<!DOCTYPE x [<!ENTITY a \"haha\"><!ENTITY b \"&a;&a;\">]><xml><Content>&b;</Content></xml>";
        let outside =
            "<!DOCTYPE x [<!ENTITY f SYSTEM \"file:///etc/passwd\">]><xml><Content>&f;</Content></xml>";
        let deep = format!("<xml>{}{}</xml>", "<a>".repeat(50), "</a>".repeat(50));
        let wide = format!("<xml>{}</xml>", "<a/>".repeat(3_000));
        for body in [
            bomb,
            outside,
            "<xml>&a;</xml>",
            "<xml>",
            "",
            "success",
            &deep,
            &wide,
            "<xml>text</xml>",
            "{",
            "[]",
        ] {
            assert!(Document::read(body).is_err(), "{body}");
        }
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body in "[<>/{}!\\[\\]&;\"a-c:, 你]{0,60}") {
            if let Ok(document) = Document::read(&body) {
                let _text = document.text("a");
            }
        }
    }
}
