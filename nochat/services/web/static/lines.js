/** The lines of a room's log as they are shown: days, notes, messages, what is on its way. */

const TOGETHER = 300; // seconds within which a sender's messages are shown as one block
const COMINGS = new Set(["room.joined", "room.left"]);
const NOTES = new Set(["room.created", "user.invited", "member.moderated"]);

export const messageKey = ({ sender, formerly = sender, client_id }) => `message ${formerly} ${client_id}`;

/** Each line has a `key` of its own, that stays the same from "sending" to its place in the log. */
export function linesOf(entries, seam, user) {
  const lines = [];
  const times = new Map(); // each day's: a clock may have been set back
  let day = "";
  let before = null;
  let seamed = seam === null;
  for (const entry of entries) {
    const date = new Date(entry.at * 1000);
    const line = lineOf(entry, date);
    if (!line) continue;
    if (date.toDateString() !== day) {
      day = date.toDateString();
      before = null;
      times.set(day, (times.get(day) ?? 0) + 1);
      lines.push({ key: `day ${day} ${times.get(day)}`, kind: "day", date });
    }
    if (!seamed && entry.position > seam && entry.sender && entry.sender !== user) {
      seamed = true;
      before = null;
      lines.push({ key: "seam", kind: "seam" });
    }
    if (line.kind === "comings" && before?.kind === "comings") {
      before.entries.push(entry);
      continue;
    }
    line.follows = line.kind === "message" && before?.sender === line.sender
      && line.date - before.date < TOGETHER * 1000;
    before = line;
    lines.push(line);
  }
  return lines;
}

/** A line for an entry; none for what another version of the chat may tell. */
function lineOf(entry, date) {
  const key = `note ${entry.position}`;
  if (COMINGS.has(entry.type)) return { key, kind: "comings", entries: [entry], date };
  if (NOTES.has(entry.type)) return { key, kind: "note", entry, date };
  if (entry.text === undefined) return null;
  const { sender, state = "sent" } = entry;
  return { key: messageKey(entry), kind: "message", sender, state, entry, date };
}

/** Who came, and who went, by the entries of one line: each once, the last first. */
export function comingsOf(entries) {
  const last = [...entries].reverse();
  const users = (wanted) => [...new Set(last.filter(({ type }) => type === wanted).map(({ user }) => user))];
  return { joined: users("room.joined"), left: users("room.left") };
}
