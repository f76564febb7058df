"""What holds for every estimate of a training scenario: one function per invariant, which fails where it does not.

Each takes the scenario and its estimate. `EFFECTS` names the effects that excuse a figure that moves the other way.
"""

import json
import math
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import costmodel as cm
from costmodel.estimation import chain
from costmodel.estimation.chain import OUTPUTS, Missing

ROUNDING = 1e-9
"""Relative difference that rounding explains [1]."""
EFFECTS = {
    "default batch size": "without a given batch size, the batch grows with the tokens: fewer steps, faster ones",
    "layout of the training pass": "the planned layout is the fastest one of the training pass; reference and scoring "
    "passes run in it too, and may be slower in it than in another layout",
    "smallest rollout replicas": "an engine that generates answers has the fewest accelerators that hold the weights "
    "and 64 sequences; with more memory its replicas are smaller, and decode few sequences more slowly",
    "memory": "twice the GPUs hold half of the sharded states each, so that a layout fits that recomputes, offloads or "
    "divides less; no GPU-hours are saved against accelerators with ample memory",
    "fallbacks": "layouts that offload or compute the loss in chunks are compared where memory is scarce only; seldom "
    "one of them is faster, by less than a hundredth",
    "few layers": "a model has no more pipeline stages than layers: a shallow one may be slower on a slow network",
    "division": "where degrees of parallelism do not divide the GPUs, the batch or the layers, GPUs or time are left "
    "over; the next number may divide better",
}
"""Effects for which a figure may move against the rule, by name. The checks below leave them out."""
DIVISION = 0.05
"""Share of the training time that uneven division explains where the number of GPUs is a power of two [1]."""
UNEVEN_DIVISION = 0.25
"""The same for other numbers of GPUs [1]."""
FALLBACKS = 0.01
"""Share of the training time that a fallback saves at most [1]."""
FEW_LAYERS = 16
"""Layers below which the stages of a pipeline are limited by them [1]."""
SHARES = ("mfu", "goodput", "utilization", "fit_probability")


def figures(estimate):
    """Return the known figures of an estimate, in SI units."""
    values = {name: estimate.value(name) for name in OUTPUTS}
    return {name: value for name, value in values.items() if not isinstance(value, Missing)}


def at_most(smaller, larger, slack=ROUNDING):
    assert smaller <= larger * (1 + slack), f"{smaller!r} must not be above {larger!r}"


def changed(scenario, changes):
    """Return the estimate of a changed scenario, or None where the change is not valid."""
    try:
        return cm.estimate(scenario.replace(changes))
    except cm.CostModelError:
        return None


def figures_are_finite(scenario, estimate):
    for name, value in figures(estimate).items():
        assert math.isfinite(value) and value >= 0, f"{name} is {value}"
        drawn = estimate.draws(name)
        assert np.isfinite(drawn).all() and (drawn >= 0).all(), f"{name} has draws that are not finite or below 0"
        if name in SHARES and scenario.gpu_hours is None:  # given GPU-hours may be those of fp8, above the bf16 peak
            assert value <= 1 and drawn.max() <= 1 + ROUNDING, f"{name} is a share, and has {drawn.max()}"


def figures_are_inside_nested_intervals(scenario, estimate):
    for name, value in figures(estimate).items():
        ends = [estimate.bounds(name, level) for level in (0.5, 0.8, 0.95)]
        for (low, high), (lower, higher) in pairwise(ends):
            assert lower <= low <= high <= higher, name
        low, high = ends[1]
        assert low * (1 - ROUNDING) <= value <= high * (1 + ROUNDING), f"{name}: {value} of [{low}, {high}]"


def parts_add_up(scenario, estimate):
    values = figures(estimate)
    passes = [value for name, value in estimate._point.items() if name.endswith(".flops") and isinstance(value, float)]
    if passes:
        assert sum(passes) == pytest.approx(values["flops"], rel=1e-9)
    assert values["wall_time"] * scenario.cluster.count == pytest.approx(values["gpu_hours"], rel=1e-9)
    if "cost" in values:
        assert sum(estimate._point[f"cost.{line.name}"] for line in estimate.lines) == pytest.approx(values["cost"])
    both = cm.estimate(scenario) + estimate
    for name, value in values.items():
        if OUTPUTS[name].additive:
            assert both.value(name) == pytest.approx(2 * value, rel=1e-9)


def figures_follow_from_the_inputs(scenario, estimate):
    """The chain from the inputs alone gives the figures, whatever a cached plan has computed already."""
    values = {path: entry.value for path, entry in estimate.inputs.items()}
    whole = chain.run(estimate.steps, values | estimate.missing)
    for name, value in figures(estimate).items():
        assert value == pytest.approx(whole[name], rel=ROUNDING), name


def saved_scenarios_give_the_same_figures(scenario, estimate):
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".toml", ".json"):
            path = Path(folder) / f"run{suffix}"
            scenario.save(path)
            loaded = cm.Scenario.load(path)
            assert loaded == scenario
            assert figures(cm.estimate(loaded)) == figures(estimate)
    json.dumps(estimate.to_dict(), allow_nan=False)


def costs_are_linear_in_prices(scenario, estimate):
    path = "prices.purchase_price" if isinstance(scenario.prices, cm.Ownership) else "prices.price"
    if "cost" not in (before := figures(estimate)) or not isinstance(price := scenario_value(scenario, path), float):
        return
    after = [figures(changed(scenario, {path: price * times})) for times in (2, 3)]
    steps = [after[0]["cost"] - before["cost"], after[1]["cost"] - after[0]["cost"]]
    assert steps[0] == pytest.approx(steps[1], rel=1e-6) and steps[0] > 0
    for name in set(before) - {"cost", "embodied_carbon"}:
        assert after[0][name] == before[name], name


def scenario_value(scenario, path):
    value = scenario
    for name in path.split("."):
        value = getattr(value, name, None)
    return value


def figures_grow_with_tokens(scenario, estimate):
    if isinstance(scenario.recipe, tuple) or scenario.gpu_hours is not None:
        return
    if scenario.recipe.batch_size is None:  # else the default batch size would grow
        scenario = scenario.replace({"recipe.batch_size": 256})
        estimate = cm.estimate(scenario)
    more = changed(scenario, {"recipe.tokens": scenario.recipe.tokens * 1.7})
    before, after = figures(estimate), figures(more)
    for name in ("flops", "steps", "gpu_hours", "wall_time", "energy", "carbon", "water", "cost"):
        if name in before:
            at_most(before[name], after[name])
    assert after["flops"] == pytest.approx(1.7 * before["flops"], rel=1e-6)


def figures_grow_with_model_size(scenario, estimate):
    config = scenario.architecture.origin
    if not isinstance(config, dict) or "num_hidden_layers" not in config.get("config", config):
        return
    config = config.get("config", config)
    if scenario.layout is not None or scenario.gpu_hours is not None or config["num_hidden_layers"] < FEW_LAYERS:
        return
    larger = changed(scenario, {"architecture": {**config, "num_hidden_layers": 2 * config["num_hidden_layers"]}})
    if larger is None:
        return  # does not fit
    at_most(estimate.value("flops"), larger.value("flops"))
    at_most(training_time(estimate), training_time(larger), DIVISION)


def training_time(estimate):
    """Return the GPU time of the training passes [s]: further passes run in the layout of these."""
    times = [value for name, value in estimate._point.items() if name.endswith("train.gpu_time")]
    return sum(times) if times else estimate.value("gpu_hours")


def _no_slower(scenario, estimate, changes, slack=ROUNDING):
    """Check that better hardware does not make the training slower."""
    if scenario.gpu_hours is not None:
        return
    faster = changed(scenario, changes)
    assert faster is not None, f"is not possible any longer with {changes}"
    if faster.basis == estimate.basis:
        at_most(training_time(faster), training_time(estimate), slack)


def _raised(scenario, *names):
    """Return the figures of the accelerator times 1.6, by path."""
    accelerator = scenario.cluster.accelerator
    values = {f"cluster.accelerator.{name}": getattr(accelerator, name) for name in names}
    return {path: 1.6 * value for path, value in values.items() if value is not None}


def networks_speed_up(scenario, estimate):
    if (rate := scenario.cluster.network_bandwidth) is not None:
        _no_slower(scenario, estimate, {"cluster.network_bandwidth": 1.6 * rate})


def memory_speeds_up(scenario, estimate):
    _no_slower(scenario, estimate, _raised(scenario, "memory"), FALLBACKS)


def memory_bandwidth_speeds_up(scenario, estimate):
    _no_slower(scenario, estimate, _raised(scenario, "memory_bandwidth"))


def peaks_speed_up(scenario, estimate):
    _no_slower(scenario, estimate, _raised(scenario, "fp32", "tf32", "fp16", "bf16", "fp8", "fp4"))


def more_gpus_need_no_fewer_gpu_hours(scenario, estimate):
    count = scenario.cluster.count
    if scenario.layout is not None or scenario.gpu_hours is not None:
        return
    more = changed(scenario, {"cluster.count": 2 * count})
    assert more is not None, "is not possible on twice the accelerators"
    ample = changed(scenario, {"cluster.accelerator.memory": 100 * scenario.cluster.accelerator.memory})
    if more.basis == ample.basis:
        slack = DIVISION if count & (count - 1) == 0 else UNEVEN_DIVISION
        at_most(training_time(ample), training_time(more), slack)


def units_do_not_change_figures(scenario, estimate):
    changes = {}
    if not isinstance(scenario.recipe, tuple) and isinstance(tokens := scenario.recipe.tokens, float):
        changes["recipe.tokens"] = f"{tokens / 1e6!r}M"
    if isinstance(price := scenario_value(scenario, "prices.price"), float):
        changes["prices.price"] = f"{price / 3600!r} USD/s"
    if isinstance(price := scenario_value(scenario, "prices.purchase_price"), float):
        changes["prices.purchase_price"] = f"{price / 1000!r} kUSD"
    if isinstance(rate := scenario.cluster.network_bandwidth, float):
        changes["cluster.network_bandwidth"] = f"{rate * 8!r} Gbit/s"
    if isinstance(rate := scenario.cluster.site.electricity, float):
        changes["cluster.site.electricity"] = f"{rate * 1000!r} USD/MWh"
    if isinstance(hours := scenario.gpu_hours, float):
        changes["gpu_hours"] = f"{hours * 3600!r} s"
    before, after = figures(estimate), figures(cm.estimate(scenario.replace(changes)))
    assert after == pytest.approx(before, rel=1e-6)


INVARIANTS = (
    figures_are_finite, figures_are_inside_nested_intervals, parts_add_up,
    figures_follow_from_the_inputs, saved_scenarios_give_the_same_figures,
    costs_are_linear_in_prices, figures_grow_with_tokens, figures_grow_with_model_size, networks_speed_up,
    memory_speeds_up, memory_bandwidth_speeds_up, peaks_speed_up, more_gpus_need_no_fewer_gpu_hours,
    units_do_not_change_figures,
)  # fmt: skip
