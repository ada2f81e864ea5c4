"""The saved queries, run over lines as the code writes them.

A line is made of what a macro of `tracing` in the product's source gives it: its level, its text and its fields. So a query that looks
for a text that nobody writes, or for a field that the line does not have, is found; and a field that hides the text of its line too."""
import json
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TEMPLATE = (ROOT / "template.yaml").read_text()
MACRO = re.compile(r"tracing::(error|warn|info)!\((.*?)\);", re.DOTALL)
# What every line of a job has beside its own fields (shared/aws/src/log.rs), and what CloudWatch adds.
ALWAYS = {"tenant", "trace", "@timestamp", "@log"}


def code() -> str:
    files = [path for folder in ("functions", "shared", "infra") for path in (ROOT / folder).rglob("*.rs") if "tests" not in path.parts]
    return "\n".join(path.read_text().split("#[cfg(test)]")[0] for path in files)


CODE = code()


def line(level: str, arguments: str) -> dict:
    """The line that a macro writes; a field named `message` takes the place of its text, as in the log."""
    texts = re.findall(r'"((?:[^"\\]|\\.)*)"', arguments)
    made = {"level": level.upper(), "message": texts[-1] if texts else ""}
    before = arguments.rsplit(f'"{texts[-1]}"', 1)[0] if texts else arguments
    for part in re.split(r",(?![^(]*\))", before):
        field = re.match(r"\s*[%?]?(\w+)\s*(?:=\s*(.*))?$", part, re.DOTALL)
        if field:
            made[field[1]] = field[2] or field[1]
    return made


LINES = [line(level, arguments) for level, arguments in MACRO.findall(CODE)]


def accepts(condition: str, one: dict) -> bool:
    """Whether a line passes a filter: the part of the language of Logs Insights that the queries use."""
    if " or " in condition:
        return any(accepts(part, one) for part in condition.split(" or "))
    if " and " in condition:
        return all(accepts(part, one) for part in condition.split(" and "))
    if found := re.fullmatch(r"ispresent\((\w+)\)", condition):
        return found[1] in one
    if found := re.fullmatch(r"(\w+) in (\[.*\])", condition):
        return one.get(found[1]) in json.loads(found[2])
    if found := re.fullmatch(r'(\w+) = "(.*)"', condition):
        return one.get(found[1]) == found[2]
    if found := re.fullmatch(r"(\w+) (>=|<) (\d+)", condition):
        value = int(one.get(found[1], 0))
        return value >= int(found[3]) if found[2] == ">=" else value < int(found[3])
    raise AssertionError(f"this test does not know the condition {condition}")


def queries() -> dict[str, str]:
    found = re.findall(r"Name: !Sub switchboard-\$\{Stage\}/(\S+)\n.*?QueryString: >-\n +(.*?)\n", TEMPLATE, re.DOTALL)
    return dict(found)


def condition(query: str) -> str | None:
    found = re.search(r"(?:^|\| )filter (.*?)(?: \||$)", query)
    return found[1] if found else None


def fields(query: str) -> set[str]:
    """The fields that a query shows or counts by."""
    named = set()
    for part in query.split(" | "):
        verb, _, rest = part.partition(" ")
        if verb == "fields":
            named |= set(rest.split(", "))
        if verb == "stats":
            grouped = rest.split(" by ")[1] if " by " in rest else ""
            named |= set(re.findall(r"(?:latest|max)\(([@\w]+)\)", rest)) | {field for field in grouped.split(", ") if "(" not in field}
    return named - {""}


class Queries(unittest.TestCase):
    def test_no_field_hides_the_text_of_its_line(self):
        self.assertGreater(len(LINES), 60)
        hidden = [arguments for _, arguments in MACRO.findall(CODE) if re.search(r"(?<![\w.])message\s*=", arguments)]
        self.assertEqual(hidden, [])
        self.assertEqual(line("info", 'queue, message = received.id, "retry"')["message"], "received.id", "so it would be noticed")

    def test_a_query_for_a_text_finds_its_line_with_all_that_it_shows(self):
        looked_for = {name: text for name, text in queries().items() if 'message = "' in text}
        self.assertEqual(set(looked_for), {"dead-letters", "retries"})
        for name, text in looked_for.items():
            found = [one for one in LINES if accepts(condition(text), one)]
            self.assertEqual(len(found), 1, f"{name}: {text}")
            self.assertEqual(fields(text) - set(found[0]) - ALWAYS, set(), f"{name}: the line has {sorted(found[0])}")

    def test_what_is_shown_of_errors_is_what_lines_have(self):
        text = queries()["errors-and-warnings"]
        found = [one for one in LINES if accepts(condition(text), one)]
        self.assertGreater(len(found), 30)
        for field in fields(text) - ALWAYS:
            self.assertTrue(any(field in one for one in found), f"no error or warning has {field}")

    def test_counted_requests_are_counted(self):
        counted = set(re.findall(r"ispresent\((\w+)\)", "".join(queries().values())))
        self.assertGreaterEqual(len(counted), 5)
        for name in counted:
            # A line of the embedded metric format has the metric as a field.
            self.assertIn(f'"{name}"', CODE, f"nobody counts {name}")
            self.assertTrue(any(accepts(condition(text), {name: 1}) for text in queries().values() if "ispresent" in text))

    def test_queries_of_the_api_read_its_own_log(self):
        logged = set(json.loads(re.search(r"Format: '(.*)'", TEMPLATE)[1]))
        of_the_api = {"api-refused", "api-failures", "by-address"}
        blocks = re.split(r"(?m)^(?=  \w+:$)", TEMPLATE)
        for name, text in queries().items():
            block = next(block for block in blocks if f"/{name}\n" in block and "QueryDefinition" in block)
            self.assertEqual("[!Ref ApiLog]" in block, name in of_the_api, name)
            if name in of_the_api:
                self.assertEqual(fields(text) - logged - ALWAYS, set(), name)
        refused = {"status": "429", "route": "ANY /install", "sourceIp": "192.0.2.1"}
        self.assertTrue(accepts(condition(queries()["api-refused"]), refused))
        self.assertFalse(accepts(condition(queries()["api-refused"]), refused | {"status": "503"}))
        self.assertTrue(accepts(condition(queries()["api-failures"]), refused | {"status": "503"}))


if __name__ == "__main__":
    unittest.main()
