/** One line of the log as an element: made once, then only what changed is written. */

import { comingsOf } from "../lines.js";
import { nameOf, words } from "../words.js";
import { avatar, el, say, sync } from "./dom.js";
import { rendered } from "./markdown.js";
import { quoteOf, told } from "./quote.js";

const MOST_REACTIONS = 20; // of one message that are shown …
const MOST_NAMES = 20; // … and names that one of them is said to be by
const FEW = 3; // names of who came or went

export class Lines {
  /**
   * @param act functions to call: `retry` and `discard` with a client id; `react` with an entry;
   *   `jump` from an entry to what it answers, `original` with a position that is not here.
   */
  constructor(act) {
    this.act = act;
  }

  make(item) {
    if (item.kind === "day") return el("li", { className: "day" }, words.day(item.date));
    if (item.kind === "seam") return el("li", { className: "seam" }, words.seam);
    if (item.kind === "note") return el("li", { className: "note" });
    if (item.kind === "comings") return el("li", { className: "note" });
    // What happens to a message later is no news to announce.
    const quiet = { "aria-live": "off" };
    const name = el("strong", { dir: "auto", ...quiet }, nameOf(item.sender));
    const head = el("p", { className: "head" }, name, " ", time(item.date));
    return el("li", { className: "message", tabIndex: -1 }, avatar(item.sender), head,
      el("div", { className: "text", dir: "auto" }),
      el("p", { className: "state", ...quiet }),
      el("div", { className: "reactions", ...quiet }));
  }

  update(line, item, user, room) {
    if (item.kind === "comings") return showComings(line, item);
    if (item.kind === "note") return showNote(line, item);
    if (item.kind !== "message") return;
    line.classList.toggle("follows", item.follows && !item.entry.reply_to);
    this.#quote(line, item.entry, room);
    const { entry, state, sender } = item;
    const stamp = `${state} ${entry.changed ?? 0} ${entry.reason ?? ""}`;
    if (line.dataset.stamp === stamp) return;
    line.dataset.stamp = stamp;
    if (entry.formerly) {
      say(line.querySelector(".head strong"), nameOf(sender));
      line.querySelector(".avatar").replaceWith(avatar(sender));
    }
    const mine = sender === user;
    line.classList.toggle("mine", mine);
    line.classList.toggle("deleted", Boolean(entry.deleted));
    this.#write(line, entry, user, mine, room);
    sync(line.querySelector(".reactions"), reactionsOf(entry), (item) => this.#chip(entry, item), (chip, item) => {
      update(chip, item, user);
    });
    if (mine) {
      line.dataset.state = state;
      line.querySelector(".state").replaceChildren(...(entry.deleted ? [] : this.#state(entry, state)));
    }
  }

  #write(line, { text, edited, deleted }, user, mine, room) {
    const said = `${deleted ? 1 : edited || 0} ${text}`;
    const place = line.querySelector(".text");
    if (place.dataset.said === said) return;
    place.dataset.said = said;
    place.replaceChildren(...(deleted ? [words.deleted] : rendered(text, user, room.members)));
    line.classList.toggle("mentions-me", !mine && Boolean(place.querySelector(".me")));
    line.querySelector(".edited")?.remove();
    if (!edited || deleted) return;
    const title = words.editedAt(new Date(edited * 1000));
    place.after(el("span", { className: "edited", title }, words.edited));
  }

  /** What it answers, as that is now: what was deleted is not shown. */
  #quote(line, entry, room) {
    let quote = line.querySelector(".quoted");
    if (!entry.reply_to || entry.deleted) return quote?.remove();
    if (!quote) {
      quote = quoteOf(() => this.act.jump(entry));
      line.querySelector(".text").before(quote);
    }
    const original = room.original(entry.reply_to);
    if (original === undefined) this.act.original(entry.reply_to);
    const [sender, excerpt] = told(original);
    say(quote.querySelector("strong"), sender);
    say(quote.querySelector(".excerpt"), excerpt);
    quote.disabled = !original;
  }

  #chip(entry, { emoji, more }) {
    if (more) return el("span", { className: "chip more" });
    const act = () => this.act.react(entry, emoji);
    return el("button", { className: "chip", onclick: act }, el("span", { dir: "auto" }), el("span", { className: "count" }));
  }

  #state({ reason, client_id }, state) {
    if (state === "sending") return [words.sending];
    if (state === "sent") return [el("span", { title: words.sent, role: "img", "aria-label": words.sent }, "✓")];
    const retry = el("button", { onclick: () => this.act.retry(client_id) }, words.retry);
    const discard = el("button", { className: "quiet", onclick: () => this.act.discard(client_id) }, words.discard);
    return [el("span", {}, words.notSent(reason)), retry, discard];
  }
}

/** As many as help; how many more there are. */
function reactionsOf({ reactions = new Map() }) {
  const shown = [...reactions].slice(0, MOST_REACTIONS);
  const items = shown.map(([key, { emoji, users }]) => ({ key: `with ${key}`, emoji, users }));
  const more = reactions.size - shown.length;
  return more ? [...items, { key: "more", more }] : items;
}

/** Some names, and how many others. */
function some(users, most) {
  if (users.length <= most + 1) return users;
  return [...users.slice(0, most), words.others(users.length - most)];
}

/** Who came and went with nothing said between: a line, that opens to each of them. */
function showNote(line, { entry, date }) {
  const stamp = `${entry.changed ?? 0}`;
  if (line.dataset.stamp === stamp) return;
  line.dataset.stamp = stamp;
  line.replaceChildren(`${noteOf(entry)} `, time(date));
}

function showComings(line, { entries }) {
  const stamp = `${entries.length} ${entries.filter(({ changed }) => changed).length}`;
  if (line.dataset.stamp === stamp) return;
  line.dataset.stamp = stamp;
  const each = entries.map((entry) => [`${noteOf(entry)} `, time(new Date(entry.at * 1000))]);
  if (each.length === 1) return line.replaceChildren(...each[0]);
  const { joined, left } = Object.fromEntries(
    Object.entries(comingsOf(entries)).map(([how, users]) => [how, users.map(nameOf)]));
  const said = [joined.length && words.allJoined(some(joined, FEW)), left.length && words.allLeft(some(left, FEW))];
  const summary = el("summary", { tabIndex: -1 }, `${said.filter(Boolean).join(" · ")} `, each.at(-1)[1].cloneNode(true));
  const open = Boolean(line.querySelector("details")?.open);
  line.replaceChildren(el("details", { open }, summary, el("ul", {}, ...each.map((parts) => el("li", {}, ...parts)))));
}

function update(chip, { emoji, users, more }, user) {
  if (more) return say(chip, words.moreReactions(more));
  say(chip.firstElementChild, emoji);
  say(chip.querySelector(".count"), `${users.length}`);
  const label = words.reactedBy(emoji, users.length, some(users, MOST_NAMES));
  chip.setAttribute("aria-pressed", users.includes(user));
  chip.setAttribute("aria-label", label);
  chip.title = label;
}

function noteOf({ type, action, ...who }) {
  const [user, invitee, member] = [who.user, who.invitee, who.member].map((each) => each && nameOf(each));
  if (type === "user.invited") return words.wasInvited(user, invitee);
  if (type === "member.moderated") return words.moderated[action]?.(user, member) ?? "";
  return { "room.created": words.created, "room.joined": words.joined, "room.left": words.left }[type](user);
}

export function time(date) {
  return el("time", { dateTime: date.toISOString(), title: words.moment(date) }, words.time(date));
}
