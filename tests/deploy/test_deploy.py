"""scripts/deploy and scripts/rollback on an account of their own."""
import json
import re
import unittest

import harness


class Deployments(unittest.TestCase):
    def setUp(self):
        self.account = harness.Account()
        self.addCleanup(self.account.close)
        self.checkout = harness.Checkout(self.account)
        self.addCleanup(self.checkout.close)

    def succeeds(self, done):
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def fails(self, done):
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        return done.stdout + done.stderr

    def live(self, stage: str) -> dict[str, str]:
        client = self.account.client("lambda")
        names = [one["FunctionName"] for one in client.list_functions()["Functions"] if one["FunctionName"].startswith(f"switchboard-{stage}-")]
        return {name: client.get_alias(FunctionName=name, Name="live")["FunctionVersion"] for name in names}

    def recorded(self, stage: str) -> list[str]:
        value = self.account.client("ssm").get_parameter(Name=f"/switchboard/{stage}/releases")["Parameter"]["Value"]
        return [one["release"] for one in json.loads(value)]

    def test_a_changed_parameter_goes_live_and_a_roll_back_returns_all_of_it(self):
        # Nothing is created by a dry run.
        said = self.succeeds(self.checkout.run("deploy", "dev", "--dry-run"))
        self.assertIn("switchboard-dev would be created", said)
        self.assertEqual(self.account.client("cloudformation").list_stacks()["StackSummaries"], [])

        self.succeeds(self.checkout.deploy("dev"))
        first = self.live("dev")
        self.assertEqual(len(first), len(self.checkout.binaries))
        protected = self.account.client("dynamodb").describe_table(TableName=self.checkout.outputs("dev")["LedgerTable"])
        self.assertTrue(protected["Table"]["DeletionProtectionEnabled"])
        self.assertEqual(self.checkout.ask("dev", "UpkeepFunction")["variables"]["LOG_LEVEL"], "debug")

        # A stage beside it has nothing of it.
        self.succeeds(self.checkout.deploy("prod"))
        both = [set(self.checkout.outputs(stage).values()) for stage in ("dev", "prod")]
        self.assertEqual({value for value in both[0] & both[1] if "switchboard" in value}, set())

        # A parameter alone, of which no function's text says a word.
        self.succeeds(self.checkout.deploy("dev", "LogLevel=warn"))
        second = self.live("dev")
        self.assertEqual([name for name in first if first[name] == second[name]], [])
        self.assertEqual(self.checkout.ask("dev", "UpkeepFunction")["variables"]["LOG_LEVEL"], "warn")
        self.assertEqual(self.checkout.ask("prod", "UpkeepFunction")["variables"]["LOG_LEVEL"], "info")

        said = self.succeeds(self.checkout.run("rollback", "dev", "--list"))
        self.assertEqual([line.split()[0] for line in said.splitlines()], self.recorded("dev"))
        self.assertEqual([line.endswith("runs") for line in said.splitlines()], [False, True])
        self.succeeds(self.checkout.run("rollback", "dev", "--dry-run"))
        self.assertEqual(self.live("dev"), second)
        self.succeeds(self.checkout.run("rollback", "dev"))
        self.assertEqual(self.live("dev"), first)
        self.assertEqual(self.checkout.ask("dev", "UpkeepFunction")["variables"]["LOG_LEVEL"], "debug")
        # There is nothing before the first; and back by name.
        self.assertIn("No release before", self.fails(self.checkout.run("rollback", "dev")))
        self.succeeds(self.checkout.run("rollback", "dev", "--to", self.recorded("dev")[1]))
        self.assertEqual(self.live("dev"), second)

    def test_a_release_with_a_function_that_does_not_answer_is_taken_back(self):
        self.succeeds(self.checkout.deploy("dev"))
        good, known = self.live("dev"), self.recorded("dev")
        self.checkout.build("second", broken=("slack-webhook", "record-sync"))
        said = self.fails(self.checkout.deploy("dev"))
        self.assertIn("SlackWebhookFunction: HTTP 503", said)
        self.assertIn("These functions did not work: RecordSyncFunction, SlackWebhookFunction.", said)
        self.assertEqual(self.live("dev"), good)
        self.assertEqual(self.checkout.ask("dev", "UpkeepFunction")["stub"], "first")
        self.assertEqual(self.recorded("dev"), known)
        # The same again is not taken for what runs.
        said = self.fails(self.checkout.deploy("dev"))
        self.assertIn("These functions did not work", said)
        self.assertEqual(self.live("dev"), good)
        # Repaired, it goes live; and the release before it is the good one.
        self.checkout.build("third")
        self.succeeds(self.checkout.deploy("dev"))
        self.assertEqual(self.checkout.ask("dev", "RecordSyncFunction")["stub"], "third")
        third = self.live("dev")
        self.succeeds(self.checkout.run("rollback", "dev"))
        self.assertEqual(self.live("dev"), good)
        # What was rolled back can be deployed again as it is.
        self.succeeds(self.checkout.deploy("dev"))
        self.assertEqual(self.checkout.ask("dev", "RecordSyncFunction")["stub"], "third")
        self.assertNotEqual(self.live("dev"), third)

    def test_a_first_deployment_that_failed_is_repeated(self):
        template = self.checkout.folder / "emulated.yaml"
        good = template.read_text()
        broken = "  Broken:\n    Type: AWS::Lambda::Url\n    DependsOn: [Ledger, KeyRing]\n    Properties: { AuthType: NONE, TargetFunctionArn: nothing }\n"
        template.write_text(good.replace("\nOutputs:\n", broken + "\nOutputs:\n"))
        said = self.fails(self.checkout.deploy("dev"))
        self.assertRegex(said, r"switchboard-dev was not changed \(ROLLBACK_COMPLETE\): Broken: ")
        self.assertEqual(self.account.client("dynamodb").list_tables()["TableNames"], [])
        self.assertEqual(self.account.client("secretsmanager").list_secrets()["SecretList"], [])
        template.write_text(good)
        said = self.succeeds(self.checkout.deploy("dev"))
        self.assertIn("what is left of it is removed", said)

    def test_what_an_earlier_stack_left_is_adopted(self):
        secrets, tables, stacks = (self.account.client(name) for name in ("secretsmanager", "dynamodb", "cloudformation"))
        self.succeeds(self.checkout.deploy("dev"))
        ring = secrets.describe_secret(SecretId="switchboard-dev/key-ring")["ARN"]
        secrets.put_secret_value(SecretId=ring, SecretString="the keys")
        retained = [self.checkout.outputs("dev")[f"{table}Table"] for table in ("Portals", "Links", "Ledger")]
        stacks.delete_stack(StackName="switchboard-dev")
        stacks.get_waiter("stack_delete_complete").wait(StackName="switchboard-dev", WaiterConfig={"Delay": 1})
        self.assertEqual(sorted(tables.list_tables()["TableNames"]), sorted(retained))

        def table(name: str) -> None:
            tables.create_table(
                TableName=name,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
                Tags=[{"Key": "switchboard-stage", "Value": "dev"}, {"Key": "switchboard-table", "Value": "Ledger"}],
            )

        # ministack would give the tables of the next stack the same names; on AWS each has a name of its own.
        for name in retained:
            tables.update_table(TableName=name, DeletionProtectionEnabled=False)
            tables.delete_table(TableName=name)
        ledger = "switchboard-dev-Ledger-LEFT"
        item = {"pk": {"S": "tenant"}, "sk": {"S": "line"}}
        table(ledger)
        tables.put_item(TableName=ledger, Item=item)

        said = self.fails(self.checkout.deploy("dev"))
        self.assertIn(f"an earlier one left its secrets: {ring}", said)
        self.assertIn("--adopt", said)
        table("switchboard-dev-Ledger-OLDER")
        self.assertIn("There are several tables for LedgerTable", self.fails(self.checkout.deploy("dev", "--adopt")))
        self.succeeds(self.checkout.deploy("dev", "--adopt", f"LedgerTable={ledger}"))
        self.assertEqual(self.checkout.outputs("dev")["LedgerTable"], ledger)
        self.assertEqual(self.checkout.ask("dev", "UpkeepFunction")["variables"]["TABLE_LEDGER"], ledger)
        self.assertIn("Item", tables.get_item(TableName=ledger, Key=item))
        self.assertEqual(secrets.get_secret_value(SecretId="switchboard-dev/key-ring")["SecretString"], "the keys")
        self.assertIn("aws:SecureTransport", secrets.get_resource_policy(SecretId=ring)["ResourcePolicy"])
        # The next deployment needs no flag.
        self.succeeds(self.checkout.deploy("dev", "LogLevel=warn"))
        self.assertEqual(self.checkout.outputs("dev")["LedgerTable"], ledger)

    def test_a_stack_of_another_stage_is_refused(self):
        self.succeeds(self.checkout.deploy("dev"))
        packaged = (self.checkout.folder / ".aws-sam/deploy/packaged-dev.yaml").read_text()
        bucket = re.search(r"s3://([^/]+)/", packaged)[1]
        self.account.client("s3").put_object(Bucket=bucket, Key="of-prod.yaml", Body=packaged.encode())
        client = self.account.client("cloudformation")
        client.create_change_set(
            StackName="switchboard-dev",
            ChangeSetName="of-prod",
            ChangeSetType="UPDATE",
            TemplateURL=f"{self.account.endpoint}/{bucket}/of-prod.yaml",
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            Parameters=[{"ParameterKey": "Stage", "ParameterValue": "prod"}, {"ParameterKey": "Release", "ParameterValue": "1" * 10}],
        )
        before = {one["Name"] for one in self.account.client("secretsmanager").list_secrets()["SecretList"]}
        client.execute_change_set(StackName="switchboard-dev", ChangeSetName="of-prod")
        harness.settled(client, "switchboard-dev")
        reasons = [one.get("ResourceStatusReason", "") for one in client.describe_stack_events(StackName="switchboard-dev")["StackEvents"]]
        self.assertTrue(any("the-stack-must-be-named-switchboard-STAGE" in reason for reason in reasons), reasons)
        self.assertEqual({one["Name"] for one in self.account.client("secretsmanager").list_secrets()["SecretList"]}, before)

    def test_a_mistake_is_named_before_anything_is_built(self):
        said = self.fails(self.checkout.deploy("staging"))
        self.assertIn("samconfig.toml has no stage staging; there are dev, prod", said)
        self.assertIn("These are not parameters to set: LogLevels.", self.fails(self.checkout.deploy("dev", "LogLevels=info")))
        self.assertIn("These are not parameters to set: Stage.", self.fails(self.checkout.deploy("dev", "Stage=prod")))
        self.assertIn("LogLevel is not NAME=VALUE", self.fails(self.checkout.deploy("dev", "LogLevel")))
        config = self.checkout.folder / "samconfig.toml"
        config.write_text(config.read_text().replace('"switchboard-dev"', '"switchboard-prod"'))
        self.assertIn("the stack_name of dev must be switchboard-dev", self.fails(self.checkout.deploy("dev")))
        self.assertIn("There is no stack switchboard-prod", self.fails(self.checkout.run("rollback", "prod")))


if __name__ == "__main__":
    unittest.main()
