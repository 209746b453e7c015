"""How Sphinx builds the documentation: ``make docs``, in which every warning is an error."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

from docutils import nodes
from fastapi.routing import APIRoute
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

import binary_middleware

# autodoc imports modules as a type checker would, which FastAPI's models do not stand: they are
# imported before.
for module in ("arrays", "client", "fastapi", "fields", "openapi", "remote", "starlette"):
    import_module(f"binary_middleware.{module}")

project = "binary_middleware"
author = copyright = "The binary_middleware authors"
version = release = binary_middleware.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

# Links between the pages name sections as they do where the repository is browsed.
myst_heading_anchors = 3
myst_enable_extensions = ["deflist"]

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False

html_theme = "furo"
pygments_dark_style = "github-dark"
html_title = f"binary_middleware {release}"
html_copy_source = False
html_static_path = ["static"]
html_css_files = ["site.css"]


def keep_sentences(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Keep a colon in the first line of an attribute's docstring, which is a sentence here.

    Napoleon takes what stands before it for the type of the attribute, but only in the first line
    that is not empty, which therefore becomes a comment.
    """
    if what in {"attribute", "data", "property"}:
        lines[:0] = ["..", ""]


def part_plurals(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Part a literal from the letters after it, as in the plural of a name.

    reStructuredText wants a backslash there, which would only disturb whoever reads the docstring.
    """
    text = re.sub(
        r"(``.+?``)(\w?)",
        lambda found: "\\ ".join(filter(None, found.groups())),
        "\n".join(lines),
        flags=re.DOTALL,
    )
    lines[:] = text.split("\n")


def shorten_signature(
    app: Sphinx, what: str, name: str, obj: object, options: object, signature: str, returns: str
) -> tuple[str, str] | None:
    """Leave out the thirty parameters of a route, which are FastAPI's."""
    if isinstance(obj, type) and issubclass(obj, APIRoute):
        return "(...)", returns
    return None


def unlink_folders(app: Sphinx, doctree: nodes.document) -> None:
    """Leave the name of a folder of the repository as text.

    Links to files become downloads; a folder has neither a page nor a file on the site.
    """
    for link in list(doctree.findall(pending_xref)):
        folder = Path(app.env.doc2path(app.env.docname)).parent / link["reftarget"]
        if link["reftype"] == "myst" and folder.is_dir():
            link.replace_self(link.children)


def setup(app: Sphinx) -> None:
    """Connect the functions above; the first one has to come before napoleon's own."""
    app.connect("autodoc-process-docstring", keep_sentences, priority=400)
    app.connect("autodoc-process-docstring", part_plurals)
    app.connect("autodoc-process-signature", shorten_signature)
    app.connect("doctree-read", unlink_folders)
