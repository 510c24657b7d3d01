/** From counts that only grow to rates: what changed between two answers, by the seconds between. */

export const DEAD_LETTERS = "dead-letters";
export const KEPT = 150; // rates of each type that are remembered: five minutes, at one in two seconds
const MOURNED = 60; // seconds for which an instance that vanished is shown

export class Rates {
  #last = null;
  #gone = new Map();
  #history = new Map();

  /** Take an answer; gives what to show. */
  take(answer) {
    const last = this.#last ?? answer;
    const seconds = answer.at - last.at;
    const per = (now, before) => (seconds > 0 ? Math.max(0, now - before) / seconds : 0);
    this.#mourn(answer, last);
    const before = byInstance(last);
    const services = answer.services.map(({ name, instances }) => {
      const each = instances.map((now) => {
        const then = before.get(now.instance) ?? (now.since > last.at ? NEW : now);
        return {
          ...now,
          in: per(now.handled, then.handled),
          out: per(now.published, then.published),
          busy: per(now.cpu, then.cpu) * 100,
        };
      });
      const gone = [...this.#gone.values()].filter((it) => it.service === name);
      return { name, instances: each, gone, in: sum(each, "in"), out: sum(each, "out") };
    });
    const waited = new Map(last.queues.map((queue) => [queue.name, queue.messages]));
    const queues = [...answer.queues].sort(byName).map((queue) => {
      const change = queue.messages - (waited.get(queue.name) ?? queue.messages);
      return { ...queue, change: seconds > 0 ? change / seconds : 0 };
    });
    const events = this.#events(answer, last, per, seconds);
    this.#last = answer;
    return { at: answer.at, services, queues, events, rate: sum(services, "out") };
  }

  #events(answer, last, per, seconds) {
    const before = new Map(last.events.map(({ type, count }) => [type, count]));
    for (const { type, count } of answer.events) {
      const history = this.#history.get(type) ?? [];
      this.#history.set(type, history);
      if (seconds > 0) history.push(per(count, before.get(type) ?? 0));
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
    }
  }
}

/** In order of name, the dead letters last. */
const byName = (a, b) =>
  (a.name === DEAD_LETTERS) - (b.name === DEAD_LETTERS) || a.name.localeCompare(b.name);

const NEW = { handled: 0, published: 0, cpu: 0 };

const sum = (items, name) => items.reduce((total, item) => total + item[name], 0);

function byInstance({ services }) {
  const entries = services.flatMap(({ name, instances }) =>
    instances.map((each) => [each.instance, { ...each, service: name }]),
  );
  return new Map(entries);
}
