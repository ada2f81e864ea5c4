//! Events that look like a portal's and do not carry its token, or its key.

use std::collections::BTreeSet;

use journeys::estate::Estate;
use journeys::{Stage, World};
use simulators::estate::BITRIX24_APP;

use super::{FORM, Reply, client, sent, waiting};

async fn post(url: &str, body: String) -> Reply {
    sent(client().post(url).header("content-type", FORM).body(body)).await
}

/// An event with this `auth`, given as it stands in a form.
fn event(auth: &str) -> String {
    format!("event=ONCRMDEALADD&data[FIELDS][ID]=1&ts=1795000000&auth[domain]=acme.bitrix24.com{auth}")
}

#[tokio::test]
async fn an_event_without_the_portals_own_token_is_refused_with_one_text_for_all() {
    let world = World::start_on(Stage::Sockets).await;
    let known = world.sandbox.portal.credentials();
    let (member, token) = (known.member_id.as_str(), known.application_token.as_str());
    let with_token = |token: &str| event(&format!("&auth[member_id]={member}&auth[application_token]={token}"));
    let with_member = |member: &str| event(&format!("&auth[member_id]={member}&auth[application_token]={token}"));
    let cases = [
        ("a wrong token", with_token("jvh9y1ulvt2m6k5or90v9mg8nn32ozaX")),
        ("an empty token", with_token("")),
        ("no token", event(&format!("&auth[member_id]={member}"))),
        ("a bare token", event(&format!("&auth[member_id]={member}&application_token={token}"))),
        ("brackets as token", with_token("[]")),
        ("encoded brackets as token", with_token("%5B%5D")),
        ("32 zero bytes as token", with_token(&"%00".repeat(32))),
        ("the token of nobody, in hexadecimal", with_token(&"0".repeat(64))),
        ("null as token", with_token("null")),
        ("undefined as token", with_token("undefined")),
        ("true as token", with_token("1")),
        ("the token cut short", with_token(&token[1..])),
        ("a longer token", with_token(&format!("{token}0"))),
        ("the token with a zero byte", with_token(&format!("{token}%00"))),
        ("the token with a blank", with_token(&format!("{token}+"))),
        ("the token in upper case", with_token(&token.to_uppercase())),
        ("a list as token", event(&format!("&auth[member_id]={member}&auth[application_token][]={token}"))),
        ("a list of one as token", event(&format!("&auth[member_id]={member}&auth[application_token][0]={token}"))),
        ("the token in another place", event(&format!("&auth[member_id]={member}&auth[token]={token}"))),
        ("a text as auth", format!("event=ONCRMDEALADD&auth={member}")),
        ("auth overwritten by a text", format!("{}&auth=x", with_token(token))),
        ("the token overwritten by a wrong one", format!("{}&auth[application_token]=x", with_token(token))),
        ("nobody's member_id", with_member(&"0".repeat(32))),
        ("an empty member_id", with_member("")),
        ("no member_id", event(&format!("&auth[application_token]={token}"))),
        ("a list as member_id", event(&format!("&auth[member_id][]={member}&auth[application_token]={token}"))),
        ("the list of tenants", with_member("%23tenants")),
        ("the partition of codes", with_member("%23admin")),
        ("a part of the tenant", with_member(&format!("{member}%23bot"))),
        ("a way out", with_member(&format!("..%2f{member}"))),
        ("a zero byte behind the member_id", with_member(&format!("{member}%00"))),
        ("a blank behind the member_id", with_member(&format!("{member}+"))),
        ("a line end behind the member_id", with_member(&format!("{member}%0A"))),
        ("the member_id cut short", with_member(&member[..member.len() - 1])),
        ("a longer member_id", with_member(&format!("{member}0"))),
        ("65 characters as member_id", with_member(&"a".repeat(65))),
    ];
    let mut texts = BTreeSet::new();
    for (what, body) in cases {
        let reply = post(&world.webhook, body).await;
        assert_eq!(
            (reply.status, reply.json()["error"].as_str()),
            (401, Some("wrong_token")),
            "{what}: {}",
            reply.text
        );
        texts.insert(reply.text);
    }
    assert_eq!(texts.len(), 1, "the answers tell what was wrong: {texts:?}");
    assert_eq!(waiting(&world.engine.backend).await, 0);
    assert_eq!(post(&world.webhook, with_token(token)).await.status, 200);
    assert_eq!(waiting(&world.engine.backend).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_with_a_key_takes_nothing_without_the_right_one() {
    let estate = Estate::start_on(Stage::Sockets, 2).await;
    estate.install(0).await;
    estate.install(1).await;
    let (own, other) = (estate.tenant(0), estate.tenant(1));
    let key = async |company: usize| {
        let url = estate.connections.hook_url(&estate.tenant(company), "").await.unwrap();
        url.split("key=").nth(1).unwrap().to_owned()
    };
    let (good, others) = (key(0).await, key(1).await);
    let token = estate.sandbox.authority.application_token(&estate.sandbox.portals[0], BITRIX24_APP.0);
    let body = event(&format!("&auth[member_id]={own}&auth[application_token]={token}"));
    let before = waiting(&estate.engine.backend).await;
    let path = format!("/webhooks/{own}/bitrix24");
    let mut texts = BTreeSet::new();
    for (what, query) in [
        ("an empty key", "key=".to_owned()),
        ("a bare key", "x&key=".to_owned()),
        ("a wrong key", "key=x".to_owned()),
        ("a wrong key before the right one", format!("key=x&key={good}")),
        ("an empty key before the right one", format!("key=&key={good}")),
        ("the other tenant's key", format!("key={others}")),
        ("the key cut short", format!("key={}", &good[1..])),
        ("a longer key", format!("key={good}0")),
        ("the key in upper case", format!("key={}", good.to_uppercase())),
        ("the key with a zero byte", format!("key={good}%00")),
        ("a wrong key beside another field", "a=b&key=bogus".to_owned()),
        ("32 zero bytes as key", format!("key={}", "%00".repeat(32))),
        ("the application token as key", format!("key={token}x")),
    ] {
        for path in [path.as_str(), "/webhooks/bitrix24"] {
            let reply = post(&format!("{}{path}?{query}", estate.url), body.clone()).await;
            let told = reply.json()["error"].as_str().map(str::to_owned);
            assert_eq!((reply.status, told.as_deref()), (401, Some("wrong_token")), "{what} at {path}: {}", reply.text);
            texts.insert(reply.text);
        }
    }
    assert_eq!(texts.len(), 1, "the answers tell what was wrong: {texts:?}");
    // The right key, with another tenant's name in the body or in the address.
    let of_other = body.replace(own.as_str(), other.as_str());
    let tried = post(&format!("{}{path}?key={good}", estate.url), of_other).await;
    assert_eq!(tried.status, 401, "{}", tried.text);
    let tried = post(&format!("{}/webhooks/{other}/bitrix24?key={good}", estate.url), body.clone()).await;
    assert_eq!(tried.status, 404, "{}", tried.text);
    assert_eq!(waiting(&estate.engine.backend).await, before);
    assert_eq!(post(&format!("{}{path}?key={good}", estate.url), body).await.status, 200);
}
