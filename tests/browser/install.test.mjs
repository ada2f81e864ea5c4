// Three companies install at once, each in a browser of its own: from nothing to the first card.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { Host, binary } from "./host.mjs";

const folder = mkdtempSync(join(tmpdir(), "switchboard-install-"));
const host = new Host();
let sandbox, serve, known, url, log = "";

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

async function steer(path, body) {
  const answer = await fetch(`${known.control}${path}`, { method: "POST", body: JSON.stringify(body) });
  return answer.json();
}

before(async () => {
  sandbox = spawn(binary, ["sandbox", "--companies", "3"], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(createInterface({ input: sandbox.stdout }), "line");
  known = JSON.parse(line);
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  const { bitrix24, slack, notion } = known;
  writeFileSync(join(folder, "switchboard.toml"), `
listen = "127.0.0.1:${port}"
status = "127.0.0.1:0"
database = "${join(folder, "switchboard.db")}"
public_url = "${url}"
[network]
allow = ["127.0.0.1"]
[providers]
slack = "${slack.api_url}"
notion = "${notion.api_url}"
bitrix24_auth_west = "${bitrix24.west}"
bitrix24_auth_east = "${bitrix24.east}"
[apps.bitrix24]
client_id = "${bitrix24.client_id}"
client_secret = "${bitrix24.client_secret}"
[apps.slack]
client_id = "${slack.client_id}"
client_secret = "${slack.client_secret}"
signing_secret = "${slack.signing_secret}"
pkce = true
[apps.notion]
client_id = "${notion.client_id}"
client_secret = "${notion.client_secret}"
`);
  await steer("/deploy", { url });
  serve = spawn(binary, ["serve", "--config", join(folder, "switchboard.toml")], { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, RUST_LOG: "info" } });
  serve.stderr.on("data", (text) => { log += text; });
  for await (const line of createInterface({ input: serve.stdout })) {
    if (line.startsWith("Status:")) break;
  }
  await host.open();
});

after(async () => {
  await host.browser?.close();
  serve?.kill("SIGKILL");
  sandbox?.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

async function install(company, viewport) {
  const context = await host.browser.newContext({ viewport });
  const page = await context.newPage();
  page.on("pageerror", (error) => { throw error; });
  await page.goto(`${url}/install`);
  await page.getByLabel("Address of your portal").fill(known.bitrix24.portals[company]);
  await page.getByRole("button", { name: "Connect Bitrix24" }).click();
  await page.getByRole("button", { name: "Allow" }).click();
  await page.getByText("Next:").waitFor();
  await page.getByRole("button", { name: "Add to Slack" }).click();
  await page.getByLabel("Workspace").selectOption(known.slack.teams[company]);
  await page.getByRole("button", { name: "Allow" }).click();
  await page.getByText("Everything is connected.").waitFor();
  await steer("/deals", { company, title: `First deal of ${company}` });
  for (;;) {
    const cards = await steer("/messages", { company, channel: "sales-pipeline" });
    if (cards.length > 0) return { page, cards };
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test("three companies install at once, and each sees its own first card", async () => {
  const sizes = [{ width: 1280, height: 900 }, { width: 390, height: 844 }, { width: 1280, height: 900 }];
  const done = await Promise.all(sizes.map((size, company) => install(company, size)));
  for (const [company, { page, cards }] of done.entries()) {
    assert.ok(cards.every((card) => card.includes(`First deal of ${company}`)), cards.join());
    // Nothing is cut off on a phone.
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(overflow <= 0, `the page is ${overflow} points too wide`);
    if (process.env.SCREENSHOTS) await page.screenshot({ path: join(process.env.SCREENSHOTS, `install-${company}.png`), fullPage: true });
  }
  const [{ page }] = done;
  await page.getByRole("button", { name: "Connect Notion" }).click();
  await page.getByRole("button", { name: "Allow access" }).click();
  await page.getByText("The Notion workspace Sandbox is connected.").waitFor();
  await page.getByRole("link", { name: "API keys" }).click();
  await page.getByLabel("What it is for").fill("Shop");
  await page.getByLabel("create deals and contacts").check();
  await page.getByRole("button", { name: "Create the key" }).click();
  const key = await page.locator("code", { hasText: "swb_" }).innerText();
  if (process.env.SCREENSHOTS) await page.screenshot({ path: join(process.env.SCREENSHOTS, "keys.png"), fullPage: true });
  const member = key.slice(4).split(".")[0];
  const answer = await fetch(`${url}/api/v1/${member}/deals`, {
    method: "POST", headers: { authorization: `Bearer ${key}`, "idempotency-key": "1" }, body: JSON.stringify({ title: "Order" }),
  });
  assert.equal(answer.status, 201);
});

test("who cancels is told so, and nothing is lost", async () => {
  const page = await (await host.browser.newContext()).newPage();
  await page.goto(`${url}/install`);
  if (process.env.SCREENSHOTS) await page.screenshot({ path: join(process.env.SCREENSHOTS, "first.png"), fullPage: true });
  await page.getByLabel("Address of your portal").fill(known.bitrix24.portals[1]);
  await page.getByRole("button", { name: "Connect Bitrix24" }).click();
  await page.getByRole("button", { name: "Allow" }).click();
  await page.getByRole("button", { name: "Connect again" }).first().click();
  await page.getByLabel("Workspace").selectOption("cancel");
  await page.getByRole("button", { name: "Allow" }).click();
  await page.getByText("Access was not given (access_denied).").waitFor();
  await page.getByRole("link", { name: "Connections" }).click();
  await page.getByText("Everything is connected.").waitFor();
});

test("no secret is in the log of the whole run", () => {
  assert.ok(log.includes("portal connected"), "the log tells of what was done");
  for (const secret of [known.bitrix24.client_secret, known.slack.client_secret, known.slack.signing_secret, known.notion.client_secret]) {
    assert.ok(!log.includes(secret));
  }
  for (const kind of [/xox[be][.-][\w-]{20,}/, /\bntn_\w{20,}/, /\b(acc|ref|at|code)[0-9a-f]{32}\b/, /swb_\w+\.\w+\.\w{20,}/]) {
    assert.ok(!kind.test(log), `${kind} is in the log`);
  }
});
