"""What makes a function get a new version, without an account."""
import contextlib
import importlib.machinery
import importlib.util
import io
import json
import logging
import os
import pathlib
import re
import sys
import unittest
from types import SimpleNamespace

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TEMPLATE = (ROOT / "template.yaml").read_text()
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
sys.path.insert(0, str(ROOT / "scripts"))
logging.getLogger("samtranslator").setLevel(logging.ERROR)


def script(name: str):
    loader = importlib.machinery.SourceFileLoader(name, str(ROOT / "scripts" / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


deploy = script("deploy")
stack = sys.modules["stack"]


def versions(**parameters: str) -> set[str]:
    """The versions that a stack has; a new one is a new name."""
    packaged = re.sub(r"CodeUri: functions/\S+", "CodeUri: s3://bucket/package", TEMPLATE)
    made = transform(yaml_parse(packaged), {"Release": "0" * 10, "Stage": "test"} | parameters, SimpleNamespace(load=dict))
    return {name for name, one in made["Resources"].items() if one["Type"] == "AWS::Lambda::Version"}


class Releases(unittest.TestCase):
    def test_a_new_release_is_a_new_version_of_every_function(self):
        functions = TEMPLATE.count("Type: AWS::Serverless::Function")
        first, second = versions(), versions(Release="1" * 10)
        self.assertEqual(len(first), functions)
        self.assertEqual(first & second, set())
        # Which is why a parameter has to be part of the release: alone, it publishes nothing.
        self.assertEqual(first, versions(LogLevel="debug"))

    def test_every_parameter_and_the_template_are_part_of_the_release(self):
        names = set(re.findall(r"^  (\w+):$", TEMPLATE.split("\nRules:")[0], re.MULTILINE)) - {"Release"}
        self.assertGreater(len(names), 20)
        plain = deploy.release_of(TEMPLATE, {})
        releases = {deploy.release_of(TEMPLATE, {name: "other"})[:10] for name in names} | {plain[:10], deploy.release_of(TEMPLATE + "#", {})[:10]}
        self.assertEqual(len(releases), len(names) + 2, "each of them differs in the ten characters that SAM reads")
        self.assertEqual(plain, deploy.release_of(TEMPLATE, {}))
        pattern = re.search(r'Release:\n    Type: String\n    AllowedPattern: "(.*)"', TEMPLATE)[1]
        self.assertRegex(plain, f"^{pattern}$")
        self.assertNotRegex("use-scripts/deploy", f"^{pattern}$", "what samconfig.toml has is refused, so that nobody forgets the script")

    def test_the_release_before_is_the_last_good_one_that_does_not_run(self):
        known = [{"release": "a", "versions": {"F": "1"}}, {"release": "b", "versions": {"F": "3"}}]
        self.assertEqual(stack.before(known, {"F": "3"})["release"], "a")
        # The version that runs belongs to a release that failed.
        self.assertEqual(stack.before(known, {"F": "4"})["release"], "b")
        for records, current, says in (([], {"F": "1"}, "No release is recorded"), (known, {"F": "1"}, "No release before a")):
            with self.assertRaisesRegex(stack.StageError, says):
                stack.before(records, current)


class Quota(unittest.TestCase):
    def quota(self, total: int, free: int, now: str = "0", **parameters: str) -> tuple[int, str]:
        limit = {"AccountLimit": {"ConcurrentExecutions": total, "UnreservedConcurrentExecutions": free}}
        client = SimpleNamespace(
            get_account_settings=lambda: limit,
            describe_stacks=lambda **_: {"Stacks": [{"Parameters": [{"ParameterKey": "WebhookConcurrency", "ParameterValue": now}]}]},
        )
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            found = deploy.quota(SimpleNamespace(client=lambda _: client, region="eu-central-1", stack="switchboard-test"), parameters)
        return found, said.getvalue()

    def test_a_small_account_is_said_to_ask_for_more(self):
        found, said = self.quota(10, 10)
        self.assertEqual(found, 10)
        self.assertIn("aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 --desired-value 1000 --region eu-central-1", said)
        self.assertNotIn("request-service-quota-increase", self.quota(1000, 1000)[1])

    def test_a_reservation_that_lambda_would_refuse_is_refused_before_the_build(self):
        with self.assertRaisesRegex(stack.StageError, "WebhookConcurrency reserves 150 in all"):
            self.quota(200, 200, WebhookConcurrency="50")
        self.quota(1000, 1000, WebhookConcurrency="50")
        # What the stack has reserved already counts as free for it.
        self.quota(300, 150, now="50", WebhookConcurrency="50")

    def test_every_queue_has_a_limit_and_no_function_but_webhooks_a_reservation(self):
        mappings = TEMPLATE.count("Type: SQS\n")
        self.assertEqual(TEMPLATE.count("ScalingConfig: { MaximumConcurrency: !Ref "), mappings)
        made = transform(yaml_parse(re.sub(r"CodeUri: functions/\S+", "CodeUri: s3://bucket/package", TEMPLATE)), {"Release": "0" * 10}, SimpleNamespace(load=dict))["Resources"]
        reserved = {name for name, one in made.items() if "ReservedConcurrentExecutions" in one.get("Properties", {})}
        self.assertEqual(reserved, {"Bitrix24WebhookFunction", "SlackWebhookFunction", "NotionWebhookFunction"})

    def test_a_queue_hides_a_message_for_six_times_as_long_as_its_function_has(self):
        made = transform(yaml_parse(re.sub(r"CodeUri: functions/\S+", "CodeUri: s3://bucket/package", TEMPLATE)), {"Release": "0" * 10}, SimpleNamespace(load=dict))["Resources"]
        mappings = [one["Properties"] for one in made.values() if one["Type"] == "AWS::Lambda::EventSourceMapping"]
        self.assertGreaterEqual(len(mappings), 6)
        for mapping in mappings:
            queue = made[mapping["EventSourceArn"]["Fn::GetAtt"][0]]["Properties"]
            function = next(one["Properties"] for name, one in made.items() if name + "Alias" in json.dumps(mapping["FunctionName"]) and one["Type"] == "AWS::Lambda::Function")
            self.assertEqual(queue["VisibilityTimeout"], 6 * function["Timeout"])


class Template(unittest.TestCase):
    def test_webhooks_shift_and_the_ingress_alarm_ends_it(self):
        for function in ("Bitrix24Webhook", "SlackWebhook", "NotionWebhook"):
            own = TEMPLATE.split(f"\n  {function}Function:\n")[1].split("\n  Slack" if function != "SlackWebhook" else "\n  Notion")[0]
            self.assertIn("DeploymentPreference: { Type: !Ref WebhookDeployment, Alarms: !If [HasAllAlarms, [!Ref IngressAlarm], []] }", own)

    def test_what_is_kept_is_not_kept_when_its_creation_fails(self):
        self.assertEqual(TEMPLATE.count("DeletionPolicy: RetainExceptOnCreate"), 6, "three tables and three secrets")
        self.assertNotIn("DeletionPolicy: Retain\n", TEMPLATE)
        self.assertEqual(TEMPLATE.count("DeletionProtectionEnabled: !If [IsProtected, true, false]"), 3)

    def test_no_file_that_a_person_edits_is_long(self):
        for path in (ROOT / "infra/aws").iterdir():
            self.assertLessEqual(path.read_text().count("\n"), 600, path)
        # A mistake is named with its file.
        composer = script("template")
        with self.assertRaisesRegex(composer.TemplateError, r"infra/aws/x\.yaml: there is no set hats; there are functions"):
            composer.expanded("x", "{{hats: <Hat>}}", composer.sets())
        with self.assertRaisesRegex(composer.TemplateError, r"infra/aws/x\.yaml: <Hat> was not understood"):
            composer.expanded("x", "a: <Hat>\n", composer.sets())


if __name__ == "__main__":
    unittest.main()
