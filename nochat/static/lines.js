/** The lines of a room's log as they are shown: days, notes, messages, what is on its way. */

const TOGETHER = 300; // seconds within which a sender's messages are shown as one block

// As the notifications service reads it: `@name`, but not inside a word.
const MENTION = /(?<![\p{L}\p{N}_@])@([\p{L}\p{N}_][\p{L}\p{N}_.-]{0,30}[\p{L}\p{N}_])/gu;

/** Each line has a `key` that stays the same from "sending" to its place in the log. */
export function linesOf(room) {
  const lines = [];
  let day = "";
  let before = null;
  for (const entry of [...room.log.entries, ...room.outgoing.values()]) {
    const date = new Date(entry.at * 1000);
    if (date.toDateString() !== day) {
      day = date.toDateString();
      before = null;
      lines.push({ key: `day ${day}`, kind: "day", date });
    }
    const line = lineOf(entry, date);
    line.follows = line.kind === "message" && before?.sender === line.sender
      && line.date - before.date < TOGETHER * 1000;
    before = line;
    lines.push(line);
  }
  return lines;
}

function lineOf(entry, date) {
  if (entry.text === undefined) {
    return { key: `${entry.position}`, kind: "note", type: entry.type, user: entry.user, date };
  }
  const { sender, client_id, text, state = "sent", reason } = entry;
  const key = `${sender} ${client_id}`;
  return { key, kind: "message", sender, client_id, text, state, reason, date };
}

/** A text in pieces: `{text}`, or `{text, user}` where it names somebody. */
export function pieces(text) {
  const found = [];
  let end = 0;
  for (const match of text.matchAll(MENTION)) {
    if (match.index > end) found.push({ text: text.slice(end, match.index) });
    found.push({ text: match[0], user: match[1] });
    end = match.index + match[0].length;
  }
  if (end < text.length) found.push({ text: text.slice(end) });
  return found;
}
