//! Passive replies: taken when right, a failure when wrong.

use serde_json::{Value, json};

use crate::envelope;
use crate::receiver::Turn;
use crate::world::{APP_ID, GH, TOKEN, World, openid};

fn reply(fan: &str) -> String {
    format!(
        "<xml><ToUserName><![CDATA[{fan}]]></ToUserName><FromUserName><![CDATA[{GH}]]></FromUserName>\
         <CreateTime>1714112445</CreateTime><MsgType><![CDATA[text]]></MsgType>\
         <Content><![CDATA[欢迎]]></Content></xml>"
    )
}

fn wrap(sealed: &str, signature: &str) -> String {
    format!(
        "<xml><Encrypt><![CDATA[{sealed}]]></Encrypt><MsgSignature><![CDATA[{signature}]]></MsgSignature>\
         <TimeStamp>1713424427</TimeStamp><Nonce><![CDATA[415670741]]></Nonce></xml>"
    )
}

fn seal(message: &str, app_id: &str) -> String {
    let sealed = envelope::seal(message, app_id);
    wrap(&sealed, &envelope::sign(vec![TOKEN, "1713424427", "415670741", &sealed]))
}

async fn answer(world: &World, fan: &str, body: String) -> Value {
    world.receiver.script([Turn::Answer(200, body)]);
    world.act("message", json!({ "openid": fan, "text": "你好" })).await["delivery"].clone()
}

async fn refused(world: &World, fan: &str, body: String, why: &str) {
    let delivery = answer(world, fan, body).await;
    assert_eq!(delivery["outcome"], "failed", "{why}");
    assert_eq!(delivery["attempts"].as_array().unwrap().len(), 1, "a wrong answer is not retried");
    assert!(delivery["reason"].as_str().unwrap().contains(why), "{why}: {}", delivery["reason"]);
}

#[tokio::test]
async fn open_replies() {
    let world = World::start("plain").await;
    let fan = openid(&world.act("follow", json!({})).await);
    let taken = answer(&world, &fan, reply(&fan)).await;
    assert_eq!(taken["outcome"], "replied");
    assert_eq!(taken["reply"]["Content"], "欢迎");
    assert_eq!(answer(&world, &fan, String::new()).await["outcome"], "acknowledged");

    refused(&world, &fan, "ok".into(), "not XML").await;
    refused(&world, &fan, "success\n".into(), "not XML").await;
    refused(&world, &fan, reply("oSomebodyElse"), "ToUserName").await;
    refused(&world, &fan, reply(&fan).replace(GH, "gh_other"), "FromUserName").await;
    refused(&world, &fan, reply(&fan).replace("1714112445", "now"), "CreateTime").await;
    refused(&world, &fan, reply(&fan).replace("[text]", "[fax]"), "fax").await;
    refused(&world, &fan, reply(&fan).replace("欢迎", ""), "empty").await;
    refused(&world, &fan, reply(&fan).replace("[text]", "[news]"), "Articles").await;
    refused(&world, &fan, seal(&reply(&fan), APP_ID), "sealed reply in plain mode").await;
    let bomb = "<!DOCTYPE xml [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;\">]>";
    refused(&world, &fan, format!("{bomb}{}", reply(&fan).replace("<![CDATA[欢迎]]>", "&b;")), "DTD").await;
    refused(&world, &fan, format!("<!DOCTYPE xml>{}", reply(&fan)), "DTD").await;
    refused(&world, &fan, "<xml>".repeat(20_000), "longer than").await;
}

#[tokio::test]
async fn sealed_replies() {
    let world = World::start("safe").await;
    let fan = openid(&world.act("follow", json!({})).await);
    let taken = answer(&world, &fan, seal(&reply(&fan), APP_ID)).await;
    assert_eq!((&taken["outcome"], &taken["reply"]["Content"]), (&json!("replied"), &json!("欢迎")));

    refused(&world, &fan, reply(&fan), "open reply in safe mode").await;
    refused(&world, &fan, seal(&reply(&fan), "wx0000000000000000"), "sealed for").await;
    refused(&world, &fan, wrap(&envelope::seal(&reply(&fan), APP_ID), &"0".repeat(40)), "MsgSignature").await;
    refused(&world, &fan, seal(&reply("oSomebodyElse"), APP_ID), "ToUserName").await;
    refused(&world, &fan, seal("success", APP_ID), "not XML").await;
    refused(&world, &fan, seal(&reply(&fan), APP_ID).replace("Nonce", "Once"), "no Nonce").await;
}

#[tokio::test]
async fn compat_takes_both() {
    let world = World::start("compat").await;
    let fan = openid(&world.act("follow", json!({})).await);
    assert_eq!(answer(&world, &fan, reply(&fan)).await["outcome"], "replied");
    assert_eq!(answer(&world, &fan, seal(&reply(&fan), APP_ID)).await["outcome"], "replied");
}
