"""Close the plots of each example of a docstring, which would stay open else."""

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def closed_plots(request: pytest.FixtureRequest) -> Iterator[None]:
    """Close the plots that a doctest draws."""
    yield
    if isinstance(request.node, pytest.DoctestItem) and (pyplot := sys.modules.get("matplotlib.pyplot")):
        pyplot.close("all")
