/** Accounts: who is what, who is banned. */

import { confirmed } from "../view/dialogs.js";
import { $, el, say } from "../view/dom.js";
import { focusOn } from "../view/focus.js";
import * as api from "./api.js";
import { fillRows } from "./table.js";
import { words } from "./words.js";

const PAUSE = 250; // milliseconds after the last letter of what is searched

export class Users {
  #me;
  #failed;
  #users = [];
  #more = false;
  #asked = 0;

  /**
   * @param me the manager's own name.
   * @param failed called with the error of a call.
   */
  constructor({ me, failed }) {
    this.#me = me;
    this.#failed = failed;
    let due;
    $("prefix").addEventListener("input", () => {
      clearTimeout(due);
      due = setTimeout(() => this.load(), PAUSE);
    });
    $("users-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.load();
    });
    $("more-users").addEventListener("click", () => this.#fetch(this.#users.at(-1).name));
  }

  load() {
    return this.#fetch("");
  }

  async #fetch(after) {
    const turn = (this.#asked += 1);
    try {
      const { users, more } = await api.users($("prefix").value.trim(), after);
      if (turn !== this.#asked) return; // something else was asked meanwhile
      this.#users = after ? [...this.#users, ...users] : users;
      this.#more = more;
      this.render();
    } catch (error) {
      this.#failed(error);
    }
  }

  render() {
    fillRows($("user-rows"), this.#users.map((user) => this.#row(user)));
    $("no-users").hidden = this.#users.length > 0;
    $("more-users").hidden = !this.#more;
  }

  #row(user) {
    const { name, role, banned, created } = user;
    const date = new Date(created * 1000);
    const standing = el("span", {}, words.roles[role], ...(banned ? [" ", el("strong", { className: "mark" }, words.isBanned)] : []));
    const time = el("time", { dateTime: date.toISOString() }, words.moment(date));
    return { key: name, cells: [name, standing, time, this.#actions(user)] };
  }

  #actions({ name, role, banned }) {
    if (name === this.#me) return el("span", { className: "hint" }, words.yourself);
    const button = (kind, text, changes, grave) =>
      el("button", { onclick: () => this.#change(name, kind, changes), "aria-label": `${text}: ${name}`, className: grave }, text);
    const other = role === "manager" ? "user" : "manager";
    const promoted = other === "manager" ? ["promote", words.promote] : ["demote", words.demote];
    return el(
      "span",
      { className: "row" },
      button(...promoted, { role: other }, ""),
      banned ? button("letIn", words.letIn, { banned: false }, "") : button("ban", words.banUser, { banned: true }, "grave"),
    );
  }

  async #change(name, kind, changes) {
    if (!(await confirmed(question(kind, name)))) return;
    try {
      await api.changeUser(name, changes);
      say($("users-told"), words.userDone[kind](name));
      Object.assign(this.#users.find((user) => user.name === name), changes);
    } catch (error) {
      say($("users-told"), words.notDone(error.message));
    }
    this.render();
    focusOn($("users")); // the button that had the focus is another now
  }
}

function question(kind, name) {
  const asked = {
    promote: [words.promoteAsk, words.promoteHint, words.promote],
    demote: [words.demoteAsk, words.demoteHint, words.demote],
    ban: [words.banUserAsk, words.banUserHint, words.banUser],
    letIn: [words.letInAsk, words.letInHint, words.letIn],
  };
  const [title, hint, act] = asked[kind];
  return { title: title(name), hint, act };
}
