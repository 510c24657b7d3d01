"""Builders that may share what was read: `-d` names one folder for the site and for its texts.

Sphinx gives each text of a page an id where texts are to be extracted, and only there.
"""

from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder


class Pages(StandaloneHTMLBuilder):
    """The site's builder, which marks texts as the builder `gettext` does."""

    versioning_method = "text"


def setup(app: Sphinx) -> dict:
    app.add_builder(Pages, override=True)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
