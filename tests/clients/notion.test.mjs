// Notion's own client, unchanged but for the base URL.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import { test } from "node:test";
import { Client, APIErrorCode, collectPaginatedAPI, isFullPage } from "@notionhq/client";

const told = JSON.parse(process.env.SANDBOX);
const notion = new Client({ auth: told.notion.token, baseUrl: told.notion.api_url, notionVersion: "2026-03-11", retry: false });
const steer = async (path, body) => (await fetch(`${told.control}${path}`, { method: "POST", body: JSON.stringify(body) })).json();
// A run asks more than a minute allows.
await steer("/notion/switches", { limited: false });
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

const text = (content) => [{ text: { content } }];
const paragraph = (content) => ({ paragraph: { rich_text: text(content) } });
const plain = (runs) => runs.map((run) => run.plain_text).join("");

test("users are found by their ids", async () => {
  const { id } = await steer("/notion/people", { name: "Ben", email: "ben@example.com" });
  assert.equal((await notion.users.retrieve({ user_id: id })).person.email, "ben@example.com");
  await refused(notion.users.retrieve({ user_id: data_source }), APIErrorCode.ObjectNotFound);
});

test("databases and data sources are made, changed, listed with their templates, and put into the trash", async () => {
  const { id: page_id } = await steer("/notion/pages", { title: "Handbook", shared: true });
  await refused(notion.databases.create({ parent: { type: "workspace", workspace: true } }), APIErrorCode.ValidationError);
  const made = await notion.databases.create({
    parent: { type: "page_id", page_id }, title: text("Projects"), icon: { type: "emoji", emoji: "🔥" },
    initial_data_source: { properties: { Title: { title: {} }, Stage: { status: {} }, No: { unique_id: { prefix: "P" } } } },
  });
  assert.match(made.created_time, /\.\d{3}\+00:00$/, "databases have milliseconds");
  const renamed = await notion.databases.update({ database_id: made.id, title: text("Plans"), description: text("What we plan"), is_locked: true });
  assert.deepEqual([plain(renamed.title), plain(renamed.description), renamed.is_locked], ["Plans", "What we plan", true]);

  const second = await notion.dataSources.create({ parent: { type: "database_id", database_id: made.id }, title: text("More"), properties: { Name: { title: {} }, Sum: { number: { format: "euro" } } } });
  assert.equal(second.properties.Sum.number.format, "euro");
  assert.equal((await notion.databases.retrieve({ database_id: made.id })).data_sources.length, 2);
  await refused(notion.pages.create({ parent: { database_id: made.id }, properties: {} }), APIErrorCode.ValidationError);
  const first = made.data_sources[0].id;
  const groups = (await notion.dataSources.retrieve({ data_source_id: first })).properties.Stage.status.groups;
  assert.deepEqual(groups.map((group) => group.name), ["To-do", "In progress", "Complete"]);
  const { id: template } = await steer("/notion/template", { data_source: first, name: "Plan", is_default: true, properties: {}, children: [paragraph("Steps")] });
  const { templates } = await notion.dataSources.listTemplates({ data_source_id: first, name: "pla" });
  assert.deepEqual(templates, [{ id: template, name: "Plan", is_default: true }]);
  const row = await notion.pages.create({ parent: { data_source_id: first }, properties: { Title: title("New") }, template: { type: "default" } });
  assert.deepEqual(row.properties.No.unique_id, { prefix: "P", number: 1 });

  assert.equal((await notion.dataSources.update({ data_source_id: second.id, in_trash: true })).in_trash, true);
  await refused(notion.dataSources.update({ data_source_id: second.id, properties: { X: { number: {} } } }), APIErrorCode.ValidationError);
  assert.equal((await notion.databases.update({ database_id: made.id, in_trash: true })).in_trash, true);
  assert.equal((await notion.pages.retrieve({ page_id: row.id })).in_trash, true);
});

test("pages stand in pages, move, and are shown in part", async () => {
  const { id: page_id } = await steer("/notion/pages", { title: "Top", shared: true });
  const child = await notion.pages.create({ parent: { page_id }, properties: { title: title("Child") }, markdown: "# Plan\n\n- one\n- **two**" });
  assert.deepEqual(child.parent, { type: "page_id", page_id });
  const inside = await notion.blocks.children.list({ block_id: page_id });
  assert.deepEqual(inside.results.map((block) => [block.type, block.child_page.title]), [["child_page", "Child"]]);
  await refused(notion.pages.move({ page_id, parent: { page_id: child.id } }), APIErrorCode.ValidationError);
  const moved = await notion.pages.move({ page_id: child.id, parent: { type: "data_source_id", data_source_id: data_source } });
  assert.equal(moved.parent.data_source_id, data_source);
  assert.equal(plain(moved.properties.Name.title), "Child");
  const some = await notion.pages.retrieve({ page_id: child.id, filter_properties: ["title"] });
  assert.deepEqual(Object.keys(some.properties), ["Name"]);
  const item = await notion.pages.properties.retrieve({ page_id: child.id, property_id: "title" });
  assert.deepEqual([item.object, plain([item.results[0].title])], ["list", "Child"]);
  const locked = await notion.pages.update({ page_id: child.id, is_locked: true, icon: { type: "emoji", emoji: "🛴" } });
  assert.deepEqual([locked.is_locked, locked.icon.emoji], [true, "🛴"]);
  await notion.pages.update({ page_id: child.id, erase_content: true });
  assert.deepEqual((await notion.blocks.children.list({ block_id: child.id })).results, []);
});

test("a page is read and written as Markdown", async () => {
  const page = await create({ Name: title("Words") }, { markdown: "## Plan\n\nFirst [step](https://example.com/)" });
  const read = async () => (await notion.pages.retrieveMarkdown({ page_id: page.id })).markdown;
  assert.equal(await read(), "## Plan\nFirst [step](https://example.com/)");
  await notion.pages.updateMarkdown({ page_id: page.id, type: "insert_content", insert_content: { content: "- [x] done\n- [ ] open" } });
  await notion.pages.updateMarkdown({ page_id: page.id, type: "update_content", update_content: { content_updates: [{ old_str: "open", new_str: "later" }] } });
  assert.equal(await read(), "## Plan\nFirst [step](https://example.com/)\n- [x] done\n- [ ] later");
  await notion.pages.updateMarkdown({ page_id: page.id, type: "replace_content_range", replace_content_range: { content: "nothing", content_range: "- [x]...later" } });
  await refused(notion.pages.updateMarkdown({ page_id: page.id, type: "update_content", update_content: { content_updates: [{ old_str: "n", new_str: "m" }] } }), APIErrorCode.ValidationError);
  await notion.pages.updateMarkdown({ page_id: page.id, type: "replace_content", replace_content: { new_str: "1. a\n2. b" } });
  assert.equal(await read(), "1. a\n2. b");
});

test("blocks are retrieved, changed, placed, deleted and restored", async () => {
  const page = await create({ Name: title("Blocks") });
  const { results: [one, three] } = await notion.blocks.children.append({ block_id: page.id, children: [paragraph("one"), paragraph("three")] });
  await notion.blocks.children.append({ block_id: page.id, children: [paragraph("two")], position: { type: "after_block", after_block: { id: one.id } } });
  const words = async () => (await collectPaginatedAPI(notion.blocks.children.list, { block_id: page.id, page_size: 1 })).map((block) => plain(block.paragraph.rich_text));
  assert.deepEqual(await words(), ["one", "two", "three"]);
  const changed = await notion.blocks.update({ block_id: three.id, paragraph: { rich_text: [{ text: { content: "drei" }, annotations: { bold: true, color: "red_background" } }] } });
  assert.deepEqual([changed.paragraph.rich_text[0].annotations.color, changed.paragraph.color, changed.paragraph.icon], ["red_background", "default", null]);
  const deleted = await notion.blocks.delete({ block_id: one.id });
  assert.deepEqual([deleted.object, deleted.type, deleted.in_trash], ["block", "paragraph", true]);
  assert.deepEqual(await words(), ["two", "drei"]);
  assert.equal((await notion.blocks.retrieve({ block_id: one.id })).in_trash, true);
  await notion.blocks.update({ block_id: one.id, in_trash: false });
  assert.deepEqual(await words(), ["one", "two", "drei"]);
  assert.equal((await notion.blocks.retrieve({ block_id: page.id })).child_page.title, "Blocks");
  await refused(notion.blocks.children.append({ block_id: page.id, children: Array(101).fill({ divider: {} }) }), APIErrorCode.ValidationError);
});

test("comments are made, listed, changed and deleted, and a person's are theirs", async () => {
  const page = await create({ Name: title("Talk") });
  const made = await notion.comments.create({ parent: { page_id: page.id }, rich_text: text("Hello") });
  const answer = await notion.comments.create({ discussion_id: made.discussion_id, markdown: "**Yes**", display_name: { type: "custom", custom: { name: "Bridge" } } });
  assert.deepEqual([answer.discussion_id, answer.rich_text[0].annotations.bold, answer.display_name.resolved_name], [made.discussion_id, true, "Bridge"]);
  const { id: theirs } = await steer("/notion/comment", { on: page.id, text: "Mine" });
  const all = await collectPaginatedAPI(notion.comments.list, { block_id: page.id, page_size: 2 });
  assert.deepEqual(all.map((comment) => plain(comment.rich_text)), ["Hello", "Yes", "Mine"]);
  assert.equal(plain((await notion.comments.update({ comment_id: made.id, rich_text: text("Hi") })).rich_text), "Hi");
  await notion.comments.delete({ comment_id: answer.id });
  await refused(notion.comments.retrieve({ comment_id: answer.id }), APIErrorCode.ObjectNotFound);
  await refused(notion.comments.delete({ comment_id: theirs }), APIErrorCode.RestrictedResource);
  await steer("/notion/comment/resolve", { comment: made.id });
  assert.deepEqual((await notion.comments.list({ block_id: page.id })).results.map((comment) => comment.id), [theirs]);
});

test("files are uploaded whole and in parts, attached, and shown under an address for an hour", async () => {
  const upload = await notion.fileUploads.create({ mode: "single_part", filename: "note.txt", content_type: "text/plain" });
  assert.equal(upload.status, "pending");
  const sent = await notion.fileUploads.send({ file_upload_id: upload.id, file: { filename: "note.txt", data: new Blob(["Hello"], { type: "text/plain" }) } });
  assert.deepEqual([sent.status, sent.content_length], ["uploaded", 5]);
  const parts = await notion.fileUploads.create({ mode: "multi_part", filename: "small.bin", number_of_parts: 1 });
  await refused(notion.fileUploads.complete({ file_upload_id: parts.id }), APIErrorCode.ValidationError);
  await notion.fileUploads.send({ file_upload_id: parts.id, file: { data: new Blob(["x"]) }, part_number: "1" });
  assert.equal((await notion.fileUploads.complete({ file_upload_id: parts.id })).status, "uploaded");
  assert.equal((await notion.fileUploads.retrieve({ file_upload_id: parts.id })).number_of_parts.sent, 1);
  const uploaded = await collectPaginatedAPI(notion.fileUploads.list, { status: "uploaded", page_size: 1 });
  assert.ok(uploaded.length >= 2);

  await notion.dataSources.update({ data_source_id: data_source, properties: { Files: { files: {} } } });
  const page = await create({ Name: title("Files"), Files: { files: [{ file_upload: { id: upload.id } }, { name: "far", external: { url: "https://example.com/far" } }] } });
  const [own, far] = page.properties.Files.files;
  assert.deepEqual([own.name, own.type, far.external.url], ["note.txt", "file", "https://example.com/far"]);
  assert.ok(own.file.url.includes(upload.id) && own.file.expiry_time);
  const { results: [image] } = await notion.blocks.children.append({ block_id: page.id, children: [{ image: { type: "file_upload", file_upload: { id: upload.id } } }] });
  assert.equal(image.image.type, "file");
  await refused(notion.pages.update({ page_id: page.id, properties: { Files: { files: [{ file_upload: { id: page.id } }] } } }), APIErrorCode.ObjectNotFound);
});

test("search finds titles, of pages and of data sources by their databases", async () => {
  const page = await create({ Name: title("Needle in a haystack") });
  const { results } = await notion.search({ query: "needle", filter: { property: "object", value: "page" } });
  assert.deepEqual(results.map((found) => found.id), [page.id]);
  const sources = await notion.search({ query: "Deals", filter: { property: "object", value: "data_source" }, sort: { timestamp: "last_edited_time", direction: "descending" } });
  assert.ok(sources.results.some((found) => found.id === data_source));
  assert.deepEqual((await notion.search({ query: "nothing is called this" })).results, []);
});

test("what is computed is read only, and queries know every type", async () => {
  await notion.dataSources.update({
    data_source_id: data_source,
    properties: { Twice: { formula: { expression: 'prop("Amount") * 2' } }, Maker: { created_by: {} }, Made: { created_time: {} }, No: { unique_id: { prefix: null } } },
  });
  const page = await create({ Name: title("Computed"), Amount: { number: 21 }, Day: { date: { start: "2026-11-25" } } });
  assert.deepEqual([page.properties.Twice.formula, page.properties.Maker.created_by.type], [{ type: "number", number: 42 }, "bot"]);
  await refused(notion.pages.update({ page_id: page.id, properties: { Twice: { formula: { number: 1 } } } }), APIErrorCode.ValidationError);
  const filter = { and: [{ property: "Twice", formula: { number: { equals: 42 } } }, { or: [{ property: "Day", date: { on_or_after: "2026-11-25" } }, { timestamp: "created_time", created_time: { past_week: {} } }] }] };
  const found = await notion.dataSources.query({ data_source_id: data_source, filter, sorts: [{ property: "Amount", direction: "descending" }], filter_properties: ["title", "Amount"] });
  assert.deepEqual(found.results.map((row) => [row.id, Object.keys(row.properties).sort()]), [[page.id, ["Amount", "Name"]]]);
});

test("lists may be short, writes may conflict, and a person may do what the API refuses", async () => {
  for (const word of ["a", "b", "c"]) await create({ Name: title(`short ${word}`) });
  await steer("/notion/switches", { short_pages: true });
  const list = await notion.dataSources.query({ data_source_id: data_source, page_size: 2 });
  assert.deepEqual([list.results.length, list.has_more], [1, true]);
  const all = await collectPaginatedAPI(notion.dataSources.query, { data_source_id: data_source, page_size: 2, filter: { property: "Name", title: { starts_with: "short" } } });
  assert.equal(all.length, 3);
  await steer("/notion/switches", { short_pages: false });
  await steer("/fail", { provider: "notion", method: "GET /v1/users/me", fault: { how: "code", status: 409, code: "conflict_error" } });
  await refused(notion.users.me({}), APIErrorCode.ConflictError);

  const { id: row } = await steer("/notion/rows", { data_source, properties: { Name: title("By hand"), Tags: { multi_select: [{ name: "Old" }] } } });
  const page = await notion.pages.retrieve({ page_id: row });
  assert.notEqual(page.created_by.id, (await notion.users.me({})).id, "a person made it");
  await steer("/notion/option", { data_source, property: "Tags", option: "Old", name: "Ancient" });
  assert.equal((await notion.pages.retrieve({ page_id: row })).properties.Tags.multi_select[0].name, "Ancient");
  await steer("/notion/option", { data_source, property: "Tags", option: "Ancient", remove: true });
  assert.deepEqual((await notion.pages.retrieve({ page_id: row })).properties.Tags.multi_select, []);
  await notion.pages.update({ page_id: row, properties: { Amount: { number: 20 } } });
  await steer("/notion/schema", { data_source, properties: { Amount: { rich_text: {} } } });
  assert.equal(plain((await notion.pages.retrieve({ page_id: row })).properties.Amount.rich_text), "20");
  await steer("/notion/schema", { data_source, properties: { Amount: { number: {} } } });
  await steer("/notion/trash", { row, in_trash: true });
  assert.equal((await notion.pages.retrieve({ page_id: row })).in_trash, true);
  await steer("/notion/capability", { name: "insert", allowed: false });
  await refused(create({ Name: title("x") }), APIErrorCode.RestrictedResource);
  await steer("/notion/capability", { name: "insert", allowed: true });
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
