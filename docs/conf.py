"""Site of documents, notebooks and API: ``python -m sphinx -W --keep-going -c docs . site`` from the root.

The source is the whole repository, so that links between README, docs/ and notebooks/ are the same here and there.
"""

import json
import sys
from pathlib import Path
from typing import Any

import nbformat
import plotly
import plotly.io
from sphinx.application import Sphinx

import mecpfm

sys.path.insert(0, str(Path(__file__).parent))  # read_notebook is called by its name
PLOTLY = "application/vnd.plotly.v1+json"
RESPONSIVE = {"responsive": True}

project = "mecpfm"
author = "the mecpfm developers"
release = mecpfm.__version__
root_doc = "docs/index"
include_patterns = ["docs/*.md", "notebooks/*.ipynb", "*.md", "data/README.md", "figures/README.md"]
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # committed executed, compared by the tests
nb_custom_formats = {".ipynb": ["conf.read_notebook", {}]}
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring = False
napoleon_use_rtype = False  # types are shown as written: two settings have an Instance, a cross-reference is ambiguous
html_theme = "furo"
html_title = f"mecpfm {release}"
html_static_path = ["site.css", str(Path(plotly.__file__).parent / "package_data" / "plotly.min.js")]
html_css_files = ["site.css"]
html_show_copyright = False
html_additional_pages = {"index": "redirect.html"}
templates_path = ["templates"]


def read_notebook(text: str) -> nbformat.NotebookNode:
    """A notebook whose figures, stored as data alone, are also HTML; the page loads the plotting library once."""
    notebook = nbformat.reads(text, as_version=4)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if PLOTLY in output.get("data", {}):
                figure = plotly.io.from_json(json.dumps(output["data"].pop(PLOTLY)), skip_invalid=True)
                figure.update_layout(width=None, template_layout_width=None)  # as wide as the page
                output["data"]["text/html"] = plotly.io.to_html(
                    figure, full_html=False, include_plotlyjs=False, config=RESPONSIVE
                )
    return notebook


def load_plotly(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: Any) -> None:
    """The plotting library, on pages of notebooks only and in their head: figures are drawn as they are read."""
    if page.startswith("notebooks/"):
        context["metatags"] += f'<script src="{context["pathto"]("_static/plotly.min.js", 1)}"></script>'


def setup(app: Sphinx) -> None:
    """Connect what this file adds."""
    app.connect("html-page-context", load_plotly)
