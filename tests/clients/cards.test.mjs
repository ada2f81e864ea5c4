// Every card that the rules make, held against the shapes that Slack publishes (@slack/types), by the compiler: the
// cards become a TypeScript file in which each is said to be a list of blocks.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";

const snapshot = new URL("../../shared/notifications/src/snapshots/notifications__card__tests__cards.snap", import.meta.url);
const cards = JSON.parse(readFileSync(snapshot, "utf8").split("\n---\n", 2)[1]);
const file = new URL("cards.check.ts", import.meta.url);

function compile(blocks) {
  const lines = Object.entries(blocks).map(([name, list]) => `// ${name}\n((blocks: KnownBlock[]) => blocks)(${JSON.stringify(list)});`);
  writeFileSync(file, `import type { KnownBlock } from "@slack/types";\n${lines.join("\n")}\n`);
  try {
    const options = ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "nodenext", "--types", ""];
    execFileSync("node_modules/.bin/tsc", [...options, "cards.check.ts"], { cwd: new URL(".", import.meta.url), encoding: "utf8" });
    return "";
  } catch (error) {
    return error.stdout || String(error);
  } finally {
    rmSync(file, { force: true });
  }
}

const blocks = Object.fromEntries(Object.entries(cards).map(([name, card]) => [name, card.blocks]));

test("every card has Slack's published shapes", () => {
  assert.ok(Object.keys(blocks).length > 100, "the gallery is there");
  assert.equal(compile(blocks), "");
});

test("a card that has not is refused", () => {
  const [first] = Object.values(blocks);
  const wrong = [{ ...first[0], type: "sektion" }, { type: "section", text: { type: "mrkdwn", words: "x" } }];
  assert.match(compile({ wrong }), /cards\.check\.ts/);
});

test("every card keeps within Slack's limits", () => {
  for (const [name, card] of Object.entries(cards)) {
    assert.ok(card.text.length > 0 && card.text.length <= 4000, name);
    assert.ok(card.blocks.length <= 50, name);
    for (const block of card.blocks) {
      if (block.text) assert.ok(block.text.text.length <= 3000 && block.text.text.length > 0, name);
      for (const field of block.fields || []) assert.ok(field.text.length <= 2000 && field.text.length > 0, name);
      assert.ok((block.fields || []).length <= 10, name);
      if (block.type === "context") assert.ok(block.elements.length <= 10, name);
      if (block.type === "actions") {
        for (const button of block.elements) assert.ok(button.url.length <= 3000 && button.text.text.length <= 75, name);
      }
    }
  }
});
