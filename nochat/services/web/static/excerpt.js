/** Which part of a long log is in the document: at most MOST entries, moved by STEP. */

export const SHOWN = 120; // entries before the end, as long as the end is in sight
export const MOST = 300;
const STEP = 100;

export class Excerpt {
  #top = null; // position of the first entry that is shown; null: the end is followed

  /** The entries to show, and whether the newest is among them. */
  of(log) {
    const start = this.#start(log);
    const entries = log.entries.slice(start, start + MOST);
    return { entries, begins: start === 0, ends: start + MOST >= log.entries.length };
  }

  /** Follow the end; or hold what is shown now, whatever comes. */
  follow = () => (this.#top = null);
  hold = (log) => this.#to(log, this.#start(log));

  up = (log) => this.#to(log, this.#start(log) - STEP);
  down = (log) => this.#to(log, this.#start(log) + STEP);
  around = (log, position) => this.#to(log, log.indexOf(position) - STEP);

  #start(log) {
    const { entries } = log;
    return this.#top === null ? Math.max(0, entries.length - SHOWN) : log.indexOf(this.#top);
  }

  #to(log, start) {
    this.#top = log.entries[Math.max(0, start)]?.position ?? null;
  }
}
