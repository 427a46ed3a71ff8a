"""How Sphinx builds the site: `sphinx-build -W --keep-going -n docs docs/_build/html`.

Nothing is fetched while it is built or read: no intersphinx, no fonts or scripts of other servers.
"""

import sys
from pathlib import Path

import fastgd

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "_ext"))

import links  # noqa: E402
import numpydoc.xref  # noqa: E402
import public  # noqa: E402

project = "fastgd"
author = "The fastgd developers"
copyright = author
release = version = fastgd.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    # Those of docs/_ext:
    "api_pages",
    "command_pages",
    "links",
    "llms",
    "mathml",
    "study_pages",
]
exclude_patterns = [
    "_build",
    "_ext",
    "tests",
    "sg_execution_times.rst",
    "gallery/index.rst",
    "gallery/sg_execution_times.rst",
]
nitpicky = True

# --- reference --------------------------------------------------------------------------------------------------------

default_role = links.DEFAULT_ROLE
add_module_names = False
autodoc_typehints = "none"  # the docstrings say it, in words
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 88
numpydoc_show_class_members = False  # each stands below its class
numpydoc_xref_param_type = True
numpydoc_xref_ignore = "all"  # words that are no names of ours
numpydoc_xref_aliases = public.short_names()
numpydoc.xref.DEFAULT_LINKS.clear()  # names of Python and NumPy would need their sites
html_math_renderer = "mathml"

# --- pages ------------------------------------------------------------------------------------------------------------

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"

# --- gallery ----------------------------------------------------------------------------------------------------------

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/\w+\.py$",  # every example is run
    "download_all_examples": False,
    "show_memory": False,
    "capture_repr": (),  # figures are collected, and what a program prints
    "within_subsection_order": "FileNameSortKey",
    "min_reported_time": 10_000,
}

# --- links to other sites: `sphinx-build -b linkcheck`, where there is a network -------------------------------------

linkcheck_anchors = False
linkcheck_timeout = 20
linkcheck_retries = 2

# --- appearance -------------------------------------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = "fastgd"
html_static_path = ["_static"]
html_css_files = ["fastgd.css"]
html_theme_options = {
    "header_links_before_dropdown": 8,
    "navbar_persistent": ["search-button"],
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_show_sourcelink = False
