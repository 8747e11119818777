//! Custom send, user info and user list, on a virtual clock.

use std::time::Duration;

use serde_json::json;

use crate::world::{APP_ID, World, openid};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn windows_open_run_out_and_close() {
    let world = World::start("plain").await;
    let token = world.token().await;
    let fan = openid(&world.act("follow", json!({})).await);
    for expected in [0, 0, 0, 45047] {
        assert_eq!(world.send_text(&token, &fan).await, expected);
    }
    world.advance(MINUTE);
    assert_eq!(world.send_text(&token, &fan).await, 45015);

    world.act("message", json!({ "openid": fan, "text": "请问几点关门" })).await;
    for expected in [0, 0, 0, 0, 0, 45047] {
        assert_eq!(world.send_text(&token, &fan).await, expected);
    }
    for action in [json!({ "key": "V1_HOURS" }), json!({ "scene": "8" })] {
        let kind = if action.get("key").is_some() { "menu_click" } else { "scan" };
        let mut action = action;
        action["openid"] = fan.clone().into();
        world.act(kind, action).await;
        for expected in [0, 0, 0, 45047] {
            assert_eq!(world.send_text(&token, &fan).await, expected, "{kind}");
        }
    }
    world.act("message", json!({ "openid": fan, "text": "谢谢" })).await;
    world.act("unfollow", json!({ "openid": fan })).await;
    assert_eq!(world.send_text(&token, &fan).await, 45015);

    let sent = world.sent(&fan).await;
    assert_eq!(sent.len(), 3 + 5 + 3 + 3);
    assert_eq!(sent[0]["message"]["text"]["content"], "您好,欢迎光临");
    assert!(sent[0]["at"].as_str().unwrap().starts_with("2026-11-21T02:00:00"));
}

#[tokio::test]
async fn the_48_hours_end_to_the_second_and_a_link_opens_nothing() {
    let world = World::start("plain").await;
    let fan = openid(&world.act("message", json!({ "text": "你好" })).await);
    world.advance(48 * 60 * MINUTE - Duration::from_secs(1));
    let token = world.token().await;
    assert_eq!(world.send_text(&token, &fan).await, 0);
    world.advance(Duration::from_secs(1));
    assert_eq!(world.send_text(&token, &fan).await, 45015);
    world.act("menu_click", json!({ "openid": fan, "key": "https://shop.example/" })).await;
    assert_eq!(world.send_text(&token, &fan).await, 45015);
}

#[tokio::test]
async fn an_action_in_the_past_opens_its_window_then() {
    let world = World::start("plain").await;
    let token = world.token().await;
    let answer = world.act("message", json!({ "text": "你好", "at": "2026-11-19T10:00:00+08:00" })).await;
    assert!(answer["delivery"]["xml"].as_str().unwrap().contains("<CreateTime>1795053600<"), "{answer}");
    assert_eq!(world.send_text(&token, &openid(&answer)).await, 45015);
}

#[tokio::test]
async fn bodies_are_read_by_content_and_refused_by_code() {
    let world = World::start("plain").await;
    let token = world.token().await;
    let fan = openid(&world.act("message", json!({ "text": "你好" })).await);
    let with = |rest: &str| format!(r#"{{"touser":"{fan}",{rest}}}"#);
    let long = with(&format!(r#""msgtype":"text","text":{{"content":"{}"}}"#, "长".repeat(683)));
    for (body, code) in [
        (String::new(), 44002),
        ("{".to_owned(), 47001),
        ("[1]".to_owned(), 47001),
        ("null".to_owned(), 47001),
        ("touser=o1&msgtype=text".to_owned(), 47001),
        ("[".repeat(100_000), 47001),
        (with(r#""msgtype":"text","text":{"content":"\u4f60\u597d"}"#), 40033),
        ("{}".to_owned(), 40003),
        (r#"{"touser":7}"#.to_owned(), 40003),
        (r#"{"touser":"oNobody","msgtype":"text","text":{"content":"x"}}"#.to_owned(), 40003),
        (with(r#""msgtype":null"#), 40008),
        (with(r#""msgtype":"fax","fax":{}"#), 40008),
        (with(r#""msgtype":"text""#), 44004),
        (with(r#""msgtype":"text","text":{"content":""}"#), 44004),
        (with(r#""msgtype":"text","text":"x""#), 44004),
        (long, 45002),
        (with(r#""msgtype":"image","image":{}"#), 40007),
        (with(r#""msgtype":"news","news":{"articles":[]}"#), 44004),
        (with(r#""msgtype":"news","news":{"articles":[{},{}]}"#), 45008),
        (with(r#""msgtype":"msgmenu","msgmenu":{"list":[]}"#), 44004),
    ] {
        assert_eq!(world.send(&token, &body).await, code, "{}", body.chars().take(120).collect::<String>());
    }
    assert!(world.sent(&fan).await.is_empty(), "a refused message costs nothing");
    for rest in [
        r#""msgtype":"text","text":{"content":"C:\\users 你好"}"#,
        r#""msgtype":"image","image":{"media_id":"m1"}"#,
        r#""msgtype":"news","news":{"articles":[{"title":"双11"}]}"#,
        r#""msgtype":"msgmenu","msgmenu":{"head_content":"满意吗","list":[{"id":"1","content":"满意"}]}"#,
        r#""msgtype":"miniprogrampage","miniprogrampage":{"title":"商城"}"#,
    ] {
        assert_eq!(world.send(&token, &with(rest)).await, 0, "{rest}");
    }
    let path = format!("/cgi-bin/message/custom/send?access_token={token}");
    assert_eq!(world.get(&path).await["errcode"], 43002);
    let (status, _) = world.post(&path, vec![0xFF, 0xFE]).await;
    assert_eq!(status, 200);
    assert_eq!(world.get("/cgi-bin/nothing").await["errcode"], 40066);
}

#[tokio::test]
async fn users_are_shown_and_listed_while_they_follow() {
    let world = World::start("plain").await;
    let token = world.token().await;
    let by_code = openid(&world.act("scan", json!({ "scene": "store_7", "unionid": "oUnion7" })).await);
    let by_search = openid(&world.act("follow", json!({})).await);
    let info = |openid: &str| format!("/cgi-bin/user/info?access_token={token}&openid={openid}&lang=zh_CN");
    let shown = world.get(&info(&by_code)).await;
    assert_eq!(shown["subscribe"], 1);
    assert_eq!(shown["subscribe_scene"], "ADD_SCENE_QR_CODE");
    assert_eq!(shown["qr_scene_str"], "store_7");
    assert_eq!(shown["subscribe_time"], world.clock.now().seconds());
    assert_eq!(shown["unionid"], "oUnion7");
    assert!(shown.get("nickname").is_none());
    assert_eq!(world.get(&info("oNobody")).await["errcode"], 40003);
    assert_eq!(world.get(&info("")).await["errcode"], 41009);

    let list = format!("/cgi-bin/user/get?access_token={token}");
    let page = world.get(&list).await;
    assert_eq!((&page["total"], &page["count"]), (&json!(2), &json!(2)));
    let last = page["next_openid"].as_str().unwrap();
    let end = world.get(&format!("{list}&next_openid={last}")).await;
    assert_eq!((&end["count"], &end["next_openid"]), (&json!(0), &json!("")));

    world.act("unfollow", json!({ "openid": by_search })).await;
    let gone = world.get(&info(&by_search)).await;
    assert_eq!(gone["subscribe"], 0);
    assert!(gone.get("subscribe_time").is_none());
    assert_eq!(world.get(&list).await["data"]["openid"], json!([by_code]));
    let fans = world.get(&format!("/_sim/wechat_oa/fans?app_id={APP_ID}")).await;
    assert_eq!(fans["fans"].as_array().unwrap().len(), 2);
}
