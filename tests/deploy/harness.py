"""An account and a checkout for the tests of scripts/deploy, scripts/rollback and scripts/restore.

The account is ministack. The checkout has the real scripts and template, and a stub in place of each built function, so that no
test waits for a build. tests/cloud runs the real functions."""
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time

import boto3

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
REGION = "us-east-1"
# A function that answers by the Runtime API what its caller expects, and says what it was given.
STUB = """#!{python}
import json, os, urllib.request
API = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/"
BROKEN = {broken}
while True:
    with urllib.request.urlopen(API + "invocation/next") as event:
        request = event.headers["Lambda-Runtime-Aws-Request-Id"]
        body = json.load(event)
    if "Records" in body:
        answer = {{"batchItemFailures": []}}
    elif "requestContext" in body:
        answer = {{"statusCode": 503 if BROKEN else 404, "body": ""}}
    else:
        answer = {{"stub": "{mark}", "variables": {{name: value for name, value in os.environ.items() if name.isupper()}}}}
    if BROKEN and "statusCode" not in answer:
        where, answer = "/error", {{"errorType": "Broken", "errorMessage": "broken"}}
    else:
        where = "/response"
    urllib.request.urlopen(urllib.request.Request(API + "invocation/" + request + where, json.dumps(answer).encode(), method="POST")).read()
"""


class Account:
    """An AWS account of this process alone."""

    def __init__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{port}"
        self.folder = tempfile.mkdtemp(prefix="account-")
        self.env = os.environ | {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "SAM_CLI_TELEMETRY": "0",
            "SWITCHBOARD_POLL_SECONDS": "0.2",
            "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        own = {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "TMPDIR": self.folder, "LOG_LEVEL": "WARNING", "MINISTACK_HOST": "127.0.0.1", "LAMBDA_ACCOUNT_CONCURRENCY": "1000"}
        # The emulator wants other versions of libraries than our tools; what it lacks, it takes from them.
        emulator = ROOT / ".tools-cloud/bin/python"
        python = os.environ.get("EMULATOR_PYTHON") or (str(emulator) if emulator.exists() else sys.executable)
        own["TOOLS"] = sysconfig.get_path("purelib")
        self.log = open(f"{self.folder}/log", "w")  # noqa: SIM115 - it is closed with the account
        self.process = subprocess.Popen([python, str(ROOT / "tests/deploy/account.py")], env=self.env | own, stdout=self.log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"ministack did not start: {pathlib.Path(self.log.name).read_text()}") from None
                time.sleep(0.1)

    def client(self, service: str):
        return boto3.client(service, endpoint_url=self.endpoint, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


UNKNOWN = ("AWS::Logs::QueryDefinition", "AWS::SecretsManager::ResourcePolicy")


def emulated(template: str) -> str:
    """The template without what ministack does not know: UNKNOWN, alarms that calculate, and shifting by CodeDeploy."""
    head, rest = template.split("\nResources:\n")
    resources, outputs = rest.split("\nOutputs:\n")
    blocks = re.split(r"(?m)^(?=  \w+:$)", resources)
    known = [block for block in blocks if not any(f"Type: {kind}" in block for kind in UNKNOWN)]
    known = [block for block in known if not ("Type: AWS::CloudWatch::Alarm" in block and "\n      Metrics:" in block)]
    known = [re.sub(r"(?m)^ +DeploymentPreference: .*\n", "", block) for block in known]
    return f"{head}\nResources:\n{''.join(known)}\nOutputs:\n{outputs}"


def settled(client, stack: str) -> str:
    """Waits for the end of an operation; the stack's status."""
    deadline = time.monotonic() + 60
    while (status := client.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]).endswith("_IN_PROGRESS"):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{stack} is still {status}")
        time.sleep(0.1)
    return status


class Checkout:
    """A copy of what scripts/deploy reads, with stubs for functions."""

    def __init__(self, account: Account):
        self.account = account
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="checkout-"))
        for part in ("scripts", "infra/aws"):
            shutil.copytree(ROOT / part, self.folder / part)
        for part in ("template.yaml", "samconfig.toml"):
            shutil.copy(ROOT / part, self.folder / part)
        template = (self.folder / "template.yaml").read_text()
        self.binaries = re.findall(r"CodeUri: functions/(\S+)", template)
        (self.folder / "emulated.yaml").write_text(emulated(template))
        git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.com"]
        for command in (["init", "-q"], ["add", "scripts"], ["commit", "-qm", "stubs"]):
            subprocess.run([*git, *command], cwd=self.folder, check=True)
        self.build("first")

    def build(self, mark: str, broken: tuple[str, ...] = ()) -> None:
        """Makes stubs that answer with this mark; the broken ones fail."""
        for name in self.binaries:
            path = self.folder / f"target/lambda/{name}/bootstrap"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(STUB.format(python=sys.executable, mark=mark, broken=name in broken))
            path.chmod(0o755)

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, f"scripts/{script}", *arguments]
        return subprocess.run(command, cwd=self.folder, env=self.account.env, capture_output=True, text=True, stdin=subprocess.DEVNULL)

    def deploy(self, stage: str, *arguments: str) -> subprocess.CompletedProcess:
        return self.run("deploy", stage, "--yes", "--no-build", "--template", "emulated.yaml", *arguments)

    def outputs(self, stage: str) -> dict[str, str]:
        stack = self.account.client("cloudformation").describe_stacks(StackName=f"switchboard-{stage}")["Stacks"][0]
        return {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}

    def physical(self, stage: str, logical: str) -> str:
        return self.account.client("cloudformation").describe_stack_resource(StackName=f"switchboard-{stage}", LogicalResourceId=logical)["StackResourceDetail"]["PhysicalResourceId"]

    def ask(self, stage: str, function: str) -> dict:
        """What the stub of a function answers through its alias."""
        answer = self.account.client("lambda").invoke(FunctionName=self.physical(stage, function), Qualifier="live", Payload=b"{}")
        return json.loads(answer["Payload"].read())

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
