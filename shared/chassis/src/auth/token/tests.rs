//! Tokens that are believed, and those that are not. They are put together by hand, so that a forger's can be as well.

mod forge;
mod rotation;

use kernel::{Kind, Warp};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use self::forge::{Forge, NOW, hs256, signed_by_rsa, text};
use crate::auth::{Authenticator, MAX_TOKEN_BYTES};
use crate::caller::Caller;
use crate::config::{Auth, Common, Layers};

fn common(forge: &Forge) -> Common {
    let mut common: Common = Layers::default().merge().unwrap().section("common").unwrap();
    common.auth = Auth {
        jwks: forge.file(),
        issuer: "试".to_owned(),
        audience: "guanxi".to_owned(),
        ..Auth::default()
    };
    common
}

async fn door(forge: &Forge) -> (Authenticator, Warp) {
    let (clock, warp) = kernel::Clock::warped(kernel::Time::from_seconds(NOW));
    (Authenticator::open(&common(forge), &clock).await.unwrap(), warp)
}

async fn ask(door: &Authenticator, token: &str) -> kernel::Result<Caller> {
    door.authenticate(Some(&format!("Bearer {token}"))).await
}

/// Refused with `says` in the message, and nothing of the token in it.
async fn refuses(door: &Authenticator, token: &str, says: &str) {
    let error = ask(door, token).await.unwrap_err();
    assert_eq!((error.kind, error.reason), (Kind::Unauthenticated, "TOKEN_REFUSED"), "{says}");
    assert!(error.message.contains(says), "`{}` does not say `{says}`", error.message);
    for part in token.split('.').filter(|part| part.len() > 12) {
        assert!(!error.message.contains(part), "the token is in the message: {}", error.message);
    }
    assert!(!error.message.contains("canary"), "a claim is in the message: {}", error.message);
}

#[tokio::test]
async fn a_good_token_is_a_caller_with_its_workspace_subject_and_scopes() {
    let forge = Forge::new();
    let (door, _warp) = door(&forge).await;
    let good = forge.token(&forge.header(), &forge.claims());
    for token in [good.clone(), good, signed_by_rsa(&forge, &forge.claims())] {
        let caller = ask(&door, &token).await.unwrap();
        assert_eq!((caller.workspace.as_str(), &*caller.subject), ("shop-1", "canary-li.wei"));
        caller.require("profiles.read").unwrap();
        assert_eq!(caller.require("profiles.write").unwrap_err().kind, Kind::Forbidden);
    }
    let every = forge.token(&forge.header(), &forge.with("scope", json!("*")));
    ask(&door, &every).await.unwrap().require("anything.write").unwrap();
    let none = forge.token(&forge.header(), &forge.with("scope", json!("")));
    assert!(ask(&door, &none).await.unwrap().require("profiles.read").is_err());
    let several = forge.token(&forge.header(), &forge.with("aud", json!(["else", "guanxi"])));
    ask(&door, &several).await.unwrap();
}

#[tokio::test]
async fn algorithms_that_the_key_does_not_have_are_refused() {
    let forge = Forge::new();
    let (door, _warp) = door(&forge).await;
    let claims = forge.claims();
    let with_alg = |alg: &str, kid: &str| json!({"alg": alg, "typ": "JWT", "kid": kid});
    for none in ["none", "None", "NONE", "nOnE"] {
        let unsigned = format!("{}.{}.", text(&with_alg(none, forge.id())), text(&claims));
        refuses(&door, &unsigned, "no JSON Web Token").await;
        // With a signature that is right for what it says.
        refuses(&door, &forge.token(&with_alg(none, forge.id()), &claims), "no JSON Web Token").await;
    }
    // Key confusion: what is public, used as the secret of an HMAC, in every form it could be taken in.
    for secret in forge.public_forms() {
        for kid in [forge.id(), "rsa"] {
            refuses(&door, &hs256(&secret, &with_alg("HS256", kid), &claims), "its header says otherwise")
                .await;
        }
    }
    // The right signature under another name, and the other key's algorithm.
    for alg in ["RS256", "RS384", "PS256", "ES256", "HS512"] {
        refuses(&door, &forge.token(&with_alg(alg, forge.id()), &claims), "its header says otherwise").await;
    }
    refuses(&door, &forge.token(&with_alg("EdDSA", "rsa"), &claims), "its header says otherwise").await;
}

#[tokio::test]
async fn forged_signatures_are_refused() {
    let forge = Forge::new();
    let (door, _warp) = door(&forge).await;
    let good = forge.token(&forge.header(), &forge.claims());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let grander = text(&forge.with("scope", json!("*")));
    refuses(&door, &format!("{header}.{grander}.{signature}"), "signature is wrong").await;
    refuses(&door, &format!("{signed}."), "").await;
    refuses(&door, &Forge::new().token(&forge.header(), &forge.claims()), "signature is wrong").await;
}

#[tokio::test]
async fn another_issuer_or_audience_is_refused() {
    let forge = Forge::new();
    let (door, _warp) = door(&forge).await;
    for (claim, value, says) in [
        ("iss", json!("canary"), "another issuer than `试`"),
        ("iss", json!("试 "), "another issuer"),
        ("aud", json!("canary"), "another audience than `guanxi`"),
        ("aud", json!(["canary", "guanxi2"]), "another audience"),
        ("aud", json!([]), "another audience"),
    ] {
        refuses(&door, &forge.token(&forge.header(), &forge.with(claim, value)), says).await;
    }
}

#[tokio::test]
async fn tokens_without_a_claim_or_with_a_strange_one_are_refused() {
    let forge = Forge::new();
    let (door, _warp) = door(&forge).await;
    for claim in ["iss", "aud", "exp", "sub", "workspace", "scope"] {
        let says = format!("has no `{claim}`");
        refuses(&door, &forge.token(&forge.header(), &forge.without(claim)), &says).await;
        refuses(&door, &forge.token(&forge.header(), &forge.with(claim, Value::Null)), &says).await;
        let strange = forge.token(&forge.header(), &forge.with(claim, json!({"canary": 1})));
        refuses(&door, &strange, "are not what they should be").await;
    }
    for workspace in ["", "../demo", "demo/other", "Demo", "店", "de mo", "a'; drop table x", &"a".repeat(64)]
    {
        let token = forge.token(&forge.header(), &forge.with("workspace", json!(workspace)));
        refuses(&door, &token, "`workspace`").await;
    }
    refuses(&door, &forge.token(&forge.header(), &json!([1])), "").await;
}

#[tokio::test]
async fn keys_are_found_by_their_exact_id() {
    let forge = Forge::new();
    let (door, _warp) = door(&forge).await;
    let tricks = [
        "../../dev/null",
        "/etc/passwd",
        "file:///proc/self/environ",
        "https://evil.example/jwks",
        "' or '1'='1",
        "*",
        " ",
    ];
    for kid in tricks {
        let header = json!({"alg": "EdDSA", "kid": kid});
        refuses(&door, &forge.token(&header, &forge.claims()), "is not in the key set").await;
    }
    let header = json!({"alg": "EdDSA", "kid": "k".repeat(3_000)});
    refuses(&door, &forge.token(&header, &forge.claims()), "\"…\" is not in the key set").await;
    refuses(&door, &forge.token(&json!({"alg": "EdDSA"}), &forge.claims()), "names no key").await;
    // A key that the token brings along itself, and demands that nobody here understands.
    let brought = json!({"alg": "EdDSA", "kid": "mine", "jwk": forge.jwk()});
    refuses(&door, &forge.token(&brought, &forge.claims()), "is not in the key set").await;
    let critical = json!({"alg": "EdDSA", "kid": forge.id(), "crit": ["b64"], "b64": false});
    refuses(&door, &forge.token(&critical, &forge.claims()), "`crit`").await;
}

#[tokio::test]
async fn huge_and_damaged_tokens_are_refused() {
    let forge = Forge::new();
    let (door, _warp) = door(&forge).await;
    // It is right in everything but its length.
    let scope = format!("profiles.read {}", "x".repeat(MAX_TOKEN_BYTES));
    refuses(
        &door,
        &forge.token(&forge.header(), &forge.with("scope", json!(scope))),
        "longer than 8192 bytes",
    )
    .await;
    let good = forge.token(&forge.header(), &forge.claims());
    let parts: Vec<&str> = good.split('.').collect();
    for damaged in [
        String::new(),
        "x".to_owned(),
        "..".to_owned(),
        "a.b".to_owned(),
        "a.b.c.d.e".to_owned(),
        format!("{good}."),
        format!("{good}="),
        format!("{}.{}", parts[0], parts[1]),
        format!("{}.{}!.{}", parts[0], parts[1], parts[2]),
        format!("!{good}"),
        good.replace('.', ". "),
        good.replace('.', "\u{0}"),
    ] {
        refuses(&door, &damaged, "").await;
    }
    for header in [None, Some("dev"), Some("Basic ZGV2Og=="), Some("Bearer"), Some("Bearer dev")] {
        assert_eq!(door.authenticate(header).await.unwrap_err().kind, Kind::Unauthenticated, "{header:?}");
    }
}

#[test]
fn every_change_of_a_token_is_refused() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let forge = Forge::new();
    let (door, _warp) = runtime.block_on(door(&forge));
    let good = forge.token(&forge.header(), &forge.claims());
    runtime.block_on(ask(&door, &good)).unwrap();
    let change = (0..good.len(), proptest::char::range(' ', '~'));
    let outcome = TestRunner::default().run(&change, |(at, with)| {
        let mut changed: Vec<char> = good.chars().collect();
        prop_assume!(changed[at] != with);
        changed[at] = with;
        let changed: String = changed.into_iter().collect();
        prop_assume!(changed.trim() != good);
        prop_assert!(runtime.block_on(ask(&door, &changed)).is_err(), "{changed}");
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn a_token_counts_between_its_times_and_thirty_seconds_more() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let forge = Forge::new();
    let (door, _warp) = runtime.block_on(door(&forge));
    let times = (-100_i64..100, proptest::option::of(-100_i64..100), any::<bool>());
    let outcome = TestRunner::default().run(&times, |(expires, begins, fraction)| {
        let mut claims = forge.claims();
        claims["exp"] = if fraction { json!((NOW + expires) as f64 + 0.5) } else { json!(NOW + expires) };
        if let Some(begins) = begins {
            claims["nbf"] = json!(NOW + begins);
        }
        let good = expires + 30 > 0 - i64::from(fraction) && begins.is_none_or(|begins| begins <= 30);
        let answer = runtime.block_on(ask(&door, &forge.token(&forge.header(), &claims)));
        prop_assert_eq!(answer.is_ok(), good, "{:?}", answer.err());
        Ok(())
    });
    outcome.unwrap();
}

#[tokio::test]
async fn a_token_that_was_believed_ends_with_its_time() {
    let forge = Forge::new();
    let (door, warp) = door(&forge).await;
    let token = forge.token(&forge.header(), &forge.claims());
    ask(&door, &token).await.unwrap();
    warp.advance_to(kernel::Time::from_seconds(NOW + 329));
    ask(&door, &token).await.unwrap();
    warp.advance_to(kernel::Time::from_seconds(NOW + 330));
    refuses(&door, &token, "expired since 2026-11-21T02:05:00Z").await;
    let later = forge.token(&forge.header(), &forge.with("nbf", json!(NOW + 9_999)));
    refuses(&door, &later, "expired").await;
    let mut claims = forge.with("nbf", json!(NOW + 9_999));
    claims["exp"] = json!(NOW + 99_999);
    refuses(&door, &forge.token(&forge.header(), &claims), "not valid before").await;
}

#[tokio::test]
async fn development_mode_adds_its_token() {
    let forge = Forge::new();
    let clock = kernel::Clock::warped(kernel::Time::from_seconds(NOW)).0;
    let both = Authenticator::open(&Common { dev: true, ..common(&forge) }, &clock).await.unwrap();
    let good = forge.token(&forge.header(), &forge.claims());
    assert_eq!(ask(&both, "dev").await.unwrap().workspace.as_str(), "demo");
    assert_eq!(ask(&both, &good).await.unwrap().workspace.as_str(), "shop-1");
    let alone = Common { dev: true, auth: Auth::default(), ..common(&forge) };
    let alone = Authenticator::open(&alone, &clock).await.unwrap();
    assert_eq!(ask(&alone, "dev").await.unwrap().workspace.as_str(), "demo");
    refuses(&alone, &good, "development mode knows `dev`").await;
}

#[tokio::test]
async fn settings_under_which_nobody_or_anybody_could_call_are_refused() {
    let forge = Forge::new();
    let clock = kernel::Clock::warped(kernel::Time::from_seconds(NOW)).0;
    let good = common(&forge).auth;
    for (auth, says) in [
        (Auth { jwks: String::new(), ..good.clone() }, "common.auth.jwks: there is no key set"),
        (Auth { issuer: " ".to_owned(), ..good.clone() }, "common.auth.issuer: is empty"),
        (Auth { audience: String::new(), ..good.clone() }, "common.auth.audience: is empty"),
        (Auth { jwks: "/nowhere/jwks.json".to_owned(), ..good.clone() }, "/nowhere/jwks.json cannot be read"),
        (Auth { jwks: "/".to_owned(), ..good.clone() }, "/ cannot be read"),
        (Auth { jwks: forge.damaged_file(), ..good }, "it is no key set"),
    ] {
        let error = Authenticator::open(&Common { auth, ..common(&forge) }, &clock).await.unwrap_err();
        assert_eq!(error.kind, Kind::Precondition, "{error}");
        assert!(error.message.contains(says), "{error}");
    }
}
