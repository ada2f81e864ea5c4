// Draws the state that the server sends whenever it changes. Everything that people wrote goes in as text,
// never as markup.
"use strict";

const $ = (id) => document.getElementById(id);
let channel = "sales-pipeline";
let state = {};

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== undefined && child !== null));
  return node;
}

async function post(path, body, method = "POST") {
  const answer = await fetch(path, {
    method, headers: { "content-type": "application/json" }, body: JSON.stringify(body),
  });
  if (!answer.ok) $("summary").textContent = `That did not work: ${answer.status}`;
}

const move = (deal, stage) => post(`/api/deals/${deal}/stage`, { stage });
const sum = (deal) => `${Number(deal.opportunity).toLocaleString("en")} ${deal.currencyId}`;

function drawBoard(board) {
  $("portal").hidden = !board;
  if (!board) return;
  const scrolled = [...document.querySelectorAll(".stage")].map((stage) => stage.scrollTop);
  const left = $("board").scrollLeft;
  $("board").replaceChildren(...board.stages.map((stage) => {
    const deals = board.deals.filter((deal) => deal.stageId === stage.STATUS_ID)
      .sort((a, b) => b.movedTime.localeCompare(a.movedTime) || b.id - a.id);
    const column = el("div", {
      class: "stage", "data-stage": stage.STATUS_ID,
      ondragover: (event) => { event.preventDefault(); column.classList.add("over"); },
      ondragleave: () => column.classList.remove("over"),
      ondrop: (event) => {
        event.preventDefault();
        column.classList.remove("over");
        move(event.dataTransfer.getData("text/plain"), stage.STATUS_ID);
      },
    }, el("h3", {}, el("span", {}, stage.NAME), el("span", { class: "quiet" }, String(deals.length))));
    column.style.borderTopColor = stage.COLOR;
    column.append(...deals.map((deal) => drawDeal(deal, board.stages)));
    if (!deals.length) column.append(el("p", { class: "empty" }, "No deals"));
    return column;
  }));
  document.querySelectorAll(".stage").forEach((stage, place) => { stage.scrollTop = scrolled[place] || 0; });
  $("board").scrollLeft = left;
}

function drawDeal(deal, stages) {
  const choose = el("select", {
    "aria-label": `Stage of ${deal.title}`, onchange: (event) => move(deal.id, event.target.value),
  }, ...stages.map((stage) => el("option", {
    value: stage.STATUS_ID, selected: stage.STATUS_ID === deal.stageId,
  }, stage.NAME)));
  return el("div", {
    class: "deal", draggable: "true", "data-deal": String(deal.id),
    ondragstart: (event) => event.dataTransfer.setData("text/plain", String(deal.id)),
  }, el("p", {}, deal.title), el("p", { class: "sum" }, sum(deal)), el("div", { class: "row" }, choose, el("button", {
    type: "button", title: "Delete", "aria-label": `Delete ${deal.title}`, onclick: () => post(`/api/deals/${deal.id}`, {}, "DELETE"),
  }, "✕")));
}

function drawTasks(tasks) {
  // Somebody may be typing a comment: what is there stays, only what is new is added.
  for (const task of tasks.slice().reverse()) {
    if (document.querySelector(`[data-task="${task.id}"]`)) continue;
    const who = task.responsible ? task.responsible.name : "nobody";
    const comment = el("form", {
      onsubmit: (event) => {
        event.preventDefault();
        post(`/api/tasks/${task.id}/comments`, { text: event.target.text.value });
        event.target.text.value = "";
      },
    }, el("input", { name: "text", required: true, maxlength: "500", "aria-label": `Comment on ${task.title}`, placeholder: "Comment as the director" }),
      el("button", {}, "Send"));
    $("tasks").prepend(el("li", { "data-task": task.id }, el("p", {}, task.title, " ", el("span", { class: "quiet" }, who)), comment));
  }
  while ($("tasks").children.length > 4) $("tasks").lastChild.remove();
}

// Slack's mrkdwn, as far as cards use it: links, bold, entities.
function mrkdwn(text) {
  const plain = (part) => part.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
  const nodes = [];
  for (const part of text.split(/(<[^>]+>|\*[^*\n]+\*)/)) {
    if (part.startsWith("<")) {
      const [url, words] = part.slice(1, -1).split("|");
      const date = /^!date\^(\d+)\^/.exec(url);
      if (date) nodes.push(new Date(Number(date[1]) * 1000).toLocaleString());
      else if (url.startsWith("tel:")) nodes.push(el("a", { href: url }, plain(words || url)));
      else if (/^https?:/.test(url)) nodes.push(el("a", { href: url, target: "_blank", rel: "noopener" }, plain(words || url)));
      else nodes.push(plain(words || url));
    } else if (part.length > 2 && part.startsWith("*") && part.endsWith("*")) {
      nodes.push(el("strong", {}, plain(part.slice(1, -1))));
    } else if (part) nodes.push(plain(part));
  }
  return nodes;
}

const slackText = (text) => (text.type === "mrkdwn" ? mrkdwn(text.text) : [text.text]);

function drawBlock(block) {
  switch (block.type) {
    case "header": return el("div", { class: "block header" }, ...slackText(block.text));
    case "divider": return el("hr");
    case "section": {
      const parts = [];
      if (block.text) parts.push(el("div", { class: "block" }, ...slackText(block.text)));
      if (block.fields) {
        parts.push(el("div", { class: "block fields" }, ...block.fields.map((field) => el("div", {}, ...slackText(field)))));
      }
      return el("div", {}, ...parts);
    }
    case "context": return el("div", { class: "block context" }, ...block.elements.flatMap(slackText));
    case "actions": return el("div", { class: "block actions" }, ...block.elements.map(drawElement));
    case "rich_text": return el("div", { class: "block" }, ...block.elements.map(drawRich));
    default: return el("div", { class: "block quiet" }, `(${block.type})`);
  }
}

function drawMessage(message) {
  const time = new Date(Number(message.ts) * 1000);
  const blocks = message.blocks || [];
  const isReply = message.thread_ts && message.thread_ts !== message.ts;
  const person = !message.bot_id && state.talk && state.talk.names[message.user];
  const name = message.username || person || "Switchboard";
  return el("article", { class: isReply ? "message reply" : "message", "data-ts": message.ts },
    el("div", { class: "avatar", "aria-hidden": "true" }, name.slice(0, 1)),
    el("div", { class: "who" }, `${name} `, person ? "" : el("span", { class: "app" }, "APP"), " ",
      el("time", { datetime: time.toISOString() }, time.toLocaleTimeString()),
      message.edited ? el("span", { class: "quiet" }, " (edited)") : ""),
    el("div", {}, ...(blocks.length ? blocks.map(drawBlock) : mrkdwn(message.text || "")),
      ...(message.files || []).map((file) => drawFile("slack", file)), drawReactions(message), drawControls(message)));
}

// Newest first, and the replies of a thread below its card.
function inThreads(messages) {
  const isReply = (one) => one.thread_ts && one.thread_ts !== one.ts;
  const cards = messages.filter((one) => !isReply(one)).reverse();
  return cards.flatMap((card) => [card, ...messages.filter((one) => isReply(one) && one.thread_ts === card.ts)]);
}

function drawSlack(channels) {
  $("slack").hidden = !channels;
  if (!channels) return;
  $("channels").replaceChildren(...channels.map((one) => el("button", {
    type: "button", "aria-pressed": String(one.name === channel),
    onclick: () => { channel = one.name; draw(); },
  }, `${one.name.startsWith("@") ? "" : "#"}${one.name} (${one.count})`)));
  const shown = channels.find((one) => one.name === channel) || channels[0];
  const messages = inThreads(shown.messages).map(drawMessage);
  $("messages").replaceChildren(...(messages.length ? messages
    : [el("p", { class: "empty" }, "No cards yet. Move a deal, and its card appears here.")]));
}

const time = (moment) => new Date(moment).toLocaleTimeString();

function drawEvent(event) {
  const steps = [el("li", {}, `received ${time(event.received_at)}`)];
  const what = event.changes.length ? event.changes.join(", ") : "no change";
  steps.push(el("li", {}, `${event.decided_ms} ms: ${what} `,
    el("span", { class: `status ${event.status}` }, event.status), event.reason ? ` – ${event.reason}` : ""));
  for (const left of event.left) steps.push(el("li", { class: "quiet" }, left));
  for (const delivery of event.deliveries) {
    const after = delivery.after_ms === null ? "" : `${delivery.after_ms} ms: `;
    steps.push(el("li", {}, `${after}${delivery.destination} `,
      el("span", { class: `status ${delivery.status}` }, delivery.status),
      delivery.attempts > 1 ? ` after ${delivery.attempts} tries` : "", delivery.reason ? ` – ${delivery.reason}` : ""));
  }
  return el("li", { "data-trace": event.trace },
    el("strong", {}, event.record || event.event), " ", el("span", { class: "quiet" }, event.event),
    el("ul", { class: "steps" }, ...steps), el("span", { class: "quiet" }, `trace ${event.trace}`));
}

function drawTrail(events) {
  $("events").replaceChildren(...(events.length ? events.map(drawEvent)
    : [el("li", { class: "empty" }, "No event has arrived today.")]));
}

// What the providers do not accept of the configuration, or could not be asked about.
function drawCredentials(credentials) {
  const unwell = (credentials || []).filter((side) => side.text);
  $("unwell").hidden = !unwell.length;
  $("credentials").replaceChildren(...unwell.map((side) => el("li", {}, side.text)));
}

function drawReach(reach) {
  $("reach").hidden = !reach;
  if (!reach) return;
  $("reach-hint").textContent = reach.by_hand
    ? "These events have to be ticked in the portal's outgoing webhook. Each is marked once it has arrived."
    : "These events are bound by the application itself; what is missing is bound again.";
  $("wanted").replaceChildren(...reach.events.map((event) => el("li", {},
    event.seen ? el("span", { class: "status seen" }, `✓ ${time(event.seen)} `) : el("span", { class: "quiet" }, "– not yet "),
    event.words, " ", el("code", { class: "quiet" }, event.code))));
  const refused = reach.subscriptions && reach.subscriptions.refused.length ? ` Not bound: ${reach.subscriptions.refused.join("; ")}.` : "";
  const swept = reach.sweep && reach.sweep.finished_at ? `Last sweep ${time(reach.sweep.finished_at)}` : "No sweep has finished yet";
  const stopped = reach.sweep && reach.sweep.stopped_by ? `, stopped: ${reach.sweep.stopped_by}` : "";
  $("counts").textContent = `${swept}${stopped}. Today: ${reach.counts.swept} records checked, ${reach.counts.lost} changes found without `
    + `an event, ${reach.counts.late} late events, ${reach.counts.conditions_failed} conditions failed.${refused}`;
}

function drawDead(letters) {
  $("dead").hidden = !letters.length;
  $("letters").replaceChildren(...letters.map((letter) => el("li", {},
    el("span", { class: "status dead" }, letter.code), ` ${letter.reason} `,
    el("span", { class: "quiet" }, `${letter.attempts} tries, trace ${letter.trace}`))));
}

function draw() {
  if (state.error) {
    $("summary").textContent = state.error;
    return;
  }
  const queues = state.queues.map((queue) => `${queue.name}: ${queue.waiting} waiting, ${queue.dead} dead`);
  const counts = state.counts.map((count) => `${count.name} ${count.reason}: ${count.count}`);
  $("summary").textContent = [...queues, ...counts].join(" · ");
  drawBoard(state.board);
  if (state.board) drawTasks(state.board.tasks);
  drawReach(state.reach);
  drawCredentials(state.credentials);
  drawSlack(state.channels);
  drawTalk();
  drawNotion(state.notion);
  drawTrail(state.trail);
  drawDead(state.dead_letters);
}

$("new-deal").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  post("/api/deals", { title: form.title.value, amount: Number(form.amount.value) });
  form.title.value = "";
});
$("new-lead").addEventListener("click", () => {
  const form = $("new-deal");
  if (!form.reportValidity()) return;
  post("/api/leads", { title: form.title.value });
  form.title.value = "";
});

$("new-task").addEventListener("submit", (event) => {
  event.preventDefault();
  post("/api/tasks", { title: event.target.title.value });
  event.target.title.value = "";
});
$("new-call").addEventListener("submit", (event) => {
  event.preventDefault();
  post("/api/calls", { phone: event.target.phone.value });
});
$("archived").addEventListener("change", (event) => post("/api/archive", { archived: event.target.checked }));
$("lose").addEventListener("change", (event) => post("/api/lose", { lose: event.target.checked }));

const changes = new EventSource("/api/changes");
changes.onmessage = (event) => { state = JSON.parse(event.data); draw(); };
changes.onerror = () => { $("summary").textContent = "The connection is lost; trying again…"; };
