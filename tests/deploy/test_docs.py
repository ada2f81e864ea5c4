"""The commands of the documents, as far as they need no account: they are understood, and name what there is."""
import contextlib
import io
import pathlib
import re
import shlex
import tomllib
import unittest

import yaml
from test_release import ROOT, TEMPLATE, script

PARAMETERS = set(re.findall(r"^  (\w+):$", TEMPLATE.split("\nParameters:\n")[1].split("\nRules:")[0], re.MULTILINE))
STAGES = {name for name in tomllib.loads((ROOT / "samconfig.toml").read_text()) if name not in ("version", "default")}
DOCUMENTS = ["docs/deploying.md", "docs/operations.md", "docs/installing.md", "docs/costs.md", "README.md", ".github/workflows/deploy.yml"]
SCRIPTS = {name: script(name).command_line() for name in ("deploy", "rollback", "restore")}


def commands() -> list[tuple[str, str, list[str]]]:
    """The document, the script and the arguments of every command in a document."""
    found = []
    for document in DOCUMENTS:
        text = (ROOT / document).read_text()
        for name, rest in re.findall(r"scripts/(deploy|rollback|restore) ([^\n`#;]+)", text):
            if re.match(r"[a-z\"$-]+|STAGE", rest) and not rest.startswith(("and ", "sets ", "does ", "records ")):
                words = shlex.split(rest)
                found.append((document, name, words))
    return found


class Documents(unittest.TestCase):
    def test_every_command_is_understood(self):
        found = commands()
        self.assertGreater(len(found), 15)
        for document, name, words in found:
            with self.subTest(document=document, command=[name, *words]):
                stated = [word.replace("STAGE", "dev").replace("$dev", "dev").replace("$STAGE", "dev").rstrip(").,:") for word in words]
                with contextlib.redirect_stderr(io.StringIO()) as said:
                    try:
                        arguments = SCRIPTS[name].parse_intermixed_args(stated)
                    except SystemExit:
                        self.fail(said.getvalue())
                self.assertIn(arguments.stage, STAGES)
                for pair in getattr(arguments, "parameters", []):
                    self.assertIn(pair.split("=")[0], PARAMETERS)

    def test_every_parameter_is_explained(self):
        text = (ROOT / "docs/deploying.md").read_text()
        self.assertEqual({name for name in PARAMETERS if f"`{name}`" not in text}, set())

    def test_files_that_documents_name_are_there(self):
        text = (ROOT / "docs/deploying.md").read_text()
        for path in set(re.findall(r"`((?:scripts|infra|events|\.github)/[\w./-]+)`", text)):
            self.assertTrue((ROOT / path).exists(), path)

    def test_the_workflow_has_the_stages_and_asks_for_no_key(self):
        text = (ROOT / ".github/workflows/deploy.yml").read_text()
        workflow = yaml.safe_load(text)
        self.assertEqual(set(workflow[True]["workflow_dispatch"]["inputs"]["stage"]["options"]), STAGES)
        self.assertEqual(workflow["jobs"]["deploy"]["permissions"], {"contents": "read", "id-token": "write"})
        self.assertIn("environment", workflow["jobs"]["deploy"])
        self.assertNotIn("secrets.", text)

    def test_every_saved_query_is_named_in_the_runbook(self):
        runbook = pathlib.Path(ROOT / "docs/operations.md").read_text()
        for name in re.findall(r"Name: !Sub switchboard-\$\{Stage\}/([a-z-]+)\n.*?QueryString", TEMPLATE, re.DOTALL):
            if name not in ("key-ring", "oauth-apps", "slack-signing-secrets"):
                self.assertIn(f"`{name}`", runbook)


if __name__ == "__main__":
    unittest.main()
