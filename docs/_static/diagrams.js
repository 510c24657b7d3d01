// Draws the diagrams, and draws them again when the reader changes between light and dark.
const diagrams = [...document.querySelectorAll("pre.mermaid")];
const sources = diagrams.map((diagram) => diagram.textContent);
let drawn = Promise.resolve();

async function draw() {
  const dark = document.documentElement.dataset.theme === "dark";
  mermaid.initialize({ startOnLoad: false, theme: dark ? "dark" : "default" });
  diagrams.forEach((diagram, index) => {
    diagram.textContent = sources[index];
    diagram.removeAttribute("data-processed");
  });
  await mermaid.run({ nodes: diagrams });
}

function redraw() {
  drawn = drawn.then(draw, draw);
}

new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
redraw();
