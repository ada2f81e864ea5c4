import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const told = JSON.parse(process.env.SANDBOX);

test("a portal with a self-signed certificate is refused with words that name the fix", () => {
  const folder = mkdtempSync(join(tmpdir(), "switchboard-certificate-"));
  try {
    const webhook = told.bitrix24.webhook_url.replace(told.bitrix24.url, told.https);
    const config = join(folder, "switchboard.toml");
    writeFileSync(config, `database = "${folder}/switchboard.db"\n[portal]\nwebhook_url = "${webhook}"\napplication_token = "t"\n`
      + `[slack]\nbot_token = "${told.slack.bot_token}"\napi_url = "${told.slack.api_url}"\n`);
    const ran = spawnSync(process.env.SWITCHBOARD, ["serve", "--config", config], { encoding: "utf8", timeout: 30_000 });
    assert.equal(ran.status, 1);
    assert.match(ran.stderr, /its TLS certificate is not valid: it has to be of a known authority/);
    assert.ok(!ran.stderr.includes(webhook), "the webhook's URL is a secret");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
