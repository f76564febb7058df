"""Shared fixtures: the folder of measurements beside the repository, and the record of published facts."""

import json
import math
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # so that processes that tests start compile the library once
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.register_profile("nightly", deadline=None, max_examples=5000, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

ROOT = Path(__file__).resolve().parent.parent
GOLDEN_INDEX = """# Published facts that the tests hold

Each row is a figure that its source prints, beside the figure of this library. "12 of 12" means that all printed
digits agree. Fewer agree where the source truncates, or computes from inputs with more digits than it prints; the
test states how many must agree.

This file is generated: `python -m pytest -m golden --golden-index docs/golden.md`.

{count} facts of {sources} sources.
"""


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def catalog_config() -> Callable[[str], dict[str, object]]:
    """A function that returns the `config.json` of a model of the catalog."""
    models = json.loads((ROOT / "data" / "facts" / "architectures.json").read_text(encoding="utf-8"))
    return lambda name: dict(models[name]["config"])


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of published measurements and configs; tests that need it are skipped elsewhere."""
    folder = Path(os.environ.get("COSTMODEL_SHARED", ROOT / ".." / "shared"))
    if not folder.is_dir():
        pytest.skip(f"needs the measurements in {folder} (set COSTMODEL_SHARED)")
    return folder


def digits_agreed(published: str, value: float) -> tuple[int, int]:
    """Return how many significant digits of a printed number agree with a value, and how many are printed."""
    printed = Decimal(published.replace(",", ""))
    digits = len(printed.as_tuple().digits)
    half_unit = Decimal(1).scaleb(int(printed.as_tuple().exponent)) / 2
    distance = abs(Decimal(repr(float(value))) - printed)
    if distance <= half_unit * Decimal("1.000001"):
        return digits, digits
    return max(0, min(digits - 1, math.floor(-math.log10(distance / abs(printed))))), digits


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[..., None]:
    """A function that compares a published figure with ours and records both for the index.

    The test carries `@pytest.mark.golden(source, table)`. Call `golden(fact, published, value)` with the figure as
    its source prints it; `digits` states how many of its digits must agree (default: all).
    """
    mark = request.node.get_closest_marker("golden")
    assert mark is not None, "a test of a published figure is marked with golden(source=..., table=...)"

    def compare(fact: str, published: str, value: float, digits: int | None = None) -> None:
        agreed, printed = digits_agreed(published, value)
        row = {"fact": fact, "published": published, "value": float(value), "agreed": agreed, "printed": printed}
        request.node.user_properties.append(("golden", {**mark.kwargs, **row}))
        assert agreed >= (printed if digits is None else digits), f"{fact}: published {published}, computed {value!r}"

    return compare


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden-index", type=Path, help="write the index of published facts to this file")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "golden(source, table): compares figures that the source prints in the table")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if path := config.getoption("--golden-index"):
        reports = [report for report in terminalreporter.getreports("passed") if report.when == "call"]
        facts = [
            {**fact, "test": report.nodeid.partition("[")[0]}
            for report in reports
            for name, fact in report.user_properties
            if name == "golden"
        ]
        path.write_text(golden_index(facts), encoding="utf-8")
        terminalreporter.write_line(f"{len(facts)} published facts: {path}")


def golden_index(facts: list[dict[str, object]]) -> str:
    """Return the text of docs/golden.md: one table per source and test."""
    lines = [GOLDEN_INDEX.format(count=len(facts), sources=len({fact["source"] for fact in facts}))]
    groups: dict[tuple[str, str, str], list[dict[str, object]]] = {}
    for fact in facts:
        groups.setdefault((str(fact["source"]), str(fact["table"]), str(fact["test"])), []).append(fact)
    for (source, table, test), rows in sorted(groups.items()):
        lines += [f"## {source}", "", f"{table}. Test: `{test}`.", ""]
        lines += ["| fact | published | costmodel | digits that agree |", "|---|---|---|---|"]
        for row in sorted(rows, key=lambda row: str(row["fact"])):
            significant = min(int(str(row["printed"])) + 1, 15)
            value = f"{row['value']:,.{significant}g}"
            lines.append(f"| {row['fact']} | {row['published']} | {value} | {row['agreed']} of {row['printed']} |")
        lines.append("")
    return "\n".join(lines)
