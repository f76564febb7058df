"""Settings of the documentation site: `python -m sphinx -W docs site`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from pygments.lexers.special import TextLexer

from costmodel import __version__

project = "costmodel"
author = "the costmodel developers"
release = version = __version__
copyright = "the costmodel developers, MIT license"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "data_tables",
    "generated_pages",
    "mathml",
    "pictures",
    "repository_links",
]
templates_path = ["_templates"]
exclude_patterns = ["_ext", "_templates"]

myst_enable_extensions = ["colon_fence"]  # a dollar sign is money
myst_heading_anchors = 3
nb_execution_mode = "off"  # the notebooks hold their outputs; a test executes and compares them
html_math_renderer = "mathml"

autosummary_generate = True
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 88  # longer signatures have one parameter per line
napoleon_google_docstring = False
napoleon_use_rtype = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_title = f"costmodel {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_sidebars = {page: [] for page in ("quickstart", "accuracy", "gallery", "faq", "changelog", "contributing")}
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
    "search_as_you_type": True,
}


def skip(app: object, what: str, name: str, member: object, skipped: bool, options: object) -> bool | None:
    """Leave out what pydantic adds to a specification: `model_config`, `model_post_init`, ..."""
    return True if name.startswith("model_") else None


def trim(app: object, page: str, source: list[str]) -> None:
    """Leave out the empty line that ends examples, which doctest needs and readers do not."""
    source[0] = source[0].replace("\n\n```\n", "\n```\n")


def setup(app: object) -> None:
    """Connect the functions of this file."""
    app.connect("source-read", trim)
    app.connect("autodoc-skip-member", skip)
    app.add_lexer("csv", TextLexer)
