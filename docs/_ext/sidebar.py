"""The list of pages beside each page.

The theme makes the same list, but resolves the whole tree and parses it as HTML again for each
page: a third of the time that the site took to build.
"""

from collections.abc import Iterator
from html import escape

from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.builders import Builder

OPEN = (
    '<details open="open"><summary><span class="toctree-toggle" role="presentation">'
    '<i class="fa-solid fa-chevron-down"></i></span></summary>'
)
OPEN_LIST = '<ul class="current">'


def setup(app: Sphinx) -> dict:
    app.connect("html-page-context", add_sidebar)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def add_sidebar(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Give the template `sidebar.html` its list."""
    context["list_of_pages"] = "\n".join(Sidebar(app.builder, pagename).parts())


class Sidebar:
    """The list as one page has it: with the page's own place open, and all others closed."""

    def __init__(self, builder: Builder, page: str) -> None:
        self.builder, self.env, self.page = builder, builder.env, page
        self.open = {page, *ancestors(self.env.toctree_includes, page)}

    def parts(self) -> Iterator[str]:
        root = self.env.config.root_doc
        yield '<ul class="nav bd-sidenav bd-sidenav__home-link">'
        yield self.entry(self.env.titles[root].astext(), root, 1)
        yield "</ul>"
        for tree in self.trees(root):
            if tree.get("caption"):
                text = escape(tree["caption"])
                yield '<p aria-level="2" class="caption" role="heading">'
                yield f'<span class="caption-text">{text}</span></p>'
            current = "current " if self.open & set(tree["includefiles"]) else ""
            yield f'<ul class="{current}nav bd-sidenav">'
            yield from self.entries(tree, 1)
            yield "</ul>"

    def trees(self, page: str) -> Iterator[addnodes.toctree]:
        return self.env.tocs[page].findall(addnodes.toctree)

    def entries(self, tree: addnodes.toctree, depth: int) -> Iterator[str]:
        for title, page in tree["entries"]:
            text = title or self.env.titles[page].astext()
            if page in self.open:
                below = [
                    entry for sub in self.trees(page) for entry in self.entries(sub, depth + 1)
                ]
                yield self.entry(text, page, depth, below)
            else:
                yield self.entry(text, page, depth)

    def entry(self, text: str, page: str, depth: int, below: list[str] | None = None) -> str:
        """A page's entry, and those of the pages `below` it."""
        here = page == self.page
        state = " current active" if here or below is not None else ""
        own = "current " if here else ""
        address = "#" if here else self.builder.get_relative_uri(self.page, page)
        link = f'<a class="{own}reference internal" href="{escape(address)}">{escape(text)}</a>'
        if not below:
            return f'<li class="toctree-l{depth}{state}">{link}</li>'
        inner = "\n".join(below)
        return (
            f'<li class="toctree-l{depth}{state} has-children">{link}{OPEN}'
            f"{'<ul>' if here else OPEN_LIST}{inner}</ul></details></li>"
        )


def ancestors(includes: dict[str, list[str]], page: str) -> set[str]:
    """The pages whose lists lead to a page."""
    found: set[str] = set()
    above = {page}
    while above:
        above = {name for name, below in includes.items() if above & set(below)} - found
        found |= above
    return found
