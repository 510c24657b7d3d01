/** The lines of a room's log as they are shown: days, notes, messages, what is on its way. */

const TOGETHER = 300; // seconds within which a sender's messages are shown as one block

/** Each line has a `key` that stays the same from "sending" to its place in the log. */
export function linesOf(entries, seam, user) {
  const lines = [];
  let day = "";
  let before = null;
  let seamed = seam === null;
  for (const entry of entries) {
    const date = new Date(entry.at * 1000);
    if (date.toDateString() !== day) {
      day = date.toDateString();
      before = null;
      lines.push({ key: `day ${day}`, kind: "day", date });
    }
    if (!seamed && entry.position > seam && entry.sender && entry.sender !== user) {
      seamed = true;
      before = null;
      lines.push({ key: "seam", kind: "seam" });
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
    return { key: `${entry.position}`, kind: "note", entry, date };
  }
  const { sender, client_id, state = "sent" } = entry;
  return { key: `${sender} ${client_id}`, kind: "message", sender, state, entry, date };
}
