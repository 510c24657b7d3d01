/** Emphasis: which `*`, `**` and `_` open and close it, and what is between them. Pure. */

// Scripts that put no blank between words: a mark may stand between two of their letters.
const UNSPACED = /[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Hang}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}ー]/u;
const WORD = /[\p{L}\p{N}\p{M}]/u;
const LONGEST = { "*": 3, "_": 1 }; // `__init__` is a name

export const isMark = (text) => text[0] in LONGEST;

/** The run of marks at an index, and what it can do there: `2*3*4` and `snake_case` have none. */
export function runAt(text, index, run) {
  const char = run[0];
  const before = text[index - 1] ?? " ";
  const after = text[index + run.length] ?? " ";
  const inWord = (beside) => WORD.test(beside) && !(char === "*" && UNSPACED.test(beside));
  // A comment in C, a shrug: these are drawn with marks.
  const drawing = before === "\\" || (run === "*" && (before === "/" || after === "/"));
  const known = run.length <= LONGEST[char] && !drawing;
  return {
    char,
    length: run.length,
    opens: known && /\S/.test(after) && !inWord(before),
    closes: known && /\S/.test(before) && !inWord(after),
  };
}

/** Nodes from strings, nodes and runs; at most one mark of a kind is open, so nothing nests deep. */
export function emphasised(tokens) {
  const nodes = [];
  const open = []; // {char, length, index of its mark in nodes}
  for (const token of tokens) {
    if (token.opens === undefined) nodes.push(token);
    else begin(token, token.closes ? close(token, nodes, open) : token.length, nodes, open);
  }
  return joined(nodes);
}

/** Close what a run closes, the innermost first; gives how many of its marks are left. */
function close({ char, length }, nodes, open) {
  let left = length;
  for (;;) {
    const at = open.findLastIndex((each) => each.char === char && (left === 3 || each.length === left));
    // Nothing between two marks: these are text.
    if (at < 0 || open[at].index === nodes.length - 1) return left;
    const { index, length: closed } = open[at];
    open.length = at;
    const [, ...inner] = nodes.splice(index);
    nodes.push({ type: closed === 2 ? "strong" : "em", nodes: joined(inner) });
    left -= closed;
  }
}

function begin({ char, opens }, left, nodes, open) {
  for (const length of left === 3 ? [2, 1] : [left]) {
    if (!length) continue;
    nodes.push(char.repeat(length));
    if (!opens) continue;
    const before = open.findIndex((each) => each.char === char && each.length === length);
    if (before >= 0) open.splice(before, 1);
    open.push({ char, length, index: nodes.length - 1 });
  }
}

function joined(nodes) {
  const all = [];
  let text = [];
  const flush = () => {
    const said = text.join("");
    if (said) all.push(said);
    text = [];
  };
  for (const node of nodes) {
    if (typeof node === "string") text.push(node);
    else flush(), all.push(node);
  }
  flush();
  return all;
}
