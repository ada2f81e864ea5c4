// The conversations of the demonstration: what people say in Slack and in the portal's chat, the answers that only one
// person sees, and the dialogs. Everything that people wrote goes in as text, never as markup.
"use strict";

let thread = null; // what the next message in Slack answers
let answered = null; // what the next message in the chat answers

const isPicture = (name) => /\.(png|jpe?g|gif)$/i.test(name);

function drawFile(side, file) {
  const url = `/api/file/${side}/${file.id}`;
  return isPicture(file.name || "")
    ? el("a", { href: url, target: "_blank", rel: "noopener" }, el("img", { class: "picture", src: url, alt: file.name }))
    : el("p", {}, "📎 ", el("a", { href: url }, file.name || "file"));
}

function styled(text, style = {}) {
  let node = text;
  for (const [name, tag] of [["bold", "strong"], ["italic", "em"], ["strike", "s"], ["code", "code"]]) {
    if (style[name]) node = el(tag, {}, node);
  }
  return node;
}

function drawRich(element) {
  const parts = (element.elements || []).map((part) => {
    switch (part.type) {
      case "text": return styled(part.text, part.style);
      case "link": return styled(el("a", { href: /^https?:/.test(part.url) ? part.url : undefined, target: "_blank", rel: "noopener" }, part.text || part.url), part.style);
      case "user": return el("span", { class: "mention" }, `@${state.talk.names[part.user_id] || part.user_id}`);
      case "emoji": return `:${part.name}:`;
      case "date": return part.fallback || "";
      case "broadcast": return `@${part.range}`;
      default: return drawRich(part);
    }
  });
  const tag = { rich_text_quote: "blockquote", rich_text_preformatted: "pre" }[element.type] || "div";
  return el(tag, { class: "rich" }, element.type === "rich_text_list" ? "• " : "", ...parts);
}

function drawElement(element) {
  if (element.type === "static_select") {
    return el("select", {
      "aria-label": element.placeholder.text,
      onchange: (event) => post("/api/slack/press", { channel, action_id: element.action_id, value: event.target.value }),
    }, ...element.options.map((option) => el("option", {
      value: option.value, selected: Boolean(element.initial_option) && element.initial_option.value === option.value,
    }, option.text.text)));
  }
  if (element.url) return el("a", { class: "button", href: element.url, target: "_blank", rel: "noopener" }, ...slackText(element.text));
  return el("button", {
    type: "button", onclick: () => post("/api/slack/press", { channel, action_id: element.action_id, value: element.value }),
  }, ...slackText(element.text));
}

// What somebody may do with a message.
function drawControls(message) {
  if (!state.talk || channel !== "general") return null;
  const controls = [el("button", {
    type: "button", class: "small", onclick: () => { thread = message.thread_ts || message.ts; drawTalk(); $("say").text.focus(); },
  }, "Reply")];
  controls.push(el("button", { type: "button", class: "small", onclick: () => post("/api/slack/react", { channel, ts: message.ts }) }, "👍"));
  if (message.user === state.talk.persona) {
    controls.push(el("button", {
      type: "button", class: "small",
      onclick: () => ask("Edit the message", message.text, (text) => post("/api/slack/edit", { channel, ts: message.ts, text })),
    }, "Edit"), el("button", {
      type: "button", class: "small", onclick: () => post("/api/slack/delete", { channel, ts: message.ts }),
    }, "Delete"));
  }
  return el("div", { class: "controls" }, ...controls);
}

const drawReactions = (message) => (message.reactions || []).length
  ? el("p", { class: "quiet" }, message.reactions.map((one) => `:${one.name}: ${one.count}`).join("  ")) : null;

// One field, asked for in a dialog of the page's own.
function ask(title, text, done) {
  const field = el("textarea", { name: "text", rows: "3", "aria-label": title }, text);
  const form = el("form", {
    onsubmit: (event) => { event.preventDefault(); done(field.value); $("asking").close(); },
  }, el("h3", {}, title), field, el("div", { class: "row" }, el("button", {}, "Save"),
    el("button", { type: "button", onclick: () => $("asking").close() }, "Cancel")));
  $("asking").replaceChildren(form);
  $("asking").showModal();
}

const drawnDialog = { id: null };

// The app's dialog: fields by their kinds.
function drawDialog(view) {
  const dialog = $("dialog");
  if (!view) {
    if (dialog.open) dialog.close();
    drawnDialog.id = null;
    return;
  }
  if (drawnDialog.id === view.id) return;
  drawnDialog.id = view.id;
  const fields = view.blocks.map((block) => {
    const element = block.element || {};
    const common = { name: element.action_id, required: !block.optional, "aria-label": block.label.text };
    let field;
    if (element.type === "users_select") {
      field = el("select", common, el("option", { value: "" }, ""), ...Object.entries(state.talk.names).map(([id, name]) =>
        el("option", { value: id, selected: id === element.initial_user }, name)));
    } else if (element.type === "datepicker") field = el("input", { ...common, type: "date" });
    else if (element.multiline) field = el("textarea", { ...common, rows: "3" }, element.initial_value || "");
    else field = el("input", { ...common, value: element.initial_value || "" });
    return el("label", {}, block.label.text, field);
  });
  dialog.replaceChildren(el("form", {
    onsubmit: (event) => {
      event.preventDefault();
      post("/api/slack/submit", Object.fromEntries(new FormData(event.target)));
      dialog.close();
    },
  }, el("h3", {}, view.title.text), ...fields, el("div", { class: "row" }, el("button", {}, view.submit ? view.submit.text : "OK"),
    el("button", { type: "button", onclick: () => dialog.close() }, view.close.text))));
  dialog.showModal();
}

function drawWhisper(message) {
  const blocks = message.blocks || [];
  return el("article", { class: "message whisper" }, el("div", { class: "avatar", "aria-hidden": "true" }, "S"),
    el("div", { class: "who" }, "Switchboard ", el("span", { class: "quiet" }, "only you see this")),
    el("div", {}, ...(blocks.length ? blocks.map(drawBlock) : mrkdwn(message.text))));
}

// The portal's chat shows BBCode as its words; the bot writes names in bold.
function bbcode(text) {
  const nodes = [];
  for (const part of text.split(/(\[b\].*?\[\/b\]|\[url=[^\]]*\].*?\[\/url\]|\[user=\d+\].*?\[\/user\]|\[[ius]\].*?\[\/[ius]\]|\[code\][\s\S]*?\[\/code\])/i)) {
    const inner = part.replace(/^\[[^\]]*\]/, "").replace(/\[\/[a-z]+\]$/i, "");
    if (/^\[b\]/i.test(part)) nodes.push(el("strong", {}, ...bbcode(inner)));
    else if (/^\[url=/i.test(part)) {
      const url = part.slice(5, part.indexOf("]"));
      nodes.push(el("a", { href: /^https?:/.test(url) ? url : undefined, target: "_blank", rel: "noopener" }, inner));
    } else if (/^\[user=/i.test(part)) nodes.push(el("span", { class: "mention" }, `@${inner}`));
    else if (/^\[code\]/i.test(part)) nodes.push(el("pre", {}, inner));
    else if (/^\[[ius]\]/i.test(part)) nodes.push(el("em", {}, ...bbcode(inner)));
    else if (part) nodes.push(part);
  }
  return nodes;
}

function drawChatMessage(message) {
  const own = message.mine ? [el("button", {
    type: "button", class: "small",
    onclick: () => ask("Edit the message", message.text, (text) => post("/api/chat/edit", { message: message.id, text })),
  }, "Edit"), el("button", { type: "button", class: "small", onclick: () => post("/api/chat/delete", { message: message.id }) }, "Delete")] : [];
  const reply = el("button", {
    type: "button", class: "small", onclick: () => { answered = message.id; drawTalk(); $("write").text.focus(); },
  }, "Answer");
  const parent = state.talk.chat.find((one) => one.id === message.answers);
  const reactions = Object.entries(message.reactions || {}).filter(([, users]) => users.length).map(([name, users]) => `${name} ${users.length}`);
  return el("article", { class: "chat-message", "data-message": String(message.id) },
    el("div", { class: "who" }, message.bot ? "Switchboard " : `${message.name} `, message.bot ? el("span", { class: "app" }, "BOT") : ""),
    parent ? el("blockquote", { class: "quiet" }, ...bbcode(parent.text)) : null,
    el("div", { class: "block" }, ...bbcode(message.text)), ...message.files.map((file) => drawFile("chat", file)),
    reactions.length ? el("p", { class: "quiet" }, reactions.join("  ")) : null, el("div", { class: "controls" }, reply, ...own));
}

function drawTalk() {
  const talk = state.talk;
  $("say").hidden = $("chat").hidden = !talk;
  if (!talk) return;
  $("say").querySelector("label > span").textContent = `${thread ? "Answer in the thread" : "Write"} in #${channel} as ${talk.names[talk.persona]}`;
  $("cancel-thread").hidden = !thread;
  $("write").querySelector("label > span").textContent = answered ? "Answer in the chat" : "Write in the chat";
  const whispers = talk.whispers.slice().reverse();
  $("whispers").replaceChildren(...whispers.map(drawWhisper));
  const atEnd = $("chat-messages").scrollTop + $("chat-messages").clientHeight >= $("chat-messages").scrollHeight - 8;
  $("chat-messages").replaceChildren(...(talk.chat.length ? talk.chat.map(drawChatMessage)
    : [el("p", { class: "empty" }, "Nothing was said yet. What is said here is read in #general, and the reverse.")]));
  if (atEnd) $("chat-messages").scrollTop = $("chat-messages").scrollHeight;
  $("home").replaceChildren(...(talk.home ? talk.home.blocks.map(drawBlock) : []));
  drawDialog(talk.dialog);
}

async function fileOf(input) {
  const file = input.files[0];
  if (!file) return undefined;
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return { name: file.name, content: btoa(text) };
}

$("say").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const said = { channel, text: form.text.value, thread: thread || undefined, file: await fileOf(form.file) };
  if (!said.text && !said.file) return;
  form.reset();
  thread = null;
  await post("/api/slack/say", said);
});
$("cancel-thread").addEventListener("click", () => { thread = null; drawTalk(); });
$("write").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const said = { text: form.text.value, answers: answered || undefined, file: await fileOf(form.file) };
  if (!said.text && !said.file) return;
  form.reset();
  answered = null;
  await post("/api/chat/say", said);
});
$("open-home").addEventListener("click", () => post("/api/slack/home", {}));
$("admin").addEventListener("click", async () => {
  const { code } = await (await fetch("/api/admin-code", { method: "POST" })).json();
  $("admin-code").textContent = "";
  $("admin-code").append("Your one-time code: ", el("code", {}, code), " ", el("a", { href: "/admin", target: "_blank", rel: "noopener" }, "Open the administrators’ pages"));
});
