"""How Sphinx builds the documentation; `make docs` calls it (see `scripts/docs.py`)."""

from __future__ import annotations

from jupyter_chat_stream import __version__

project = "jupyter-chat-stream"
author = "jupyter-chat-stream contributors"
copyright = author  # noqa: A001 - Sphinx's name for it
version = release = __version__

# The pages lie where GitHub shows them, so the first one is not at the root.
root_doc = "docs/index"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = [".github/**"]

# Every reference to something of ours must lead somewhere; other projects' names are plain text.
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!jupyter_chat_stream\.).*"),
    ("py:class", r".*\.T"),
    # Typed dictionaries: docs/openapi.yaml has their fields.
    ("py:class", r"jupyter_chat_stream\.(shared\.(\w*records|usage)|kernel\.preferences)\..*"),
]

myst_heading_anchors = 4
# The notebooks show what was saved in them; the tests run them.
nb_execution_mode = "off"
# A cell's live chat is nothing for a page, and the copy beside it is shown.
suppress_warnings = ["mystnb.unknown_mime_type"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_use_unqualified_type_names = True

html_theme = "pydata_sphinx_theme"
html_title = f"{project} {release}"
html_show_sourcelink = False
html_theme_options = {
    "github_url": "https://github.com/jupyter-chat-stream/jupyter-chat-stream",
    # All pages are in the sidebar.
    "navbar_center": [],
    "show_toc_level": 2,
}
html_sidebars = {"**": ["globaltoc.html"]}
# External addresses are looked at where there is a network: `make docs ARGS=links`.
linkcheck_anchors = False
