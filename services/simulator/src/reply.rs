//! Judges what the account's server answers to a callback. Pure. Source: platforms.md 1.3 and 1.6.

use std::collections::BTreeMap;

use roxmltree::Node;

use crate::account::{Account, Mode};
use crate::crypto::sign;
use crate::xml::{child, child_text, parse};

/// Reads an answer: nothing or `success` is `None`, a passive reply its elements by name.
///
/// # Errors
/// A text that says why the platform would show the user "temporarily out of service".
pub(crate) fn judge(
    account: &Account,
    openid: &str,
    body: &str,
) -> Result<Option<BTreeMap<String, String>>, String> {
    if body.is_empty() || body == "success" {
        return Ok(None);
    }
    let document = parse(body)?;
    let root = document.root_element();
    match (account.settings.mode, child_text(root, "Encrypt")) {
        (Mode::Plain, Some(_)) => Err("a sealed reply in plain mode".to_owned()),
        (Mode::Safe, None) => Err("an open reply in safe mode".to_owned()),
        (_, None) => passive(account, openid, root).map(Some),
        (_, Some(sealed)) => {
            let inner = unseal(account, root, &sealed)?;
            passive(account, openid, parse(&inner)?.root_element()).map(Some)
        }
    }
}

fn unseal(account: &Account, root: Node<'_, '_>, sealed: &str) -> Result<String, String> {
    let part = |name: &str| child_text(root, name).ok_or_else(|| format!("the sealed reply has no {name}"));
    let (signature, timestamp, nonce) = (part("MsgSignature")?, part("TimeStamp")?, part("Nonce")?);
    if sign(&[&account.settings.token, &timestamp, &nonce, sealed]) != signature {
        return Err("the MsgSignature is wrong".to_owned());
    }
    let key = account.key.as_ref().ok_or("the account has no key")?;
    key.open(sealed, &account.settings.app_id).map(|(_, message)| message)
}

fn passive(account: &Account, openid: &str, root: Node<'_, '_>) -> Result<BTreeMap<String, String>, String> {
    let elements: BTreeMap<String, String> = root
        .children()
        .filter(|node| node.is_element())
        .map(|node| (node.tag_name().name().to_owned(), text_below(node)))
        .collect();
    let get = |name: &str| elements.get(name).map(String::as_str).unwrap_or_default();
    if get("ToUserName") != openid {
        return Err(format!("ToUserName is `{}`, the user is {openid}", get("ToUserName")));
    }
    if get("FromUserName") != account.settings.original_id {
        return Err(format!(
            "FromUserName is `{}`, not {}",
            get("FromUserName"),
            account.settings.original_id
        ));
    }
    if get("CreateTime").parse::<i64>().is_err() {
        return Err(format!("CreateTime is `{}`, not seconds", get("CreateTime")));
    }
    let needed: &[&str] = match get("MsgType") {
        "text" => &["Content"],
        "image" => &["Image", "MediaId"],
        "voice" => &["Voice", "MediaId"],
        "video" => &["Video", "MediaId"],
        "music" => &["Music", "ThumbMediaId"],
        "news" => &["Articles", "item", "Title"],
        "transfer_customer_service" => &[],
        other => return Err(format!("MsgType `{other}` is not a passive reply")),
    };
    let end = needed.iter().try_fold(root, |node, name| child(node, name).ok_or(*name));
    match end {
        Err(name) => Err(format!("a reply of type {} needs {}: no {name}", get("MsgType"), needed.join("/"))),
        Ok(node) if !needed.is_empty() && text_below(node).is_empty() => {
            Err(format!("{} is empty", needed.join("/")))
        }
        Ok(_) => Ok(elements),
    }
}

fn text_below(node: Node<'_, '_>) -> String {
    let all: String =
        node.descendants().filter(|part| part.is_text()).filter_map(|part| part.text()).collect();
    all.trim().to_owned()
}
