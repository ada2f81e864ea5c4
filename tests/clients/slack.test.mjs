import assert from "node:assert/strict";
import { test } from "node:test";
import { WebClient } from "@slack/web-api";

const told = JSON.parse(process.env.SANDBOX);
const options = { slackApiUrl: told.slack.api_url };
const slack = new WebClient(told.slack.bot_token, options);

test("the token belongs to the workspace", async () => {
  const identity = await slack.auth.test();
  assert.equal(identity.team_id, told.slack.team_id);
});

test("a message is posted, found by its metadata, and updated", async () => {
  const channel = told.slack.channels.general;
  const metadata = { event_type: "switchboard_delivery", event_payload: { delivery_id: "1" } };
  const blocks = [{ type: "section", text: { type: "mrkdwn", text: "*Hello*" } }];
  const posted = await slack.chat.postMessage({ channel, text: "Hello", blocks, metadata });
  const history = await slack.conversations.history({ channel, include_all_metadata: true });
  const found = history.messages.find((message) => message.ts === posted.ts);
  assert.deepEqual(found.metadata, metadata);
  await slack.chat.update({ channel, ts: posted.ts, text: "Good bye" });
  const [newest] = (await slack.conversations.history({ channel, limit: 1 })).messages;
  assert.equal(newest.text, "Good bye");
  assert.equal(newest.metadata, undefined);
});

test("channels are paged", async () => {
  const names = [];
  for await (const page of slack.paginate("conversations.list", { limit: 2 })) {
    names.push(...page.channels.map((channel) => channel.name));
  }
  assert.deepEqual(names.sort(), Object.keys(told.slack.channels).sort());
});

test("what Slack would refuse is refused with Slack's code", async () => {
  const refused = async (call, code) => assert.rejects(call, (error) => error.data?.error === code);
  const post = (message) => slack.chat.postMessage({ channel: "general", text: "x", ...message });
  await refused(post({ channel: "C00000000" }), "channel_not_found");
  await refused(post({ blocks: [{ type: "header", text: { type: "plain_text", text: "x".repeat(151) } }] }), "invalid_blocks");
  await refused(new WebClient("xoxb-wrong", options).auth.test(), "invalid_auth");
});

test("a burst is throttled, and the client's own waiting gets all of it through", async () => {
  const posts = Array.from({ length: 7 }, (_, n) => slack.chat.postMessage({ channel: "sales-leads", text: `Card ${n}` }));
  const answers = await Promise.all(posts);
  assert.equal(new Set(answers.map((answer) => answer.ts)).size, 7);
  const counts = await (await fetch(`${told.control}/counts`)).json();
  assert.ok(counts.slack.refused_for_limits > 0);
});
