/** The REST calls: what a page asks outside its socket. */

import { reason, words } from "./words.js";

/** The user of this session ("" if nobody) and their role, and where the gateway is ("" for here). */
export const me = () => call("api/me");
export const register = (user, password) => call("api/register", { user, password });
export const logIn = (user, password) => call("api/login", { user, password });
export const logOut = () => call("api/logout", {});
export const changePassword = (old, next) => call("api/password", { old, new: next });

/** Names of users that begin so. */
export async function users(prefix) {
  return (await call(`api/users?${new URLSearchParams({ prefix })}`)).users;
}

/** The chat said no: `status` is HTTP's, 0 if it did not answer at all. */
export class CallFailed extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

export async function call(path, data) {
  const answer = await ask(path, data);
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    throw new CallFailed(content.error ? reason(content.error) : words.noAnswer, answer.status);
  }
  return content;
}

function ask(path, data) {
  const post = data && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(data),
  };
  return fetch(path, post).catch(() => {
    throw new CallFailed(words.noAnswer, 0);
  });
}
