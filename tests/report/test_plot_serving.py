"""Plots of serving show the curves of the estimates, with units and intervals."""

import pytest

import costmodel as cm
from costmodel.foundation.errors import InputError

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


@pytest.fixture(scope="module")
def estimates():
    cluster = cm.Cluster("H100-SXM", 8)
    fields = {"input_tokens": 1000, "output_tokens": 500, "concurrency": 64, "prices": {"price": 2.0}}
    return [
        cm.estimate(cm.Serving("llama-3.1-70b", cluster, precision=precision, **fields))
        for precision in ("fp8", "int4")
    ]


def test_throughput_against_speed(estimates):
    axes = cm.plot.serving_curve(estimates)
    assert "tokens/s" in axes.get_xlabel() and "GPU" in axes.get_ylabel()
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["llama-3.1-70b, fp8, 8 × H100-SXM", "llama-3.1-70b, int4, 8 × H100-SXM"]
    middle = axes.get_lines()[0].get_ydata()
    assert list(middle) == list(estimates[0].speed_curve().tokens_per_second_per_gpu)
    band = axes.patches[0].get_xy()[:, 1]
    assert band[0] / middle[0] == pytest.approx(1 / estimates[0].time_bounds()[0])


@pytest.mark.parametrize(("show", "mark"), [("speed", "Band"), ("cost", "Band"), ("ttft", "Band")])
def test_titles_name_the_requests_and_what_marks_mean(estimates, show, mark):
    title = cm.plot.serving_curve(estimates, show).get_legend().get_title().get_text()
    first, second = title.splitlines()
    assert first.endswith("1,000 input and 500 output tokens") and second.startswith(mark)
    other = cm.estimate(estimates[0].scenario.replace({"input_tokens": 2000}))
    mixed = cm.plot.serving_curve([estimates[0], other], show).get_legend().get_title().get_text()
    assert "input" not in mixed


@pytest.mark.parametrize(("show", "label"), [("cost", "USD per million tokens"), ("ttft", "time to first token (s)")])
def test_cost_and_latency_against_load(estimates, show, label):
    axes = cm.plot.serving_curve(estimates[0], show)
    assert axes.get_ylabel() == label and axes.get_xlabel() == "requests per second"
    curve = estimates[0].load_curve()
    assert list(axes.get_lines()[0].get_ydata()) == list(curve.cost if show == "cost" else curve.ttft)


def test_messages(estimates):
    with pytest.raises(InputError, match="show: unknown plot 'velocity'"):
        cm.plot.serving_curve(estimates, "velocity")
    with pytest.raises(InputError, match="at least one estimate"):
        cm.plot.serving_curve([])
