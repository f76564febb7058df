"""Explanation, sensitivity and sources of a serving estimate."""

import pytest

import costmodel as cm
from costmodel.estimation.serving.figures import FIGURES
from costmodel.foundation.errors import InputError, MissingFactError

LENGTHS = {"input_tokens": 1000, "output_tokens": 500}
CLOSED = {"concurrency": 64}
OPEN = {"requests_per_second": 9.5, "target_tpot": "50 ms"}


def _estimate(**changes):
    return cm.estimate(cm.Serving("llama-3.1-70b", cm.Cluster("H100-SXM", 8), **LENGTHS, **changes))


@pytest.mark.parametrize("load", [CLOSED, OPEN])
def test_every_input_that_moves_a_figure_is_in_its_explanation(load):
    """Perturbs each input on its own; the table of steps must name it."""
    estimate = _estimate(cached_share=0.2, **load)
    moved = {}
    for path in ("time_factor", "ttft_factor", "prices.price", "cluster.site.pue", "utilization"):
        base = 2.0 if path == "prices.price" else 0.5 if path == "utilization" else 1.2
        one, other = (cm.estimate(estimate.scenario.replace({path: factor * base})) for factor in (1.0, 1.3))
        moved[path] = {name for name in FIGURES if one.value(name) != pytest.approx(other.value(name), rel=1e-9)}
    for name in FIGURES:
        listed = {row["path"] for row in estimate.explain(name).rows()}
        assert {path for path, names in moved.items() if name in names} <= listed, name


def test_an_explanation_has_steps_with_values_and_sources():
    explanation = _estimate(**CLOSED).explain("output_cost")
    steps = {step["name"]: step["value"] for step in explanation.steps}
    assert steps["weights"] == pytest.approx(141.1e9, rel=0.01)
    assert list(steps)[-1] == "output_cost"
    assert steps["requests_per_second"] == pytest.approx(64 / (500 * steps["time_per_token"]))
    assert steps["cost_per_request"] == pytest.approx(steps["cost_per_hour"] / 3600 / steps["requests_per_second"])
    text = str(explanation)
    assert "costmodel refit serving" in text and "prices.price" in text


def test_sensitivity_shares_add_up_and_inputs_of_other_figures_are_left_out():
    rows = _estimate(**CLOSED).sensitivity("output_cost")
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    assert [row["input"] for row in rows] == ["prices.price", "time_factor"]
    assert rows[0]["swing"] >= rows[1]["swing"] > 0
    low, high = _estimate(**CLOSED).inputs["time_factor"].figure.spread.quantile(0.1), rows[1]["low"]
    assert high == pytest.approx(low * _estimate(**CLOSED).value("output_cost"))


def test_a_swing_without_limit_has_the_whole_share():
    """At 98 % of the capacity the slow end waits without limit."""
    deployment = _estimate(**CLOSED).deployment
    capacity = deployment.served.capacity * deployment.replicas
    rows = _estimate(requests_per_second=0.98 * capacity).sensitivity("ttft")
    shares = {row["input"]: row["share"] for row in rows}
    assert shares["time_factor"] == 1 and shares["ttft_factor"] == 0


def test_sources_of_the_model_the_engine_and_the_inputs_are_cited():
    cited = cm.estimate(
        cm.Serving("deepseek-v3", cm.Cluster("H200-SXM", 8), engine="sglang", recipe="tuned", **LENGTHS, **CLOSED)
    ).cite()
    assert cited.startswith("costmodel ")
    assert "InferenceX" in cited and "quantization_config in config.json of deepseek-ai/DeepSeek-V3" in cited
    assert "costmodel refit serving on" in cited and "Uptime Institute" in cited


def test_a_figure_that_is_not_known_cannot_be_explained():
    with pytest.raises(InputError, match="unknown figure 'costs'"):
        _estimate(**CLOSED).explain("costs")
    with pytest.raises(MissingFactError, match="gpus_needed is not known"):
        _estimate(target_tpot="1 ms", **CLOSED).sensitivity("gpus_needed")


def test_sources_as_bibtex():
    estimate = _estimate(**CLOSED)
    cited = estimate.cite(format="bibtex")
    assert cited.startswith("@misc{costmodel_") and cited.count("@misc{") > 3
    keys = [line.removeprefix("@misc{") for line in cited.splitlines() if line.startswith("@misc{")]
    assert len(keys) == len(set(keys))
    assert r"data/measurements/serving.csv" in cited
