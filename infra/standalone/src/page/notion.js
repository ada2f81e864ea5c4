// The demonstration's Notion: its databases as tables in which one edits. Everything that people wrote goes in as text.
"use strict";

let database = "Projects";

const plainText = (runs) => (runs || []).map((run) => run.plain_text).join("");
const names = (list) => (list || []).map((one) => one.name || one.id).join(", ");

const edit = (row, name, value) => post(`/api/notion/rows/${row.id}`, { [name]: value });

// An editor for a property, if it can be edited here; else what it shows.
function drawProperty(row, name, property, definition, titles) {
  const label = `${name} of ${rowTitle(row)}`;
  const value = property[property.type];
  switch (property.type) {
    case "title":
    case "rich_text":
      if (name === "Bitrix24") return el("span", { class: "quiet" }, plainText(value));
      return el("input", {
        "aria-label": label, value: plainText(value), maxlength: "2000",
        onchange: (event) => edit(row, name, { [property.type]: event.target.value ? [{ text: { content: event.target.value } }] : [] }),
      });
    case "number":
      if (name === "Bitrix24 ID") return el("span", { class: "quiet" }, value === null ? "" : String(value));
      return el("input", {
        "aria-label": label, type: "number", step: "any", value: value === null ? "" : String(value),
        onchange: (event) => edit(row, name, { number: event.target.value === "" ? null : Number(event.target.value) }),
      });
    case "select":
    case "status": {
      const options = definition[property.type].options;
      const empty = property.type === "select" ? [el("option", { value: "", selected: !value }, "—")] : [];
      return el("select", {
        "aria-label": label,
        onchange: (event) => edit(row, name, { [property.type]: event.target.value ? { name: event.target.value } : null }),
      }, ...empty, ...options.map((option) => el("option", { value: option.name, selected: Boolean(value) && value.id === option.id }, option.name)));
    }
    case "date":
      return el("input", {
        "aria-label": label, type: "date", value: value ? value.start.slice(0, 10) : "",
        onchange: (event) => edit(row, name, { date: event.target.value ? { start: event.target.value } : null }),
      });
    case "checkbox":
      return el("input", {
        "aria-label": label, type: "checkbox", checked: value, onchange: (event) => edit(row, name, { checkbox: event.target.checked }),
      });
    case "relation":
      return el("span", {}, (value || []).map((one) => titles[one.id] || "a page").join(", "));
    case "people":
    case "multi_select":
    case "files":
      return el("span", {}, names(value));
    default:
      return el("span", {}, value === null || value === undefined ? "" : String(value));
  }
}

function rowTitle(row) {
  const title = Object.values(row.properties).find((property) => property.type === "title");
  return title ? plainText(title.title) : "";
}

function drawNotion(notion) {
  $("notion").hidden = !notion || !notion.databases.length;
  if ($("notion").hidden) return;
  // Somebody may be typing: what they type in stays until they are done.
  if ($("rows").contains(document.activeElement) && document.activeElement.matches("input:not([type=checkbox]), select")) return;
  const titles = {};
  for (const each of notion.databases) for (const row of each.rows) titles[row.id] = rowTitle(row);
  $("databases").replaceChildren(...notion.databases.map((each) => el("button", {
    type: "button", "aria-pressed": String(each.title === database),
    onclick: () => { database = each.title; drawNotion(notion); },
  }, `${each.title} (${each.count})`)));
  const shown = notion.databases.find((each) => each.title === database);
  const columns = Object.keys(shown.schema);
  const rows = shown.rows.map((row) => el("tr", { class: row.in_trash ? "trashed" : undefined, "data-row": row.id },
    ...columns.map((name) => el("td", {}, row.properties[name] ? drawProperty(row, name, row.properties[name], shown.schema[name], titles) : "")),
    el("td", {},
      el("button", {
        type: "button", class: "small", "aria-label": `${row.in_trash ? "Restore" : "Put into the trash"}: ${rowTitle(row)}`,
        onclick: () => post(`/api/notion/rows/${row.id}/trash`, { in_trash: !row.in_trash }),
      }, row.in_trash ? "Restore" : "Trash"),
      row.body.length ? el("details", {}, el("summary", {}, "Page"), el("pre", {}, row.body.join("\n"))) : null)));
  $("rows").replaceChildren(rows.length
    ? el("table", {}, el("thead", {}, el("tr", {}, ...columns.map((name) => el("th", { scope: "col" }, name)), el("th", { scope: "col" }, ""))), el("tbody", {}, ...rows))
    : el("p", { class: "empty" }, shown.title === "Active Projects" ? "No rows yet: win a deal." : "No rows yet: make a deal or a task, or bring the existing ones over."));
  $("notion-backfill").textContent = `Bring existing records into “${database}”`;
}

$("notion-backfill").addEventListener("click", () => post("/api/notion/backfill", { database }));
