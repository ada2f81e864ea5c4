//! The stack as a whole: what the emulator does not know of it, what changes when it is deployed again, and what remains when
//! it is deleted.

use cloud::{Company, left_out};
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
    AWS::SecretsManager::ResourcePolicy KeyRingPolicy
    AWS::SecretsManager::ResourcePolicy OAuthAppsPolicy
    AWS::SecretsManager::ResourcePolicy SlackSigningPolicy
    ");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_is_deleted_leaves_what_is_retained() -> anyhow::Result<()> {
    let company = Company::connect(|_| json!({})).await?;
    let stack = &company.stack;
    company.sandbox.portal.add_deal("Roof", 1, "EUR");
    let cards = || company.sandbox.slack.texts("sales-pipeline").len();
    stack.until("the card", async || cards() == 1).await?;
    // Policies are enforced: a function may not do what only others may.
    let portals = json!({"TableName": stack.resource("Portals")?});
    let refused = stack.ask_as("slack-delivery", "dynamodb", "scan", &portals).await?;
    assert_eq!(refused, "AccessDeniedException");
    let described = json!({"QueueUrl": stack.resource("SlackDelivery")?, "AttributeNames": ["All"]});
    assert_eq!(stack.ask_as("slack-delivery", "sqs", "get_queue_attributes", &described).await?, "");

    let remaining = stack.remove().await?;
    assert_eq!(remaining["functions"], [""; 0]);
    assert_eq!(remaining["queues"], [""; 0]);
    let mut tables = remaining["tables"].clone();
    tables.sort();
    let retained: Vec<_> = ["Ledger", "Links", "Portals"].map(|name| stack.resource(name).unwrap()).into();
    assert_eq!(tables, retained, "limits need not be kept");
    let mut secrets = remaining["secrets"].clone();
    secrets.sort();
    assert_eq!(
        secrets,
        ["switchboard-test/key-ring", "switchboard-test/oauth-apps", "switchboard-test/slack-signing-secrets"]
    );
    Ok(())
}
