/** The calls that only managers may make. */

import { call } from "../api.js";

const path = (...parts) => ["api/manage", ...parts.map(encodeURIComponent)].join("/");

export { me } from "../api.js";
export const services = () => call(path("services"));
export const letters = () => call(path("dead-letters"));
export const decide = (id, action) => call(path("dead-letters", id), { action });
export const users = (prefix, after) => call(`${path("users")}?${new URLSearchParams({ prefix, after })}`);
export const changeUser = (name, changes) => call(path("users", name), changes);
export const rooms = (text, after) => call(`${path("rooms")}?${new URLSearchParams({ text, after })}`);
export const deleteRoom = (room) => call(path("rooms", room, "delete"), {});
export const moderate = (room, name, action) =>
  call(path("rooms", room, "members", name), { action });
export const accountLog = (user, event, before) =>
  call(`${path("log")}?${new URLSearchParams({ user, event, before })}`);
export const trends = (since) => call(`api/trends?${new URLSearchParams({ since, limit: 10 })}`);
