/** Messages that are not sent yet outlive a reload of the page, in this tab's own storage. */

const key = (user) => `nochat.unsent.${user}`;

/** Keep what a model has on its way. */
export function keep(model) {
  const unsent = model.outgoing.filter(({ message }) => message.state !== "sent");
  const held = unsent.map(({ room, message }) => ({ room: room.id, message }));
  store((storage) => {
    if (held.length) storage.setItem(key(model.user), JSON.stringify(held));
    else storage.removeItem(key(model.user));
  });
}

/** Put what was kept for the model's user on its way again. */
export function restore(model) {
  const held = store((storage) => JSON.parse(storage.getItem(key(model.user)) ?? "[]")) ?? [];
  for (const { room, message } of held) model.find(room).outgoing.set(message.client_id, message);
}

export function forget(user) {
  store((storage) => storage.removeItem(key(user)));
}

function store(act) {
  try {
    return act(sessionStorage);
  } catch {
    return undefined; // no storage here: what is on its way is lost with the page
  }
}
