/** Tabs: the address's hash says which is open, so that each can be linked to and gone back to. */

/** @param opened called with the name of the tab that is open now. */
export function wireTabs(list, opened) {
  const tabs = [...list.querySelectorAll('[role="tab"]')];
  const named = (hash) => tabs.find((tab) => tab.hash === hash) ?? tabs[0];

  const show = () => {
    const current = named(location.hash);
    for (const tab of tabs) {
      tab.setAttribute("aria-selected", tab === current);
      tab.tabIndex = tab === current ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = tab !== current;
    }
    current.scrollIntoView({ block: "nearest", inline: "center" });
    opened(current.hash.slice(1));
  };

  list.addEventListener("click", (event) => {
    const tab = event.target.closest('[role="tab"]');
    if (!tab) return;
    event.preventDefault(); // the browser would scroll to the panel
    if (tab.hash !== location.hash) history.pushState(null, "", tab.hash);
    show();
  });
  list.addEventListener("keydown", (event) => {
    const at = tabs.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (at < 0 || (to === undefined && event.key !== " ")) return;
    event.preventDefault();
    const tab = tabs.at((to ?? at) % tabs.length);
    tab.focus();
    tab.click();
  });
  window.addEventListener("popstate", show);
  window.addEventListener("hashchange", show);
  show();
}
