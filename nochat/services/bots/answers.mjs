/**
 * What the bot says: a function of what it is told, and of nothing else. The same message gets the
 * same answer however often it is delivered, dice included.
 *
 * No answer holds the bot's own @name: another bot that repeats it could make it talk for ever.
 */

import { createHash } from "node:crypto";

const DICE = /^(\d{0,2})d(\d{1,4})$/;
const HELP = "I know: help, ping, time, roll 2d6. Mention me with one of them.";

const commands = {
  help: () => HELP,
  ping: () => "pong",
  time: ({ at }) => `It is ${new Date(at * 1000).toISOString().slice(11, 19)} UTC.`,
  roll: (said, dice = "1d6") => {
    const [, count, sides] = DICE.exec(dice)?.map((number) => Number(number || 1)) ?? [];
    if (!(count >= 1 && count <= 20 && sides >= 2 && sides <= 1000)) {
      return "Give me 1 to 20 dice of 2 to 1000 sides: roll 2d6.";
    }
    const numbers = draw(`${said.room}/${said.position}`, count);
    const rolled = numbers.map((number) => 1 + (number % sides));
    const sum = count > 1 ? ` = ${rolled.reduce((a, b) => a + b)}` : "";
    return `${said.sender} rolls ${count}d${sides}: ${rolled.join(" + ")}${sum}`;
  },
};

/** The answer to a message, as the event `user.notified` tells it, for the bot of that name. */
export function answer(said, name) {
  const words = said.text.split(/\s+/).filter(Boolean);
  const mention = words.findIndex((word) => plain(word) === `@${name.toLowerCase()}`);
  const [command = "help", ...rest] = words.slice(mention + 1).map(plain);
  const known = Object.hasOwn(commands, command);
  return known ? commands[command](said, ...rest) : `I don't know that. ${HELP}`;
}

/** A word without the marks that end it, in small letters. */
const plain = (word) => word.toLowerCase().replace(/[^\p{L}\p{N}_]+$/u, "");

/** Numbers that look random, and are always the same for the same seed. */
function draw(seed, count) {
  return Array.from({ length: count }, (_, index) =>
    createHash("sha256").update(`${seed}/${index}`).digest().readUIntBE(0, 6));
}
