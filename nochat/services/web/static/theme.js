/* The chosen theme, before the first paint: no module is that early. `preferences.js` keeps it. */
try {
  document.documentElement.dataset.theme = localStorage.getItem("nochat.theme") ?? "";
} catch {
  // A frame on another site's page may have no storage: it is as the system.
}
