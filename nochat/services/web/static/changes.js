/** What becomes of a message after it was sent: edits, deletion, reactions. */

import { isErasure } from "./erased.js";
import { gathered, react } from "./reactions.js";

const CHANGES = new Map(Object.entries({
  "message.edited": (message, { text, at }) => Object.assign(message, { text, edited: at }),
  "message.deleted": (message) => Object.assign(message, { text: "", deleted: true, reactions: gathered() }),
  "reaction.changed": (message, { user, emoji, on }) => react(message.reactions, emoji, user, on),
}));

export const isChange = (entry) => CHANGES.has(entry.type) || isErasure(entry);

/** An entry as it came from the chat, made ready for its changes. */
export const received = (entry) =>
  entry.type === "message.sent" ? { ...entry, reactions: gathered(entry.reactions) } : entry;

/** Change a message; doing it twice is harmless. `changed` counts, for who shows it. */
export function apply(change, message) {
  if (!message || message.deleted || message.type !== "message.sent") return;
  CHANGES.get(change.type)(message, change);
  message.changed = (message.changed ?? 0) + 1;
}
