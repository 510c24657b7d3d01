/** Addresses in a text: where one ends, and whether it may become a link. Pure. */

// An address ends at blanks, quotes, invisible characters, and what only ends sentences elsewhere.
const ADDRESS = /https?:\/\/[^\s<>"`\p{C}，。、！？；：「」『』（）《》【】“”‘’«»]+/iuy;
const INSIDE_A_WORD = /[a-z0-9]/i;
const AFTER = new Set(".,;:!?'*_~…");
const BRACKETS = { ")": "(", "]": "[", "}": "{" };

/**
 * The address that begins at an index: `{text, href, host}`; undefined, if none does.
 *
 * One that may not become a link has no `href`: it is text as a whole, and is not read again.
 */
export function linkAt(text, index) {
  ADDRESS.lastIndex = index;
  const found = !INSIDE_A_WORD.test(text[index - 1] ?? "") && ADDRESS.exec(text);
  if (!found) return undefined;
  const written = found[0].slice(0, endOf(found[0]));
  const url = URL.canParse(written) && new URL(written);
  // `https://bank.example@evil.example/` leads to the second: nobody is to be deceived.
  if (!url || url.username || url.password || !/^https?:$/.test(url.protocol)) return { text: written };
  return { text: written, href: url.href, host: url.host };
}

/** Where an address ends: before a full stop, or a bracket that was opened before the address. */
function endOf(address) {
  const counts = new Map();
  for (const each of address) counts.set(each, (counts.get(each) ?? 0) + 1);
  let end = address.length;
  for (; end > 0; end--) {
    const last = address[end - 1];
    const opened = BRACKETS[last];
    const extra = opened && counts.get(last) > (counts.get(opened) ?? 0);
    if (!extra && !AFTER.has(last)) break;
    counts.set(last, counts.get(last) - 1);
  }
  return end;
}
