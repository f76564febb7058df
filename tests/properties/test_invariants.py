"""Invariants over random valid scenarios: dozens in the default run, thousands with `--hypothesis-profile=nightly`."""

import json
import math
from importlib.util import module_from_spec, spec_from_file_location
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings

import costmodel as cm


def beside(name):
    """Return a module of this folder."""
    spec = spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


invariants, scenarios = beside("invariants"), beside("scenarios")
PROFILE = settings()
MODERATE = settings(
    max_examples=max(PROFILE.max_examples // 5, 10),
    derandomize=PROFILE.max_examples <= 100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
"""A fifth of the examples of the profile for each invariant; those of the default run are always the same."""


def estimated(scenario):
    """Return an estimate; a scenario that does not fit or lacks a fact is no example."""
    try:
        return cm.estimate(scenario)
    except (cm.InputError, cm.MissingFactError):
        assume(False)


@pytest.mark.parametrize("invariant", invariants.INVARIANTS, ids=lambda each: each.__name__)
@given(data=scenarios.training())
@MODERATE
def test_training(invariant, data):
    scenario = scenarios.scenario(data)
    invariant(scenario, estimated(scenario))


@given(data=scenarios.serving())
@MODERATE
def test_serving_figures_are_finite_and_inside_nested_intervals(data):
    estimate = estimated(cm.Serving.from_data(data))
    for row in estimate.rows():
        if row["value"] is None or math.isinf(row["value"]):
            continue  # not known, or without a limit; the row says why
        assert row["value"] >= 0 and not math.isnan(row["value"])
        ends = [estimate.bounds(row["quantity"], level) for level in (0.5, 0.8, 0.95)]
        for (low, high), (lower, higher) in pairwise(ends):
            assert lower <= low <= high <= higher, row["quantity"]
        assert ends[1][0] * (1 - 1e-9) <= estimate.value(row["quantity"]) <= ends[1][1] * (1 + 1e-9), row["quantity"]
    json.dumps(estimate.to_dict(), allow_nan=False)


@given(data=scenarios.serving())
@MODERATE
def test_serving_costs_are_linear_in_the_price_and_nothing_else_moves(data):
    single, double = (estimated(cm.Serving.from_data({**data, "prices": {"price": price}})) for price in (1.0, 2.0))
    for name in ("output_tokens_per_second", "tpot", "ttft", "energy_per_token"):
        assert single._point[name] == double._point[name]
    assert double.value("cost_per_hour") == pytest.approx(2 * single.value("cost_per_hour"), rel=1e-9)


def test_every_effect_is_described():
    assert invariants.EFFECTS and all(text[0].islower() and len(text) > 60 for text in invariants.EFFECTS.values())


def test_a_violation_is_found():
    run = cm.Scenario(
        "llama-3.1-8b",
        cm.Pretraining(tokens=1e11, sequence_length=4096, batch_size=256),
        cm.Cluster("H100-SXM", 64, network_bandwidth=50.0),
        prices=cm.Rental(price=2.0),
    )
    slower = cm.estimate(run.replace({"cluster.network_bandwidth": 500.0, "goodput": 0.99}))
    with pytest.raises(AssertionError, match="must not be above"):
        invariants.networks_speed_up(run, slower)  # better hardware than that of the estimate is slower
    with pytest.raises(AssertionError):
        invariants.saved_scenarios_give_the_same_figures(run, slower)
    with pytest.raises(AssertionError):
        invariants.costs_are_linear_in_prices(run, slower)
