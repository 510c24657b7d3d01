/** The policy on Unicode as the page has it; domain/test_text.py reads the same table of cases. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import {
  foundPieces, identity, isVisible, nameBegun, oneSpelling, pieces, searchable,
} from "../../nochat/services/web/static/text.js";

const cases = JSON.parse(readFileSync(new URL("../domain/text_cases.json", import.meta.url)));
const whole = (found) => found.map(({ text }) => text).join("");

test("what can be seen and what can not", () => {
  for (const text of cases.visible) assert.ok(isVisible(text), JSON.stringify(text));
  for (const text of cases.invisible) assert.ok(!isVisible(text), JSON.stringify(text));
});

test("which names are one person's", () => {
  for (const [one, other] of cases.same_name) assert.equal(identity(one), identity(other));
  for (const [one, other] of cases.other_name) assert.notEqual(identity(one), identity(other));
  for (const name of cases.names.taken) assert.equal(identity(identity(name)), identity(name));
});

test("whom a text names", () => {
  for (const { text, names, mentioned } of cases.mentions) {
    const found = pieces(text, names);
    assert.deepEqual([...new Set(found.flatMap(({ user }) => user ?? []))].sort(), mentioned.toSorted(), text);
    assert.equal(whole(found), text);
    assert.equal(whole(pieces(text)), text);
  }
});

test("a name in a message is marked as far as it goes", () => {
  assert.deepEqual(pieces("ありがとう@李雷さん", ["李雷"]),
    [{ text: "ありがとう" }, { text: "@李雷", user: "李雷" }, { text: "さん" }]);
});

test("what a search finds is marked, whatever its accents", () => {
  for (const { text, searched, marked } of cases.searches) {
    const found = foundPieces(text, searched);
    assert.equal(whole(found), text);
    if (marked) assert.deepEqual(found.filter((each) => each.found).map((each) => each.text), marked, searched);
  }
});

test("reactions that look alike are one", () => {
  for (const alike of cases.reactions.one) assert.equal(new Set(alike.map(oneSpelling)).size, 1, alike[0]);
  for (const spelled of cases.reactions.spelled) assert.equal(oneSpelling(spelled), spelled);
});

test("a name is completed in any script", () => {
  assert.equal(nameBegun("你好@李"), "李");
  assert.equal(nameBegun("@हिन्"), "हिन्");
  assert.equal(nameBegun("me@ex"), undefined);
});

test("no text takes long to be read", () => {
  for (const part of ["@", "a", "@a", "a.-", "@李", "a://", "\u0301", "李@"]) {
    const text = part.repeat(4000 / part.length);
    const began = performance.now();
    pieces(text, ["ana"]);
    foundPieces(text, text.slice(0, 200));
    searchable(text);
    assert.ok(performance.now() - began < 5000, part);
  }
});
