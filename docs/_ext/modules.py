"""A page per public module of the package, from its docstrings."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

from generated import replace_pages
from sphinx.application import Sphinx

import nochat
from nochat.runtime import registry

CODE = re.compile(r"(?<![`:])`([^`]+)`(?!`)")
HIDDEN = "nochat.stores.migrations"
SERVICES = {f"nochat.services.{name}" for name in (*registry.NAMES, *registry.OPTIONAL)}


def setup(app: Sphinx) -> dict:
    app.connect("builder-inited", write_pages)
    app.connect("autodoc-process-docstring", to_rest, priority=400)  # before napoleon's
    return {"parallel_read_safe": True}


def write_pages(app: Sphinx) -> None:
    names = public_modules()
    pages = {f"{name}.rst": page(name) for name in names}
    pages["index.md"] = index(names)
    replace_pages(Path(app.srcdir) / "api", pages)


def public_modules() -> list[str]:
    """The services have pages of their own; what starts with `_` is nobody's business."""
    modules = (info.name for info in pkgutil.walk_packages(nochat.__path__, "nochat."))
    names = (name for name in modules if not name.startswith(HIDDEN) and "._" not in name)
    return [name for name in names if name not in SERVICES]


def page(name: str) -> str:
    """A page in reStructuredText.

    Of what is written inside of Markdown, each page would store the whole environment beside it.
    """
    return f"{name}\n{'=' * len(name)}\n\n.. automodule:: {name}\n"


def index(names: list[str]) -> str:
    rows = [f"- [{name}]({name}.rst): {first_line(name)}" for name in names]
    entries = "\n".join(names)
    return f"""# The package

What `pip install nochat` brings is importable and typed; its parts, one by one:

{chr(10).join(rows)}

```{{toctree}}
:hidden:

{entries}
```
"""


def first_line(name: str) -> str:
    return (inspect.getdoc(importlib.import_module(name)) or "").split("\n")[0]


def to_rest(app: Sphinx, what: str, name: str, obj, options, lines: list[str]) -> None:
    """Our docstrings say `code` as Markdown does, and show examples as indented blocks."""
    lines[:] = [CODE.sub(r"``\1``", line) for line in lines]
    if what == "module":
        announce_examples(lines)


def announce_examples(lines: list[str]) -> None:
    """Put `::` before each indented block."""
    starts = [i for i in range(1, len(lines)) if is_indented(lines[i]) and not lines[i - 1].strip()]
    for start in reversed(starts):
        before = next((line for line in reversed(lines[:start]) if line.strip()), "")
        if not is_indented(before):
            lines[start:start] = ["::", ""]


def is_indented(line: str) -> bool:
    return line.startswith("    ")
