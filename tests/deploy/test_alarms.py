"""The alarms of the template, evaluated as CloudWatch does over metrics as they were recorded in what each alarm is about."""
import pathlib
import re
import unittest
from types import SimpleNamespace

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse
from test_release import ROOT, TEMPLATE

PACKAGED = re.sub(r"CodeUri: functions/\S+", "CodeUri: s3://bucket/package", TEMPLATE)
RESOURCES = transform(yaml_parse(PACKAGED), {"Release": "0" * 10, "Stage": "prod"}, SimpleNamespace(load=dict))["Resources"]
ALARMS = {
    one["Properties"]["AlarmName"]["Fn::Sub"].removeprefix("switchboard-${Stage}-"): one
    for one in RESOURCES.values()
    if one["Type"] == "AWS::CloudWatch::Alarm"
}


class Series(list):
    """A value for each period; None where nothing was recorded."""

    def with_each(self, other, calculate) -> "Series":
        others = other if isinstance(other, Series) else [other] * len(self)
        return Series(None if a is None or b is None else calculate(a, b) for a, b in zip(self, others, strict=True))

    def __add__(self, other):
        return self.with_each(other, lambda a, b: a + b)

    def __truediv__(self, other):
        return self.with_each(other, lambda a, b: a / b)

    def __rmul__(self, other):
        return self.with_each(other, lambda a, b: a * b)

    def __gt__(self, other):
        return self.with_each(other, lambda a, b: a > b)

    def __eq__(self, other):
        return self.with_each(other, lambda a, b: a == b)

    def __and__(self, other):
        return self.with_each(other, lambda a, b: a and b)


# The functions of metric math that the template uses.
MATH = {
    "FILL": lambda series, value: Series(value if one is None else one for one in series),
    "MAX": lambda many: Series(max(values) for values in zip(*many, strict=True)),
    "IF": lambda condition, yes, no: Series(
        None if one is None else ((yes[index] if isinstance(yes, Series) else yes) if one else no) for index, one in enumerate(condition)
    ),
    "DIFF": lambda series: Series([None, *(None if a is None or b is None else b - a for a, b in zip(series, series[1:]))]),
}


def calculated(expression: str, values: dict[str, Series]) -> Series:
    # In Python `&` binds more tightly than a comparison.
    python = re.sub(r"IF\((.*) AND (.*), (\w+), (\w+)\)", r"IF((\1) & (\2), \3, \4)", expression)
    return eval(python, {"__builtins__": {}}, MATH | values)  # noqa: S307 - an expression of our own template


def states(name: str, recorded, periods: int) -> str:
    """The state of an alarm after each period: `A` for ALARM, `.` for OK. `recorded` gives a metric's values, by its name and by what
    it is of (a function, a queue, a reason); None where nothing was recorded."""
    alarm = ALARMS[name]["Properties"]

    def series(metric: dict) -> Series:
        of = [one["Value"] for one in metric.get("Dimensions", []) if one["Name"] != "stage"]
        named = [next(iter(one.values())) if isinstance(one, dict) else one for one in of]
        named = [one[0] if isinstance(one, list) else one for one in named]
        values = recorded(metric["MetricName"], str(named[0]) if named else "")
        return Series(values if values is not None else [None] * periods)

    if "Metrics" in alarm:
        values = {one["Id"]: series(one["MetricStat"]["Metric"]) for one in alarm["Metrics"] if "MetricStat" in one}
        expression = next(one["Expression"] for one in alarm["Metrics"] if "Expression" in one)
        data = calculated(expression, values)
    else:
        data = series(alarm)
    threshold = 800 if isinstance(alarm["Threshold"], dict) else alarm["Threshold"]
    breaches = {
        "GreaterThanThreshold": lambda value: value > threshold,
        "GreaterThanOrEqualToThreshold": lambda value: value >= threshold,
        "LessThanThreshold": lambda value: value < threshold,
    }[alarm["ComparisonOperator"]]
    breaching = [alarm["TreatMissingData"] == "breaching" if value is None else bool(breaches(value)) for value in data]
    window = alarm["EvaluationPeriods"]
    needed = alarm.get("DatapointsToAlarm", window)
    return "".join("A" if sum(breaching[max(0, end - window + 1) : end + 1]) >= needed else "." for end in range(periods))


def only(metric: str, values: list, of: str | None = None):
    """Nothing was recorded but this metric."""
    return lambda name, owner: values if name == metric and of in (None, owner) else None


class Alarms(unittest.TestCase):
    def test_every_alarm_is_quiet_while_nothing_is_wrong(self):
        well = {"Invocations": [5] * 6, "NumberOfMessagesSent": None, "Duration": [900] * 6, "queue_lag": [0.2] * 6, "command_lag": [0.1] * 6, "Count": [900] * 6, "silent_tenants": [0] * 6, "tokens_near_end": [0] * 6, "sweep_lag": [60] * 6, "poll_lag": [30] * 6}
        for name in ALARMS:
            # Only the metric that says that the upkeep measured: its number of samples.
            recorded = only("silent_tenants", [4] * 6) if name == "upkeep-missing" else lambda metric, _: well.get(metric)
            self.assertEqual(states(name, recorded, 6), "......", name)

    def test_new_trouble_of_a_second_tenant_is_an_alarm_of_its_own(self):
        self.assertEqual(states("access", only("access_ended", [0, 1, 0, 0, 1, None], "Slack"), 6), ".A..A.")
        self.assertEqual(states("dead-slack-delivery", only("NumberOfMessagesSent", [None, 3, None, None, 1, None]), 6), ".A..A.")
        self.assertEqual(states("dead", only("jobs", [None, 3, None, None, 1, None], "dead"), 6), ".A..A.")
        for name, metric in (("tokens", "tokens_near_end"), ("silence", "silent_tenants")):
            self.assertEqual(states(name, only(metric, [0, 1, 1, 1, 2, 1]), 6), ".A..A.", name)
        # Their end says nothing, because the trouble may last.
        for name in ("access", "tokens", "silence", "dead", "dead-slack-delivery"):
            self.assertNotIn("OKActions", ALARMS[name]["Properties"], name)

    def test_what_is_held_on_purpose_is_not_late_and_a_backlog_is(self):
        # A card that waits for the end of quiet hours, or a backfill, was handed out before: nothing is measured of it.
        self.assertEqual(states("late", lambda *_: None, 6), "......")
        # One tenant's jobs that had waited for days go out within minutes.
        self.assertEqual(states("late", only("queue_lag", [0.2, 200_000, 0.2, 0.2, 0.3, 0.2]), 6), "......")
        self.assertEqual(states("late", only("queue_lag", [0.2, 950, 1300, 1600, 1700, 20]), 6), "...AA.")
        self.assertEqual(states("late-commands", only("command_lag", [0.1, 61, 80, 90, 0.1, 0.1]), 6), "..AAA.")

    def test_what_is_urgent_is_said_within_the_first_period(self):
        self.assertEqual(ALARMS["functions-ingress"]["Properties"]["Metrics"][1]["MetricStat"]["Period"], 60)
        for function in ("Bitrix24WebhookFunction", "SlackWebhookFunction", "NotionWebhookFunction", "AdminFunction", "InstallFunction"):
            self.assertEqual(states("functions-ingress", only("Errors", [0, 1, 0], function), 3), ".A.", function)
        self.assertEqual(states("functions-ingress", only("Throttles", [0, 1, 0], "Bitrix24WebhookFunction"), 3), ".A.")
        # A single 503 that is sent again pages nobody; an outage does.
        for failed, requests, expected in ((1, 10, "."), (2, 10, "."), (3, 100, "A"), (3, 10_000, "."), (150, 10_000, "A")):
            recorded = {"5xx": [failed], "Count": [requests]}
            self.assertEqual(states("api-5xx", lambda name, _, known=recorded: known.get(name), 1), expected, (failed, requests))

    def test_a_schedule_that_stops_is_noticed(self):
        for name, function in (("sweep-missing", "PortalSweepFunction"), ("poll-missing", "NotionPollFunction"), ("schedules-missing", "SchedulesFunction")):
            self.assertEqual(states(name, only("Invocations", [15, 15, None, None, 15, 15], function), 6), "..AA..", name)
        self.assertEqual(states("upkeep-missing", only("silent_tenants", [4, None, 4]), 3), ".A.")
        self.assertEqual(states("sweep-late", only("sweep_lag", [60, 1300, 1500, 1700, 60, 60]), 6), "...A..")
        self.assertEqual(states("poll-late", only("poll_lag", [30] + [700] * 5), 6), ".....A")

    def test_a_queue_that_nobody_works_is_noticed(self):
        def recorded(name, of):
            return {"NumberOfMessagesSent": [0, 4, 9, 2, 5, 0], "Invocations": [2, 1, None, None, None, 3]}.get(name)

        self.assertEqual(states("stalled-bitrix24-events", recorded, 6), "...AA.")
        # A message that arrives at the end of a period is worked in the next.
        late = {"NumberOfMessagesSent": [0, 1, 0], "Invocations": [None, None, 1]}
        self.assertEqual(states("stalled-record-sync", lambda name, _: late.get(name), 3), "...")

    def test_limits_that_come_near_are_noticed(self):
        self.assertEqual(states("functions-slow", only("Duration", [58_000] * 3, "Bitrix24EventsFunction"), 3), "..A")
        self.assertEqual(states("functions-slow", only("Duration", [100_000] * 3, "SlackDeliveryFunction"), 3), "...", "it has three minutes")
        self.assertEqual(states("concurrency", only("ClaimedAccountConcurrency", [10, 790, 800, 900, 950]), 5), "....A")
        self.assertEqual(states("full-record-sync", only("ApproximateNumberOfMessagesVisible", [49_000, 51_000]), 2), ".A")
        self.assertEqual(states("tables-throttled", only("WriteThrottleEvents", [0, 200, 300], "HasOwnLedger"), 3), "..A")
        self.assertEqual(states("letters-expire", only("ApproximateAgeOfOldestMessage", [860_000, 870_000], "SlackEventsDead"), 2), ".A")
        self.assertEqual(states("functions-worker-errors", only("Errors", [1, 1], "TokenRenewalFunction"), 2), ".A")
        self.assertEqual(states("functions-worker-throttles", only("Throttles", [5, 5], "RecordSyncFunction"), 2), ".A")
        self.assertEqual(states("functions-schedule", only("Errors", [1, 1], "ProgramsFunction"), 2), ".A")
        self.assertEqual(states("departures", only("late_departures", [1, 1]), 2), ".A")
        self.assertEqual(states("api-4xx", only("4xx", [150, 150, 150]), 3), "..A")

    def test_every_alarm_is_provoked_here(self):
        text = pathlib.Path(__file__).read_text()
        families = {re.sub(r"^(dead|stalled|full)-.*", r"\1-", name) for name in ALARMS}
        self.assertEqual({name for name in families if f'"{name}' not in text}, set())

    def test_the_few_are_those_that_the_runbook_names(self):
        few = {name for name, one in ALARMS.items() if one.get("Condition") in (None, "HasFewAlarms")}
        runbook = (ROOT / "docs/operations.md").read_text()
        sentence = re.search(r"With `Alarms=few` only these exist: (.*?)\n\(", runbook, re.DOTALL)[1]
        self.assertEqual(set(re.findall(r"`([\w-]+)`", sentence)), few)

    def test_no_alarm_calculates_with_more_metrics_than_cloudwatch_allows(self):
        for name, one in ALARMS.items():
            self.assertLessEqual(len([metric for metric in one["Properties"].get("Metrics", []) if "MetricStat" in metric]), 10, name)


if __name__ == "__main__":
    unittest.main()
