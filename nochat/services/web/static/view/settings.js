/** The settings: language, theme, notifications, password; and the language at the door. */

import { prefer, preference, wear } from "../preferences.js";
import { LANGUAGES, words } from "../words.js";
import * as alerts from "./alerts.js";
import { $, el, say } from "./dom.js";
import { focusOn } from "./focus.js";

const SHORTEST = 8;

export class Settings {
  #form = $("password-form");

  /** @param act functions to call: `opened`, `speak` a language, `change` a password, `leave`. */
  constructor(act) {
    this.act = act;
    for (const select of document.querySelectorAll("select.language")) {
      select.addEventListener("change", () => {
        prefer("language", select.value);
        act.speak(select.value);
      });
    }
    $("theme").addEventListener("change", ({ target }) => {
      prefer("theme", target.value);
      wear(target.value);
    });
    $("notify").addEventListener("change", async ({ target }) => {
      await alerts.want(target.checked).catch(() => {}); // what came of it is shown
      this.#showAlerts();
    });
    $("settings-button").addEventListener("click", () => this.#open());
    $("log-out").addEventListener("click", () => act.leave());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#change();
    });
    this.translate();
  }

  render(model) {
    $("manage-link").hidden = model.role !== "manager";
    this.#form.user.value = model.user;
  }

  /** The languages by their own names. */
  translate() {
    for (const select of document.querySelectorAll("select.language")) {
      const languages = Object.entries(LANGUAGES).map(([key, { name }]) => el("option", { value: key, lang: key }, name));
      select.replaceChildren(el("option", { value: "" }, words.ofBrowser), ...languages);
      select.value = preference("language");
    }
    this.#showAlerts();
  }

  #open() {
    this.#form.reset();
    this.#complain("", "");
    say($("password-told"), "");
    $("theme").value = preference("theme");
    this.translate();
    this.act.opened();
    $("settings-dialog").showModal();
  }

  #showAlerts() {
    $("notify").checked = alerts.wanted();
    $("notify").disabled = !alerts.possible();
    const known = alerts.blocked() ? words.notifyBlocked : words.notifyHint;
    const none = alerts.failing() ? words.notifyFailing : words.notifyMissing;
    say($("notify-hint"), alerts.possible() ? known : none);
  }

  async #change() {
    const [old, next] = [this.#form.old, this.#form.new].map(({ value }) => value);
    say($("password-told"), "");
    if (!old) return this.#complain("old", words.noPass);
    if (next.length < SHORTEST) return this.#complain("new", words.badPass);
    this.#complain("", "");
    try {
      await this.act.change(old, next);
      this.#form.reset();
      say($("password-told"), words.passChanged);
    } catch (error) {
      this.#complain(error.status === 422 ? "new" : "old", error.message);
    }
  }

  #complain(field, message) {
    for (const each of ["old", "new"]) {
      say($(`${each}-error`), each === field ? message : "");
      this.#form[each].setAttribute("aria-invalid", each === field);
    }
    if (field) focusOn(this.#form[field]);
  }
}
