import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Host } from "./host.mjs";

const host = new Host();
let page, address;

const cards = () => page.locator("#messages .message");
const deal = (title) => page.locator(".deal", { hasText: title });
const stage = (code) => page.locator(`.stage[data-stage="${code}"]`);

before(async () => {
  address = await host.start();
  page = await host.open();
  await page.goto(address);
});

after(() => host.end());

test("the board shows the portal's deals and the channels are empty", async () => {
  await stage("NEW").locator(".deal").first().waitFor();
  assert.equal(await page.locator(".stage").count(), 5);
  assert.match(await page.locator("#messages").innerText(), /No cards yet/);
  assert.doesNotMatch(await page.locator("#events").innerText(), /ONCRM/);
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
  assert.match(await cards().first().innerText(), /Deal won: Roof for/);
});

test("the trail tells the way of each event with times", async () => {
  // Other events may have come since.
  const event = page.locator("#events > li").filter({ hasText: "ONCRMDEALUPDATE" }).first();
  await event.locator(".delivered").waitFor();
  assert.match(await event.innerText(), /ONCRMDEALUPDATE[\s\S]*received[\s\S]*\d+ ms: deal\.stage_changed routed[\s\S]*\d+ ms: #sales-pipeline delivered/);
});

test("a lead goes to its own channel", async () => {
  await page.getByLabel("New deal").fill("Request from the site");
  await page.getByRole("button", { name: "As a lead" }).click();
  await page.getByRole("button", { name: /#sales-leads \(1\)/ }).click();
  await page.waitForFunction(() => document.querySelector("#messages").innerText.includes("Request from the site"));
});

const channel = (name) => page.getByRole("button", { name });
const messagesSay = (words) => page.waitForFunction((words) => document.querySelector("#messages").innerText.includes(words), words);

test("a task of a project goes to the project's channel, which is made, with its deadline in the reader's time", async () => {
  await page.getByLabel("New task in the project").fill("Pack the boxes");
  await page.getByRole("button", { name: "Add" }).click();
  await channel(/#project-office-move \(1\)/).click();
  await messagesSay("New task Pack the boxes");
  const fields = await page.locator("#messages .fields").innerText();
  assert.match(fields, /Deadline[\s\S]*Assignee\s*Дмитрий Соколова[\s\S]*Project\s*Office move/);
  const shown = /Deadline\s*([^\n]+)/.exec(fields)[1];
  assert.ok(!Number.isNaN(Date.parse(shown)) || /\d/.test(shown), shown);
  assert.ok(!shown.includes("!date"), "a moment is shown as one");
});

test("a comment on a task goes to its assignee as a direct message", async () => {
  await page.getByLabel("Comment on Pack the boxes").fill("Please <i>hurry</i>");
  await page.getByRole("button", { name: "Send" }).first().click();
  await channel(/^@user6 \(1\)/).click();
  await messagesSay("Please <i>hurry</i>");
  assert.match(await cards().first().innerText(), /Анна Титов commented on Pack the boxes/);
});

test("a missed call names time, deal and who is responsible, can be called back, and its recording follows in the thread", async () => {
  await page.getByRole("button", { name: "Ring", exact: true }).click();
  await channel(/#calls \(\d\)/).click();
  await messagesSay("Missed call from +49 30 1234567");
  const fields = await page.locator("#messages .fields").last().innerText();
  assert.match(fields, /Time[\s\S]*Deal[\s\S]*Responsible\s*Дмитрий Соколова[\s\S]*Call back\s*\+49301234567/);
  assert.equal(await page.locator('#messages a[href="tel:+49301234567"]').count(), 1);
  await page.locator("#messages .message.reply").waitFor({ timeout: 60_000 });
  assert.match(await page.locator("#messages .message.reply").innerText(), /Recording of the call[\s\S]*Listen/);
});

test("the events to tick are listed, and those that arrived are marked", async () => {
  const wanted = page.locator("#wanted li");
  await wanted.filter({ hasText: "ONTASKCOMMENTADD" }).locator(".seen").waitFor();
  await wanted.filter({ hasText: "ONVOXIMPLANTCALLEND" }).locator(".seen").waitFor();
  assert.equal(await wanted.filter({ hasText: "ONCRMLEADDELETE" }).locator(".seen").count(), 0);
  assert.match(await page.locator("#reach-hint").innerText(), /outgoing webhook/);
  assert.match(await page.locator("#counts").innerText(), /\d+ records checked, 0 changes found/);
});

test("a deal that is deleted leaves the board", async () => {
  await page.getByLabel("New deal").fill("To be deleted");
  await page.getByRole("button", { name: "Create" }).click();
  await deal("To be deleted").getByRole("button", { name: "Delete To be deleted" }).click();
  await deal("To be deleted").waitFor({ state: "detached" });
});

test("a page on a phone scrolls in no second direction", async () => {
  await page.setViewportSize({ width: 390, height: 800 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
  assert.equal(wide, false);
  await page.setViewportSize({ width: 1400, height: 1000 });
});

test("after Ctrl-C and a new start it goes on where it was", async () => {
  await page.goto("about:blank");
  await host.stop();
  address = await host.start();
  await page.goto(address);
  await page.getByRole("button", { name: /#sales-pipeline \(4\)/ }).waitFor();
  await stage("WON").locator(".deal", { hasText: "Roof for" }).waitFor();
  await deal("Roof for").getByRole("combobox").selectOption("NEW");
  await page.getByRole("button", { name: /#sales-pipeline \(5\)/ }).click();
  await page.waitForFunction(() => document.querySelectorAll("#messages .message").length === 5);
  assert.match(await cards().first().innerText(), /Сделка успешна → Новая/);
});
