/** One room's log as far as the page has it: a window of positions without a gap. */

export class RoomLog {
  entries = [];
  first = null; // everything from this position on
  last = null; // up to this one is here; null: nothing is known yet
  complete = false; // nothing came before `first`
  #waiting = new Map(); // what came ahead of a gap, by position

  get gap() {
    return this.#waiting.size > 0;
  }

  /** The highest position that was heard of. */
  get furthest() {
    return Math.max(this.last, ...this.#waiting.keys());
  }

  /** Begin with an empty window behind a position. */
  start(position) {
    this.first = position + 1;
    this.last = position;
  }

  /** Take what arrives, in any order and more than once; returns what found its place. */
  add(entries) {
    const held = this.entries.length;
    for (const entry of entries) {
      if (this.last === null) this.start(entry.position - 1);
      if (entry.position > this.last) this.#waiting.set(entry.position, entry);
      while (this.#waiting.has(this.last + 1)) this.#place(this.last + 1);
    }
    return this.entries.slice(held);
  }

  /**
   * Take the page that follows `last`; returns what found its place.
   *
   * A page skips positions that the store does not have (a message that was sent twice), so what
   * waited when the page was asked for, up to `furthest`, waits for nothing when there is no more.
   */
  follow({ entries, more }, furthest) {
    const held = this.entries.length;
    for (const entry of entries) this.#waiting.set(entry.position, entry);
    const until = more ? (entries.at(-1)?.position ?? this.last) : furthest;
    for (const position of [...this.#waiting.keys()].sort((a, b) => a - b)) {
      if (position <= this.last) this.#waiting.delete(position);
      else if (position <= until || position === this.last + 1) this.#place(position);
    }
    return this.entries.slice(held);
  }

  /** Take the page that comes before `first`. */
  precede({ entries, more }) {
    const older = entries.filter((entry) => entry.position < this.first);
    this.entries.unshift(...older);
    this.first = older[0]?.position ?? this.first;
    this.complete = !more;
  }

  #place(position) {
    this.entries.push(this.#waiting.get(position));
    this.#waiting.delete(position);
    this.last = position;
  }
}
