"""The figure of a plot, from its code."""

import ast
from typing import Any

import matplotlib as mpl


def plotted(code: str) -> Any:
    """Run code and return the figure of the plot that its last line returns."""
    mpl.use("Agg")
    *lines, last = ast.parse(code).body
    if not isinstance(last, ast.Expr):
        raise ValueError(f"the last line of a picture must be a plot; got {ast.unparse(last)}")
    names: dict[str, Any] = {}
    exec(compile(ast.Module(lines, []), "<picture>", "exec"), names)
    return eval(compile(ast.Expression(last.value), "<picture>", "eval"), names).figure
