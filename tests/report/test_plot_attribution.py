"""The waterfall of an attribution: its bars lead from one cost to the other."""

import pytest

import costmodel as cm

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402


@pytest.fixture(scope="module")
def result():
    return cm.attribute("gpt-4", "deepseek-v3", price="published")


@pytest.fixture(autouse=True)
def _closed():
    yield
    pyplot.close("all")


@pytest.mark.parametrize("scale", ["factor", "usd"])
def test_bars_lead_from_the_first_cost_to_the_second(result, scale):
    axes = cm.plot.attribution(result, scale)
    bars = [patch for patch in axes.patches if patch.get_width()]
    first, last, *parts = bars
    assert first.get_x() + first.get_width() == pytest.approx(78.6)
    assert last.get_x() + last.get_width() == pytest.approx(5.576)
    assert len(parts) == sum(not part.same for part in result.parts)
    reached = 78.6
    for bar in parts:
        assert bar.get_x() == pytest.approx(reached)
        reached = bar.get_x() + bar.get_width()
    assert reached == pytest.approx(5.576)


def test_axes_say_what_they_show(result):
    axes = cm.plot.attribution(result)
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[0] == "GPT-4" and labels[-1] == "DeepSeek-V3 671B" and "sparsity*" in labels
    assert axes.get_xlabel() == "cost [M$]; * speculative" and axes.get_xscale() == "log"
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert sorted(legend) == ["80 % interval of the factor", "lowers the cost", "raises the cost"]


def test_draws_in_the_axes_given(result):
    _, (other, ax) = pyplot.subplots(1, 2)
    assert cm.plot.attribution(result, ax=ax) is ax
    assert not other.has_data()


def test_identical_runs_have_two_bars():
    axes = cm.plot.attribution(cm.attribute("gpt-4", "gpt-4"))
    assert len(axes.patches) == 2


def test_an_unknown_scale_is_refused(result):
    with pytest.raises(cm.InputError, match="scale"):
        cm.plot.attribution(result, "log")
