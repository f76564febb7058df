"""For all tests and examples: prices are taken on one day, and the plots of examples are closed."""

import os
import sys
from collections.abc import Iterator

import pytest

os.environ["SOURCE_DATE_EPOCH"] = "1795824000"  # 2026-11-28: no result depends on the day of the test


@pytest.fixture(autouse=True)
def closed_plots(request: pytest.FixtureRequest) -> Iterator[None]:
    """Close the plots that a doctest draws, which would stay open else."""
    yield
    if isinstance(request.node, pytest.DoctestItem) and (pyplot := sys.modules.get("matplotlib.pyplot")):
        pyplot.close("all")
