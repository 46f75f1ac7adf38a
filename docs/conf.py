"""How Sphinx builds these pages: `python -m sphinx -W -n --keep-going docs docs/_build/html`."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # blocks, gallery, links and reference beside this file

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["COLUMNS"] = "96"  # the width of what the commands print

import gallery  # noqa: E402
import reference  # noqa: E402

import wgf  # noqa: E402

project = "wgf"
author = "The wgf developers"
copyright = "The wgf developers"
release = version = wgf.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "sphinx_copybutton",
    "sphinx_design",
    "blocks",
    "links",
]
exclude_patterns = ["_build", "_examples", "Thumbs.db"]
templates_path = ["_templates"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
default_role = "code"
nitpicky = True
nitpick_ignore_regex = reference.ELSEWHERE
suppress_warnings = ["config.cache"]  # what sphinx-gallery is given holds functions

myst_enable_extensions = ["deflist", "fieldlist", "colon_fence"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc sections say them
autodoc_class_signature = "mixed"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
numpydoc_class_members_toctree = False

sphinx_gallery_conf = {
    "examples_dirs": ["_examples"],
    "gallery_dirs": ["gallery"],
    "filename_pattern": r"\.py$",
    "image_scrapers": (gallery.pictures,),
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "remove_config_comments": True,
    "reset_modules": ("matplotlib", gallery.reset),
    "reset_modules_order": "before",
    "abort_on_example_error": True,
    "plot_gallery": True,
    "parallel": os.cpu_count(),
    "min_reported_time": 0,
    "write_computation_times": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "wgf"
html_static_path = ["_static"]
html_css_files = ["wgf.css"]
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {"index": [], "first_steps": []}
html_theme_options = {
    "navigation_depth": 2,
    "show_nav_level": 1,
    "show_toc_level": 2,
    "header_links_before_dropdown": 6,
    "navbar_align": "left",
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
copybutton_exclude = ".linenos, .gp, .go"
copybutton_selector = "div:not(.output) > div.highlight > pre"

warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")

gallery.write(HERE.parent / "examples", HERE / "_examples")
reference.write(HERE / "reference")
