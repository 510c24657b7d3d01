"""Brings the executed notebooks in; one that was not executed comes as its source, and says so."""

from pathlib import Path

from generated import replace_pages
from sphinx.application import Sphinx
from sphinx.util import logging

ROOT = Path(__file__).parents[2]
log = logging.getLogger(__name__)


def page_of(source: Path) -> str:
    executed = ROOT / "build" / "notebooks" / source.name
    if executed.exists():
        return executed.read_text(encoding="utf-8")
    log.info("%s is shown without results: it was not executed here", source.stem)
    return source.read_text(encoding="utf-8")


def bring(app: Sphinx) -> None:
    sources = sorted((ROOT / "notebooks").glob("*.ipynb"))
    folder = Path(app.srcdir) / "notebooks"
    replace_pages(folder, {source.name: page_of(source) for source in sources})


def setup(app: Sphinx) -> dict:
    app.connect("builder-inited", bring)
    return {"parallel_read_safe": True}
