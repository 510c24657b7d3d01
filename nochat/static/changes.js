/** What becomes of a message after it was sent: edits, deletion, reactions. */

const CHANGES = {
  "message.edited": (message, { text, at }) => Object.assign(message, { text, edited: at }),
  "message.deleted": (message) => Object.assign(message, { text: "", deleted: true, reactions: {} }),
  "reaction.changed": (message, { user, emoji, on }) => {
    const { [emoji]: held = [], ...others } = message.reactions ?? {};
    const users = held.filter((each) => each !== user);
    if (on) users.push(user);
    // Who reacts again keeps the reaction's place among the others.
    if (users.length && held.length) message.reactions = { ...message.reactions, [emoji]: users };
    else message.reactions = users.length ? { ...others, [emoji]: users } : others;
  },
};

export const isChange = ({ type }) => type in CHANGES;

/** Change a message; doing it twice is harmless. `changed` counts, for who shows it. */
export function apply(change, message) {
  if (!message || message.deleted || message.type !== "message.sent") return;
  CHANGES[change.type](message, change);
  message.changed = (message.changed ?? 0) + 1;
}
