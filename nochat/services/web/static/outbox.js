/** Messages that are not sent yet belong to their writer, and outlive a reload in this tab's storage. */

const key = (user) => `nochat.unsent.${user}`;
const held = new Map(); // the same, for a browser without storage: until the page is left

/** What a model has on its way, or could not send. */
export const unsentOf = (model) => model.outgoing.filter(({ message }) => message.state !== "sent");

/** Keep what a model has on its way. */
export function keep(model) {
  const unsent = unsentOf(model);
  if (!unsent.length) return forget(model.user);
  const kept = JSON.stringify(unsent.map(({ room, message }) => ({ room: room.id, message })));
  held.set(model.user, kept);
  store((storage) => storage.setItem(key(model.user), kept));
}

/** Put what was kept for the model's user on its way again. */
export function restore(model) {
  const kept = store((storage) => storage.getItem(key(model.user))) ?? held.get(model.user);
  for (const { room, message } of parsed(kept)) model.find(room).outgoing.set(message.client_id, message);
}

export function forget(user) {
  held.delete(user);
  store((storage) => storage.removeItem(key(user)));
}

/** What another version of the page kept may be anything. */
function parsed(kept) {
  try {
    return JSON.parse(kept ?? "[]").filter(({ room, message }) => room && message.client_id);
  } catch {
    return [];
  }
}

function store(act) {
  try {
    return act(sessionStorage);
  } catch {
    return undefined;
  }
}
