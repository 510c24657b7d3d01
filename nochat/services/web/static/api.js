/** The REST calls: what a page asks outside its socket. */

import { reason, words } from "./words.js";

/** The user of this session ("" if nobody) and their role, where the gateway is ("" for here), and who may register. */
export const me = () => call("api/me");
export const register = (user, password) => call("api/register", { user, password });
export const logIn = (user, password) => call("api/login", { user, password });
export const logOut = () => call("api/logout", {});
export const changePassword = (old, next) => call("api/password", { old, new: next });

export const sessions = () => call("api/sessions");
export const endSession = (session) => call(`api/sessions/${session}/end`, {});
export const endOtherSessions = () => call("api/sessions/end-others", {});
export const tokens = () => call("api/tokens");
export const makeToken = (name, days, password) => call("api/tokens", { name, days, password });
export const revokeToken = (token) => call(`api/tokens/${token}/revoke`, {});
export const deleteAccount = (password) => call("api/account/delete", { password });

/** All that the chat stores of this user, as a file. */
export async function takeData() {
  const answer = await ask("api/account/export");
  if (answer.ok) return answer.blob();
  throw await failureOf(answer);
}

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
  if (!answer.ok) throw await failureOf(answer);
  return answer.json().catch(() => ({}));
}

async function failureOf(answer) {
  const refusal = await answer.json().catch(() => ({}));
  return new CallFailed(refusal.code ? reason(refusal) : words.noAnswer, answer.status);
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
