/**
 * From counts that only grow to rates: what changed, by the seconds between.
 *
 * An instance's counts are of its last report, which may be of before the last answer: its rates are
 * between two reports. For counts of several instances they are between answers some time apart, as
 * the reports of that time are one more or one less.
 */

export const DEAD_LETTERS = "dead-letters";
export const KEPT = 150; // rates of each type that are remembered: five minutes, at one in two seconds
const APART = 3; // answers
const MOURNED = 60; // seconds for which an instance that vanished is shown

export class Rates {
  #answers = [];
  #rates = new Map();
  #gone = new Map();
  #history = new Map();

  /** Take an answer; gives what to show. */
  take(answer) {
    const last = this.#answers.at(-1) ?? answer;
    this.#mourn(answer, last);
    const before = byInstance(last);
    const services = answer.services.map(({ name, store, instances }) => {
      const each = instances.map((now) => ({ ...now, ...this.#ratesOf(now, before.get(now.instance)) }));
      const gone = [...this.#gone.values()].filter((it) => it.service === name);
      return { name, store, instances: each, gone, in: sum(each, "in"), out: sum(each, "out") };
    });
    const waited = new Map(last.queues.map((queue) => [queue.name, queue.messages]));
    const queues = [...answer.queues].sort(byName).map((queue) => {
      const change = queue.messages - (waited.get(queue.name) ?? queue.messages);
      return { ...queue, change: per(change, answer.at - last.at) };
    });
    const events = this.#events(answer, this.#answers[0] ?? answer);
    this.#answers = [...this.#answers, answer].slice(-APART);
    return { at: answer.at, bus: answer.bus, services, queues, events, rate: sum(services, "out") };
  }

  /** What an instance does; what it did, while it has not reported again. */
  #ratesOf(now, then = now) {
    const seconds = now.at - then.at;
    const known = this.#rates.get(now.instance) ?? { in: 0, out: 0, busy: 0 };
    if (seconds <= 0) return known;
    const rates = {
      in: per(now.handled - then.handled, seconds),
      out: per(now.published - then.published, seconds),
      busy: per(now.cpu - then.cpu, seconds) * 100,
    };
    this.#rates.set(now.instance, rates);
    return rates;
  }

  #events(answer, last) {
    const seconds = answer.at - last.at;
    const before = new Map(last.events.map(({ type, count }) => [type, count]));
    for (const { type, count } of answer.events) {
      const history = this.#history.get(type) ?? [];
      this.#history.set(type, history);
      if (seconds > 0) history.push(Math.max(0, per(count - (before.get(type) ?? 0), seconds)));
      if (history.length > KEPT) history.shift();
    }
    return answer.events.map(({ type, count }) => {
      const history = this.#history.get(type);
      return { type, count, history, rate: history.at(-1) ?? 0 };
    });
  }

  /** Remember who was there and is not; a service without any keeps its last ones. */
  #mourn(answer, last) {
    const alive = byInstance(answer);
    const running = new Set(answer.services.filter((it) => it.instances.length).map((it) => it.name));
    for (const [id, it] of byInstance(last)) {
      if (!alive.has(id) && !this.#gone.has(id)) this.#gone.set(id, { ...it, at: answer.at });
    }
    for (const [id, it] of this.#gone) {
      const over = answer.at - it.at > MOURNED && running.has(it.service);
      if (alive.has(id) || over) this.#gone.delete(id);
      if (over) this.#rates.delete(id);
    }
  }
}

/** In order of name, the dead letters last. */
const byName = (a, b) =>
  (a.name === DEAD_LETTERS) - (b.name === DEAD_LETTERS) || a.name.localeCompare(b.name);

const per = (change, seconds) => (seconds > 0 ? change / seconds : 0);

const sum = (items, name) => items.reduce((total, item) => total + item[name], 0);

function byInstance({ services }) {
  const entries = services.flatMap(({ name, instances }) =>
    instances.map((each) => [each.instance, { ...each, service: name }]),
  );
  return new Map(entries);
}
