import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const told = JSON.parse(process.env.SANDBOX);

test("a portal with a self-signed certificate is refused with words that name the fix", async () => {
  const folder = mkdtempSync(join(tmpdir(), "switchboard-certificate-"));
  const webhook = told.bitrix24.webhook_url.replace(told.bitrix24.url, told.https);
  const config = join(folder, "switchboard.toml");
  writeFileSync(config, `database = "${folder}/switchboard.db"\nlisten = "127.0.0.1:0"\nstatus = "127.0.0.1:0"\n`
    + `[portal]\nwebhook_url = "${webhook}"\napplication_token = "t"\n`
    + `[slack]\nbot_token = "${told.slack.bot_token}"\napi_url = "${told.slack.api_url}"\n`);
  const host = spawn(process.env.SWITCHBOARD, ["serve", "--config", config], { stdio: ["ignore", "ignore", "pipe"] });
  const ended = once(host, "exit");
  try {
    // It serves all the same, and says in its log what is wrong.
    let log = "";
    for await (const part of host.stderr) {
      log += part;
      if (/its TLS certificate is not valid: it has to be of a known authority/.test(log)) break;
    }
    assert.match(log, /its TLS certificate is not valid: it has to be of a known authority/);
    assert.ok(!log.includes(webhook), "the webhook's URL is a secret");
    assert.equal(host.exitCode, null);
  } finally {
    host.kill("SIGKILL");
    await ended;
    rmSync(folder, { recursive: true });
  }
});
