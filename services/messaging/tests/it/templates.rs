//! Templates are checked when saved and rendered for a customer.

use chassis::values::to_struct;
use serde_json::json;
use wire::messaging as pb;
use wire::messaging::render_template_request::Customer;
use wire::messaging::{MessageState as State, Variant};

use crate::world::{World, customer_id, request, somebody, violations};

fn variant(locale: &str, text: &str) -> Variant {
    Variant { locale: locale.into(), text: text.into(), ..Variant::default() }
}

#[tokio::test]
async fn mistakes_are_refused_at_create_and_update() {
    let mut world = World::open().await;
    world.template("t", "好").await;
    let wrong = |key: &str| pb::Template {
        key: key.into(),
        variants: vec![
            variant("zh-CN", "好"),
            variant("en", "line one\n{{ vars.x | }}"),
            variant("EN", "{{ foo }}"),
        ],
        ..pb::Template::default()
    };
    let create = pb::CreateTemplateRequest { template: Some(wrong("new")) };
    let update = pb::UpdateTemplateRequest { template: Some(wrong("t")) };
    let refusals = [
        world.api.create_template(create).await.unwrap_err(),
        world.api.update_template(update).await.unwrap_err(),
    ];
    for refused in refusals {
        let found = violations(&refused);
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(found[0].0, "template.variants[1].text");
        assert!(found[0].1.starts_with("2:"), "{}", found[0].1);
        assert_eq!(found[1].0, "template.variants[2].locale");
        assert!(found[2].1.starts_with("1:4: `foo` is unknown"), "{}", found[2].1);
    }
    let kept = world.api.get_template(pb::GetTemplateRequest { key: "t".into() }).await.unwrap().into_inner();
    assert_eq!(kept.template.unwrap().variants.len(), 1);
}

#[tokio::test]
async fn the_locale_is_the_callers_else_the_customers_else_the_first() {
    let mut world = World::open().await;
    world.know(&[
        somebody(1, &["user_id=u1"], json!({"name": "Li Lei", "locale": "en-GB"})),
        somebody(2, &["user_id=u2"], json!({"name": "李雷", "locale": "fr"})),
    ]);
    let text = "{{ profile.name }} {{ vars.n }} {{ event.total }} {{ event.properties.total }} {{ customer.user_id }}";
    world.variants("t", vec![variant("zh-CN", text), variant("en", &format!("en {text}"))]).await;
    let mut render = async |customer: u32, locale: &str| {
        let properties = to_struct(json!({"total": 99.5}).as_object().unwrap().clone());
        let request = pb::RenderTemplateRequest {
            key: "t".into(),
            locale: locale.into(),
            customer: Some(Customer::CustomerId(customer_id(customer))),
            variables: Some(to_struct(json!({"n": 3}).as_object().unwrap().clone())),
            event: Some(wire::event::Event { properties: Some(properties), ..wire::event::Event::default() }),
        };
        let answer = world.api.render_template(request).await.unwrap().into_inner();
        (answer.locale, answer.content.unwrap().text)
    };
    assert_eq!(render(1, "").await, ("en".to_owned(), "en Li Lei 3 99.5 99.5 u1".to_owned()));
    assert_eq!(render(2, "").await, ("zh-CN".to_owned(), "李雷 3 99.5 99.5 u2".to_owned()));
    assert_eq!(render(2, "en-US").await.0, "en");
}

#[tokio::test]
async fn a_missing_value_fails_the_message_and_says_where() {
    let mut world = World::open().await;
    world.know(&[somebody(1, &[], json!({}))]);
    world.sandbox("box").await;
    world.sandbox("other").await;
    world.template("t", "您好\n{{ profile.name }},您的验证码 {{ vars.code }}").await;
    let message = world.sent(request("k", 1, &["box", "other"], "t")).await;
    assert_eq!((message.state(), message.reason.as_str()), (State::Failed, "RENDER_FAILED"));
    assert_eq!(message.attempts.len(), 1);
    let detail = &message.attempts[0].detail;
    assert!(
        detail.contains("line 2") && detail.contains("profile.name") && detail.contains("default"),
        "{detail}"
    );
    let render = pb::RenderTemplateRequest { key: "t".into(), ..pb::RenderTemplateRequest::default() };
    let refused = world.api.render_template(render).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
    assert!(refused.message().contains("profile.name"), "{refused}");
}
