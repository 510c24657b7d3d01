/** The small Markdown and its links: one table of cases, attacks among them, and long inputs. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { parse, plain } from "../../nochat/services/web/static/markdown.js";

const cases = JSON.parse(readFileSync(new URL("markdown_cases.json", import.meta.url), "utf8"));

// ---- a tree in short: `<b>`, `<i>`, `<q>` for what it is, `<a address>`, `<@name>` ----

const SHORT = {
  strong: ({ nodes }) => `<b>${drawn(nodes)}</b>`,
  em: ({ nodes }) => `<i>${drawn(nodes)}</i>`,
  code: ({ text }) => `<code>${text}</code>`,
  link: ({ text, href }) => `<a ${href}>${text}</a>`,
  mention: ({ user }) => `<@${user}>`,
  text: ({ nodes }) => `<p>${drawn(nodes)}</p>`,
  quote: ({ blocks }) => `<q>${drawn(blocks)}</q>`,
  pre: ({ text, language }) => `<pre${language && ` ${language}`}>${text}</pre>`,
  list({ ordered, items }) {
    const name = ordered ? "ol" : "ul";
    const item = ({ number, nodes, lists }) => `<li${ordered ? ` ${number}` : ""}>${drawn(nodes)}${drawn(lists)}</li>`;
    return `<${name}>${items.map(item).join("")}</${name}>`;
  },
};
const drawn = (nodes) => nodes.map((node) => (typeof node === "string" ? node : SHORT[node.type](node))).join("");

function shown(text) {
  const blocks = parse(text);
  return blocks.length === 1 && blocks[0].type === "text" ? drawn(blocks[0].nodes) : drawn(blocks);
}

/** All nodes of a type in a tree. */
function all(tree, type) {
  if (Array.isArray(tree)) return tree.flatMap((each) => all(each, type));
  if (typeof tree === "string") return [];
  const { nodes = [], blocks = [], items = [], lists = [] } = tree;
  return [...(tree.type === type ? [tree] : []), ...all([...nodes, ...blocks, ...items, ...lists], type)];
}

const depth = (tree) =>
  (typeof tree === "object" ? 1 + Math.max(0, ...Object.values(tree).map(depth)) : 0);

for (const { text, shown: expected, plain: told, mentions = [] } of cases) {
  test(JSON.stringify(text), () => {
    assert.equal(shown(text), expected);
    assert.equal(plain(text), told);
    assert.deepEqual(all(parse(text), "mention").map(({ user }) => user), mentions);
  });
}

test("only addresses of http become links", () => {
  const attacks = ["javascript:x", "JaVaScRiPt:x", "java\tscript:x", "data:text/html,x", "vbscript:x", "file:///etc/passwd",
    "blob:https://x.org/1", "https:javascript:x", "view-source:http://x.org", "//evil.example", "\\\\evil.example"];
  for (const attack of attacks) {
    for (const text of [attack, `[x](${attack})`, `<${attack}>`, `**${attack}**`, `![${attack}](${attack})`]) {
      for (const { href } of all(parse(text), "link")) assert.match(href, /^https?:\/\/[^@]+$/);
    }
  }
});

test("long lines and deep nesting take linear time and make no deep tree", () => {
  const parts = ["*", "**", "***", "_", "`", "``", "[", "(", ">", "> ", "- ", "1. ", "@", "@a ", "* ", "*a ", "a* ", "**a*b ",
    "_a *b **c ", "`a", "https://x/(", "https://x/)", "https://x/.", "```\n", "~~~\n", ">\n", "> \n", "- a\n", "  - a\n", "- a\n1. b\n",
    "> > ", "> ```\n", "- a\n    - b\n", "`".repeat(90), "a\n\n", "\u202e", "👍", "https://"];
  const run = Array.from({ length: 88 }, (_, index) => "`".repeat(index + 1)).join(" ");
  const fences = Array.from({ length: 80 }, (_, index) => "`".repeat(83 - index)).join("\n");
  const long = (part, length) => part.repeat(Math.ceil(length / part.length)).slice(0, length);
  const texts = [...parts.map((part) => long(part, 4000)), run, fences];
  for (const text of texts) {
    assert.ok(depth(parse(text)) < 40, text.slice(0, 20));
  }
  // Five times what a message may have: a quadratic reader needs minutes for the lot.
  const began = performance.now();
  for (const part of parts) parse(long(part, 20_000));
  assert.ok(performance.now() - began < 15_000);
});

/** Steps that a reader takes: characters of what its patterns find, and of what it folds. */
function stepsOf(read) {
  const { exec } = RegExp.prototype;
  const { normalize } = String.prototype;
  let steps = 0;
  RegExp.prototype.exec = function (text) {
    const found = exec.call(this, text);
    steps += 1 + (found?.[0].length ?? 0);
    return found;
  };
  String.prototype.normalize = function (form) {
    steps += this.length;
    return normalize.call(this, form);
  };
  try {
    read();
  } finally {
    Object.assign(RegExp.prototype, { exec });
    Object.assign(String.prototype, { normalize });
  }
  return steps;
}

const ideographs = (length) => String.fromCodePoint(...Array.from({ length }, (_, at) => 0x4e00 + (at * 97) % 20_000));
const NAMES = [...Array.from({ length: 200 }, (_, at) => `user${at}`), "字", ideographs(32), ideographs(31)];

test("what is written to be hard to read takes twice the steps for twice the text", () => {
  const parts = ["http://[", "http://a@", "(http://a@", "http://a@b/", "http://:", "*http://a@", "`````x\n", "````a\n```\n",
    "@a.", `@${ideographs(96)} `, `@${"\ufdfa.".repeat(48)} `, `@${"\uff76\uff9e".repeat(48)} `, `@${"\u1100\u1161".repeat(48)} `];
  for (const part of parts) {
    const [once, twice] = [4000, 8000].map((length) => {
      const text = part.repeat(Math.ceil(length / part.length));
      return stepsOf(() => parse(text, NAMES));
    });
    assert.ok(twice < 2.5 * once, `${part.slice(0, 9)}: ${once}, ${twice}`);
    assert.ok(once < 100 * 4000, `${part.slice(0, 9)}: ${once}`);
  }
});

test("a pattern does not try again and again what it has tried", () => {
  const blanks = " ".repeat(100_000);
  const texts = [`- a\n${blanks}\nb`, `\` ${"a".repeat(100_000)}\``, `@${".".repeat(100_000)}a`, `http://a${")".repeat(100_000)}`];
  // Where a pattern does, one of these takes its processor many seconds.
  for (const text of texts) {
    const before = process.cpuUsage();
    parse(text);
    assert.ok(process.cpuUsage(before).user < 2_000_000, text.slice(0, 9));
  }
});

test("an address that may not be a link is text as a whole, and what follows is read", () => {
  const refused = "http://[http://a.example/";
  assert.equal(shown(`${refused} http://b.example/ @ana`), `${refused} <a http://b.example/>http://b.example/</a> <@ana>`);
  assert.equal(shown("*http://me@a.example*"), "<i>http://me@a.example</i>");
});

test("a name ends where it did, however it is written", () => {
  const found = (text, names) => all(parse(text, names), "mention").map(({ text, user }) => [text, user]);
  assert.deepEqual(found("@\uff76\uff9e\u5b57", ["\u30ac"]), [["@\uff76\uff9e", "\u30ac"]]);
  assert.deepEqual(found("@\u1112\u1161\u11ab.", ["\ud55c"]), [["@\u1112\u1161\u11ab", "\ud55c"]]);
  assert.deepEqual(found("@Jose\u0301.", ["jos\u00e9", "jose"]), [["@Jose\u0301", "jos\u00e9"]]);
  assert.deepEqual(found("@\u5b57\u5b57\u5b57", ["\u5b57", "\u5b57\u5b57"]), [["@\u5b57\u5b57", "\u5b57\u5b57"]]);
});

test("nothing of a text is lost but marks", () => {
  const letters = ["a", "b", " ", "\n", "*", "**", "_", "`", "```", "> ", "- ", "1. ", "@ana", "https://x.org/", "(", ")"];
  let seed = 1;
  const next = (count) => ((seed = (seed * 48271) % 2147483647), seed % count);
  for (let turn = 0; turn < 3000; turn++) {
    const text = Array.from({ length: 1 + next(30) }, () => letters[next(letters.length)]).join("");
    const kept = (said) => said.replace(/[^ab(x]/g, "");
    assert.equal(kept(plain(text)), kept(text), JSON.stringify(text));
  }
});
