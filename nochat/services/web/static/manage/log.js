/** The log of accounts: who came, was refused and went, whose role changed. */

import { $, el, say } from "../view/dom.js";
import * as api from "./api.js";
import { fillRows } from "./table.js";
import { nameOf, words } from "./words.js";

const PAUSE = 250; // milliseconds after the last letter of the name

export class AccountLog {
  #entries = [];
  #older = false;
  #more = false;
  #days = 0;
  #asked = 0;
  #failed;

  /** @param failed called with the error of a call. */
  constructor({ failed }) {
    this.#failed = failed;
    let due;
    $("log-user").addEventListener("input", () => {
      clearTimeout(due);
      due = setTimeout(() => this.#fetch(""), PAUSE);
    });
    $("log-event").addEventListener("change", () => this.#fetch(""));
    $("more-log").addEventListener("click", () => this.#fetch(this.#entries.at(-1).mark));
  }

  /** Look again; who has gone back to older entries keeps what they read. */
  load() {
    return this.#older ? undefined : this.#fetch("");
  }

  async #fetch(before) {
    const turn = (this.#asked += 1);
    try {
      const found = await api.accountLog($("log-user").value.trim(), $("log-event").value, before);
      if (turn !== this.#asked) return; // something else was asked meanwhile
      this.#older = Boolean(before);
      this.#entries = before ? [...this.#entries, ...found.entries] : found.entries;
      this.#more = found.more;
      this.#days = found.days;
      this.render();
    } catch (error) {
      this.#failed(error);
    }
  }

  render() {
    this.#offer($("log-event"));
    fillRows($("log-rows"), this.#entries.map(row));
    $("no-log").hidden = this.#entries.length > 0;
    $("more-log").hidden = !this.#more;
    say($("log-kept"), this.#days ? words.logKept(this.#days) : "");
  }

  /** The kinds to choose from, in the language in use; a list that is open stays as it is. */
  #offer(select) {
    if (select.lang === words.language) return;
    const chosen = select.value;
    const options = Object.entries(words.accountEvents).map(([value, text]) => el("option", { value }, text));
    select.replaceChildren(el("option", { value: "" }, words.allEvents), ...options);
    select.value = chosen;
    select.lang = words.language;
  }
}

function row({ mark, event, at, user, ...details }) {
  const date = new Date(at * 1000);
  const time = el("time", { dateTime: date.toISOString() }, words.moment(date));
  const who = user ? nameOf(user) : words.noAccount;
  return { key: mark, cells: [time, words.accountEvents[event] ?? event, who, told(details)] };
}

/** What there is to say of it: the new role and by whom, a token's name, how often it was. */
function told({ by, role, banned, name, unsaid }) {
  const state = role && (banned ? words.isBanned : words.roles[role]);
  const parts = [state, by && words.changedBy(nameOf(by)), name, unsaid && words.andMore(unsaid)];
  return parts.filter(Boolean).join(" · ");
}
