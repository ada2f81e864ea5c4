"""What scripts/deploy, scripts/rollback and scripts/restore share: the stack of a stage, its functions, its releases."""
import concurrent.futures
import datetime
import hashlib
import json
import os
import pathlib
import re
import sys
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent

# The tools of scripts/check are installed beside the sources.
TOOLS = ROOT / ".tools"
os.environ["PATH"] = f"{TOOLS / 'bin'}:{os.environ.get('PATH', '')}"

try:
    import boto3
    import botocore
    import botocore.config
except ImportError:
    own = TOOLS / "bin/python"
    if own.exists() and pathlib.Path(sys.prefix) != TOOLS:
        os.execv(own, [str(own), *sys.argv])
    sys.exit("boto3 is missing: pip install -r scripts/requirements.txt")

ALIAS = "live"
# A standard parameter of Systems Manager holds 4 KB.
MAX_RECORD = 4096
# The longest that a function runs, and something for the way.
INVOKE_TIMEOUT = 330
POLL_SECONDS = float(os.environ.get("SWITCHBOARD_POLL_SECONDS", "5"))
# Where a stack is done with an operation.
GOOD = {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
RECOMMENDED_CONCURRENCY = 1000
# What Lambda keeps for functions without a reservation.
UNRESERVED_MINIMUM = 100


class StageError(Exception):
    """What is wrong, where, and what to do."""


class Stage:
    """A stage in samconfig.toml, with clients for its account."""

    def __init__(self, name: str):
        self.name = name
        self.stack = f"switchboard-{name}"
        config = tomllib.loads((ROOT / "samconfig.toml").read_text())
        stages = [key for key in config if key not in ("version", "default")]
        if name not in stages:
            raise StageError(f"samconfig.toml has no stage {name}; there are {', '.join(stages)}. Copy one of them to add another.")
        own = config[name].get("deploy", {}).get("parameters", {})
        if own.get("stack_name") != self.stack:
            raise StageError(f"samconfig.toml: the stack_name of {name} must be {self.stack}, so that no stage touches another")
        self.parameters = dict(pair.split("=", 1) for pair in own.get("parameter_overrides", []) if not pair.startswith("Release="))
        self.parameters["Stage"] = name
        self.bucket = own.get("s3_bucket")
        self.region = own.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or boto3.Session().region_name
        if not self.region:
            raise StageError(f"No region: set AWS_REGION, or region for {name} in samconfig.toml")
        self.session = boto3.Session(region_name=self.region)

    def client(self, service: str):
        patient = botocore.config.Config(read_timeout=INVOKE_TIMEOUT, retries={"mode": "standard", "max_attempts": 5})
        return self.session.client(service, config=patient)


# -- the stack ---------------------------------------------------------------------------------------------------------


def described(stage: Stage) -> dict | None:
    """The stack as CloudFormation describes it; nothing if there is none."""
    try:
        return stage.client("cloudformation").describe_stacks(StackName=stage.stack)["Stacks"][0]
    except botocore.exceptions.ClientError as error:
        if "does not exist" in str(error):
            return None
        raise


def parameters_of(stack: dict | None) -> dict[str, str]:
    return {one["ParameterKey"]: one["ParameterValue"] for one in (stack or {}).get("Parameters", [])}


def outputs_of(stack: dict) -> dict[str, str]:
    return {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}


def resources(stage: Stage) -> list[dict]:
    pages = stage.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stage.stack)
    return [one for page in pages for one in page["StackResourceSummaries"]]


def ready_for_a_change(stage: Stage) -> dict | None:
    """The stack, if it can be changed. What a first deployment that failed has left is removed."""
    stack = described(stage)
    status = stack["StackStatus"] if stack else None
    if status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "REVIEW_IN_PROGRESS", "DELETE_FAILED"):
        print(f"The first deployment of {stage.stack} did not succeed ({status}); what is left of it is removed.")
        client = stage.client("cloudformation")
        client.delete_stack(StackName=stage.stack)
        while (left := described(stage)) and left["StackStatus"] == "DELETE_IN_PROGRESS":
            time.sleep(POLL_SECONDS)
        if left and left["StackStatus"] != "DELETE_COMPLETE":
            raise StageError(f"{stage.stack} could not be removed: {failure(stage)}")
        return None
    if status == "UPDATE_ROLLBACK_FAILED":
        raise StageError(
            f"The last deployment of {stage.stack} failed, and so did its roll back: {failure(stage)}\n"
            f"Fix that, then: aws cloudformation continue-update-rollback --stack-name {stage.stack} --region {stage.region}"
        )
    if status == "DELETE_COMPLETE":
        return None
    if status and status.endswith("_IN_PROGRESS"):
        raise StageError(
            f"{stage.stack} is being changed ({status}). Wait for it, or end it: "
            f"aws cloudformation cancel-update-stack --stack-name {stage.stack} --region {stage.region}"
        )
    return stack


def failure(stage: Stage) -> str:
    """Why the last operation failed: its first failed resource."""
    first = "CloudFormation names no reason"
    for event in stage.client("cloudformation").describe_stack_events(StackName=stage.stack)["StackEvents"]:
        reason = event.get("ResourceStatusReason", "")
        if event["ResourceStatus"].endswith("FAILED") and "cancelled" not in reason:
            first = f"{event['LogicalResourceId']}: {reason}"
        if event["LogicalResourceId"] == stage.stack and reason == "User Initiated":
            break
    return first


def uploaded(stage: Stage, template: str) -> str:
    """Puts a packaged template beside its packages; its address."""
    bucket = re.search(r"s3://([^/]+)/", template)[1]
    key = f"{stage.stack}/{hashlib.sha256(template.encode()).hexdigest()}.template"
    client = stage.client("s3")
    client.put_object(Bucket=bucket, Key=key, Body=template.encode())
    return f"{client.meta.endpoint_url}/{bucket}/{key}"


def template_in_use(stage: Stage) -> str:
    """The template that the stack was made of, as it was before SAM translated it."""
    body = stage.client("cloudformation").get_template(StackName=stage.stack, TemplateStage="Original")["TemplateBody"]
    return body if isinstance(body, str) else json.dumps(body)


def change(stage: Stage, parameters: dict[str, str], template_url: str, agree) -> bool:
    """Changes the stack by a change set that `agree` has seen; whether there was something to change."""
    client = stage.client("cloudformation")
    stack = described(stage)
    kind = "UPDATE" if stack and stack["StackStatus"] != "REVIEW_IN_PROGRESS" else "CREATE"
    name = f"{kind.lower()}-{datetime.datetime.now(datetime.UTC):%Y%m%d-%H%M%S-%f}"
    client.create_change_set(
        StackName=stage.stack,
        ChangeSetName=name,
        ChangeSetType=kind,
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in sorted(parameters.items())],
        Tags=[{"Key": "application", "Value": "switchboard"}],
        TemplateURL=template_url,
    )
    while (found := client.describe_change_set(StackName=stage.stack, ChangeSetName=name))["Status"] in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
        time.sleep(POLL_SECONDS)
    if found["Status"] == "FAILED":
        client.delete_change_set(StackName=stage.stack, ChangeSetName=name)
        if re.search("didn't contain changes|No updates are to be performed", found.get("StatusReason", "")):
            return False
        raise StageError(f"CloudFormation refuses the change of {stage.stack}: {found.get('StatusReason')}")
    if not agree(changes(client, stage, name)):
        client.delete_change_set(StackName=stage.stack, ChangeSetName=name)
        raise StageError("Nothing was changed.")
    client.execute_change_set(StackName=stage.stack, ChangeSetName=name)
    status = finished(stage, (stack or {}).get("LastUpdatedTime"))
    if status not in GOOD:
        raise StageError(f"{stage.stack} was not changed ({status}): {failure(stage)}")
    return True


def changes(client, stage: Stage, name: str) -> list[str]:
    pages = client.get_paginator("describe_change_set").paginate(StackName=stage.stack, ChangeSetName=name)
    found = [one["ResourceChange"] for page in pages for one in page["Changes"]]
    return [f"{one['Action']:8} {one['ResourceType']:40} {one['LogicalResourceId']}" for one in found]


def finished(stage: Stage, before: datetime.datetime | None) -> str:
    """Waits for the end of an operation that began after the one of `before`; the status of the stack."""
    for _ in range(12):
        # Until it begins, the stack looks as the last one left it.
        stack = described(stage)
        if stack is None or stack["StackStatus"].endswith("_IN_PROGRESS") or stack.get("LastUpdatedTime") != before:
            break
        time.sleep(POLL_SECONDS)
    while True:
        stack = described(stage)
        if stack is None:
            return "DELETE_COMPLETE"
        status = stack["StackStatus"]
        if not status.endswith("_IN_PROGRESS"):
            return status
        time.sleep(POLL_SECONDS)


# -- its functions -----------------------------------------------------------------------------------------------------


def functions(stage: Stage) -> dict[str, tuple[str, str]]:
    """The functions of the stack: by their names in the template, how they are called, and what calls them."""
    all_of_it = resources(stage)

    def has(kind: str, function: str) -> bool:
        return any(one["ResourceType"] == kind and one["LogicalResourceId"].startswith(function) for one in all_of_it)

    found = {}
    for one in all_of_it:
        if one["ResourceType"] == "AWS::Lambda::Function":
            name = one["LogicalResourceId"]
            if has("AWS::Lambda::EventSourceMapping", name):
                kind = "queue"
            elif has("AWS::Scheduler::Schedule", name):
                kind = "schedule"
            elif has("AWS::Lambda::Permission", name):
                kind = "requests"
            else:
                kind = "calls"
            found[name] = (one["PhysicalResourceId"], kind)
    return found


def live(stage: Stage) -> dict[str, str]:
    """The version that each function runs, by its name in the template."""
    client = stage.client("lambda")

    def version(physical: str) -> str:
        return client.get_alias(FunctionName=physical, Name=ALIAS)["FunctionVersion"]

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        found = {name: threads.submit(version, physical) for name, (physical, _) in functions(stage).items()}
    return {name: future.result() for name, future in found.items()}


def move(stage: Stage, versions: dict[str, str]) -> list[str]:
    """Moves aliases to these versions. Returns the functions for which none is named: they stay as they are."""
    client = stage.client("lambda")
    left = []
    for name, (physical, _) in functions(stage).items():
        if name in versions:
            # Without weights: a shift that had begun ends.
            client.update_alias(FunctionName=physical, Name=ALIAS, FunctionVersion=versions[name], RoutingConfig={"AdditionalVersionWeights": {}})
            print(f"{name}: {versions[name]}")
        else:
            left.append(name)
    return left


# What makes a function start and answer without doing anything, by what calls it. A schedule's function does what it does
# each minute anyway.
PROBES = {
    "queue": {"Records": []},
    "schedule": {},
    "calls": {"tenant": "smoke-test", "slot": "portal", "version": 0, "refused": False},
    "requests": {
        "version": "2.0",
        "routeKey": "GET /smoke-test",
        "rawPath": "/smoke-test",
        "rawQueryString": "",
        "headers": {"host": "smoke-test.invalid", "user-agent": "scripts/deploy"},
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "smoke-test",
            "domainName": "smoke-test.invalid",
            "domainPrefix": "smoke-test",
            "http": {"method": "GET", "path": "/smoke-test", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "scripts/deploy"},
            "requestId": "smoke-test",
            "routeKey": "GET /smoke-test",
            "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000",
            "timeEpoch": 1767225600000,
        },
        "isBase64Encoded": False,
    },
}


def probe(client, physical: str, kind: str) -> str | None:
    """Calls a function through its alias; what is wrong with its answer."""
    answer = client.invoke(FunctionName=physical, Qualifier=ALIAS, Payload=json.dumps(PROBES[kind]))
    text = answer["Payload"].read().decode()
    if "FunctionError" in answer:
        return text
    if kind == "requests":
        status = json.loads(text or "{}").get("statusCode", 0)
        return None if 200 <= status < 500 else f"HTTP {status}: {text}"
    if kind == "queue" and json.loads(text or "{}").get("batchItemFailures"):
        return text
    return None


def smoke_test(stage: Stage) -> dict[str, str]:
    """Calls every function through its alias; what is wrong, by function."""
    client = stage.client("lambda")
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        answers = {name: threads.submit(probe, client, physical, kind) for name, (physical, kind) in functions(stage).items()}
    wrong = {}
    for name, answer in answers.items():
        try:
            problem = answer.result()
        except Exception as error:  # Any failure of a call is a result of the test.
            problem = str(error)
        print(f"  {name}: {problem or 'answers'}")
        if problem:
            wrong[name] = problem
    return wrong


# -- releases ----------------------------------------------------------------------------------------------------------


def record_name(stage: Stage) -> str:
    return f"/switchboard/{stage.name}/releases"


def releases(stage: Stage) -> list[dict]:
    """The releases that passed their smoke test, the newest last: release, when, and the version of each function."""
    client = stage.client("ssm")
    try:
        return json.loads(client.get_parameter(Name=record_name(stage))["Parameter"]["Value"])
    except client.exceptions.ParameterNotFound:
        return []


def record(stage: Stage, release: str, versions: dict[str, str]) -> None:
    """Adds a release to the record, which keeps as many as fit."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    kept = [one for one in releases(stage) if one["release"] != release] + [{"release": release, "at": now, "versions": versions}]
    while len(text := json.dumps(kept, separators=(",", ":"))) > MAX_RECORD:
        kept.pop(0)
    stage.client("ssm").put_parameter(Name=record_name(stage), Value=text, Type="String", Overwrite=True)


def before(known: list[dict], current: dict[str, str]) -> dict:
    """The release before the one that runs."""
    for index, one in enumerate(known):
        if all(current.get(name, version) == version for name, version in one["versions"].items()):
            if index == 0:
                raise StageError(f"No release before {one['release']} is recorded.")
            return known[index - 1]
    if not known:
        raise StageError("No release is recorded. scripts/deploy records each release that passes its smoke test.")
    # A release that failed runs, or a mixture: the last good one is before it.
    return known[-1]


# -- what a person sees ------------------------------------------------------------------------------------------------


def asked(yes: bool, question: str):
    """Shows changes and asks, unless the answer was given with the command."""

    def agree(lines: list[str]) -> bool:
        print("\n".join(lines) or "No resource changes.")
        if yes:
            return True
        if not sys.stdin.isatty():
            raise StageError("Nobody can be asked here; --yes agrees to the changes.")
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")

    return agree


def run(main) -> None:
    try:
        main()
    except StageError as error:
        sys.exit(str(error))
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        sys.exit(f"AWS: {error}")
