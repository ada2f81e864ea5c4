// The Notion table of the demonstration beside the board: what is edited in one shows in the other.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Host } from "./host.mjs";

const host = new Host();
let page;
// Somebody may still be typing: a change is left to come to rest for some seconds.
const patient = { timeout: 60_000 };

before(async () => {
  await host.start();
  page = await host.open();
  page.setDefaultTimeout(30_000);
  await page.goto(host.address);
});
after(() => host.end());

const picture = async (name) => { if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/${name}.png`, fullPage: true }); };
const cell = (label) => page.getByLabel(label, { exact: true });

test("a new deal becomes a row, and an edited row changes the deal", async () => {
  await page.fill("#new-deal [name=title]", "Roof for ACME");
  await page.click("#new-deal button:not([type=button])");
  await cell("Name of Roof for ACME").waitFor(patient);
  await picture("row");
  await cell("Amount of Roof for ACME").fill("160000");
  await cell("Amount of Roof for ACME").blur();
  await page.locator(".deal", { hasText: "Roof for ACME" }).getByText("160,000 RUB").or(
    page.locator(".deal", { hasText: "Roof for ACME" }).getByText("160,000 EUR")).waitFor(patient);
});

test("a deal that is won gets a second page", async () => {
  await cell("Stage of Roof for ACME").first().selectOption({ index: 3 });
  await page.click("#databases button:has-text('Active Projects')");
  await cell("Budget of Roof for ACME").waitFor(patient);
  await page.locator("#rows summary").first().click();
  await page.locator("#rows pre", { hasText: "Invite" }).first().waitFor();
  await picture("won");
});

test("a task becomes a row, and its status goes back", async () => {
  await page.fill("#new-task [name=title]", "Pack the boxes");
  await page.click("#new-task button");
  await page.click("#databases button:has-text('Tasks')");
  await cell("Status of Pack the boxes").waitFor(patient);
  await cell("Status of Pack the boxes").selectOption("Done");
  await page.locator("#events li", { hasText: "ONTASKUPDATE" }).first().waitFor(patient);
  await picture("tasks");
});

test("the administrators' page plans a backfill, shows the webhook and has no sideways scrolling on a phone", async () => {
  await page.click("#admin");
  const code = await page.locator("#admin-code code").innerText();
  await page.goto(`${host.address}/admin`);
  await page.fill("#code", code);
  await page.click("button.main");
  await page.click("text=Notion");
  await page.getByText("Signed events arrive").or(page.getByText("There is a subscription")).waitFor();
  await page.getByRole("button", { name: "Plan a backfill" }).first().click();
  await page.getByText("Plan for Projects: done").waitFor(patient);
  await page.getByText("a page would be made").first().waitFor({ state: "attached" });
  await picture("admin");
  await page.setViewportSize({ width: 390, height: 844 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
  await picture("admin-phone");
  assert.equal(wide, false);
});
