/** Messages that others answer and that are not in the part of a log that is here: asked for once. */

import { received } from "./changes.js";

export class Originals {
  #asked = new Set();
  #last = Promise.resolve();

  /**
   * @param ask gives, later, the page of a room's log after a position.
   * @param changed called when a message came.
   */
  constructor(ask, changed) {
    this.ask = ask;
    this.changed = changed;
  }

  /** Bring what is at a position, unless that is under way; what does not come is asked again later. */
  want(room, position) {
    const key = `${room.id}/${position}`;
    if (this.#asked.has(key)) return;
    this.#asked.add(key);
    this.#last = this.#last.then(() => this.#bring(room, position)).catch(() => {});
  }

  /** Connected again: what did not come may be asked for once more. */
  again = () => this.#asked.clear();

  async #bring(room, position) {
    const { entries } = await this.ask({ room: room.id, after: position - 1, limit: 1 });
    const found = entries.find((entry) => entry.position === position && entry.text !== undefined);
    room.answered.set(position, found ? received(found) : null);
    this.changed();
  }
}
