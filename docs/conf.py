"""Sphinx's config. Needs no network."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "Flask-Media"
copyright = "2026 The Flask-Media developers"  # noqa: A001
author = "The Flask-Media developers"
version = release = installed_version("flask-media-ai")

extensions = [
    "sphinx.ext.autodoc",
    "myst_parser",
    "pallets_sphinx_themes",
    "from_code",
    "external",
]
source_suffix = {".rst": "restructuredtext"}
default_role = "code"
nitpicky = True
nitpick_ignore = [
    ("py:class", "flask_media.inputs._File"),  # private: what has a read()
    ("py:class", "Queue"),  # as the journal
    ("py:class", "PromptMatcher"),  # each method that takes one says what it may be
    ("py:class", "KeyMatcher"),  # as PromptMatcher
    ("py:class", "ConfigMatcher"),  # as PromptMatcher
    ("py:class", "Source"),  # as PromptMatcher
    ("py:class", "Journal"),  # what is recorded is shown by the service's own methods
    ("py:class", "Delivery"),  # as the journal
    ("py:class", "Pipeline"),  # as the journal
    ("py:class", "Marks"),  # made of two config keys
]
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
toc_object_entries_show_parents = "hide"

html_theme = "flask"
html_theme_options = {"index_sidebar_logo": False}
html_title = f"Flask-Media {version}"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_sidebars = {
    "index": ["globaltoc.html", "searchbox.html"],
    "**": ["localtoc.html", "relations.html", "searchbox.html"],
}
html_show_sourcelink = False
version_banner = False
