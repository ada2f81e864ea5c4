// The vendor's Python client (b24pysdk) and fast-bitrix24 call the simulated portal, and get tokens of its authorization
// server.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { promisify } from "node:util";

const told = JSON.parse(process.env.SANDBOX);
const secure = JSON.parse(process.env.SECURE);
const python = process.env.PYTHON || new URL("../../.tools/bin/python3", import.meta.url).pathname;
const script = new URL("bitrix24.py", import.meta.url).pathname;

async function client(given) {
  const env = { ...process.env, REQUESTS_CA_BUNDLE: process.env.NODE_EXTRA_CA_CERTS, GIVEN: JSON.stringify(given) };
  const { stdout } = await promisify(execFile)(python, [script], { env });
  return JSON.parse(stdout);
}

test("its calls, its lists and its batches work, and a refusal is its own error", async () => {
  const webhook = new URL(told.bitrix24.webhook_url).pathname.split("/").slice(2, 4).join("/");
  const deal = told.bitrix24.deals[0];
  const seen = await client({ what: "calls", domain: new URL(told.https).host, webhook, deal });
  assert.deepEqual([seen.read, seen.listed >= 60, seen.batch], [deal, true, [deal, 6]]);
  assert.equal(seen.gone, "BitrixAPINotFound");
});

test("the older methods answer in capital letters, with several values, userfields and finds by phone", async () => {
  const webhook = new URL(secure.bitrix24.webhook_url).pathname.split("/").slice(2, 4).join("/");
  const seen = await client({ what: "families", domain: new URL(told.https).host, webhook });
  assert.deepEqual(seen, {
    sum: "12.50", several: ["Roof", "Wall, north"], won: "S", kept: ["Roof", "Wall, north"], known: true, field: true,
    gone: seen.gone, currencies: ["RUB", "USD", "EUR"], departments: 3, scope: true,
    method: { isExisting: true, isAvailable: true }, unknown_stage: seen.unknown_stage,
  });
  assert.ok(seen.gone?.startsWith("Bitrix") && seen.unknown_stage?.startsWith("Bitrix"), JSON.stringify(seen));
});

test("fast-bitrix24 gets whole lists, records by their numbers, and batches", async () => {
  const seen = await client({ what: "fast", webhook_url: secure.bitrix24.webhook_url });
  assert.ok(seen.deals >= 60, JSON.stringify(seen));
  assert.deepEqual(seen, {
    deals: seen.deals, items: seen.deals, tasks: 30, statuses: 5, users: 6, by_number: [1, 2, 3], as_items: [1, 2, 3],
    batch: ["company", "one"], updated: 3,
  });
});

test("it exchanges a code, looks at the token, renews the pair, and is refused as by Bitrix24", async () => {
  const sandbox = spawn(process.env.SWITCHBOARD, ["sandbox", "--companies", "1"], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const [line] = await once(createInterface({ input: sandbox.stdout }), "line");
    const { portals, client_id, client_secret, west } = JSON.parse(line).bitrix24;
    const query = new URLSearchParams({ client_id, state: "s" });
    const allowed = await fetch(`http://${portals[0]}/oauth/authorize/?${query}`, { method: "POST", body: new URLSearchParams({ user: "1" }), redirect: "manual" });
    const back = new URL(allowed.headers.get("location"), "http://unused").searchParams;
    const seen = await client({ what: "tokens", west, client_id, client_secret, code: back.get("code") });
    assert.deepEqual([seen.user, seen.member, seen.renewed], [1, Array(2).fill(back.get("member_id")), true]);
    assert.equal(seen.again, "BitrixOAuthInvalidGrant");
    assert.equal(seen.wrong, "BitrixOAuthInvalidClient");
  } finally {
    sandbox.kill();
  }
});
