/** The panel in which messages are searched for. */

import { plain } from "../markdown.js";
import { foundPieces } from "../text.js";
import { nameOf, words } from "../words.js";
import { $, el, say } from "./dom.js";

const PAGE = 20;

export class Search {
  #asked = null; // what the results on show are of
  #form = $("search-form");

  /**
   * @param act functions: `find` gives, later, what was found, and whether there is more; `show`
   *   is called with a room's id and a position; `title` gives a room's title by its id.
   */
  constructor(act) {
    this.act = act;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#begin();
    });
    $("more-results").addEventListener("click", () => this.#page());
  }

  /** Forget what was found: its reader left. */
  clear() {
    this.#asked = null;
    this.#form.reset();
    $("results").replaceChildren();
    $("more-results").hidden = true;
    say($("search-status"), "");
  }

  #begin() {
    const text = this.#form.text.value.trim();
    if (!text) return this.#form.text.focus();
    this.#asked = { text, here: this.#form.where.value === "here", entries: [] };
    $("results").replaceChildren();
    this.#page();
  }

  async #page() {
    const asked = this.#asked;
    const { text, here, entries } = asked;
    say($("search-status"), words.searching);
    $("more-results").hidden = true;
    try {
      const found = await this.act.find({ text, here, before: entries.at(-1)?.at, limit: PAGE });
      if (asked !== this.#asked) return;
      entries.push(...found.entries);
      $("results").append(...found.entries.map((entry) => this.#result(entry, text)));
      $("more-results").hidden = !found.more;
      say($("search-status"), entries.length ? words.found(entries.length, found.more) : words.notFound);
    } catch (error) {
      if (asked === this.#asked) say($("search-status"), words.refused(error.message));
    }
  }

  #result({ room, sender, at, position, text }, searched) {
    const date = new Date(at * 1000);
    const where = el("span", { className: "where" },
      el("span", {}, el("strong", { dir: "auto" }, nameOf(sender)), " · ", el("span", { dir: "auto" }, this.act.title(room))),
      el("time", { dateTime: date.toISOString() }, words.moment(date)));
    const what = el("span", { className: "what", dir: "auto" });
    for (const piece of foundPieces(plain(text), searched)) {
      what.append(piece.found ? el("mark", {}, piece.text) : piece.text);
    }
    return el("li", {}, el("button", { className: "result", onclick: () => this.act.show(room, position) }, where, what));
  }
}
