"""The plot of a verdict shows the probability of a claim under each set of assumptions."""

import pytest

import costmodel as cm
from costmodel.report.style import title_of


@pytest.fixture(scope="module")
def verdict():
    return cm.check_claim(cm.DeclineClaim(text="ten times cheaper", factor=10, soonest=2, latest=3), paths=300)


def test_bars_are_the_probabilities_the_best_calibrated_on_top(verdict):
    axes = cm.plot.verdict(verdict)
    bars = sorted(axes.patches, key=lambda bar: -bar.get_y())
    assert [bar.get_width() for bar in bars] == pytest.approx([100 * each.probability for each in verdict.answers])
    labels = {text.get_text() for text in axes.get_legend().get_texts()}
    assert labels == {"best calibrated method", "other assumptions", "50 %"}
    assert bars[0].get_facecolor() != bars[1].get_facecolor()
    assert title_of(axes) == f"{100 * verdict.probability:.0f} % probable: “ten times cheaper”"


def test_a_long_claim_is_shortened_in_the_title():
    claim = cm.DeclineClaim(text="cheaper and " * 40 + "better", factor=10, soonest=2, latest=3)
    assert "…”" in title_of(cm.plot.verdict(cm.check_claim(claim, paths=100)))
