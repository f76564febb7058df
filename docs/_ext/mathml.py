"""Formulas as MathML, which browsers draw without scripts, so that the pages work offline."""

import html
import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx

_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")


def formula(text: str, display: str = "inline") -> str:
    """Return a formula as MathML; two letters or more are a word, not a product of variables."""
    return convert(_WORD.sub(lambda word: f"\\text{{{word[0]}}}", text), display=display)


def inline(writer: nodes.NodeVisitor, node: nodes.math) -> None:
    """Write a formula in a line of text."""
    writer.body.append(formula(node.astext()))
    raise nodes.SkipNode


def block(writer: nodes.NodeVisitor, node: nodes.math_block) -> None:
    """Write a formula of its own."""
    label = html.escape(node.get("label") or "")
    anchor = f' id="equation-{label}"' if label else ""
    writer.body.append(f'<div class="math"{anchor}>{formula(node.astext(), "block")}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer under the name "mathml"."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
