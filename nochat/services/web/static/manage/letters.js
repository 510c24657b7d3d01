/** Dead letters: what no service could handle, why, and what to do about it. */

import { confirmed } from "../view/dialogs.js";
import { $, el, say, sync } from "../view/dom.js";
import { focusOn } from "../view/focus.js";
import * as api from "./api.js";
import { words } from "./words.js";

export class Letters {
  #found = { letters: [], more: false };
  #failed;

  /** @param failed called with the error of a call. */
  constructor({ failed }) {
    this.#failed = failed;
  }

  async load() {
    try {
      this.#found = await api.letters();
      this.render();
    } catch (error) {
      this.#failed(error);
    }
  }

  render() {
    const { letters, more } = this.#found;
    sync($("letters"), letters.map((it) => ({ ...it, key: `${words.language} ${it.id}` })), (it) => this.#letter(it));
    $("no-letters").hidden = letters.length > 0;
    $("more-letters").hidden = !more;
  }

  #letter(letter) {
    const title = `letter-${letter.id}`;
    const button = (text, properties) => el("button", { "aria-describedby": title, ...properties }, text);
    const at = new Date(letter.at * 1000);
    const time = letter.at ? [el("time", { dateTime: at.toISOString(), className: "hint" }, words.moment(at))] : [];
    return el(
      "li",
      { className: "card" },
      el("div", { className: "titled" }, el("h3", { id: title }, words.letterOf(letter.type, letter.queue)), ...time),
      el("p", { className: "reason" }, letter.reason || words.noReason),
      el("details", {}, el("summary", {}, words.content), el("pre", { tabIndex: 0 }, letter.content)),
      el(
        "p",
        { className: "row" },
        button(words.replay, { className: "primary", onclick: () => this.#replay(letter) }),
        button(words.discardLetter, { onclick: () => this.#discard(letter) }),
      ),
    );
  }

  async #replay(letter) {
    const hint = words.replayHint(letter.queue);
    if (!(await confirmed({ title: words.replayAsk, hint, act: words.replay }))) return;
    await this.#decide(letter, "replay", words.replayed(letter.queue));
  }

  async #discard(letter) {
    const asked = { title: words.discardAsk, hint: words.discardHint, act: words.discardLetter };
    if (await confirmed(asked)) await this.#decide(letter, "discard", words.discarded);
  }

  async #decide(letter, action, done) {
    try {
      await api.decide(letter.id, action);
      say($("letters-told"), done);
    } catch (error) {
      say($("letters-told"), words.notDone(error.message));
    }
    await this.load();
    focusOn($("dead-letters")); // the button that had the focus may be gone
  }
}
