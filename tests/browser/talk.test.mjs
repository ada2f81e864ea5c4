// People talk: in Slack, in the portal's chat, to the app.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { deflateSync } from "node:zlib";
import { Host } from "./host.mjs";

const host = new Host();
let page;

before(async () => {
  const address = await host.start();
  page = await host.open();
  await page.goto(address);
  await page.getByRole("button", { name: /#general/ }).click();
});

after(() => host.end());

// A picture of 8 by 8 red points.
function picture() {
  const table = Array.from({ length: 256 }, (_, n) => { let c = n; for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1; return c >>> 0; });
  const crc = (bytes) => { let c = 0xffffffff; for (const byte of bytes) c = table[(c ^ byte) & 255] ^ (c >>> 8); return (c ^ 0xffffffff) >>> 0; };
  const chunk = (name, data) => {
    const body = Buffer.concat([Buffer.from(name), data]);
    const length = Buffer.alloc(4), sum = Buffer.alloc(4);
    length.writeUInt32BE(data.length); sum.writeUInt32BE(crc(body));
    return Buffer.concat([length, body, sum]);
  };
  const head = Buffer.alloc(13); head.writeUInt32BE(8, 0); head.writeUInt32BE(8, 4); head[8] = 8; head[9] = 2;
  const rows = Buffer.concat(Array.from({ length: 8 }, () => Buffer.from([0, ...Array.from({ length: 8 }, () => [220, 30, 30]).flat()])));
  return Buffer.concat([Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]), chunk("IHDR", head), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
}

const say = async (text) => {
  await page.locator("#say input[name=text]").fill(text);
  await page.locator("#say").getByRole("button", { name: "Send" }).click();
};
const write = async (text) => {
  await page.locator("#write input[name=text]").fill(text);
  await page.locator("#write").getByRole("button", { name: "Write" }).click();
};
const inChat = (words) => page.locator(".chat-message", { hasText: words });
const inSlack = (words) => page.locator("#messages .message", { hasText: words });
const told = (words) => page.locator("#whispers .message", { hasText: words });

test("what is typed in Slack is read in Bitrix24, under the writer's name and as text", async () => {
  await say("hello *there* <b>x</b> [send=/boom]press[/send]");
  await inChat("hello there").waitFor();
  assert.match(await inChat("hello there").innerText(), /Анна Титов: hello there <b>x<\/b>/);
  assert.equal(await page.locator("#chat-messages b").count(), 0);
});

test("and what is written in Bitrix24 is read in Slack, under the writer's name", async () => {
  await write("hi, how can I help?");
  await inSlack("how can I help?").waitFor();
  assert.match(await inSlack("how can I help?").innerText(), /Дмитрий Соколова/);
});

test("an edit is an edit on both sides", async () => {
  await inSlack("hello there").getByRole("button", { name: "Edit" }).click();
  await page.getByLabel("Edit the message").last().fill("hello again");
  await page.getByRole("button", { name: "Save" }).click();
  await inChat("hello again").waitFor();
  await inChat("how can I help?").getByRole("button", { name: "Edit" }).click();
  await page.getByLabel("Edit the message").last().fill("what can I do?");
  await page.getByRole("button", { name: "Save" }).click();
  await inSlack("what can I do?").waitFor();
  // The bot has said hello as well.
  assert.equal(await page.locator(".chat-message").filter({ hasNotText: "I am Switchboard" }).count(), 2);
});

test("a reply in the thread is an answer in the chat", async () => {
  await inSlack("what can I do?").getByRole("button", { name: "Reply" }).click();
  await say("call me");
  await inChat("call me").waitFor();
  assert.match(await inChat("call me").locator("blockquote").innerText(), /what can I do\?/);
});

test("a picture arrives and is seen, both ways", async () => {
  await page.locator("#say input[type=file]").setInputFiles({ name: "roof.png", mimeType: "image/png", buffer: picture() });
  await say("the roof");
  const copied = page.locator(".chat-message img[alt='roof.png']");
  await copied.waitFor();
  await page.waitForFunction(() => document.querySelector(".chat-message img[alt='roof.png']")?.naturalWidth === 8);
  await page.locator("#write input[type=file]").setInputFiles({ name: "answer.png", mimeType: "image/png", buffer: picture() });
  await write("our answer");
  await page.waitForFunction(() => document.querySelector("#messages img[alt='answer.png']")?.naturalWidth === 8);
});

test("what is deleted on one side is gone on the other", async () => {
  await inSlack("hello again").getByRole("button", { name: "Delete" }).click();
  await inChat("hello again").waitFor({ state: "detached" });
  await inChat("what can I do?").first().getByRole("button", { name: "Delete" }).click();
  await inSlack("what can I do?").waitFor({ state: "detached" });
});

test("a lead typed in Slack is in the CRM", async () => {
  await say("/b24-lead ACME <Works> | asked for a price list");
  await told("New lead").waitFor();
  assert.match(await told("New lead").innerText(), /ACME <Works>/);
  assert.match(await told("New lead").innerText(), /only you see this/);
});

test("a task is made in a form", async () => {
  await say("/b24-task");
  const dialog = page.locator("#dialog");
  await dialog.getByLabel("Name").waitFor();
  await dialog.getByLabel("Name").fill("From the form");
  await dialog.getByRole("button", { name: "Create" }).click();
  await told("From the form").waitFor();
  await page.locator("#tasks", { hasText: "From the form" }).waitFor();
});

test("a deal is looked at, and moved by its menu", async () => {
  const id = await page.locator(".stage[data-stage=NEW] .deal").first().getAttribute("data-deal");
  await say(`/b24-deal ${id}`);
  await told("Take it").waitFor();
  await told("Take it").getByRole("combobox").selectOption({ label: "Подготовка документов" });
  await page.locator(`.stage[data-stage=PREPARATION] .deal[data-deal="${id}"]`).waitFor();
  await told("Moved to").waitFor();
});

test("the day, and the app's home", async () => {
  await say("/b24-status");
  await told("My open tasks").waitFor();
  await page.getByRole("button", { name: "Open the app’s home" }).click();
  await page.locator("#home", { hasText: "My settings" }).waitFor();
});

test("what is typed wrong is answered with what to type", async () => {
  await say("/b24-task Name | x | nobody");
  await told("To name the assignee, type an @mention, a full name or an email.").waitFor();
});

test("an administrator signs in once, links people and joins conversations; the pages fit a phone", async () => {
  await page.getByRole("button", { name: "Administrators’ pages" }).click();
  const code = await page.locator("#admin-code code").innerText();
  const admin = await host.open();
  await admin.goto(`${host.address}/admin`);
  await admin.getByLabel("One-time code").fill(code);
  await admin.getByRole("button", { name: "Sign in" }).click();
  await admin.getByRole("heading", { name: "Overview" }).waitFor();
  await admin.getByRole("link", { name: "People" }).click();
  await admin.getByLabel("One person per line").fill("user9@example.com, 1");
  await admin.getByRole("button", { name: "Link them" }).click();
  assert.match(await admin.getByRole("status").innerText(), /1 linked/);
  await admin.getByRole("link", { name: "Chat bridges" }).click();
  await admin.getByRole("cell", { name: "#general" }).waitFor();
  await admin.getByLabel("Channel").fill("#calls");
  await admin.getByLabel("Chat, by its number or address").fill("chat57");
  await admin.getByRole("button", { name: "Bridge" }).click();
  await admin.getByRole("status").waitFor();
  for (const size of [{ width: 390, height: 800 }, { width: 1280, height: 800 }]) {
    await admin.setViewportSize(size);
    for (const path of ["people", "bridges"]) {
      await admin.goto(`${host.address}/admin/${path}`);
      const wide = await admin.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
      assert.equal(wide, false, `${path} at ${size.width}`);
      if (process.env.SHOTS) await admin.screenshot({ path: `${process.env.SHOTS}/${path}-${size.width}.png`, fullPage: true });
    }
  }
  await admin.getByRole("button", { name: "Sign out" }).click();
  await admin.getByLabel("One-time code").waitFor();
});
