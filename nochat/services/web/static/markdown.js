/**
 * A small Markdown: text in, a tree out; the one place where marks are read. Pure, without HTML.
 *
 * `parse` gives blocks: `{type: "text", nodes}`, `{type: "quote", blocks}`, `{type: "list",
 * ordered, items: [{number, nodes, lists}]}`, `{type: "pre", text, language}`. Nodes are strings,
 * or `{type}` of "strong" and "em" with `nodes`, "code" with `text`, "link" with `text`, `href` and
 * `host`, "mention" with `text` and `user`.
 *
 * A mark that is not closed is text. It takes linear time, and no tree is deeper than a few levels.
 * What is code here, `nochat/services/notifications/markdown.py` takes for code too.
 */

import { emphasised, isMark, runAt } from "./emphasis.js";
import { linkAt } from "./links.js";
import { pieces } from "./text.js";

const DEEPEST = 4; // quotes in quotes, lists in lists
const QUOTE = /^ {0,3}>(?: |\t|$)/;
const FENCE = /^ {0,3}(`{3,})([^`]*)$/;
const FENCE_END = /^([^`]*)(`{3,})[ \t\r]*$/;
const LANGUAGE = /^[\w+#.-]*$/;
const ITEM = /^([ \t]*)(?:[-*]|(\d{1,3})[.)])[ \t]+(?=\S)/;
const CONTINUED = /^(?: {2}|\t)[ \t]*(?=[^\s>])/;
const SPECIAL = /`+|https?:\/\/|@|\*+|_+/giu;

/** @param names of those who can be mentioned; without them, any name is a mention. */
export function parse(text, names) {
  const coded = []; // [start, end] of what is code
  const blocks = structure(linesOf(text), coded);
  const mentions = mentionsOf(blanked(text, coded), names);
  return blocks.map((block) => finish(block, mentions));
}

/** A text as it is told where nothing is drawn: search results, notifications, what is quoted. */
export const plain = (text) => parse(text).map((block) => told(block)).join("\n");

// ---- blocks: lines are `{text, at}`, and know where they are in the whole ----

function linesOf(text) {
  let at = 0;
  return text.split("\n").map((line) => {
    at += line.length + 1;
    return { text: line, at: at - line.length - 1 };
  });
}

const cut = (line, length) => ({ text: line.text.slice(length), at: line.at + length });
const isBlank = ({ text }) => !text.trim();

function structure(lines, coded, depth = 0) {
  const blocks = [];
  let loose = []; // lines of text that are no other block's
  const add = (block) => {
    if (loose.some((line) => !isBlank(line))) blocks.push({ type: "text", lines: trimmed(loose) });
    loose = [];
    if (block) blocks.push(block);
  };
  markFences(lines);
  for (let index = 0; index < lines.length; ) {
    const [block, length] = blockAt(lines, index, coded, depth);
    if (block) add(block);
    else for (const line of lines.slice(index, index + length)) loose.push(spanned(line, coded));
    index += length;
  }
  add();
  return blocks;
}

/** The block that begins at a line, and how many lines it has; none: they are text. */
function blockAt(lines, index, coded, depth) {
  const { text } = lines[index];
  if (depth < DEEPEST && QUOTE.test(text)) return quoteAt(lines, index, coded, depth);
  const fence = FENCE.exec(text);
  const end = fence ? fenceEnd(lines, index, fence[1].length) : -1;
  if (end > 0) return [fenced(lines.slice(index, end + 1), fence[2].trim(), coded), end + 1 - index];
  const item = ITEM.exec(text);
  return item && width(item[1]) < 4 ? listAt(lines, index, coded) : [null, 1];
}

function quoteAt(lines, index, coded, depth) {
  let end = index;
  const inner = [];
  for (; end < lines.length && QUOTE.test(lines[end].text); end++) {
    inner.push(cut(lines[end], QUOTE.exec(lines[end].text)[0].length));
  }
  const blocks = structure(inner, coded, depth + 1);
  return [blocks.length ? { type: "quote", blocks } : null, end - index];
}

/** At each line, the longest fence that may end code there or below: nobody looks for a longer one. */
function markFences(lines) {
  let longest = 0;
  for (const line of lines.toReversed()) {
    line.closing = longest = Math.max(longest, FENCE_END.exec(line.text)?.[2].length ?? 0);
  }
}

function fenceEnd(lines, index, length) {
  if (!(lines[index + 1]?.closing >= length)) return -1;
  for (let end = index + 1; end < lines.length; end++) {
    if (FENCE_END.exec(lines[end].text)?.[2].length >= length) return end;
  }
  return -1;
}

/** Code between fences; what is beside them is code as well, except for a language's name. */
function fenced(lines, beside, coded) {
  const last = lines.at(-1);
  coded.push([lines[0].at, last.at + last.text.length]);
  const tail = FENCE_END.exec(last.text)[1];
  const language = !tail.trim() && LANGUAGE.test(beside) ? beside : "";
  const inner = lines.slice(1, -1).map(({ text }) => text);
  if (beside && !language) inner.unshift(beside);
  if (tail.trim()) inner.push(tail);
  return inner.some((line) => line.trim()) ? { type: "pre", text: inner.join("\n"), language } : null;
}

/** A list, with the lists in its items: one more level where an item is indented by two or more. */
function listAt(lines, index, coded) {
  const open = []; // the lists around the present item, outermost first: {list, indent}
  let end = index;
  for (; end < lines.length; end++) {
    const line = lines[end];
    const found = ITEM.exec(line.text);
    const more = !found && open.length && !FENCE.test(line.text) && CONTINUED.exec(line.text);
    if (more) open.at(-1).list.items.at(-1).lines.push(spanned(cut(line, more[0].length), coded));
    if (more) continue;
    if (!found || !place(open, width(found[1]), found[2])) break;
    const { items } = open.at(-1).list;
    const number = Math.max(Number(found[2] ?? 0), (items.at(-1)?.number ?? -1) + 1);
    items.push({ number, lines: [spanned(cut(line, found[0].length), coded)], lists: [] });
  }
  return [open[0].list, end - index];
}

/** Open or close lists until the innermost is that of an item; false, where another list begins. */
function place(open, indent, number) {
  while (open.length > 1 && indent < open.at(-1).indent) open.pop();
  const ordered = number !== undefined;
  const list = { type: "list", ordered, items: [] };
  const deeper = open.length && indent >= open.at(-1).indent + 2 && open.length < DEEPEST;
  if (!open.length || deeper) {
    open.at(-1)?.list.items.at(-1).lists.push(list);
    open.push({ list, indent });
  } else if (open.at(-1).list.ordered !== ordered) {
    if (open.length === 1) return false;
    open.pop();
    open.at(-1).list.items.at(-1).lists.push(list);
    open.push({ list, indent });
  }
  return true;
}

const width = (blanks) => blanks.replaceAll("\t", "    ").length;

function trimmed(lines) {
  const first = lines.findIndex((line) => !isBlank(line));
  return lines.slice(first, lines.findLastIndex((line) => !isBlank(line)) + 1);
}

// ---- what is in a line ----

/** A line with its code: spans between two runs of as many backticks. */
function spanned(line, coded) {
  const runs = [...line.text.matchAll(/`+/g)].map(({ 0: { length }, index }) => ({ length, index }));
  const next = new Map(); // a run's length -> the next such run, seen from the end
  const closing = new Map();
  for (const run of runs.toReversed()) {
    if (next.has(run.length)) closing.set(run.index, next.get(run.length));
    next.set(run.length, run.index);
  }
  line.spans = new Map(); // where code begins -> where it ends, with its marks
  let end = 0;
  for (const { index, length } of runs) {
    if (index < end || !closing.has(index)) continue;
    end = closing.get(index) + length;
    coded.push([line.at + index, line.at + end]);
    const text = line.text.slice(index + length, closing.get(index));
    if (text.trim()) line.spans.set(index, { end, text: unpadded(text) });
  }
  return line;
}

const unpadded = (code) => (code.startsWith(" ") && code.endsWith(" ") ? code.slice(1, -1) : code);

function blanked(text, coded) {
  let end = 0;
  let shown = "";
  for (const [from, to] of coded) {
    shown += text.slice(end, from) + " ".repeat(to - from);
    end = to;
  }
  return shown + text.slice(end);
}

/** Where names are mentioned: index -> `{text, user}`. */
function mentionsOf(text, names) {
  const found = new Map();
  let at = 0;
  for (const piece of pieces(text, names)) {
    if (piece.user) found.set(at, piece);
    at += piece.text.length;
  }
  return found;
}

function finish(block, mentions) {
  const { type, blocks, lines, items } = block;
  if (type === "text") return { type, nodes: inline(lines, mentions) };
  if (type === "quote") return { type, blocks: blocks.map((each) => finish(each, mentions)) };
  if (type !== "list") return block;
  const item = ({ number, lines, lists }) =>
    ({ number, nodes: inline(lines, mentions), lists: lists.map((each) => finish(each, mentions)) });
  return { ...block, items: items.map(item) };
}

function inline(lines, mentions) {
  const tokens = [];
  lines.forEach((line, index) => {
    if (index) tokens.push("\n");
    tokensOf(line, mentions, tokens);
  });
  return emphasised(tokens);
}

function tokensOf({ text, at, spans }, mentions, tokens) {
  let end = 0;
  for (const { 0: mark, index } of text.matchAll(SPECIAL)) {
    if (index < end) continue;
    const [token, length] = tokenAt(text, index, mark, spans, mentions.get(at + index));
    if (!token) continue;
    tokens.push(text.slice(end, index), token);
    end = index + length;
  }
  tokens.push(text.slice(end));
}

function tokenAt(text, index, mark, spans, mention) {
  const span = spans.get(index);
  if (span) return [{ type: "code", text: span.text }, span.end - index];
  if (mention) return [{ type: "mention", ...mention }, mention.text.length];
  if (isMark(mark)) return [runAt(text, index, mark), mark.length];
  const link = mark.length > 3 && linkAt(text, index);
  if (!link) return [];
  return [link.href ? { type: "link", ...link } : link.text, link.text.length];
}

// ---- told plainly ----

function told({ type, nodes, blocks, text, ...list }, indent = "") {
  if (type === "text") return saidBy(nodes);
  if (type === "quote") return `“${blocks.map((each) => told(each)).join("\n")}”`;
  if (type === "pre") return text;
  return list.items.map(({ number, nodes, lists }) => [
    `${indent}${list.ordered ? `${number}.` : "•"} ${saidBy(nodes)}`,
    ...lists.map((each) => told(each, `${indent}  `)),
  ]).flat().join("\n");
}

const saidBy = (nodes) =>
  nodes.map((node) => (typeof node === "string" ? node : node.text ?? saidBy(node.nodes))).join("");
