//! The portal's documented answers, through the real client over real HTTP.

use std::path::Path;

use bitrix24::batch::BatchAnswer;
use bitrix24::client::shaped;
use bitrix24::crm::{CrmItem, StageMove, StatusRow};
use bitrix24::user::PortalUser;
use bitrix24::{Batch, Client, Error, RestBase};
use jiff::Timestamp;
use serde_json::{Value, json};
use simulators::http::{Server, answer};
use wire::ErrorClass;

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rest").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A client that may call this machine.
fn http() -> wire::Http {
    wire::Http::new(wire::Network::this_machine(), None).unwrap()
}

/// A portal that answers everything so.
async fn portal(status: u16, body: Value) -> (Client, Server) {
    let server = Server::start(0, move |_| {
        let body = body.clone();
        async move { Ok(answer(status, &body)) }
    })
    .await
    .unwrap();
    let base = RestBase::webhook(&format!("{}/rest/1/secret/", server.url()).into()).unwrap();
    (Client::new(http(), base), server)
}

async fn call(body: Value) -> Result<bitrix24::CallAnswer, Error> {
    let (client, _server) = portal(200, body).await;
    client.call("some.method", &json!({})).await
}

#[tokio::test]
async fn documented_items_users_stages_and_moves_are_read() {
    let mut updated = call(fixture("crm-item-update.json")).await.unwrap();
    let deal: CrmItem = shaped("crm.item.update", updated.result["item"].take()).unwrap();
    assert_eq!(
        (deal.id, deal.stage_id.as_deref(), deal.opportunity.as_deref()),
        (351, Some("C9:UC_NYL06U"), Some("10000"))
    );
    let mut listed = call(fixture("crm-item-list-lead.json")).await.unwrap();
    let leads: Vec<CrmItem> = shaped("crm.item.list", listed.result["items"].take()).unwrap();
    assert_eq!((leads.len(), listed.total, listed.next), (4, Some(4), None));
    let users: Vec<PortalUser> = call(fixture("user-get.json")).await.unwrap().decode("user.get").unwrap();
    assert_eq!(users[0].display_name().unwrap(), "Vadim Valeev");
    let statuses: Vec<StatusRow> =
        call(fixture("crm-status-list.json")).await.unwrap().decode("crm.status.list").unwrap();
    assert_eq!((statuses[0].status_id.as_deref(), statuses[0].name.as_deref()), (Some("NEW"), Some("New")));
    let mut history = call(fixture("crm-stagehistory-list.json")).await.unwrap();
    let moves: Vec<StageMove> = shaped("crm.stagehistory.list", history.result["items"].take()).unwrap();
    assert_eq!((moves[0].owner_id, moves[0].stage_id.as_deref()), (Some(21), Some("NEW")));
}

#[tokio::test]
async fn documented_batches_are_read_with_phps_empty_lists() {
    let batch = |body: Value| async move {
        let (client, _server) = portal(200, body).await;
        BatchAnswer::read(client.call("batch", &Batch::new().params()).await.unwrap())
    };
    let mut good = batch(fixture("batch-ok.json")).await;
    assert_eq!(good.take("get_user").unwrap().unwrap()["NAME"], "John");
    assert_eq!(good.total("get_department"), Some(1));
    assert!(good.take("never_asked").is_none());
    let mut failed = batch(fixture("batch-errors-halt0.json")).await;
    let error = failed.take("get_department").unwrap().unwrap_err();
    assert_eq!(
        (error.code(), error.class(Timestamp::UNIX_EPOCH)),
        (Some("insufficient_scope"), ErrorClass::permanent("insufficient_scope"))
    );
    let mut halted = batch(fixture("batch-errors-halt1.json")).await;
    assert!(halted.take("get_user").unwrap().is_err());
    assert!(halted.take("get_department").is_none(), "it was not made");
}

#[tokio::test]
async fn every_system_error_asks_for_something() {
    let errors = fixture("system-errors.json");
    let mut asked = Vec::new();
    for error in errors.as_array().unwrap() {
        let status = u16::try_from(error["http_status"].as_u64().unwrap()).unwrap();
        let (client, _server) = portal(status, error["body"].clone()).await;
        let refused = client.call("some.method", &json!({})).await.unwrap_err();
        let class = match refused.class(Timestamp::UNIX_EPOCH) {
            ErrorClass::Permanent { .. } => "permanent".to_owned(),
            other => format!("{other:?}"),
        };
        asked.push(format!("{status} {} {class}", refused.code().unwrap_or_default()));
    }
    insta::assert_snapshot!(asked.join("\n"));
}

#[tokio::test]
async fn method_errors_keep_their_code_and_words() {
    let error = call(fixture("crm-item-get-error.json")).await.unwrap_err();
    assert_eq!(
        (error.code(), error.class(Timestamp::UNIX_EPOCH)),
        (Some("not_found"), ErrorClass::permanent("not_found"))
    );
    let error = call(fixture("crm-item-list-error.json")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "some.method: invalid_arg_value: Invalid filter: field 'FIELD' is not allowed in filter"
    );
}

#[tokio::test]
async fn an_access_token_goes_in_the_body_and_never_in_the_address() {
    let server = Server::start(0, |request| async move {
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        Ok(answer(200, &json!({"result": {"auth": body["auth"], "uri": request.uri().to_string()}, "time": {}})))
    })
    .await
    .unwrap();
    let base = RestBase::OAuth { endpoint: format!("{}/rest/", server.url()), token: "s3cret".to_owned().into() };
    let client = Client::new(http(), base);
    let seen = client.call("crm.item.get", &json!({"id": 1})).await.unwrap().result;
    assert_eq!(seen, json!({"auth": "s3cret", "uri": "/rest/crm.item.get"}));
}

#[tokio::test]
async fn nobody_listening_is_told_from_an_answer_that_was_lost() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let base = RestBase::webhook(&format!("http://127.0.0.1:{port}/rest/1/s3cret/").into()).unwrap();
    let error = Client::new(http(), base).call("user.get", &json!({})).await.unwrap_err();
    assert_eq!(error.class(Timestamp::UNIX_EPOCH), ErrorClass::Transient);
    assert!(!error.to_string().contains("s3cret"), "{error}");
}
