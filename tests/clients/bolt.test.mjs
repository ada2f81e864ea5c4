// Slack's own framework, Bolt, takes the simulator for Slack: its receiver checks the signatures, its handlers answer.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { after, before, test } from "node:test";
import bolt from "@slack/bolt";

const told = JSON.parse(process.env.SANDBOX);
const email = "user6@example.com";
const steer = async (path, body) => (await fetch(`${told.control}${path}`, body && { method: "POST", body: JSON.stringify(body) })).json();
const heard = [];
let app;

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

// Until something holds; the test runner's own time limit ends the waiting.
async function until(holds) {
  for (;;) {
    const found = await holds();
    if (found) return found;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

before(async () => {
  app = new bolt.App({
    token: told.slack.bot_token, signingSecret: told.slack.signing_secret, logLevel: bolt.LogLevel.ERROR,
    clientOptions: { slackApiUrl: told.slack.api_url },
  });
  app.message(async ({ message }) => { heard.push(message); });
  app.command("/b24-lead", async ({ command, ack, respond, client }) => {
    await ack("Working on it");
    if (command.text) return respond({ text: `Lead ${command.text}`, response_type: "ephemeral" });
    const label = { type: "plain_text", text: "Company" };
    return client.views.open({
      trigger_id: command.trigger_id,
      view: {
        type: "modal", callback_id: "lead", title: { type: "plain_text", text: "Lead" }, submit: { type: "plain_text", text: "Create" },
        blocks: [{ type: "input", block_id: "b", label, element: { type: "plain_text_input", action_id: "company" } }],
      },
    });
  });
  app.view("lead", async ({ ack, view }) => {
    heard.push({ company: Object.values(view.state.values)[0].company.value });
    await ack();
  });
  app.action("deal_take", async ({ ack, action, respond }) => {
    await ack();
    await respond(`Taken ${action.value}`);
  });
  const port = await freePort();
  await app.start({ port, host: "127.0.0.1" });
  await steer("/slack/requests", { url: `http://127.0.0.1:${port}/slack/events` });
});

after(() => app.stop());

test("a message of a person arrives", async () => {
  await steer("/slack/say", { email, channel: "general", text: "hello Bolt" });
  const message = await until(() => heard.find((one) => one.text === "hello Bolt"));
  assert.equal(message.channel, told.slack.channels.general);
});

test("a command is answered at once, and again at its response URL", async () => {
  const first = await steer("/slack/command", { email, channel: "general", command: "/b24-lead", text: "ACME" });
  assert.equal(first.status, 200);
  await until(async () => (await steer(`/slack/whispers?${email}`)).some((whisper) => whisper.text === "Lead ACME"));
});

test("a dialog opens on a command and comes back with what was entered", async () => {
  await steer("/slack/command", { email, channel: "general", command: "/b24-lead", text: "" });
  const reply = await until(async () => {
    const sent = await steer("/slack/submit", { email, values: { company: "From Bolt" } });
    return sent.status === 200 && sent;
  });
  assert.equal(reply.status, 200);
  await until(() => heard.find((one) => one.company === "From Bolt"));
});

test("a pressed button reaches its handler", async () => {
  const reply = await steer("/slack/press", { email, channel: "general", action_id: "deal_take", value: "7" });
  assert.equal(reply.status, 200);
  await until(async () => (await steer(`/slack/whispers?${email}`)).some((whisper) => whisper.text === "Taken 7"));
});

test("files go through the client's own upload", async () => {
  const channel = told.slack.channels.general;
  const sent = await app.client.filesUploadV2({ channel_id: channel, filename: "a.txt", file: Buffer.from("twelve bytes"), initial_comment: "see" });
  const id = sent.files[0].files[0].id;
  const { file } = await app.client.files.info({ file: id });
  assert.equal(file.size, 12);
  const bytes = await fetch(file.url_private_download, { headers: { authorization: `Bearer ${told.slack.bot_token}` } });
  assert.equal(await bytes.text(), "twelve bytes");
  const login = await fetch(file.url_private_download);
  assert.match(await login.text(), /Sign in/);
});

test("reactions, ephemeral messages, homes and deletions work as in Slack", async () => {
  const channel = told.slack.channels.general;
  const { ts } = await app.client.chat.postMessage({ channel, text: "one", username: "Ann", icon_url: "https://a.example/a.png" });
  await app.client.reactions.add({ channel, timestamp: ts, name: "thumbsup" });
  await assert.rejects(app.client.reactions.add({ channel, timestamp: ts, name: "thumbsup" }), (error) => error.data.error === "already_reacted");
  const { members } = await app.client.users.list({});
  const user = members.find((member) => !member.is_bot).id;
  await app.client.chat.postEphemeral({ channel, user, text: "for you" });
  await app.client.views.publish({ user_id: user, view: { type: "home", blocks: [{ type: "divider" }] } });
  await app.client.chat.delete({ channel, ts });
  await assert.rejects(app.client.chat.delete({ channel, ts }), (error) => error.data.error === "message_not_found");
});
