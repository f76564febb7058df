"""Plots with the code that makes them: the directive `picture` runs its content when the site is built.

The last line of the code is an expression, whose value is a plot of `cm.plot`.
"""

from pathlib import Path
from typing import ClassVar

import matplotlib as mpl
from docutils import nodes
from docutils.parsers.rst import directives
from matplotlib import pyplot
from plotted import plotted
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

FOLDER = "pictures"
"""Folder of the pictures, in the folder of the pages."""


class Picture(SphinxDirective):
    """A plot, below its code; `hide-code` shows the plot alone."""

    has_content = True
    required_arguments = 1
    option_spec: ClassVar = {
        "alt": directives.unchanged_required,
        "width": directives.unchanged,
        "hide-code": directives.flag,
    }

    def run(self) -> list[nodes.Node]:
        name, code = self.arguments[0], "\n".join(self.content)
        try:
            figure = plotted(code)
        except Exception as error:
            raise self.error(f"picture {name}: {type(error).__name__}: {error}") from error
        path = Path(self.env.srcdir) / FOLDER / f"{name}.svg"
        path.parent.mkdir(exist_ok=True)
        with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
            figure.savefig(path, bbox_inches="tight", facecolor="white", metadata={"Date": None})
        pyplot.close(figure)
        size = {"width": self.options["width"]} if "width" in self.options else {}
        image = nodes.image(uri=f"/{FOLDER}/{path.name}", alt=self.options["alt"], **size)
        shown = nodes.literal_block(code, code, language="python")
        return [image] if "hide-code" in self.options else [shown, image]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("picture", Picture)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
