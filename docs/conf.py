"""The documentation site: ``python -m sphinx -W --keep-going -b html docs out/docs``.

It is built offline, and what is built loads nothing from elsewhere (_ext/offline.py looks).
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]
os.environ["MPLBACKEND"] = "Agg"

import lesson_gallery  # noqa: E402
import matplotlib as mpl  # noqa: E402

import tinygrad_cls  # noqa: E402

project = "tinygrad_cls"
author = "The tinygrad_cls authors"
copyright = author
version = release = tinygrad_cls.__version__
language = "en"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "mathml",
    "derivatives",
    "lesson_gallery",
    "stepper_pages",
]
exclude_patterns = ["_build", "lessons/**/*.ipynb", "lessons/**/*.py.md5"]
default_role = "literal"
highlight_language = "none"  # a fence without a language holds output
nitpicky = False

# --- pages in Markdown, which read well on their own too ------------------------------------------

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
myst_dmath_double_inline = True

# --- docstrings -----------------------------------------------------------------------------------

autodoc_default_options = {"members": True}
autodoc_inherit_docstrings = False
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # signatures as torch documents them
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"

# --- lessons: run while the site is built, where a failing assert stops it ------------------------

galleries = lesson_gallery.write(HERE / "_build" / "lessons")
sphinx_gallery_conf = {
    "gallery_dirs": list(galleries),
    "examples_dirs": list(galleries.values()),
    "filename_pattern": "lesson_",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "write_computation_times": False,  # a page of times differs from build to build
    "min_reported_time": 3600,
    "show_signature": False,
    "capture_repr": ("_repr_html_",),
    "reset_modules": (),
    "thumbnail_size": (320, 224),
    "default_thumb_file": lesson_gallery.thumbnail(HERE / "_build" / "lessons" / "lesson.png"),
}
mpl.rcParams.update({"svg.hashsalt": project, "font.family": ["DejaVu Sans"]})

# --- looks ----------------------------------------------------------------------------------------

BRAND = ["color-brand-primary", "color-brand-content", "color-api-name", "color-api-pre-name"]
html_theme = "furo"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_last_updated_fmt = None
html_theme_options = {
    "light_css_variables": dict.fromkeys(BRAND, "#0b5cad"),
    "dark_css_variables": dict.fromkeys(BRAND, "#7cb7f5"),
}
