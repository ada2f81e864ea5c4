#!/usr/bin/env python3
"""Works on the stack of template.yaml in emulated AWS, for tests/cloud. Not for an account.

    emulated.py left-out                               what of the template is left out, a resource a line
    emulated.py deploy ENDPOINT STAGE [NAME=VALUE ...] creates the stack or updates it; prints outputs and resources
    emulated.py invoke ENDPOINT STAGE FUNCTION EVENT   invokes a function through its alias; prints its answer
    emulated.py configuration ENDPOINT STAGE FUNCTION  how the version of a function that is live is configured
    emulated.py log ENDPOINT STAGE FUNCTION            what a function has logged
    emulated.py ask ENDPOINT STAGE FUNCTION SERVICE OPERATION REQUEST
                                                       asks with the credentials of a function that has run; prints the code
                                                       of a refusal
    emulated.py used ENDPOINT STAGE                    what functions have asked AWS for: function, action, resource
    emulated.py remove ENDPOINT STAGE                  deletes the stack; prints what remains in the account

Functions and resources have their names in the template; what is not text is JSON. The binaries are those of `cargo lambda
build`, in target/lambda or in the folder that LAMBDA_DIR names."""
import datetime
import hashlib
import io
import json
import os
import pathlib
import re
import sys
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import boto3
import stack as scripts
from botocore.exceptions import ClientError, WaiterError

REGION = "us-east-1"
BUCKET = "code"
# The emulator does not know such resources; alarms it knows, but not those that compute with metrics. A new version takes
# over at once, because there is no CodeDeploy to shift it. Policies of queues refuse plain transport, which is the emulator's.
LEFT_OUT = {
    "AWS::Logs::QueryDefinition",
    "AWS::SecretsManager::ResourcePolicy",
    "AWS::CodeDeploy::Application",
    "AWS::CodeDeploy::DeploymentGroup",
    "AWS::SQS::QueuePolicy",
}
# Parameters that scripts/deploy sets. Tables that are protected could not be deleted with the account.
PARAMETERS = {"Release": "0" * 10, "TableProtection": "off"}

# What functions ask for.
OPERATIONS = (
    "GetItem", "Query", "Scan", "PutItem", "DeleteItem", "UpdateItem", "BatchGetItem", "BatchWriteItem", "TransactWriteItems",
    "SendMessage", "SendMessageBatch", "ReceiveMessage", "DeleteMessage", "DeleteMessageBatch", "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch", "GetQueueAttributes", "GetSecretValue", "PutSecretValue", "Invoke",
)


def is_left_out(resource: dict) -> bool:
    is_metric_math = resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource["Properties"]
    return resource["Type"] in LEFT_OUT or is_metric_math


def translate(parameters: dict[str, str]) -> tuple[dict, list[str]]:
    """The template as SAM translates it, with what the emulator knows; and what it does not."""
    # They take a second to load.
    from samcli.yamlhelper import yaml_parse
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    template, left_out = yaml_parse((ROOT / "template.yaml").read_text()), []
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            properties = resource["Properties"]
            properties["CodeUri"] = f"s3://{BUCKET}/{resource['Metadata']['BuildProperties']['Binary']}.zip"
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=REGION))
    translated = translator.translate(template, parameters)
    resources = translated["Resources"]
    for name in [name for name, resource in resources.items() if is_left_out(resource)]:
        left_out.append(f"{resources.pop(name)['Type']} {name}")
    for resource in resources.values():
        resource.pop("UpdatePolicy", None)
    spell_out_routes(resources)
    widen_policies(resources)
    known = parameters | {"AWS::StackName": f"switchboard-{parameters['Stage']}"}
    translated["Conditions"] = spelled_out(translated["Conditions"], known)
    return translated, sorted(left_out)


def spelled_out(condition, known: dict[str, str]):
    """The emulator computes conditions without Fn::Sub and without the name of the stack."""
    if isinstance(condition, dict) and "Fn::Sub" in condition:
        return re.sub(r"\$\{(.+?)\}", lambda match: known[match[1]], condition["Fn::Sub"])
    if condition == {"Ref": "AWS::StackName"}:
        return known["AWS::StackName"]
    if isinstance(condition, dict):
        return {key: spelled_out(value, known) for key, value in condition.items()}
    return [spelled_out(value, known) for value in condition] if isinstance(condition, list) else condition


def widen_policies(resources: dict) -> None:
    """What policies mean on AWS and not in the emulator: a reference to a secret is its ARN, not its name; the right of a call
    is that of its batch; and a call of a function by its alias needs the right for the alias, not for the function."""
    arn = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:"
    secrets = {
        name: {"Fn::Sub": f"{arn}{resource['Properties']['Name']['Fn::If'][1]['Fn::Sub']}-*"}
        for name, resource in resources.items()
        if resource["Type"] == "AWS::SecretsManager::Secret"
    }
    functions = {
        name: {"Fn::GetAtt": [resource["Properties"]["FunctionName"]["Ref"], "Arn"]}
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Lambda::Alias"
    }

    def widened(value):
        if isinstance(value, dict):
            named = value.get("Ref")
            return secrets.get(named) or functions.get(named) or {key: widened(own) for key, own in value.items()}
        if isinstance(value, list):
            return [part for own in value for part in (widened(own) if is_batched(own) else [widened(own)])]
        return [value, f"{value}Batch"] if is_batched(value) else value

    for resource in resources.values():
        if resource["Type"] == "AWS::IAM::Role":
            resource["Properties"] = widened(resource["Properties"])


def is_batched(action) -> bool:
    return action in ("sqs:SendMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility")


def spell_out_routes(resources: dict) -> None:
    """SAM describes an API's routes in OpenAPI, which the emulator does not read: as resources of their own they are the same."""
    apis = [name for name, resource in resources.items() if resource["Type"] == "AWS::ApiGatewayV2::Api"]
    for api in apis:
        for path, methods in resources[api]["Properties"].pop("Body")["paths"].items():
            for method, described in methods.items():
                given = described["x-amazon-apigateway-integration"]
                name = f"{api}Route{hashlib.sha256(f'{method} {path}'.encode()).hexdigest()[:8]}"
                verb = "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()
                resources[f"{name}Integration"] = {
                    "Type": "AWS::ApiGatewayV2::Integration",
                    "Properties": {
                        "ApiId": {"Ref": api},
                        "IntegrationType": given["type"].upper(),
                        "IntegrationUri": given["uri"],
                        "PayloadFormatVersion": given["payloadFormatVersion"],
                    },
                }
                resources[name] = {
                    "Type": "AWS::ApiGatewayV2::Route",
                    "Properties": {
                        "ApiId": {"Ref": api},
                        "RouteKey": f"{verb} {path}",
                        "Target": {"Fn::Sub": f"integrations/${{{name}Integration}}"},
                    },
                }
        resources[api]["Properties"].setdefault("ProtocolType", "HTTP")
        resources[api]["Properties"].setdefault("Name", "switchboard")


class Stack:
    def __init__(self, endpoint: str, stage: str):
        self.endpoint, self.stage, self.name = endpoint, stage, f"switchboard-{stage}"
        self.cloudformation = self.client("cloudformation")

    def client(self, service: str):
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, endpoint_url=self.endpoint, region_name=REGION, **keys)

    def upload(self, translated: dict) -> str:
        s3 = self.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        folder = pathlib.Path(os.environ.get("LAMBDA_DIR") or ROOT / "target/lambda")
        for path in sorted(folder.glob("*/bootstrap")):
            package = io.BytesIO()
            with zipfile.ZipFile(package, "w", zipfile.ZIP_STORED) as archive:
                archive.write(path, "bootstrap")
            s3.put_object(Bucket=BUCKET, Key=f"{path.parent.name}.zip", Body=package.getvalue())
        s3.put_object(Bucket=BUCKET, Key="template.json", Body=json.dumps(translated))
        return f"{self.endpoint}/{BUCKET}/template.json"

    def exists(self) -> bool:
        try:
            return bool(self.cloudformation.describe_stacks(StackName=self.name)["Stacks"])
        except ClientError:
            return False

    def deploy(self, parameters: dict[str, str]) -> dict:
        release = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()
        parameters = {"Stage": self.stage, **PARAMETERS, "Release": release, **parameters}
        is_update = self.exists()
        act = self.cloudformation.update_stack if is_update else self.cloudformation.create_stack
        act(
            StackName=self.name,
            TemplateURL=self.upload(translate(parameters)[0]),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        self.wait("stack_update_complete" if is_update else "stack_create_complete")
        if not is_update:
            self.empty_secrets()
        # As scripts/deploy does when every function has answered, so that scripts/rollback knows it.
        stage = scripts.Stage(self.stage)
        scripts.record(stage, release, scripts.live(stage))
        return {"outputs": scripts.outputs_of(scripts.described(stage)), "resources": self.resources()}

    def empty_secrets(self) -> None:
        """On AWS a stack's secret without a value has none. The emulator gives it an empty text."""
        secrets = self.client("secretsmanager")
        for secret in secrets.list_secrets()["SecretList"]:
            secrets.delete_secret(SecretId=secret["Name"], ForceDeleteWithoutRecovery=True)
            secrets.create_secret(Name=secret["Name"])

    def wait(self, event: str) -> None:
        try:
            pace = {"Delay": 1, "MaxAttempts": 120}
            self.cloudformation.get_waiter(event).wait(StackName=self.name, WaiterConfig=pace)
        except WaiterError:
            for event in self.cloudformation.describe_stack_events(StackName=self.name)["StackEvents"]:
                if "FAILED" in event["ResourceStatus"]:
                    print(event["LogicalResourceId"], event.get("ResourceStatusReason"), file=sys.stderr)
            raise

    def resources(self) -> dict[str, str]:
        found = self.cloudformation.describe_stack_resources(StackName=self.name)["StackResources"]
        return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in found}

    def invoke(self, function: str, event: str) -> str:
        aws = self.client("lambda")
        answer = aws.invoke(FunctionName=self.resources()[function], Qualifier="live", Payload=event.encode())
        said = answer["Payload"].read().decode()
        if "FunctionError" in answer:
            sys.exit(f"{function} failed: {said}")
        return said

    def configuration(self, function: str) -> dict:
        return self.client("lambda").get_function_configuration(FunctionName=self.resources()[function], Qualifier="live")

    def log(self, function: str) -> list[str]:
        group = self.configuration(function)["LoggingConfig"]["LogGroup"]
        pages = self.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
        return [event["message"].rstrip("\n") for page in pages for event in page["events"]]

    def used(self) -> list[tuple[str, str, str]]:
        """From the emulator's CloudTrail: who signed, what for, and on what, by the names in the template."""
        names, used = {physical: logical for logical, physical in self.resources().items()}, set()
        for key, function in self.callers().items():
            used.update((function, action, names.get(on, on)) for event in self.recorded(key) for action, on in asked(event))
        return sorted(used)

    def recorded(self, key: str):
        """What was asked for with an access key. CloudTrail shows the newest fifty of what it is asked for, by seconds."""
        trail = self.client("cloudtrail")
        for operation in OPERATIONS:
            wanted = [{"AttributeKey": "AccessKeyId", "AttributeValue": key}, {"AttributeKey": "EventName", "AttributeValue": operation}]
            until = {}
            while events := trail.lookup_events(LookupAttributes=wanted, **until)["Events"]:
                yield from events
                if len(events) < 50:
                    break
                oldest = events[-1]["EventTime"].replace(microsecond=0)
                is_stuck = until and oldest >= until["EndTime"]
                until = {"EndTime": oldest - datetime.timedelta(seconds=1) if is_stuck else oldest}

    def callers(self) -> dict[str, str]:
        """The function that each access key belongs to."""
        names = [name for name in self.resources() if name.endswith("Function")]
        return {self.credentials(digest)["aws_access_key_id"]: name for name in names for digest in self.digests(name)}

    def digests(self, function: str) -> list[str]:
        """From these the emulator makes the credentials of a function, one for each name that it is invoked by."""
        versions = self.client("lambda").list_versions_by_function(FunctionName=self.resources()[function])["Versions"]
        role, names = versions[0]["Role"], [version["FunctionArn"] for version in versions]
        names.append(f"{names[0]}:live")
        return [hashlib.sha256(f"{name}:{role}".encode()).hexdigest() for name in names]

    @staticmethod
    def credentials(digest: str) -> dict[str, str]:
        derived = (hashlib.sha256(f"{kind}:{digest}".encode()).hexdigest() for kind in ("secret", "token"))
        names = ("aws_secret_access_key", "aws_session_token")
        return {"aws_access_key_id": f"ASIA{digest[:16].upper()}", **dict(zip(names, derived))}

    def ask(self, function: str, service: str, operation: str, request: dict) -> str:
        # Only the names by which it has been invoked have credentials.
        for digest in reversed(self.digests(function)):
            aws = boto3.client(service, endpoint_url=self.endpoint, region_name=REGION, **self.credentials(digest))
            try:
                getattr(aws, operation)(**request)
            except ClientError as error:
                if error.response["Error"]["Code"] in ("UnrecognizedClientException", "InvalidClientTokenId"):
                    continue
                return error.response["Error"]["Code"]
            return ""
        sys.exit(f"{function} has not run")

    def remove(self) -> dict[str, list[str]]:
        self.cloudformation.delete_stack(StackName=self.name)
        self.wait("stack_delete_complete")
        return {
            "functions": [function["FunctionName"] for function in self.client("lambda").list_functions()["Functions"]],
            "queues": self.client("sqs").list_queues().get("QueueUrls", []),
            "secrets": [secret["Name"] for secret in self.client("secretsmanager").list_secrets()["SecretList"]],
            "tables": self.client("dynamodb").list_tables()["TableNames"],
        }


def asked(event: dict) -> list[tuple[str, str]]:
    """What a recorded request needs: actions, each on a resource."""
    service, action = event["EventSource"].split(".")[0], event["EventName"]
    if action == "Invoke":
        return [("lambda:InvokeFunction", event["Resources"][0]["ResourceName"])]
    request = json.loads(event["CloudTrailEvent"])["requestParameters"] or {}
    puts = [(f"dynamodb:{verb}Item", item["TableName"]) for entry in request.get("TransactItems", []) for verb, item in entry.items()]
    # A batch needs the right of the single call.
    on = request.get("TableName") or request.get("QueueUrl") or request.get("SecretId") or ""
    return puts or [(f"{service}:{action.removesuffix('Batch')}", on)]


def main() -> None:
    if len(sys.argv) > 2:
        os.environ |= {"AWS_ENDPOINT_URL": sys.argv[2], "AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    match sys.argv[1:]:
        case ["left-out"]:
            print("\n".join(translate({"Stage": "test", **PARAMETERS})[1]))
        case ["deploy", endpoint, stage, *pairs]:
            print(json.dumps(Stack(endpoint, stage).deploy(dict(pair.split("=", 1) for pair in pairs))))
        case ["invoke", endpoint, stage, function, event]:
            print(Stack(endpoint, stage).invoke(function, event))
        case ["configuration", endpoint, stage, function]:
            print(json.dumps(Stack(endpoint, stage).configuration(function)))
        case ["log", endpoint, stage, function]:
            print("\n".join(Stack(endpoint, stage).log(function)))
        case ["ask", endpoint, stage, function, service, operation, request]:
            print(Stack(endpoint, stage).ask(function, service, operation, json.loads(request)))
        case ["used", endpoint, stage]:
            print(json.dumps(Stack(endpoint, stage).used()))
        case ["remove", endpoint, stage]:
            print(json.dumps(Stack(endpoint, stage).remove()))
        case _:
            sys.exit(__doc__)


main()
