/** What is written and not sent yet, by user and room: it outlives a reload, and a session's end. */

const PREFIX = "nochat.draft.";
const MOST = 60; // drafts in a browser, the newest
const LONGEST = 20_000; // UTF-16 units of one: a message has 4,000 characters at the most
const NONE = { text: "", reply_to: 0 };

// No room's id has a full stop, so that the key is of one user and one room.
const key = (user, room) => `${PREFIX}${room}.${user}`;

/** Keep a draft, `{text, reply_to}`; an empty one is forgotten. */
export function keep(user, room, { text, reply_to }) {
  if (!user || !room) return;
  store((storage) => {
    if (!text && !reply_to) return storage.removeItem(key(user, room));
    const draft = { text: text.slice(0, LONGEST), reply_to, at: Date.now() };
    storage.setItem(key(user, room), JSON.stringify(draft));
    const held = keys(storage);
    if (held.length > MOST) forgetOldest(storage, held);
  });
}

/** The draft of a user in a room. */
export function kept(user, room) {
  return store((storage) => read(storage, key(user, room))) ?? NONE;
}

/** Forget all of a user's: they logged out, and others may use this browser. */
export function forget(user) {
  store((storage) => {
    const theirs = keys(storage).filter((each) => each.slice(each.indexOf(".", PREFIX.length) + 1) === user);
    for (const each of theirs) storage.removeItem(each);
  });
}

function forgetOldest(storage, held) {
  const age = (each) => read(storage, each)?.at ?? 0;
  const oldest = held.map((each) => [age(each), each]).sort(([one], [other]) => one - other);
  for (const [, each] of oldest.slice(0, held.length - MOST)) storage.removeItem(each);
}

function keys(storage) {
  const all = Array.from({ length: storage.length }, (_, index) => storage.key(index));
  return all.filter((each) => each.startsWith(PREFIX));
}

/** A draft; undefined for what is none, as others may write to this storage too. */
function read(storage, name) {
  const { text, reply_to, at } = JSON.parse(storage.getItem(name) ?? "null") ?? {};
  if (typeof text !== "string") return undefined;
  return { text, reply_to: Number.isSafeInteger(reply_to) ? reply_to : 0, at: Number(at) || 0 };
}

function store(act) {
  try {
    return act(localStorage);
  } catch {
    return undefined; // no storage here, or it is full: a draft lasts as long as the page
  }
}
