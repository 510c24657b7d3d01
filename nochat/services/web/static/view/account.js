/** One's own account, in the settings: where one is logged in, one's data, and its end. */

import { words } from "../words.js";
import { FormDialog } from "./dialogs.js";
import { $, el, say, sync } from "./dom.js";
import { focusOn } from "./focus.js";

export class Account {
  #act;

  /**
   * @param act functions to call: `sessions` gives them, `end` one by its name, `endOthers`,
   *   `take` gives one's data as a file, `remove` the account with the password.
   */
  constructor(act) {
    this.#act = act;
    const told = $("sessions-told");
    $("end-others").addEventListener("click", () => attempt($("end-others"), told, async () => {
      await act.endOthers();
      await this.show();
      return words.endedOthers;
    }));
    $("export").addEventListener("click", () => attempt($("export"), $("export-told"), async () => {
      download(await act.take());
      return words.exported;
    }));
    const dialog = new FormDialog("delete-dialog", "delete-error", async (form) => {
      if (!form.password.value) throw new Error(words.noPass);
      await act.remove(form.password.value);
    });
    $("delete-account").addEventListener("click", () => dialog.open());
  }

  /** List the sessions as they are now. */
  async show() {
    for (const told of ["sessions-told", "export-told"]) say($(told), "");
    try {
      const { sessions } = await this.#act.sessions();
      const items = sessions.map((each) => ({ key: `${each.session} ${words.language}`, ...each }));
      sync($("sessions"), items, (item) => this.#make(item));
      $("end-others").hidden = sessions.length < 2;
    } catch (error) {
      say($("sessions-told"), error.message);
    }
  }

  #make({ session, browser, created, current }) {
    const name = browser ? words.inBrowser(browser) : words.someBrowser;
    const since = created ? words.sinceWhen(new Date(created * 1000)) : "";
    const what = el("span", {}, el("strong", {}, name), el("span", { className: "hint" }, current ? words.thisSession : since));
    if (current) return el("li", {}, what);
    const button = el("button", { type: "button", "aria-label": `${words.endSession}: ${name}, ${since}` }, words.endSession);
    button.addEventListener("click", () => attempt(button, $("sessions-told"), async () => {
      await this.#act.end(session);
      await this.show();
      focusOn($("sessions-title")); // the button is gone
      return words.ended(name);
    }));
    return el("li", {}, what, button);
  }
}

/** Do something once; what it gives, or why it failed, is told. */
export async function attempt(button, told, act) {
  button.disabled = true;
  say(told, "");
  try {
    say(told, await act());
  } catch (error) {
    say(told, error.message);
  } finally {
    button.disabled = false;
  }
}

function download(file) {
  const href = URL.createObjectURL(file);
  el("a", { href, download: "nochat.json" }).click();
  setTimeout(() => URL.revokeObjectURL(href));
}
