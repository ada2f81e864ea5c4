// The administrators' pages: looked at on a phone and on a desk, in light and in dark, by axe; scripts in names tried
// everywhere; a planted fault found, fixed and retried; a route changed with its card shown while one types.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { Host } from "./host.mjs";

const host = new Host();
const axe = readFileSync(new URL("./node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const EVIL = `"><img src=x onerror=window.hacked=1><script>window.hacked=1</script>'`;
const SHOTS = process.env.SHOTS;
let admin;

const api = async (path, body = {}, method = "POST") => {
  const answer = await fetch(host.address + path, { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  assert.ok(answer.ok, `${path}: ${answer.status}`);
  return answer.headers.get("content-type")?.includes("json") ? answer.json() : undefined;
};

// Goes to a page of ours. That one is missing is no error of the page.
const visit = async (path) => {
  admin.expectMissing = true;
  await admin.goto(host.address + path, { waitUntil: "load" });
};

// Loads a page again and again until it shows something.
const until = async (path, shows) => {
  for (let tries = 0; tries < 120; tries += 1) {
    await admin.goto(host.address + path);
    if (await shows()) return;
    await admin.waitForTimeout(250);
  }
  assert.fail(`${path} did not come to show it: ${await admin.locator("main").innerText()}`);
};

before(async () => {
  if (SHOTS) mkdirSync(SHOTS, { recursive: true });
  await host.start();
  const { code } = await api("/api/admin-code");
  admin = await host.open();
  await admin.goto(`${host.address}/admin`);
  await admin.getByLabel("One-time code").fill(code);
  await admin.keyboard.press("Enter");
  await admin.getByRole("heading", { name: "Overview" }).waitFor();
});
after(() => host.end());

test("a planted fault is found from the overview, fixed, retried and seen delivered, in five clicks", async () => {
  await api("/api/archive", { archived: true });
  await api("/api/deals", { title: `Roof ${EVIL}`, amount: 150000, currency: "EUR" });
  await until("/admin", () => admin.getByText("1 failed delivery").isVisible());
  await admin.getByRole("link", { name: "1 failed delivery" }).click(); // 1
  await admin.getByText("Show 1 delivery").click(); // 2
  await admin.getByRole("link", { name: "Open the event" }).click(); // 3
  await admin.getByText("bitrix24 crm.item").first().waitFor();
  await api("/api/archive", { archived: false });
  await admin.getByRole("link", { name: "Retry" }).click(); // 4
  await admin.getByText("What will happen").waitFor();
  await admin.getByRole("button", { name: "Retry 1 delivery" }).click(); // 5
  await admin.getByText("The delivery is in its queue again").waitFor();
  const way = new URL(admin.url()).pathname;
  await until(way, () => admin.getByText("Delivered after").first().isVisible());
});

test("the card is shown while one types, and what it would have posted", async () => {
  await admin.goto(`${host.address}/admin/routes/edit?route=new%20deals`);
  await admin.getByText("The card", { exact: true }).click();
  await admin.getByLabel("Headline").fill("Fresh: {title}");
  await admin.locator("#preview").getByText("Fresh:").waitFor();
  await admin.getByRole("button", { name: /Try on the last/ }).click();
  await admin.getByText("would have been posted. Nothing was posted by this try.").waitFor();
  await admin.getByText("The card", { exact: true }).click().catch(() => {});
  await admin.getByRole("button", { name: "Save" }).click();
  await admin.getByRole("status").getByText("takes effect within a minute").waitFor();
  await admin.getByRole("link", { name: "Audit" }).click();
  await admin.getByText("route changed: new deals").waitFor();
});

test("a plan goes on before one's eyes", async () => {
  await admin.goto(`${host.address}/admin/notion`);
  await admin.getByRole("button", { name: "Plan a backfill" }).first().click();
  await admin.getByText(/Plan for .*: done/).waitFor({ timeout: 60000 });
});

const PAGES = ["/admin", "/admin/events", "/admin/events?status=delivered", "/admin/dead", "/admin/doctor", "/admin/routes",
  "/admin/routes/edit", "/admin/routes/edit?route=deal%20stages", "/admin/settings", "/admin/people", "/admin/bridges",
  "/admin/notion", "/admin/notion/edit", "/admin/notion/edit?database=Projects", "/admin/keys", "/admin/audit", "/install",
  "/admin/nowhere"];

test("scripts in names of deals, channels, people, settings and errors are text on every page", async () => {
  const { control } = await (await fetch(`${host.address}/api/state`)).json();
  const steer = (path, body) => fetch(control + path, { method: "POST", body: JSON.stringify(body) });
  await steer("/slack/person", { email: "user1@example.com", name: EVIL });
  await steer("/slack/channel", { new: EVIL });
  await steer("/fail", { provider: "slack", method: "chat.postMessage", fault: { code: { code: EVIL, status: 200 } } });
  await api("/api/leads", { title: EVIL });
  await api("/api/tasks", { title: EVIL });
  await admin.goto(`${host.address}/admin/settings`);
  const usual = await admin.getByLabel("Document (YAML)").inputValue();
  const route = `  - name: ${JSON.stringify(EVIL)}\n    change: lead.created\n    to: "#no-such-channel"\n    card:\n      title: ${JSON.stringify(EVIL)}\n`;
  await admin.getByLabel("Document (YAML)").fill(usual.replace(/^routes:\n/m, `routes:\n${route}`));
  for (const act of ["Try on the last changes", "Check and compare", "Save"]) {
    await admin.getByRole("button", { name: act }).click();
    await admin.locator("#main h1").waitFor();
    assert.equal(await admin.evaluate(() => window.hacked), undefined, act);
  }
  assert.match(await admin.locator("main").innerText(), /It takes effect within a minute/);
  await until("/admin/routes", async () => (await admin.locator("main").innerText()).includes("<script>"));
  await api("/api/leads", { title: `Dead ${EVIL}` });
  await until("/admin/dead", async () => (await admin.locator("main").innerText()).includes("channel_not_found"));
  const dead = await admin.getByRole("link", { name: /Retry these/ }).first().getAttribute("href");
  await admin.goto(`${host.address}/admin/events?q=channel_not_found`);
  const way = await admin.locator("tbody a").first().getAttribute("href");
  const evil = encodeURIComponent(EVIL);
  const asked = [`/admin/events?q=${evil}&from=${evil}`, `/admin/dead?q=${evil}`, `/admin?done=${evil}`, `/install?done=${evil}`,
    `/admin/routes/edit?route=${evil}`, `/admin/events/${evil}`, `/admin/audit?after=${evil}`, `/admin/notion/edit?database=${evil}`];
  let shown = 0;
  for (const path of [...PAGES, dead, way, ...asked]) {
    await visit(path);
    assert.equal(await admin.evaluate(() => window.hacked), undefined, path);
    assert.equal(await admin.locator("img[src=x]").count(), 0, path);
    shown += (await admin.locator("main").innerText()).includes("<script>") ? 1 : 0;
  }
  assert.ok(shown >= 6, `it stood as text on ${shown} pages`);
  await admin.goto(`${host.address}/admin/doctor`);
  await admin.getByRole("button", { name: "Run the checks" }).click();
  await admin.getByText(/problems? found\./).waitFor();
  assert.equal(await admin.evaluate(() => window.hacked), undefined, "the checks");
  await admin.goto(`${host.address}/admin/settings`);
  await admin.getByLabel("Document (YAML)").fill(usual);
  await admin.getByRole("button", { name: "Save" }).click();
});

test("no page has a violation that axe finds, or is wider than a phone or a desk", async () => {
  await admin.goto(`${host.address}/admin/events?q=channel_not_found`);
  const way = await admin.locator("tbody a").first().getAttribute("href");
  await admin.goto(`${host.address}/admin/dead`);
  const plans = await admin.getByRole("link", { name: /these/ }).evaluateAll((links) => links.map((link) => link.getAttribute("href")));
  for (const [name, path] of [...PAGES, way, ...plans].map((path) => [path.replaceAll(/[^a-z]+/gi, "-").replace(/^-/, "") || "admin", path])) {
    for (const scheme of ["light", "dark"]) {
      await admin.emulateMedia({ colorScheme: scheme });
      for (const width of [390, 1280]) {
        await admin.setViewportSize({ width, height: 900 });
        await visit(path);
        const wide = await admin.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.ok(wide <= 0, `${path} is ${wide} px wider than ${width}`);
        // Around the page's policy, as a browser's own tools are.
        const found = await admin.evaluate(`${axe}; axe.run(document)`);
        const told = found.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join("\n  ")}`);
        assert.deepEqual(told, [], `${path}, ${scheme}, ${width}`);
        if (SHOTS) await admin.screenshot({ path: `${SHOTS}/${name.slice(0, 40)}-${scheme}-${width}.png`, fullPage: true });
      }
    }
  }
  await admin.emulateMedia({ colorScheme: "light" });
});

test("everything is reached by the keyboard", async () => {
  await admin.setViewportSize({ width: 1280, height: 900 });
  await admin.goto(`${host.address}/admin`);
  await admin.keyboard.press("Tab");
  assert.equal(await admin.evaluate(() => document.activeElement.textContent), "Skip to the content");
  const names = [];
  for (let steps = 0; steps < 14; steps += 1) {
    await admin.keyboard.press("Tab");
    names.push(await admin.evaluate(() => document.activeElement.textContent.trim()));
  }
  for (const name of ["Overview", "Failed deliveries", "Audit", "Connections", "Sign out"]) assert.ok(names.includes(name), `${name}: ${names}`);
  await admin.getByRole("button", { name: "Sign out" }).press("Enter");
  await admin.getByLabel("One-time code").waitFor();
  const found = await admin.evaluate(`${axe}; axe.run(document)`);
  assert.deepEqual(found.violations.map(({ id }) => id), [], "the sign-in page");
});
