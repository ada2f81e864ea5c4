#!/usr/bin/env python3
"""Works on the stack of template.yaml in emulated AWS, for tests/cloud. Not for an account.

    stack.py left-out                                what the emulator does not know, a resource a line
    stack.py deploy ENDPOINT STAGE [NAME=VALUE ...]  creates the stack or updates it; prints outputs and resources as JSON
    stack.py invoke ENDPOINT STAGE FUNCTION EVENT    invokes a function through its alias, by its name in the template; prints its answer
    stack.py log    ENDPOINT STAGE FUNCTION          what a function has logged, by its name in the template
    stack.py ask    ENDPOINT STAGE FUNCTION SERVICE OPERATION REQUEST
                                                     asks with the credentials of a function that has run; prints the code of a refusal
    stack.py used   ENDPOINT STAGE                   what the functions have asked AWS for: function, action, resource, as JSON
    stack.py remove ENDPOINT STAGE                   deletes the stack; prints the tables, queues and secrets that remain as JSON

The binaries are those of `cargo lambda build`, in target/lambda or in the folder that LAMBDA_DIR names."""
import hashlib
import io
import json
import os
import pathlib
import sys
import zipfile

import boto3
from botocore.exceptions import ClientError, WaiterError

ROOT = pathlib.Path(__file__).resolve().parents[2]
REGION = "us-east-1"
BUCKET = "code"
# The emulator refuses a template with such resources; alarms it knows, but not those that compute with metrics. A new version takes
# over at once, because there is no CodeDeploy to shift it.
UNKNOWN = {
    "AWS::Logs::QueryDefinition",
    "AWS::SecretsManager::ResourcePolicy",
    "AWS::CodeDeploy::Application",
    "AWS::CodeDeploy::DeploymentGroup",
}
# Parameters that scripts/deploy sets. Tables that are protected could not be deleted with the account.
PARAMETERS = {"Release": "0" * 10, "TableProtection": "off"}


def is_unknown(resource: dict) -> bool:
    is_metric_math = resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource["Properties"]
    return resource["Type"] in UNKNOWN or is_metric_math


def translate(parameters: dict[str, str]) -> tuple[dict, list[str]]:
    """The template as SAM translates it, with what the emulator knows; and what it does not."""
    # They take a second to load.
    from samcli.yamlhelper import yaml_parse
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    template = yaml_parse((ROOT / "template.yaml").read_text())
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            binary = resource["Metadata"]["BuildProperties"]["Binary"]
            resource["Properties"]["CodeUri"] = f"s3://{BUCKET}/{binary}.zip"
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=REGION))
    translated = translator.translate(template, parameters)
    resources = translated["Resources"]
    left_out = sorted(name for name, resource in resources.items() if is_unknown(resource))
    lines = [f"{resources[name]['Type']} {name}" for name in left_out]
    for name in left_out:
        del resources[name]
    for resource in resources.values():
        resource.pop("UpdatePolicy", None)
    # It compares texts in conditions only as they are written; tests/deploy looks at this one.
    translated["Conditions"]["IsOwnStack"] = {"Fn::Equals": ["the stack's name", "the stack's name"]}
    spell_out_routes(resources)
    return translated, sorted(lines)


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
        parameters = {"Stage": self.stage, **PARAMETERS, **parameters}
        is_update = self.exists()
        act = self.cloudformation.update_stack if is_update else self.cloudformation.create_stack
        act(
            StackName=self.name,
            TemplateURL=self.upload(translate(parameters)[0]),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        self.wait("stack_update_complete" if is_update else "stack_create_complete")
        stack = self.cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
        return {
            "outputs": {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]},
            "resources": self.resources(),
        }

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

    def log(self, function: str) -> list[str]:
        logs = self.client("logs")
        described = self.client("lambda").get_function_configuration(FunctionName=self.resources()[function])
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=described["LoggingConfig"]["LogGroup"])
        return [event["message"].rstrip("\n") for page in pages for event in page["events"]]

    def used(self) -> list[tuple[str, str, str]]:
        """From the emulator's CloudTrail: who signed, what for, and on what, by the names in the template."""
        callers, names = self.callers(), {physical: logical for logical, physical in self.resources().items()}
        used = set()
        pages = self.client("cloudtrail").get_paginator("lookup_events").paginate()
        for event in (event for page in pages for event in page["Events"]):
            function = callers.get(event.get("AccessKeyId"))
            if function:
                request = json.loads(event["CloudTrailEvent"])
                used.update((function, action, names.get(on, on)) for action, on in asked(request))
        return sorted(used)

    def callers(self) -> dict[str, str]:
        """The function that each access key belongs to."""
        names = [name for name in self.resources() if name.endswith("Function")]
        return {self.credentials(digest)["aws_access_key_id"]: name for name in names for digest in self.digests(name)}

    def digests(self, function: str) -> list[str]:
        """From these the emulator makes the credentials of a function, one for each of its versions."""
        versions = self.client("lambda").list_versions_by_function(FunctionName=self.resources()[function])["Versions"]
        texts = (f"{version['FunctionArn']}:{version['Role']}" for version in versions)
        return [hashlib.sha256(text.encode()).hexdigest() for text in texts]

    @staticmethod
    def credentials(digest: str) -> dict[str, str]:
        derived = (hashlib.sha256(f"{kind}:{digest}".encode()).hexdigest() for kind in ("secret", "token"))
        names = ("aws_secret_access_key", "aws_session_token")
        return {"aws_access_key_id": f"ASIA{digest[:16].upper()}", **dict(zip(names, derived))}

    def ask(self, function: str, service: str, operation: str, request: dict) -> str:
        keys = self.credentials(self.digests(function)[-1])
        aws = boto3.client(service, endpoint_url=self.endpoint, region_name=REGION, **keys)
        try:
            getattr(aws, operation)(**request)
        except ClientError as error:
            return error.response["Error"]["Code"]
        return ""

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
    service, action = event["eventSource"].split(".")[0], event["eventName"]
    request = event["requestParameters"] or {}
    puts = [(f"dynamodb:{verb}Item", item["TableName"]) for entry in request.get("TransactItems", []) for verb, item in entry.items()]
    on = request.get("TableName") or request.get("QueueUrl") or request.get("SecretId") or ""
    return puts or [(f"{service}:{action.removesuffix('Batch')}", on)]


def main() -> None:
    match sys.argv[1:]:
        case ["left-out"]:
            print("\n".join(translate({"Stage": "test", **PARAMETERS})[1]))
        case ["deploy", endpoint, stage, *pairs]:
            print(json.dumps(Stack(endpoint, stage).deploy(dict(pair.split("=", 1) for pair in pairs))))
        case ["invoke", endpoint, stage, function, event]:
            print(Stack(endpoint, stage).invoke(function, event))
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
