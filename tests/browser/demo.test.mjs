import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";

const binary = process.env.SWITCHBOARD || new URL("../../target/debug/switchboard", import.meta.url).pathname;
const data = mkdtempSync(join(tmpdir(), "switchboard-demo-"));
let browser, page, demo, address;

async function start() {
  demo = spawn(binary, ["demo", "--listen", "127.0.0.1:0", "--data", data], { stdio: ["ignore", "pipe", "inherit"] });
  [address] = await once(createInterface({ input: demo.stdout }), "line");
}

async function stop() {
  demo.kill("SIGINT");
  const [status] = await once(demo, "exit");
  assert.equal(status, 0, "Ctrl-C ends cleanly");
}

const cards = () => page.locator("#messages .message");
const deal = (title) => page.locator(".deal", { hasText: title });
const stage = (code) => page.locator(`.stage[data-stage="${code}"]`);

before(async () => {
  await start();
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
  });
  page = await browser.newPage({ viewport: { width: 1400, height: 1000 } });
  page.on("pageerror", (error) => { throw error; });
  page.on("console", (message) => { if (message.type() === "error") throw new Error(message.text()); });
  await page.goto(address);
});

after(async () => {
  await browser?.close();
  demo?.kill("SIGKILL");
  rmSync(data, { recursive: true, force: true });
});

test("the board shows the portal's deals and the channels are empty", async () => {
  await stage("NEW").locator(".deal").first().waitFor();
  assert.equal(await page.locator(".stage").count(), 5);
  assert.match(await page.locator("#messages").innerText(), /No cards yet/);
  assert.match(await page.locator("#events").innerText(), /No event has arrived/);
});

test("a created deal becomes a card, and its title stays text", async () => {
  const title = "Roof for <b>ACME</b> <!channel>";
  await page.getByLabel("New deal").fill(title);
  await page.getByLabel("Sum").fill("150000");
  await page.getByRole("button", { name: "Create" }).click();
  await cards().first().waitFor();
  assert.match(await cards().first().innerText(), /New deal Roof for <b>ACME<\/b> <!channel>/);
  assert.match(await cards().first().innerText(), /150,000 EUR/);
  assert.equal(await page.locator("#messages b").count(), 0);
});

test("a deal moved by its list becomes a card with both stages", async () => {
  await deal("Roof for").getByRole("combobox").selectOption("PREPARATION");
  await stage("PREPARATION").locator(".deal", { hasText: "Roof for" }).waitFor();
  await page.waitForFunction(() => document.querySelectorAll("#messages .message").length === 2);
  const stages = await page.locator("#messages .message").first().locator(".fields div").first().innerText();
  assert.match(stages, /Новая → Подготовка документов/);
});

test("a deal dragged to another stage becomes a card", async () => {
  await deal("Roof for").dragTo(stage("WON").locator("h3"));
  await stage("WON").locator(".deal", { hasText: "Roof for" }).waitFor();
  await page.waitForFunction(() => document.querySelectorAll("#messages .message").length === 3);
  assert.match(await cards().first().innerText(), /Deal won Roof for/);
});

test("the trail tells the way of each event with times", async () => {
  const event = page.locator("#events > li").first();
  await event.locator(".delivered").waitFor();
  assert.match(await event.innerText(), /ONCRMDEALUPDATE[\s\S]*received[\s\S]*\d+ ms: deal\.stage_changed routed[\s\S]*\d+ ms: #sales-pipeline delivered/);
});

test("a lead goes to its own channel", async () => {
  await page.getByLabel("New deal").fill("Request from the site");
  await page.getByRole("button", { name: "As a lead" }).click();
  await page.getByRole("button", { name: /#sales-leads \(1\)/ }).click();
  await page.waitForFunction(() => document.querySelector("#messages").innerText.includes("Request from the site"));
});

test("a page on a phone scrolls in no second direction", async () => {
  await page.setViewportSize({ width: 390, height: 800 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
  assert.equal(wide, false);
  await page.setViewportSize({ width: 1400, height: 1000 });
});

test("after Ctrl-C and a new start it goes on where it was", async () => {
  await page.goto("about:blank");
  await stop();
  await start();
  await page.goto(address);
  await page.getByRole("button", { name: /#sales-pipeline \(3\)/ }).waitFor();
  await stage("WON").locator(".deal", { hasText: "Roof for" }).waitFor();
  await deal("Roof for").getByRole("combobox").selectOption("NEW");
  await page.getByRole("button", { name: /#sales-pipeline \(4\)/ }).click();
  await page.waitForFunction(() => document.querySelectorAll("#messages .message").length === 4);
  assert.match(await cards().first().innerText(), /Сделка успешна → Новая/);
});
