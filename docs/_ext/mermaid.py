"""A `mermaid` fence becomes a diagram, drawn by the npm package that the site carries along."""

from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.fileutil import copy_asset

SCRIPT = Path(__file__).parents[2] / "node_modules" / "mermaid" / "dist" / "mermaid.min.js"


class mermaid(nodes.General, nodes.Element):  # docutils names the visitors after it
    """A diagram; `code` is its text."""


class Mermaid(SphinxDirective):
    """The fence."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        return [mermaid(code="\n".join(self.content))]


def visit_html(self, node: mermaid) -> None:
    self.body.append(f'<pre class="mermaid">{escape(node["code"])}</pre>\n')
    raise nodes.SkipNode


def visit_text(self, node: mermaid) -> None:
    raise nodes.SkipNode


def add_scripts(app: Sphinx, pagename, templatename, context, doctree) -> None:
    """Only a page with a diagram loads the script: it is 3 MB."""
    if doctree is not None and next(doctree.findall(mermaid), None) is not None:
        app.add_js_file("mermaid.min.js")
        app.add_js_file("diagrams.js", loading_method="defer")


def copy_script(app: Sphinx) -> None:
    """Pages name a script with its checksum, so the file is there before the first page is."""
    if app.builder.format == "html":
        (Path(app.outdir) / "_static").mkdir(parents=True, exist_ok=True)
        copy_asset(SCRIPT, Path(app.outdir) / "_static")


def setup(app: Sphinx) -> dict:
    app.add_node(
        mermaid, html=(visit_html, None), text=(visit_text, None), gettext=(visit_text, None)
    )
    app.add_directive("mermaid", Mermaid)
    app.connect("builder-inited", copy_script)
    app.connect("html-page-context", add_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
