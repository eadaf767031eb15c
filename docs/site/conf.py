"""Sphinx settings for the pages that `build.py` gathers."""

from pathlib import Path

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx
from sphinx.highlighting import lexer_classes

from pawprint.base.package import installed_version

project = "Pawprint"
release = version = installed_version() or ""
root_doc = "index"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

# Use the same heading anchors as GitHub, so that links work in both places.
myst_heading_anchors = 4
suppress_warnings = ["epub", "myst.header"]  # pages of decisions may begin below level 1
default_role = "code"  # docstrings mark code with single backticks
autodoc_typehints = "description"
autodoc_member_order = "bysource"
autodoc_default_options = {"exclude-members": "model_config, model_post_init"}  # pydantic's own

html_theme = "furo"
html_title = "Pawprint"
html_copy_source = False
html_show_copyright = False
html_static_path = ["static"]
html_css_files = ["pages.css"]
html_search_scorer = str(Path(__file__).with_name("scorer.js"))


def setup(app: Sphinx) -> None:
    """Show text tables unchanged, as Pygments has no lexer for them; skip fields of tuples."""
    lexer_classes["csv"] = TextLexer
    app.connect("autodoc-skip-member", _is_field)


def _is_field(app: Sphinx, what: str, name: str, value: object, *_: object) -> bool | None:
    """Return True for a field of a named tuple, which its class describes; else leave it open."""
    return (getattr(value, "__doc__", None) or "").startswith("Alias for field") or None
