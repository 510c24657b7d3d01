/** The form to log in or to create an account. */

import { words } from "../words.js";
import { $, say } from "./dom.js";

const NAME = /^[\p{L}\p{N}_][\p{L}\p{N}_.-]{1,31}$/u;

export class Door {
  #form = $("sign-in");

  /** @param enter called with "log-in" or "register", the name and the password. */
  constructor(enter) {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit(event.submitter?.value ?? "log-in", enter);
    });
  }

  show(message = "") {
    $("door").hidden = false;
    say($("door-error"), message);
    this.#form.user.focus();
  }

  hide() {
    $("door").hidden = true;
    this.#form.reset();
  }

  async #submit(action, enter) {
    const user = this.#form.user.value.trim();
    const password = this.#form.password.value;
    if (action === "register" && !NAME.test(user)) return this.#refuse(words.badName, "user");
    if (action === "register" && password.length < 8) {
      return this.#refuse(words.badPassword, "password");
    }
    this.#busy(true);
    try {
      await enter(action, user, password);
    } catch (error) {
      this.#refuse(error.message, "password");
    } finally {
      this.#busy(false);
    }
  }

  #refuse(message, field) {
    say($("door-error"), "");
    say($("door-error"), message);
    this.#form[field].focus();
  }

  #busy(busy) {
    for (const button of this.#form.querySelectorAll("button")) button.disabled = busy;
  }
}
