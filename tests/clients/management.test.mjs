/** What of the management page needs no browser: `node --test`. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { layout } from "../../nochat/services/web/static/manage/layout.js";
import { KEPT, Rates } from "../../nochat/services/web/static/manage/rates.js";
import manageEn from "../../nochat/services/web/static/manage/words-en.js";
import manageEs from "../../nochat/services/web/static/manage/words-es.js";
import en from "../../nochat/services/web/static/words/en.js";

const instance = (given) =>
  ({ instance: "a1", host: "box", pid: 1, since: 0, handled: 10, published: 20, failed: 0, memory: 1, cpu: 1, ...given });
const answer = (at, instances, more) => {
  const reported = instances.map((each) => ({ at, ...each }));
  return { at, services: [{ name: "users", instances: reported }], queues: [], events: [], ...more };
};
const users = (view) => view.services[0];

test("rates are differences by the seconds between", () => {
  const rates = new Rates();
  assert.equal(users(rates.take(answer(100, [instance()]))).in, 0);
  const view = rates.take(answer(104, [instance({ handled: 30, published: 28, cpu: 3 })]));
  const { in: incoming, out, instances } = users(view);
  assert.deepEqual([incoming, out, instances[0].busy, view.rate], [5, 2, 50, 2]);
});

test("an instance's rate is between its own reports, and stays until the next", () => {
  const rates = new Rates();
  const reports = [[99, 10], [101, 30], [101, 30], [105, 34]]; // none in time for the third answer
  const seen = reports.map(([at, handled], turn) =>
    users(rates.take(answer(100 + 2 * turn, [instance({ at, handled })]))).in);
  assert.deepEqual(seen, [0, 10, 10, 1]);
});

test("an instance that comes has no rate before its second report", () => {
  const rates = new Rates();
  rates.take(answer(100, []));
  assert.equal(users(rates.take(answer(102, [instance()]))).in, 0);
});

test("an instance that vanished is remembered: for a while, or until the service runs again", () => {
  const rates = new Rates();
  rates.take(answer(100, [instance()]));
  const gone = (at, instances) => users(rates.take(answer(at, instances))).gone.map((it) => it.instance);
  assert.deepEqual(gone(110, []), ["a1"]);
  assert.deepEqual(gone(999, []), ["a1"]);
  assert.deepEqual(gone(1001, [instance({ instance: "b2" })]), []);
  assert.deepEqual(gone(1003, []), ["b2"]);
  assert.deepEqual(gone(1005, [instance({ instance: "b2" })]), []);
});

test("a queue's change, and the dead letters last", () => {
  const rates = new Rates();
  const queues = (messages) => ({ queues: [{ name: "dead-letters", messages: 0, consumers: 0 }, { name: "users", messages, consumers: 1 }] });
  rates.take(answer(100, [], queues(4)));
  const seen = rates.take(answer(102, [], queues(1))).queues;
  assert.deepEqual(seen.map(({ name, change }) => [name, change]), [["users", -1.5], ["dead-letters", 0]]);
});

test("each type has a history that does not grow for ever", () => {
  const rates = new Rates();
  let view;
  for (let at = 0; at < KEPT + 9; at += 1) view = rates.take(answer(at, [], { events: [{ type: "x", count: at * 3 }] }));
  assert.equal(view.events[0].rate, 3);
  assert.equal(view.events[0].history.length, KEPT);
});

test("nothing in the diagram covers another thing, or leaves it", () => {
  const names = ["gateway", "web", "controller", "users", "activity", "notifications", "echo", "replica"];
  for (const narrow of [false, true]) {
    const { width, height, boxes } = layout(names, 13, new Map([["users", "SQLite"], ["activity", "MongoDB"], ["replica", "folder"]]), narrow);
    const all = Object.values(boxes);
    assert.ok(names.every((name) => boxes[name]));
    for (const a of all) {
      assert.ok(a.x >= 0 && a.y >= 0 && a.x + a.w <= width && a.y + a.h <= height);
      for (const b of all.filter((it) => it !== a)) {
        assert.ok(a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y);
      }
    }
  }
});

const shape = (words) =>
  Object.entries(words).map(([key, value]) =>
    [key, typeof value === "object" ? shape(value) : typeof value === "function" ? value.length : "word"]);

test("both languages have the same words, and none of the chat's", () => {
  assert.deepEqual(shape(manageEs), shape(manageEn));
  assert.deepEqual(Object.keys(manageEn).filter((key) => key in en), []);
});

test("every word that the page names is there", () => {
  const page = readFileSync(new URL("../../nochat/services/web/static/manage.html", import.meta.url), "utf8");
  const named = [...page.matchAll(/data-word[a-z-]*="(\w+)"/g)].map(([, key]) => key);
  assert.ok(named.length > 50);
  for (const key of named) assert.equal(typeof (manageEn[key] ?? en[key]), "string", key);
});
