/** The page's languages: the same keys in each, and the chat's reasons by code. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { reason, words } from "../../nochat/services/web/static/words.js";
import en from "../../nochat/services/web/static/words/en.js";
import es from "../../nochat/services/web/static/words/es.js";

const root = new URL("../../", import.meta.url);
const read = (path) => readFileSync(new URL(path, root), "utf8");

/** Each key with what it is: a word, a function of so many arguments, or more keys. */
const shape = (words) =>
  Object.entries(words).map(([key, value]) =>
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

test("a reason is said by its code, with its parameters", () => {
  assert.equal(reason({ code: "room.banned" }), "you are banned from this room");
  assert.equal(reason({ code: "token.too-many", params: { most: 7 } }), "you have 7 tokens; revoke one first");
  assert.equal(reason({ code: "request.shape", params: { detail: "$& {most}" } }), "the data are malformed: $& {most}");
  for (const code of ["none.such", "toString", undefined]) assert.equal(reason({ code }), words.unknownReason(code));
});
