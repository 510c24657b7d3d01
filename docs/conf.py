"""The site: the executed notebooks, and pages made from the package itself. Nothing is fetched."""

import gc
import sys
from pathlib import Path

from nochat import __version__

# For formats that no notebook has, jsonschema would compile forty grammars: two seconds.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

# A page is thousands of small objects that live as long as it does: looking for garbage among them
# takes a quarter of the time to load one.
gc.set_threshold(20_000)

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

project = "NoChat"
author = "The NoChat authors"
project_copyright = author
version = release = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "mermaid",
    "notebooks",
    "services",
    "messages",
    "modules",
    "sidebar",
    "shared",
]
exclude_patterns = [
    "_ext",
    "_templates",
    "locale",
    "measured.md",
]  # the last is a part of another page

# The notebooks were executed by `make course`: what the site shows is what they really said.
nb_execution_mode = "off"
nb_merge_streams = True
nb_ipywidgets_js = {}
myst_enable_extensions = ["colon_fence", "deflist", "html_image"]
myst_fence_as_directive = ["mermaid"]
myst_heading_anchors = 3
# A `%%file page.html` cell of a notebook is not Python.
suppress_warnings = ["misc.highlighting_failure", "toc.empty_glob"]

autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "show-inheritance": True, "ignore-module-all": True}
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
# Other projects' names have no page here, and looking them up would need the network.
nitpick_ignore_regex = [
    ("py:.*", r"(?!nochat\.).*"),
    ("py:.*", r"nochat\..*\._.*"),
    ("py:.*", r"nochat\..*\.(Answer|E|R|T|Taken)"),  # type variables
]

html_theme = "sphinx_book_theme"
html_title = "NoChat"
html_static_path = ["_static"]
templates_path = ["_templates"]
html_sidebars = {
    "**": ["navbar-logo.html", "icon-links.html", "search-button-field.html", "sidebar.html"]
}
html_css_files = ["nochat.css"]
html_show_sourcelink = False
html_theme_options = {
    "use_download_button": True,
    "use_fullscreen_button": False,
    "navbar_persistent": [],
}

language = "en"
smartquotes = False  # `--port` in a docstring is no dash
locale_dirs = ["locale"]
gettext_compact = False
gettext_uuid = False
