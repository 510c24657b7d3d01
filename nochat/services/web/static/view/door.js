/** The form to log in or to create an account; what is wrong is said at its field. */

import { words } from "../words.js";
import { $, say } from "./dom.js";
import { focusOn } from "./focus.js";

const NAME = /^[\p{L}\p{N}_][\p{L}\p{N}_.-]{1,31}$/u;
const SHORTEST = 8;
const FIELDS = { 401: "password", 409: "user", 422: "password" }; // by HTTP status

export class Door {
  #form = $("sign-in");

  /** @param enter called with "log-in" or "register", the name and the password. */
  constructor(enter) {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit(event.submitter?.value ?? "log-in", enter);
    });
  }

  /** @param {"open"|"closed"} registration whether somebody new can make an account here. */
  offer(registration) {
    $("register").hidden = $("open-hint").hidden = registration === "closed";
    $("closed-hint").hidden = registration !== "closed";
  }

  show(message = "") {
    $("door").hidden = false;
    this.#complain(message);
    focusOn(this.#form.user);
  }

  /** Whether nobody has begun to log in here. */
  get isUntouched() {
    return !this.#form.user.value && !this.#form.password.value;
  }

  hide() {
    $("door").hidden = true;
    this.#form.reset();
    this.#complain("");
  }

  async #submit(action, enter) {
    const user = this.#form.user.value.trim();
    const password = this.#form.password.value;
    const registers = action === "register";
    if (!user || (registers && !NAME.test(user))) return this.#complain(words.badName, "user");
    if (!password) return this.#complain(words.noPass, "password");
    if (registers && password.length < SHORTEST) return this.#complain(words.badPass, "password");
    this.#busy(true);
    try {
      await enter(action, user, password);
    } catch (error) {
      this.#busy(false); // before the focus goes to a field
      this.#complain(error.message, FIELDS[error.status]);
    } finally {
      this.#busy(false);
    }
  }

  /** Say it, at a field or for the form as a whole; "" takes everything back. */
  #complain(message, field = "door") {
    for (const each of ["user", "password", "door"]) {
      say($(`${each}-error`), each === field ? message : "");
    }
    for (const each of ["user", "password"]) {
      this.#form[each].setAttribute("aria-invalid", Boolean(message) && each === field);
    }
    if (message && field !== "door") focusOn(this.#form[field]);
  }

  #busy(busy) {
    for (const button of this.#form.querySelectorAll("button")) button.disabled = busy;
  }
}
