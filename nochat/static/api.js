/** The REST calls: what a page asks before it has a socket. */

import { words } from "./words.js";

/** The user of this session ("" if nobody), and where the gateway is ("" for here). */
export const me = () => call("api/me");
export const register = (user, password) => call("api/register", { user, password });
export const logIn = (user, password) => call("api/login", { user, password });
export const logOut = () => call("api/logout", {});

async function call(path, data) {
  const answer = await ask(path, data);
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(content.error ?? words.noAnswer);
  return content;
}

function ask(path, data) {
  const post = data && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(data),
  };
  return fetch(path, post).catch(() => {
    throw new Error(words.noAnswer);
  });
}
