// Notion's own client, unchanged but for the base URL.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import { test } from "node:test";
import { Client, APIErrorCode, collectPaginatedAPI, isFullPage } from "@notionhq/client";

const told = JSON.parse(process.env.SANDBOX);
const notion = new Client({ auth: told.notion.token, baseUrl: told.notion.api_url, notionVersion: "2026-03-11", retry: false });
const steer = async (path, body) => (await fetch(`${told.control}${path}`, { method: "POST", body: JSON.stringify(body) })).json();
const title = (content) => ({ title: [{ text: { content } }] });
const refused = (call, code) => assert.rejects(call, (error) => error.code === code);

const options = ["To do", "Done"].map((name) => ({ name }));
const { database, data_source } = await steer("/notion/databases", {
  title: "Deals", properties: { Stage: { status: { options } }, Amount: { number: {} }, Tags: { multi_select: {} }, Text: { rich_text: {} }, Day: { date: {} } },
});
const create = (properties, more = {}) => notion.pages.create({ parent: { type: "data_source_id", data_source_id: data_source }, properties, ...more });

test("the token belongs to a bot, and people are listed", async () => {
  const person = await steer("/notion/people", { name: "Ann", email: "ann@example.com" });
  const me = await notion.users.me({});
  assert.equal(me.type, "bot");
  const all = await collectPaginatedAPI(notion.users.list, { page_size: 1 });
  assert.equal(all.find((user) => user.id === person.id).person.email, "ann@example.com");
});

test("a database leads to its data source, whose schema can be changed", async () => {
  const found = await notion.databases.retrieve({ database_id: database });
  assert.deepEqual(found.data_sources.map((source) => source.id), [data_source]);
  const changed = await notion.dataSources.update({ data_source_id: data_source, properties: { "Bitrix24 ID": { number: {} } } });
  assert.equal(changed.properties["Bitrix24 ID"].type, "number");
});

test("a page is made with a body, changed, read, found and put into the trash", async () => {
  const children = [{ type: "heading_2", heading_2: { rich_text: [{ text: { content: "Requirements" } }] } }];
  const page = await create({ Name: title("Roof"), Stage: { status: { name: "Done" } }, "Bitrix24 ID": { number: 42 } }, { children });
  assert.ok(isFullPage(page));
  assert.match(page.last_edited_time, /:00\.000Z$/, "whole minutes");
  const changed = await notion.pages.update({ page_id: page.id, properties: { Amount: { number: 1.5 }, Tags: { multi_select: [{ name: "new" }] } } });
  assert.equal(changed.properties.Amount.number, 1.5);
  const found = await notion.dataSources.query({ data_source_id: data_source, filter: { property: "Bitrix24 ID", number: { equals: 42 } } });
  assert.deepEqual(found.results.map((row) => row.id), [page.id]);
  const appended = await notion.blocks.children.append({ block_id: page.id, children: [{ paragraph: { rich_text: [{ text: { content: "x" } }] } }] });
  assert.equal(appended.results[0].type, "paragraph");
  const blocks = await collectPaginatedAPI(notion.blocks.children.list, { block_id: page.id, page_size: 1 });
  assert.deepEqual(blocks.map((block) => block.type), ["heading_2", "paragraph"]);
  const trashed = await notion.pages.update({ page_id: page.id, in_trash: true });
  assert.equal(trashed.in_trash, true);
  assert.equal((await notion.pages.retrieve({ page_id: page.id })).in_trash, true);
  assert.equal((await notion.dataSources.query({ data_source_id: data_source })).results.some((row) => row.id === page.id), false);
  await refused(notion.pages.update({ page_id: page.id, properties: { Amount: { number: 1 } } }), APIErrorCode.ValidationError);
});

test("what Notion would refuse is refused with its code", async () => {
  await refused(create({ Name: title("x"), Stage: { status: { name: "Nope" } } }), APIErrorCode.ValidationError);
  await refused(create({ Name: title("x"), Tags: { multi_select: [{ name: "a,b" }] } }), APIErrorCode.ValidationError);
  await refused(create({ Name: title("x".repeat(2001)) }), APIErrorCode.ValidationError);
  await refused(create({ Name: title("x"), Nothing: { number: 1 } }), APIErrorCode.ValidationError);
  await refused(notion.pages.retrieve({ page_id: "153104cd-477e-809d-8dc4-ff2d96ae3090" }), APIErrorCode.ObjectNotFound);
  await refused(new Client({ auth: "ntn_wrong", baseUrl: told.notion.api_url }).users.me({}), APIErrorCode.Unauthorized);
  const bare = await fetch(`${told.notion.api_url}/v1/users/me`, { headers: { authorization: `Bearer ${told.notion.token}` } });
  assert.equal((await bare.json()).code, "missing_version");
  await steer("/notion/share", { database, shared: false });
  await refused(notion.dataSources.retrieve({ data_source_id: data_source }), APIErrorCode.ObjectNotFound);
  await steer("/notion/share", { database, shared: true });
});

test("a webhook is signed as Notion signs, and tells no value", async () => {
  const got = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => { body += chunk; });
    request.on("end", () => { got.push([request.headers["x-notion-signature"], body]); response.end(); });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { token } = await steer("/notion/hook", { url: `http://127.0.0.1:${server.address().port}/` });
  const page = await create({ Name: title("Signed") });
  await steer("/notion/edit", { row: page.id, properties: { Amount: { number: 7 } } });
  while (got.length < 3) await new Promise((resolve) => setImmediate(resolve));
  server.close();
  server.closeAllConnections();
  for (const [signature, body] of got) {
    assert.equal(signature, `sha256=${createHmac("sha256", token).update(body).digest("hex")}`);
  }
  // They may overtake each other.
  const event = got.map(([, body]) => JSON.parse(body)).find(({ type }) => type === "page.properties_updated");
  assert.ok(event);
  assert.equal(JSON.stringify(event).includes("Signed"), false);
});
