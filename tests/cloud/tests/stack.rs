//! The stack as a whole: what the emulator does not know of it, what changes when it is deployed again and rolled back, and what
//! remains when it is deleted.

use cloud::{Company, left_out, parameters};
use serde_json::json;

#[tokio::test]
async fn what_the_emulator_does_not_know_is_left_out() -> anyhow::Result<()> {
    insta::assert_snapshot!(left_out().await?, @r"
    AWS::CloudWatch::Alarm AccessAlarm
    AWS::CloudWatch::Alarm ApiFailuresAlarm
    AWS::CloudWatch::Alarm Bitrix24DeliveryStalledAlarm
    AWS::CloudWatch::Alarm Bitrix24EventsStalledAlarm
    AWS::CloudWatch::Alarm ExpiringLettersAlarm
    AWS::CloudWatch::Alarm IngressAlarm
    AWS::CloudWatch::Alarm RecordSyncStalledAlarm
    AWS::CloudWatch::Alarm ScheduleAlarm
    AWS::CloudWatch::Alarm SilenceAlarm
    AWS::CloudWatch::Alarm SlackCommandsStalledAlarm
    AWS::CloudWatch::Alarm SlackDeliveryStalledAlarm
    AWS::CloudWatch::Alarm SlackEventsStalledAlarm
    AWS::CloudWatch::Alarm SlowWorkersAlarm
    AWS::CloudWatch::Alarm TablesAlarm
    AWS::CloudWatch::Alarm TenantJobsStalledAlarm
    AWS::CloudWatch::Alarm TokenAlarm
    AWS::CloudWatch::Alarm WorkerErrorsAlarm
    AWS::CloudWatch::Alarm WorkerThrottlesAlarm
    AWS::CodeDeploy::Application ServerlessDeploymentApplication
    AWS::CodeDeploy::DeploymentGroup Bitrix24WebhookFunctionDeploymentGroup
    AWS::CodeDeploy::DeploymentGroup NotionWebhookFunctionDeploymentGroup
    AWS::CodeDeploy::DeploymentGroup SlackWebhookFunctionDeploymentGroup
    AWS::Logs::QueryDefinition ApiFailuresQuery
    AWS::Logs::QueryDefinition ApiRefusedQuery
    AWS::Logs::QueryDefinition ByAddressQuery
    AWS::Logs::QueryDefinition DeadQuery
    AWS::Logs::QueryDefinition LagQuery
    AWS::Logs::QueryDefinition RefusedQuery
    AWS::Logs::QueryDefinition RetryQuery
    AWS::Logs::QueryDefinition TenantQuery
    AWS::Logs::QueryDefinition TraceQuery
    AWS::Logs::QueryDefinition TroubleQuery
    AWS::SQS::QueuePolicy Bitrix24DeliveryDeadPolicy
    AWS::SQS::QueuePolicy Bitrix24DeliveryPolicy
    AWS::SQS::QueuePolicy Bitrix24EventsDeadPolicy
    AWS::SQS::QueuePolicy Bitrix24EventsPolicy
    AWS::SQS::QueuePolicy RecordSyncDeadPolicy
    AWS::SQS::QueuePolicy RecordSyncPolicy
    AWS::SQS::QueuePolicy SlackCommandsDeadPolicy
    AWS::SQS::QueuePolicy SlackCommandsPolicy
    AWS::SQS::QueuePolicy SlackDeliveryDeadPolicy
    AWS::SQS::QueuePolicy SlackDeliveryPolicy
    AWS::SQS::QueuePolicy SlackEventsDeadPolicy
    AWS::SQS::QueuePolicy SlackEventsPolicy
    AWS::SQS::QueuePolicy TenantJobsDeadPolicy
    AWS::SQS::QueuePolicy TenantJobsPolicy
    AWS::SecretsManager::ResourcePolicy KeyRingPolicy
    AWS::SecretsManager::ResourcePolicy OAuthAppsPolicy
    AWS::SecretsManager::ResourcePolicy SlackSigningPolicy
    ");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_parameter_goes_live_and_is_taken_back_and_what_is_deleted_leaves_the_data() -> anyhow::Result<()> {
    let mut company = Company::connect(|_| json!({"group_bursts": null})).await?;
    a_card_comes(&company, "Roof").await?;

    let names = parameters(&company.sandbox);
    let names = names.each_ref().map(|(name, value)| (*name, value.as_str()));
    company.stack.update(&[&names[..], &[("LogLevel", "debug")][..]].concat()).await?;
    a_card_comes(&company, "Fence").await?;
    assert_eq!(company.stack.configuration("slack-delivery").await?["Environment"]["Variables"]["LOG_LEVEL"], "debug");

    let said = company.stack.run("rollback", &[]).await?;
    assert!(said.contains("SlackDeliveryFunction: answers"), "{said}");
    assert_eq!(company.stack.configuration("slack-delivery").await?["Environment"]["Variables"]["LOG_LEVEL"], "info");
    a_card_comes(&company, "Garage").await?;

    policies_are_enforced(&company).await?;
    what_is_deleted_leaves_the_data(&company).await
}

async fn a_card_comes(company: &Company, title: &str) -> anyhow::Result<()> {
    company.sandbox.portal.add_deal(title, 1, "EUR");
    let last = || company.sandbox.slack.texts("sales-pipeline").pop();
    company.stack.until("the card", async || last() == Some(format!("New deal: {title}"))).await
}

/// A function may not do what only others may.
async fn policies_are_enforced(company: &Company) -> anyhow::Result<()> {
    let stack = &company.stack;
    let portals = json!({"TableName": stack.resource("Portals")?});
    assert_eq!(stack.ask_as("slack-delivery", "dynamodb", "scan", &portals).await?, "AccessDeniedException");
    let queue = json!({"QueueUrl": stack.resource("SlackDelivery")?, "AttributeNames": ["All"]});
    assert_eq!(stack.ask_as("slack-delivery", "sqs", "get_queue_attributes", &queue).await?, "");
    Ok(())
}

async fn what_is_deleted_leaves_the_data(company: &Company) -> anyhow::Result<()> {
    let stack = &company.stack;
    let remaining = stack.remove().await?;
    assert_eq!((remaining["functions"].len(), remaining["queues"].len()), (0, 0), "{remaining:?}");
    // Limits need not be kept.
    let mut tables = remaining["tables"].clone();
    tables.sort();
    let retained = [stack.resource("Ledger")?, stack.resource("Links")?, stack.resource("Portals")?];
    assert_eq!(tables, retained);
    let mut secrets = remaining["secrets"].clone();
    secrets.sort();
    let names = ["key-ring", "oauth-apps", "slack-signing-secrets"];
    assert_eq!(secrets, names.map(|name| format!("switchboard-dev/{name}")));
    Ok(())
}
