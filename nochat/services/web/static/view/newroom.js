/** The dialog in which a room is made. */

import { newId } from "../connection.js";
import { idOf } from "../text.js";
import { words } from "../words.js";
import { FormDialog } from "./dialogs.js";
import { $ } from "./dom.js";

/** @param create called with an id, a title, and whether the room is private. */
export function wireNewRoom(create) {
  const dialog = new FormDialog("create-dialog", "create-error", ({ title, secret }) => {
    const name = title.value.trim();
    if (!name) throw new Error(words.noTitle);
    return create(idOf(name, newId().slice(0, 12)), name, secret.checked);
  });
  $("new-room").addEventListener("click", () => dialog.open());
}
