/** The head of the open room: its name, whether it is private, and what can be done with it. */

import { nameOf, words } from "../words.js";
import { $, el, icon, say, sync } from "./dom.js";
import { toggleMenu } from "./menu.js";

export class Header {
  /** @param act functions to call: `invite`, `link`, `leave`. */
  constructor(act) {
    $("more-button").addEventListener("click", () => toggleMenu($("more-button"), [
      { label: words.invite, act: act.invite },
      { label: words.copyLink, act: act.link },
      { label: words.leave, act: act.leave, grave: true },
    ]));
  }

  render(model, transport) {
    const { room, user, status } = model;
    say($("room-title"), room ? nameOf(room.titleFor(user)) : "NoChat");
    const kind = room?.kind === "private" ? [{ key: "private" }] : [];
    sync($("room-kind"), kind, () =>
      el("span", { title: words.privateRoom }, icon("lock"), el("span", { className: "unseen" }, words.privateRoom)));
    $("room-menu").hidden = !room?.member || room.kind === "direct";
    say($("banner"), { connecting: words.connecting, away: words.away, crowded: words.crowded }[status] ?? "");
    say($("transport"), status === "online" ? words.connected(transport) : "");
    document.body.dataset.status = status;
    const unread = model.joined.reduce((sum, each) => sum + each.unread, 0);
    const where = room ? `${nameOf(room.titleFor(user))} · NoChat` : "NoChat";
    document.title = unread ? `(${unread}) ${where}` : where;
  }
}
