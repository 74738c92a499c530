"""Settings of the documentation site; `make docs` builds it into site/."""

import os
import sys
from pathlib import Path

DOCS = Path(__file__).parent
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # autodoc imports TensorFlow.
sys.path[:0] = [str(DOCS), str(DOCS.parent)]

import pages  # noqa: E402

import deeprke_tf  # noqa: E402

# === Project ===
project = "deeprke_tf"
author = "The deeprke_tf developers"
copyright = "2026, The deeprke_tf developers"
release = version = deeprke_tf.__version__

# === Sources ===
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
myst_heading_anchors = 4
myst_enable_extensions = ["deflist"]
# `make docs-outputs` executes the notebook; the site shows what it wrote.
nb_execution_mode = "off"
highlight_language = "none"
smartquotes = False  # Two dashes are a flag.
suppress_warnings = [
    # JSON with `...`, and shell sessions that are cut.
    "misc.highlighting_failure",
]

# === API ===
autodoc_typehints = "none"  # The signature has none: the docstring says what a type is.
add_module_names = False
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
# Attributes are a list in their class. Types stand in the text where they matter.
napoleon_use_ivar = True
napoleon_attr_annotations = False

# === Appearance ===
html_theme = "pydata_sphinx_theme"
html_title = "deeprke_tf"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 8,
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"index": []}
copybutton_prompt_text = r"\$ "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True
copybutton_line_continuation_character = "\\"


def setup(app):
    """Writes pages made of the code before Sphinx looks for pages."""
    pages.write(DOCS)
    app.connect("source-read", pages.mend_links)
    # Before napoleon.
    app.connect("autodoc-process-docstring", pages.mark_docstring, priority=400)
    app.connect("doctree-read", pages.set_dashes)
