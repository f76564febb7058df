"""The plot of what serves a load shows the cost of tokens on each accelerator with its interval."""

import pytest

import costmodel as cm
from costmodel.report.style import title_of

LOAD = {"users": 50, "tokens_per_second_per_user": 20, "input_tokens": 1000, "output_tokens": 500}


@pytest.fixture(scope="module")
def sizes():
    return cm.size_serving("llama-3.1-8b", **LOAD, accelerators=["L40S", "H100-SXM"], precisions=["bf16", "fp8"])


def test_dots_are_the_costs_and_lines_their_intervals(sizes):
    axes = cm.plot.serving_sizes(sizes)
    dots = [line for line in axes.lines if line.get_marker() != "None" and len(line.get_xdata()) == 1]
    costs = sorted(size.usd_per_million_tokens for size in sizes.options)
    assert sorted(float(dot.get_xdata()[0]) for dot in dots) == pytest.approx(costs)
    spans = sorted(tuple(line.get_xdata()) for line in axes.lines if line.get_marker() == "None")
    bounds = sorted(cm.estimate(size.scenario()).bounds("blended_cost") for size in sizes.options)
    assert spans == [pytest.approx(each) for each in bounds]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["L40S\n1 GPU", "H100-SXM\n1 GPU"]
    best = sizes.best
    assert title_of(axes) == f"L40S in {best.precision} is cheapest: 1 GPU, {best.usd_per_hour:.2f} USD per hour"


def test_the_title_follows_the_objective():
    sizes = cm.size_serving("llama-3.1-8b", **LOAD, accelerators=["L40S"], objective="gpus")
    assert "needs the fewest GPUs: 1 GPU" in title_of(cm.plot.serving_sizes(sizes))


def test_options_without_a_price_are_an_error():
    accelerator = cm.load_accelerator("H100-SXM").replace(name="unpriced")
    with pytest.raises(cm.MissingFactError, match=r"no option has a price: .*unpriced"):
        cm.plot.serving_sizes(cm.size_serving("llama-3.1-8b", **LOAD, accelerators=[accelerator]))


def test_no_option_is_an_error_with_the_reason():
    sizes = cm.size_serving("llama-3.1-405b", **LOAD | {"tokens_per_second_per_user": 5000}, accelerators=["L4"])
    with pytest.raises(cm.InputError, match="L4 in"):
        cm.plot.serving_sizes(sizes)
