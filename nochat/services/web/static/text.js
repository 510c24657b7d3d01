/**
 * Texts that people write: who is named, what was searched for, a room's id from its title.
 *
 * The other half of the chat's policy on Unicode (docs/security.md, "Text and names"), which
 * nochat/domain/text.py, search_terms.py and nochat/services/notifications/mentions.py have: tests/domain/text_cases.json holds what both must say.
 */

// Marks are parts of letters; those that only choose a shape are nothing.
const MARKS = String.raw`(?:(?![\u034f\u17b4\u17b5\u180b-\u180d\u180f\ufe00-\ufe0f])\p{M})`;
const LETTER = String.raw`(?:[\p{L}\p{N}_]|${MARKS})`;
const NAME = String.raw`(?:${LETTER}|[.-])`;
// Chinese characters, kana, bopomofo, Thai, Lao, Burmese, Khmer: letters with the marks between.
const UNSPACED = String.raw`[\u3005\u3007\u3021-\u3029\u3031-\u3035\u303b\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u{20000}-\u{3ffff}\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u0edc-\u0edf\u1000-\u103f\u1050-\u109d\u1780-\u17d3\u17d7\u17dc\u17dd]`;
// A letter before an @ makes it an address, but not in a script that has no spaces.
const BEFORE = String.raw`(?<![/@＠])(?<!(?!${UNSPACED})${LETTER})[@＠]`;
const MENTION = new RegExp(
  String.raw`[a-z][a-z0-9+.-]{1,15}://\S+|${BEFORE}(${NAME}+)(?!${NAME}|[/@＠]${LETTER})`, "giu");
const BEGUN = new RegExp(`${BEFORE}(${NAME}{0,64})$`, "u");
const LONGEST = 96; // UTF-16 units in which a name is looked for
const MAY_END = new RegExp(`^(?:$|[.-]|(?!${MARKS})${UNSPACED})`, "u");
// What may become one with the letter before it: marks, and the later letters of a Korean syllable.
const JOINS = /^[\p{M}\u1161-\u1175\u11a8-\u11c2]/u;
const ENDS_UNSPACED = new RegExp(`${UNSPACED}$`, "u");
const BEGINS_WITH_MARK = new RegExp(`^${MARKS}`, "u");

const WORD = new RegExp(`(${UNSPACED}+)|(?:(?!${UNSPACED})${LETTER})+`, "gu");
const CLUSTER = new RegExp(String.raw`[\s\S]${MARKS}*`, "gu");
const ACCENTS = /[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]/gu;
const JOINERS = "\\u00ad\\u034f\\u0640\\u180b-\\u180d\\u200c-\\u200f\\u2060\\ufe00-\\ufe0f\\ufeff";
const JOINER = new RegExp(`[${JOINERS}]`, "gu");

// What is drawn: no blank, no mark alone, no control, none of the letters that look like nothing.
const VISIBLE = /[^\p{Z}\p{M}\p{Cc}\p{Cf}\p{Cs}\u115f\u1160\u2065\u2800\u3164\uffa0\ufff0-\ufff8\u{e0000}-\u{e0fff}]/u;

// ---- when two texts are one ---------------------------------------------------------------------

/** Two names are one person's where this is equal: capitals and width make no difference. */
export const identity = (name) => fold(fold(name));

// Up and down again is nearest to what Unicode calls folding: ß is ss. ı is no i with a capital.
const fold = (text) => text.normalize("NFKC")
  .replace(/[^ı]+/gu, (part) => part.toUpperCase().toLowerCase()).replaceAll("ς", "σ").normalize("NFKC");

/** A text as it is searched: without capitals, accents and what stands within words. */
export const searchable = (text) =>
  identity(text.replace(JOINER, "")).normalize("NFD").replace(ACCENTS, "").normalize("NFC");

/** Whether anything of a text can be seen: the chat takes no other. */
export const isVisible = (text) => VISIBLE.test(text);

/** A reaction in its one spelling: ❤ with U+FE0F and without are one. */
export const oneSpelling = (reaction) => reaction.normalize("NFC")
  .replace(/[\ufe0e\ufe0f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufff8]/gu, "")
  .replace(/^\u200d+|\u200d+$/gu, "")
  .replace(/(?=\p{Emoji})(?![\p{Emoji_Presentation}0-9#*]).(?![\u{1f3fb}-\u{1f3ff}])|[0-9#*](?=\u20e3)/gu, "$&\ufe0f");

// ---- who is named -------------------------------------------------------------------------------

/**
 * A text in pieces: `{text}`, or `{text, user}` where it names somebody.
 *
 * Without the names of those who can be meant, any name is: up to the mark that ends a sentence.
 */
export function pieces(text, names = null) {
  const known = names && new Map([...names].map((name) => [identity(name), name]));
  return cut(text, MENTION, ([whole, run], found) => {
    const named = run && (known ? longest(run, known) : anyName(run));
    if (named) found(0, whole.length - run.length + named.length, { user: named.user });
  });
}

/** The longest name that a run of letters begins with: each letter is folded once, not for each end. */
function longest(run, known) {
  const letters = beginning(run);
  // Apart from each other, in one go: a line's end joins nothing.
  const folded = identity(letters.join("\n")).split("\n");
  let [before, last, whole, length, found] = ["", "", "", 0];
  for (const [index, letter] of letters.entries()) {
    const added = whole + folded[index];
    const joined = JOINS.test(folded[index]) && before + identity(last + letter);
    if (joined && joined !== added) [last, whole] = [last + letter, joined];
    else [before, last, whole] = [whole, letter, added];
    length += letter.length;
    const user = known.get(whole);
    if (user && mayEnd(run, length)) found = { user, length };
  }
  return found;
}

/** The letters, each with its marks, in which a name is looked for. */
function beginning(run) {
  const letters = [];
  for (const { 0: letter, index } of run.matchAll(CLUSTER)) {
    if (index + letter.length > LONGEST) break;
    letters.push(letter);
  }
  return letters;
}

function anyName(run) {
  let length = run.length;
  while (length && ".-".includes(run[length - 1])) length--;
  return length && { user: run.slice(0, length), length };
}

/** Whether a name may end there: between words, or within a script that has no spaces. */
function mayEnd(run, length) {
  const following = run.slice(length, length + 2); // a letter may be of two units
  if (MAY_END.test(following)) return true;
  return !BEGINS_WITH_MARK.test(following) && ENDS_UNSPACED.test(run.slice(Math.max(0, length - 2), length));
}

/** The name that is being written after an @, just before the caret; undefined: none. */
export const nameBegun = (before) => BEGUN.exec(before)?.[1];

// ---- what was searched --------------------------------------------------------------------------

/** A text in pieces: `{text}`, or `{text, found: true}` where it has a word that was searched. */
export function foundPieces(text, searched) {
  const words = [...searchable(searched).matchAll(WORD)].map(([word, unspaced]) => ({ word, unspaced }));
  const isFound = (word) => words.some((each, index) =>
    !each.unspaced && (index === words.length - 1 ? word.startsWith(each.word) : word === each.word));
  const runs = words.filter(({ unspaced }) => unspaced).map(({ word }) => word.match(CLUSTER));
  return cut(text, WORD_WITH_JOINERS, ([word, unspaced], found) => {
    if (!unspaced) return isFound(searchable(word)) && found(0, word.length, { found: true });
    for (const [start, end] of placesOf(runs, word.match(CLUSTER))) found(start, end, { found: true });
  });
}

const WORD_WITH_JOINERS = new RegExp(
  `(${UNSPACED}+)|(?:(?!${UNSPACED})${LETTER})(?:(?!${UNSPACED})(?:${LETTER}|[${JOINERS}]))*`, "gu");

/** Where any of the wanted runs of characters is in another run; what overlaps is one place. */
function placesOf(wanted, characters) {
  const plain = characters.map(searchable);
  const marked = characters.map(() => false);
  for (const run of wanted) {
    for (let at = 0; at + run.length <= plain.length; at++) {
      if (run.every((each, index) => plain[at + index] === each)) marked.fill(true, at, at + run.length);
    }
  }
  const places = [];
  let end = 0;
  for (const [index, character] of characters.entries()) {
    const start = end;
    end += character.length;
    if (!marked[index]) continue;
    if (places.length && places.at(-1)[1] === start) places.at(-1)[1] = end;
    else places.push([start, end]);
  }
  return places;
}

// ---- rooms --------------------------------------------------------------------------------------

/** A room's id from its title: "Café & Té" is "cafe-te"; by chance, where that leaves nothing. */
export function idOf(title, random) {
  const id = searchable(title).replace(/[^a-z0-9]+/g, "-").replace(/^-/, "").slice(0, 40).replace(/-$/, "");
  return !id || id.startsWith("dm-") ? `room-${random}` : id;
}

/** The id of a private room: nobody guesses it, or who tries ids would hear which are taken. */
export const privateId = (id, random) => `${id.slice(0, 23)}-${random.slice(0, 16)}`;

/** An id like another one that is taken. */
export const idBeside = (id, random) => `${id.slice(0, 33)}-${random.slice(0, 6)}`;

/** Cut a text where the pattern matches; `mark` says which parts of a match are found, and what as. */
function cut(text, pattern, mark) {
  const found = [];
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    mark(match, (from, to, marks) => {
      const [start, stop] = [match.index + from, match.index + to];
      if (start > end) found.push({ text: text.slice(end, start) });
      found.push({ text: text.slice(start, stop), ...marks });
      end = stop;
    });
  }
  if (end < text.length) found.push({ text: text.slice(end) });
  return found;
}
