/** What the bot says, as a pure function. Run by test_bot.py with `node --test`. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { answer } from "../../nochat/services/bots/answers.mjs";

const say = (text, more) =>
  answer({ text, sender: "ana", room: "lobby", position: 4, at: 43_501, ...more }, "bot");

test("it knows a few words", () => {
  assert.equal(say("@bot ping"), "pong");
  assert.equal(say("hello @Bot, PING!"), "pong");
  assert.equal(say("@bot time"), "It is 12:05:01 UTC.");
  assert.match(say("@bot help"), /roll 2d6/);
  assert.equal(say("thank you, @bot."), say("@bot help"));
});

test("in a room of two nobody needs to be named", () => {
  assert.equal(say("ping"), "pong");
  assert.equal(say("  "), say("help"));
});

test("it says when it does not know, and knows nothing by accident", () => {
  for (const text of ["@bot dance", "@bot constructor", "@bot __proto__", "@bottom ping"]) {
    assert.match(say(text), /^I don't know that/);
  }
});

test("dice are what they are called, and the same for the same message", () => {
  const [, rolled, sum] = /^ana rolls 3d6: ([\d +]+) = (\d+)$/.exec(say("@bot roll 3d6"));
  const numbers = rolled.split(" + ").map(Number);
  assert.equal(numbers.length, 3);
  assert.ok(numbers.every((number) => number >= 1 && number <= 6));
  assert.equal(numbers.reduce((a, b) => a + b), Number(sum));
  assert.equal(say("@bot roll 3d6"), say("@bot roll 3d6"));
  const positions = Array.from({ length: 30 }, (_, position) => position);
  assert.ok(new Set(positions.map((position) => say("@bot roll d20", { position }))).size > 10);
  assert.match(say("@bot roll d6"), /^ana rolls 1d6: [1-6]$/);
  assert.equal(say("@bot roll").slice(0, 15), "ana rolls 1d6: ");
});

test("no dice that would take for ever", () => {
  for (const dice of ["0d6", "21d6", "2d1", "2d1001", "99999d6", "-1d6", "dd", "2d6d6"]) {
    assert.match(say(`@bot roll ${dice}`), /^Give me 1 to 20 dice/, dice);
  }
});

test("it never says its own @name, that another bot would repeat to it", () => {
  for (const text of ["help", "roll @bot", "@bot", "roll 1d@bot", "time", "@bot @bot"]) {
    assert.doesNotMatch(say(`@bot ${text}`), /@/);
  }
});
