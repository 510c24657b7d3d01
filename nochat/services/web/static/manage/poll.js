import { shielded } from "../shield.js";

/** Something that is asked again and again: the next time only after an answer, or a failure. */
export class Poll {
  #seconds;
  #ask;
  #timer = null;
  #turn = 0;

  constructor(seconds, ask) {
    this.#seconds = seconds;
    this.#ask = ask;
  }

  get running() {
    return this.#timer !== null;
  }

  start() {
    this.stop();
    this.#next(0, this.#turn);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#turn += 1;
  }

  #next(seconds, turn) {
    this.#timer = setTimeout(async () => {
      // A page in the background shows nothing: it need not ask.
      if (!document.hidden) await shielded(this.#ask)?.catch?.(reportError);
      if (turn === this.#turn) this.#next(this.#seconds, turn);
    }, seconds * 1000);
  }
}
