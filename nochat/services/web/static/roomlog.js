/** One room's log as far as the page has it: a window of positions without a gap. */

import { isChange, received } from "./changes.js";

export class RoomLog {
  entries = []; // what has a line of its own
  changes = []; // what became of messages: edits, deletions, reactions
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
    this.complete = position === 0;
  }

  /** Take what arrives, in any order and more than once; returns what found its place. */
  add(entries) {
    const placed = [];
    for (const entry of entries) {
      if (this.last === null) this.start(entry.position - 1);
      if (entry.position > this.last) this.#waiting.set(entry.position, received(entry));
      while (this.#waiting.has(this.last + 1)) placed.push(this.#place(this.last + 1));
    }
    return placed;
  }

  /**
   * Take the page that follows `last`; returns what found its place.
   *
   * A page skips positions that the store does not have (a message that was sent twice), so what
   * waited when the page was asked for, up to `furthest`, waits for nothing when there is no more.
   */
  follow({ entries, more }, furthest) {
    const placed = [];
    for (const entry of entries) this.#waiting.set(entry.position, received(entry));
    const until = more ? (entries.at(-1)?.position ?? this.last) : furthest;
    for (const position of [...this.#waiting.keys()].sort((a, b) => a - b)) {
      if (position <= this.last) this.#waiting.delete(position);
      else if (position <= until || position === this.last + 1) placed.push(this.#place(position));
    }
    return placed;
  }

  /** Take the page that comes before `first`. */
  precede({ entries, more }) {
    const older = entries.filter((entry) => entry.position < this.first);
    this.entries.unshift(...older.filter((entry) => !isChange(entry)).map(received));
    this.first = older[0]?.position ?? this.first;
    this.complete = !more;
  }

  /** What came up to a position is out of date: it must be asked for again. */
  forget(position) {
    this.entries = this.entries.slice(this.indexOf(position + 1));
    this.changes = this.changes.filter((change) => change.position > position);
    this.first = Math.max(this.first, position + 1);
    this.complete = false;
  }

  /** Where in `entries` the first one at or after a position is. */
  indexOf(position) {
    let [low, high] = [0, this.entries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.entries[middle].position < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** What is here after a position. */
  after(position) {
    const changes = this.changes.filter((change) => change.position > position);
    return [...this.entries.slice(this.indexOf(position + 1)), ...changes];
  }

  /** The entry at a position, if it is here. */
  at(position) {
    const entry = this.entries[this.indexOf(position)];
    return entry?.position === position ? entry : undefined;
  }

  #place(position) {
    const entry = this.#waiting.get(position);
    (isChange(entry) ? this.changes : this.entries).push(entry);
    this.#waiting.delete(position);
    this.last = position;
    return entry;
  }
}
