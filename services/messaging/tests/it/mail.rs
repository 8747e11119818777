//! Mail through a real SMTP conversation.

use serde_json::{Value, json};
use wire::messaging::{ChannelKind, MessageState as State, Variant};

use crate::sink::Sink;
use crate::world::{World, request, somebody};

fn settings(sink: &Sink) -> Value {
    json!({ "host": "127.0.0.1", "port": sink.port, "from": "关系 <hello@example.com>", "tls": "none" })
}

async fn ready(addresses: &[&str]) -> (World, Sink) {
    let sink = Sink::start().await;
    let mut world = World::open().await;
    let person =
        |(n, address): (u32, &&str)| somebody(n, &[&format!("email={address}")], json!({"name": "韩梅梅"}));
    world.know(&(1..).zip(addresses).map(person).collect::<Vec<_>>());
    world.channel("mail", ChannelKind::Smtp, settings(&sink), "").await;
    world.template("hello", "您好,{{ profile.name }}").await;
    (world, sink)
}

#[tokio::test]
async fn text_and_html_go_out_as_alternatives_with_our_message_id() {
    let (mut world, sink) = ready(&["hanmeimei@example.cn"]).await;
    let variant = Variant {
        locale: "zh-CN".into(),
        subject: "{{ profile.name }},欢迎\n光临".into(),
        text: "您好".into(),
        html: "<p>您好,{{ profile.name }}</p>".into(),
    };
    world.variants("both", vec![variant]).await;
    let message = world.sent(request("k", 1, &["mail"], "both")).await;
    assert_eq!(message.state(), State::Sent, "{message:?}");
    let mails = sink.mails();
    let (recipient, text) = &mails[0];
    assert_eq!((mails.len(), recipient.as_str()), (1, "hanmeimei@example.cn"));
    let message_id = format!("<{}@example.com>", message.message_id);
    assert_eq!(message.provider_id, message_id);
    assert!(text.contains(&format!("Message-ID: {message_id}")), "{text}");
    assert!(
        text.contains("multipart/alternative") && text.contains("text/plain") && text.contains("text/html")
    );
    // 关系, encoded for a header (RFC 2047).
    assert!(text.contains("=?utf-8?b?5YWz57O7?= <hello@example.com>"), "{text}");
    assert!(text.contains("Date: Sat, 21 Nov 2026 02:00:00 +0000"), "{text}");
}

#[tokio::test]
async fn passing_refusals_are_tried_again_and_lasting_ones_are_not() {
    let (mut world, sink) = ready(&["451.a@example.cn", "550.b@example.cn", "c@example.cn"]).await;
    let passing = world.sent(request("a", 1, &["mail"], "hello")).await;
    let lasting = world.sent(request("b", 2, &["mail"], "hello")).await;
    let taken = world.sent(request("c", 3, &["mail"], "hello")).await;
    assert_eq!((passing.state(), passing.attempts[0].outcome.as_str()), (State::Deferred, "SMTP_451"));
    assert_eq!((lasting.state(), lasting.reason.as_str()), (State::Failed, "SMTP_550"));
    assert_eq!(taken.state(), State::Sent);
    sink.kept.lock().unwrap().recovered = true;
    world.stage.advance(std::time::Duration::from_secs(60)).await;
    assert_eq!(world.message(&passing.message_id).await.state(), State::Sent);
    // One connection served them all: a refusal does not spoil it.
    assert_eq!((sink.mails().len(), sink.kept.lock().unwrap().connections), (2, 1));
}

#[tokio::test]
async fn a_mail_without_an_answer_is_never_sent_again() {
    let (mut world, sink) = ready(&["cut.a@example.cn"]).await;
    let message = world.sent(request("a", 1, &["mail"], "hello")).await;
    assert_eq!((message.state(), message.reason.as_str()), (State::Unknown, "OUTCOME_UNKNOWN"));
    world.stage.advance(std::time::Duration::from_secs(86_400)).await;
    assert_eq!(sink.mails().len(), 1);
    let last = world.facts().await.pop().unwrap();
    assert_eq!((last.0.as_str(), last.1["reason"].as_str()), ("message.failed", Some("OUTCOME_UNKNOWN")));
}

#[tokio::test]
async fn many_mails_share_a_few_connections() {
    let addresses: Vec<String> = (0..300).map(|n| format!("user{n}@example.cn")).collect();
    let (mut world, sink) = ready(&addresses.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let requests = (1..=300).map(|n| request(&format!("k{n}"), n, &["mail"], "hello")).collect();
    world.api.send_messages(wire::messaging::SendMessagesRequest { requests }).await.unwrap();
    world.stage.settled().await;
    let mut recipients: Vec<String> = sink.mails().into_iter().map(|(recipient, _)| recipient).collect();
    recipients.sort();
    recipients.dedup();
    assert_eq!((recipients.len(), sink.mails().len()), (300, 300));
    assert!(sink.kept.lock().unwrap().connections <= 16);
}

#[tokio::test]
async fn a_test_connects_and_authenticates_and_sends_nothing() {
    let (mut world, sink) = ready(&[]).await;
    for (password, good) in [("right", true), ("wrong", false)] {
        let mut settings = settings(&sink);
        settings["username"] = json!("user");
        settings["password"] = json!(password);
        world.channel(&format!("mail-{password}"), ChannelKind::Smtp, settings, "").await;
        let request = wire::messaging::TestChannelRequest { key: format!("mail-{password}") };
        let answer = world.api.test_channel(request).await.unwrap().into_inner();
        assert_eq!(answer.ok, good, "{}", answer.message);
        assert_eq!(answer.message.contains("535"), !good, "{}", answer.message);
    }
    assert_eq!((sink.mails().len(), sink.asked()), (0, 0));
}
