"""Pages of the methodology are whole, and the constants that their text quotes are those of the data."""

import re
from pathlib import Path

import pytest

from costmodel.foundation.tables import constant, default

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "methodology"
PAGES = sorted(path.stem for path in FOLDER.glob("*.md") if path.stem != "index")

QUOTED = [
    ("step-time", "most_of_peak", "can lead to: {:g}"),
    ("step-time", "few_accelerators", "Between {:g} and"),
    ("step-time", "many_accelerators", "and {:g} accelerators, pretraining moves"),
    ("memory", "memory_error", "a log-normal factor of {:g} that holds 80 %"),
    ("memory", "least_fit_probability", "layout below a probability of {:g} is refused"),
    ("memory", "safe_fit_probability", "is refused; {:g} counts as safe"),
    ("layouts", "context_tokens", "at least {:,.0f} tokens of a sequence per rank"),
    ("layouts", "most_tensor", "up to {:g} and within a node"),
    ("layouts", "most_expert", "divisors of the number of experts, up to {:g};"),
    ("layouts", "most_moe_chunks", "at most {:g} chunks of a mixture of experts"),
    ("layouts", "batch_growth", "at most by a factor of {:g}"),
    ("energy", "generation_load", "generate tokens draw {:g} of the TDP"),
    ("prices", "market_window", "newest price within {:g} days"),
    ("prices", "farthest_relative", "at most {:g} |"),
    ("prices", "relative_softening", "\\delta_i + {:g}}}"),
    ("owning", "purchase_proxy_error", "lie within a factor of {:g}"),
    ("reinforcement-learning", "colocated_memory_share", "{:g} beside training"),
    ("reinforcement-learning", "separate_memory_share", "{:g} on accelerators of its own"),
    ("projections", "factor_correlation", "assumed correlation of {:g}"),
    ("projections", "same_provider_correlation", "one provider have a correlation of {:g}"),
    ("projections", "other_provider_correlation", "of two providers {:g}"),
    ("projections", "spread_growth", "1 + h / {:g}"),
    ("projections", "walk_years", "\\min(h, {:g})"),
]
"""Page, name of a constant, and the text that quotes it."""


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_errors_and_limits_and_is_listed(page):
    text = (FOLDER / f"{page}.md").read_text(encoding="utf-8")
    assert {"Errors", "Limits"} <= set(re.findall(r"^## (.*)$", text, flags=re.MULTILINE))
    index = (FOLDER / "index.md").read_text(encoding="utf-8")
    assert f"]({page}.md)" in index and f"\n{page}\n" in index


@pytest.mark.parametrize(("page", "name", "phrase"), QUOTED, ids=[name for _, name, _ in QUOTED])
def test_a_quoted_constant_is_that_of_the_data(page, name, phrase):
    text = " ".join((FOLDER / f"{page}.md").read_text(encoding="utf-8").split())
    assert phrase.format(constant(name)) in text


def test_quoted_contingency_and_range_of_goodput_are_those_of_the_data():
    goodput = default("goodput").spread
    low, high = goodput.quantile(0.1), goodput.quantile(0.9)
    assert f"({low:g} to {high:g})" in (FOLDER / "goodput.md").read_text(encoding="utf-8")
    budgets = (FOLDER / "budgets.md").read_text(encoding="utf-8")
    assert f"{100 * constant('contingency'):g} % unless given" in budgets


def test_quoted_scores_of_projections_are_those_of_the_accuracy_page():
    """A test of the README holds the tables of the accuracy page to the backtests."""
    accuracy = (FOLDER.parent / "accuracy.md").read_text(encoding="utf-8")
    text = " ".join((FOLDER / "projections.md").read_text(encoding="utf-8").split())
    inside = re.search(r"\| the default: [^|]*\|[^|]*\|[^|]*\|[^|]*\| \d+ / (\d+) / \d+ % \|", accuracy)
    windows = re.search(r"rest on (\d+) windows", accuracy)
    neoclouds = re.search(r"\| neoclouds, on demand \|[^|]*\|[^|]*\| (\d+) % \|", accuracy)
    assert f"covers {inside[1]} % of outcomes" in text and f"over {windows[1]} windows" in text
    assert f"prices of neoclouds {neoclouds[1]} %" in text


SCORE = re.compile(r"(median|mean) error (of|is|was|:)? ?\d|\d+ % (lie|are) (in|inside) the(ir)? 80 %")
"""A score in prose."""


@pytest.mark.parametrize("page", PAGES)
def test_a_page_that_quotes_a_score_names_the_command_or_the_page(page):
    text = (FOLDER / f"{page}.md").read_text(encoding="utf-8")
    for paragraph in text.split("\n\n"):
        if SCORE.search(" ".join(paragraph.split())):
            assert re.search(r"`costmodel |accuracy\.md", paragraph), paragraph
