/** The tokens of one's own programs, in the settings: made, shown once, listed and revoked. */

import { words } from "../words.js";
import { attempt } from "./account.js";
import { copied } from "./clipboard.js";
import { FormDialog } from "./dialogs.js";
import { $, el, say, sync } from "./dom.js";
import { focusOn } from "./focus.js";

export class Tokens {
  #act;

  /** @param act functions to call: `list` gives them, `make` one, `revoke` one by its name. */
  constructor(act) {
    this.#act = act;
    const dialog = new FormDialog("token-dialog", "token-error", async ({ label, days, password }) => {
      if (!label.value.trim()) throw new Error(words.noTokenName);
      if (!password.value) throw new Error(words.noPass);
      const { secret } = await act.make(label.value.trim(), Number(days.value), password.value);
      await this.show();
      this.#tell(secret);
    });
    $("make-token").addEventListener("click", () => {
      dialog.open();
      $("token-name").focus();
    });
    $("copy-token").addEventListener("click", () => attempt($("copy-token"), $("tokens-told"), async () => {
      if (await copied($("token-secret").value)) return words.tokenCopied;
      throw new Error(words.tokenOnce);
    }));
    $("settings-dialog").addEventListener("close", () => this.#tell(""));
  }

  /** List the tokens as they are now. */
  async show() {
    this.#tell("");
    try {
      const { tokens } = await this.#act.list();
      const items = tokens.map((each) => ({ key: `${each.token} ${each.used} ${words.language}`, ...each }));
      sync($("tokens"), items, (item) => this.#make(item));
    } catch (error) {
      say($("tokens-told"), error.message);
    }
  }

  /** Show a new token, this once; "" forgets it. */
  #tell(secret) {
    $("token-secret").value = secret;
    $("new-token").hidden = !secret;
    say($("tokens-told"), secret ? words.tokenOnce : "");
  }

  #make({ token, name, used, expires }) {
    const last = used ? words.tokenUsed(new Date(used * 1000)) : words.tokenUnused;
    const hint = `${words.tokenUntil(new Date(expires * 1000))} · ${last}`;
    const what = el("span", {}, el("strong", { dir: "auto" }, name), el("span", { className: "hint" }, hint));
    const button = el("button", { type: "button", "aria-label": `${words.revokeToken}: ${name}` }, words.revokeToken);
    button.addEventListener("click", () => attempt(button, $("tokens-told"), async () => {
      await this.#act.revoke(token);
      await this.show();
      focusOn($("tokens-title")); // the button is gone
      return words.tokenRevoked(name);
    }));
    return el("li", {}, what, button);
  }
}
