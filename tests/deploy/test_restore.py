"""scripts/restore on an account of its own: to a new table, and back."""
import datetime
import json
import unittest

import harness

ITEM = {"pk": {"S": "tenant"}, "sk": {"S": "line"}, "value": {"S": "before"}, "version": {"N": "1"}}


class Restores(unittest.TestCase):
    def setUp(self):
        self.account = harness.Account()
        self.addCleanup(self.account.close)
        self.checkout = harness.Checkout(self.account)
        self.addCleanup(self.checkout.close)
        self.tables = self.account.client("dynamodb")

    def run_script(self, *arguments: str, fails: bool = False) -> str:
        done = self.checkout.run("restore", "dev", *arguments)
        self.assertEqual(done.returncode, int(fails), done.stdout + done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        return done.stdout + done.stderr

    def uses(self, function: str) -> str:
        return self.checkout.ask("dev", function)["variables"]["TABLE_LEDGER"]

    def value(self, table: str) -> str:
        return self.tables.get_item(TableName=table, Key={"pk": ITEM["pk"], "sk": ITEM["sk"]})["Item"]["value"]["S"]

    def concurrency(self) -> set:
        client = self.account.client("lambda")
        names = [one["FunctionName"] for one in client.list_functions()["Functions"]]
        return {client.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions") for name in names}

    def test_a_table_is_restored_used_and_left_again(self):
        self.assertIn("There is no stack switchboard-dev", self.run_script("list", fails=True))
        done = self.checkout.deploy("dev")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        own = self.checkout.outputs("dev")["LedgerTable"]
        self.tables.put_item(TableName=own, Item=ITEM)
        self.assertIn("has no point-in-time recovery", self.run_script("create", "Ledger", "--at", "2026-11-21T03:00:00Z", fails=True))
        # The template asks for it; ministack's stacks leave it out.
        self.tables.update_continuous_backups(TableName=own, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})
        at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")

        for arguments, says in (
            (("create", "Ledger"), "--at is missing"),
            (("create", "Ledger", "--at", "yesterday"), "yesterday is not a moment"),
            (("create", "Ledger", "--at", "2026-11-21T03:00:00"), "has no time zone"),
            (("create", "Ledger", "--at", "2999-01-01T00:00:00Z"), "is in the future"),
            (("use", "Ledger"), "Name the table to use"),
            (("use", "Ledger", "nothing", "--yes"), "There is no table nothing"),
            (("use", "Ledger", own, "--yes"), "is in use already"),
            (("use", "Ledger", self.checkout.outputs("dev")["LinksTable"], "--yes"), "is not a table for Ledger"),
            (("back", "Ledger", "--yes"), "was not restored from another table"),
        ):
            self.assertIn(says, self.run_script(*arguments, fails=True))

        said = self.run_script("create", "Ledger", "--at", at)
        restored = said.split("becomes ")[1].split(".\n")[0]
        self.assertEqual(self.value(restored), "before")
        self.assertEqual(self.uses("UpkeepFunction"), own, "nothing uses it yet")
        ttl = self.tables.describe_time_to_live(TableName=restored)["TimeToLiveDescription"]
        self.assertEqual((ttl["TimeToLiveStatus"], ttl["AttributeName"]), ("ENABLED", "ttl"))
        backups = self.tables.describe_continuous_backups(TableName=restored)["ContinuousBackupsDescription"]
        self.assertEqual(backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"], "ENABLED")
        description = self.tables.describe_table(TableName=restored)["Table"]
        self.assertTrue(description["DeletionProtectionEnabled"])
        tags = {one["Key"]: one["Value"] for one in self.tables.list_tags_of_resource(ResourceArn=description["TableArn"])["Tags"]}
        self.assertEqual(tags, {"switchboard-stage": "dev", "switchboard-table": "Ledger", "switchboard-from": own, "switchboard-at": at})

        self.run_script("use", "Ledger", restored, "--yes")
        functions = ("UpkeepFunction", "AdminFunction", "SchedulesFunction")
        self.assertEqual({self.uses(function) for function in functions}, {restored})
        self.assertIn(f"TABLE_LEDGER={restored} ", self.checkout.outputs("dev")["Environment"])
        self.assertEqual(self.concurrency(), {None}, "all functions work again")
        self.assertIn(f"Ledger   {restored}  in use  of {own} at {at}", self.run_script("list"))
        # The rights follow: the role of a function names the restored table.
        role = self.checkout.physical("dev", "UpkeepFunctionRole")
        iam = self.account.client("iam")
        policies = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in iam.list_role_policies(RoleName=role)["PolicyNames"]]
        self.assertIn(f"table/{restored}", json.dumps(policies))
        self.assertNotIn(f"table/{own}", json.dumps(policies))
        # What may have been done since is looked up.
        mark = self.tables.get_item(TableName=self.checkout.outputs("dev")["PortalsTable"], Key={"pk": {"S": "#generation"}, "sk": {"S": "restored"}})["Item"]
        value = json.loads(mark["value"]["S"])
        self.assertEqual(datetime.datetime.fromisoformat(value["backup_at"]), datetime.datetime.fromisoformat(at))
        self.assertLess(value["backup_at"], value["restored_at"])
        self.assertGreater(int(mark["version"]["N"]), 10**15, "a version of the present, in microseconds")

        # A deployment keeps it.
        done = self.checkout.deploy("dev", "LogLevel=warn")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(self.uses("UpkeepFunction"), restored)

        self.run_script("back", "Ledger", "--yes")
        self.assertEqual({self.uses(function) for function in functions}, {own})
        self.assertEqual(self.checkout.outputs("dev")["LedgerTable"], own)
        self.assertEqual(self.value(own), "before")

    def test_the_mark_is_where_the_functions_look_for_it(self):
        generation = (harness.ROOT / "shared/runtime/src/generation.rs").read_text()
        self.assertIn('ItemKey::new(Table::Portals, "#generation", "restored")', generation)
        store = (harness.ROOT / "shared/aws/src/store.rs").read_text()
        for attribute in ("pk", "sk", "value", "version", "expires_ms", "ttl"):
            self.assertIn(f'"{attribute}"', store)
        for field in ("pub restored_at: Timestamp", "pub backup_at: Option<Timestamp>"):
            self.assertIn(field, generation)


if __name__ == "__main__":
    unittest.main()
