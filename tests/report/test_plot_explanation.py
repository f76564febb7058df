"""The plot of an explanation shows the relative intervals of the uncertain inputs."""

import pytest
from matplotlib import colors

import costmodel as cm
from costmodel.estimation.paths import field_of
from costmodel.report.plot_explanation import MOST
from costmodel.report.style import COLORS, title_of


@pytest.fixture(scope="module")
def estimate():
    run = cm.Scenario(
        "llama-3.1-8b",
        cm.Pretraining(tokens="1T"),
        cm.Cluster("H100-SXM", 256),
        prices=cm.Rental(price="1 to 4 USD/hour"),
    )
    return cm.estimate(run)


def test_bars_are_the_intervals_over_the_values_the_widest_on_top(estimate):
    explanation = estimate.explain("cost")
    axes = cm.plot.explanation(explanation)
    names = [label.get_text().splitlines()[0] for label in axes.get_yticklabels()]
    drawn = dict(zip(names, axes.patches, strict=True))
    rows = {field_of(row["path"]): row for row in explanation.rows() if row["interval"]}
    assert set(drawn) == set(rows)
    for name, bar in drawn.items():
        low, high = (end / rows[name]["value"] for end in rows[name]["interval"])
        assert (bar.get_x(), bar.get_x() + bar.get_width()) == pytest.approx((low, high))
        expected = {"given": COLORS[5], "fitted": COLORS[0], "assumed": COLORS[4], "looked up": COLORS[2]}
        assert colors.to_hex(bar.get_facecolor()) == expected[rows[name]["kind"]].lower()
    ratios = [bar.get_x() / (bar.get_x() + bar.get_width()) for bar in axes.patches]
    assert ratios == sorted(ratios)
    assert axes.get_xlim()[0] < min(bar.get_x() for bar in axes.patches)
    others = sum(row["interval"] is None for row in explanation.rows())
    assert f"not drawn: {others} without an interval or of value 0" in axes.get_xlabel()
    assert f"{names[0]} is the least certain" in title_of(axes)


def test_many_inputs_are_cut_and_counted(estimate):
    run = estimate.scenario.replace({"prices": cm.Ownership()})
    explanation = cm.estimate(run).explain("cost")
    uncertain = sum(row["interval"] is not None for row in explanation.rows())
    assert uncertain > MOST
    axes = cm.plot.explanation(explanation)
    assert len(axes.patches) == MOST
    assert f"{uncertain - MOST} with narrower intervals" in axes.get_xlabel()


def test_inputs_without_intervals_are_an_error(estimate):
    with pytest.raises(cm.InputError, match=r"none of the \d+ inputs of flops has an interval"):
        cm.plot.explanation(estimate.explain("flops"))
