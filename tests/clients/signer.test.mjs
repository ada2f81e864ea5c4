// Slack's own signer (slack_sdk, Python) signs what the demonstration's endpoint takes, and what it refuses.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";

const told = JSON.parse(process.env.SANDBOX).slack;
const python = process.env.PYTHON || new URL("../../.tools/bin/python3", import.meta.url).pathname;
const data = mkdtempSync(join(tmpdir(), "switchboard-signer-"));
let demo, address;

before(async () => {
  demo = spawn(process.env.SWITCHBOARD, ["demo", "--listen", "127.0.0.1:0", "--data", data], { stdio: ["ignore", "pipe", "inherit"] });
  [address] = await once(createInterface({ input: demo.stdout }), "line");
});

after(async () => {
  demo.kill("SIGINT");
  await once(demo, "exit");
  rmSync(data, { recursive: true, force: true });
});

function sign(body, timestamp, secret = told.signing_secret) {
  const code = "import sys; from slack_sdk.signature import SignatureVerifier as V; print(V(sys.argv[1]).generate_signature(timestamp=sys.argv[2], body=sys.argv[3]), end='')";
  return execFileSync(python, ["-c", code, secret, String(timestamp), body], { encoding: "utf8" });
}

async function post(path, type, body, { signed = body, timestamp = Math.floor(Date.now() / 1000), secret } = {}) {
  const headers = {
    "content-type": type, "x-slack-request-timestamp": String(timestamp), "x-slack-signature": sign(signed, timestamp, secret),
  };
  const answer = await fetch(new URL(path, address), { method: "POST", headers, body });
  return { status: answer.status, body: await answer.json() };
}

const form = "application/x-www-form-urlencoded";
const command = new URLSearchParams({
  command: "/b24-lead", text: "Größe & Söhne | 100 % – ünïcode ✓", team_id: told.team_id, channel_id: "C0", user_id: "U0",
  response_url: "http://127.0.0.1:1/", trigger_id: "1.2.3", api_app_id: "A0",
}).toString();

test("the challenge is answered", async () => {
  const answer = await post("/webhooks/slack", "application/json", JSON.stringify({ type: "url_verification", token: "t", challenge: "3eZbrw1a" }));
  assert.deepEqual(answer, { status: 200, body: { challenge: "3eZbrw1a" } });
});

test("a signed command is taken", async () => {
  const answer = await post("/webhooks/slack", form, command);
  assert.equal(answer.status, 200);
  assert.equal(answer.body.response_type, "ephemeral");
});

test("one changed byte, another secret, an old time: refused", async () => {
  assert.equal((await post("/webhooks/slack", form, `${command}1`, { signed: command })).status, 401);
  assert.equal((await post("/webhooks/slack", form, command, { secret: "another" })).status, 401);
  assert.equal((await post("/webhooks/slack", form, command, { timestamp: Math.floor(Date.now() / 1000) - 301 })).status, 401);
});
