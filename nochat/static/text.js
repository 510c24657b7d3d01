/** Texts that people write: whom they name, what was searched for, a room's id from its title. */

// As the notifications service reads it: `@name`, but not inside a word.
const MENTION = /(?<![\p{L}\p{N}_@])@([\p{L}\p{N}_][\p{L}\p{N}_.-]{0,30}[\p{L}\p{N}_])/gu;
const BEGUN = /(?<![\p{L}\p{N}_@])@([\p{L}\p{N}_.-]{0,32})$/u;
const WORD = /[\p{L}\p{N}_]+/gu;

/** A text in pieces: `{text}`, or `{text, user}` where it names somebody. */
export const pieces = (text) => cut(text, MENTION, ([, user]) => ({ user }));

/** A text in pieces: `{text}`, or `{text, found: true}` where it has a word that was searched. */
export function foundPieces(text, searched) {
  const wanted = searched.match(WORD)?.map(plain) ?? [];
  const isFound = (word) => wanted.some((each, index) =>
    index === wanted.length - 1 ? word.startsWith(each) : word === each);
  return cut(text, WORD, ([word]) => isFound(plain(word)) && { found: true });
}

/** The name that is being written after an @, just before the caret; undefined: none. */
export const nameBegun = (before) => BEGUN.exec(before)?.[1];

/** A room's id from its title: "Café & Té" is "cafe-te"; by chance, where that leaves nothing. */
export function idOf(title, random) {
  const id = plain(title).replace(/[^a-z0-9]+/g, "-").replace(/^-/, "").slice(0, 40).replace(/-$/, "");
  return !id || id.startsWith("dm-") ? `room-${random}` : id;
}

/** An id like another one that is taken. */
export const idBeside = (id, random) => `${id.slice(0, 33)}-${random.slice(0, 6)}`;

const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

function cut(text, pattern, mark) {
  const found = [];
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    const marked = mark(match);
    if (!marked) continue;
    if (match.index > end) found.push({ text: text.slice(end, match.index) });
    found.push({ text: match[0], ...marked });
    end = match.index + match[0].length;
  }
  if (end < text.length) found.push({ text: text.slice(end) });
  return found;
}
