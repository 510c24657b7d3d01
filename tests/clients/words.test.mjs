/** The page's languages: the same keys, and the server's reasons in each. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import en from "../../nochat/services/web/static/words/en.js";
import es from "../../nochat/services/web/static/words/es.js";

const root = new URL("../../", import.meta.url);
const read = (path) => readFileSync(new URL(path, root), "utf8");

/** Each key with what it is: a word, a function of so many arguments, or more keys. */
const shape = (words) =>
  Object.entries(words).filter(([key]) => key !== "reasons").map(([key, value]) =>
    [key, typeof value === "object" ? shape(value) : typeof value === "function" ? value.length : "word"]);

test("both languages have the same words", () => {
  assert.deepEqual(shape(es), shape(en));
});

test("every word that the page's own elements name is there", () => {
  const named = [...read("nochat/services/web/static/index.html").matchAll(/data-word[a-z-]*="(\w+)"/g)].map(([, key]) => key);
  assert.ok(named.length > 50);
  for (const key of named) assert.equal(typeof en[key], "string", key);
});

test("counts and lists are those of the language", () => {
  assert.equal(en.mentions(1), "1 mention");
  assert.equal(es.mentions(2), "2 menciones");
  assert.equal(en.typing(["ana", "bob"]), "ana and bob are typing…");
  assert.equal(es.typing(["ana", "Iván"]), "ana e Iván están escribiendo…");
});

test("what is refused of a text is said in Spanish", () => {
  const found = [...read("nochat/domain/text.py").matchAll(/(?:TextRefused\(f?|_bounded\(.*, |HALF = |FORM = )"([^"]+)"/g)].map(([, reason]) => reason);
  const given = found.map((each) => each.replace("{LONGEST_NAME}", "32"))
    .map((each) => (/^a \w+$/.test(each) ? `${each} has at most 16 characters` : each))
    .filter((each) => !/client_id|the id of a room|\{/.test(each)); // which no person writes
  assert.ok(given.length > 8);
  for (const reason of given) assert.ok(es.reasons.some(([pattern]) => pattern.test(reason)), reason);
});

test("why nobody comes in is said in Spanish", () => {
  const given = ["web/passwords", "users/__init__"].flatMap((module) =>
    [...read(`nochat/services/${module}.py`).matchAll(/^(?:WEAK|MANY) = "([^"]+)"/gm)].map(([, reason]) => reason));
  assert.equal(given.length, 2);
  for (const reason of given) assert.ok(es.reasons.some(([pattern]) => pattern.test(reason)), reason);
});

test("what a room refuses is said in Spanish", () => {
  const given = [...read("nochat/domain/room.py").matchAll(/Refused\("([^"]+)"\)/g)].map(([, reason]) => reason);
  assert.ok(given.length > 10);
  for (const reason of given) assert.ok(es.reasons.some(([pattern]) => pattern.test(reason)), reason);
});
