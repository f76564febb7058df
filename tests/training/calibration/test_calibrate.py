"""The fit of the step-time model: reproduction, leave-one-family-out scores, calibration."""

import numpy as np
import pytest

import costmodel as cm
from costmodel.foundation.tables import table
from costmodel.refit.result import fit_input
from costmodel.refit.step_times import GRID, GRID_STEPS, fit_dense, fit_experts, grid_steps
from costmodel.training.calibration.calibrate import calibrate, fit
from costmodel.training.calibration.measured_steps import read_steps
from costmodel.training.calibration.predictions import predict, prepare
from costmodel.training.calibration.priors import OF_EXPERTS, PRIORS, tied
from costmodel.training.step.efficiency import default_efficiency

ROW = {
    "model": "llama-3.1-8b",
    "sequence_length": 8192,
    "batch_size": 128,
    "accelerator": "H100-SXM",
    "software": "Megatron-LM",
    "count": 8,
    "tensor": 1,
    "pipeline": 1,
    "zero": 3,
    "micro_batch": 1,
    "recompute": "full",
    "precision": "bf16",
}
CLUSTER = cm.Cluster("H100-SXM", 8)
RECIPE = cm.Pretraining(tokens=1e12, sequence_length=8192, batch_size=128, software="Megatron-LM")
LAYOUT = cm.Layout(data=8, zero=3, recompute="full", loss="fused")


@pytest.fixture(scope="module")
def prepared():
    steps, _ = read_steps(table("measurements/step_times"))
    return prepare([*steps, *grid_steps(fit_input(GRID_STEPS))])


@pytest.fixture(scope="module")
def whole(prepared):
    everything = np.ones(len(prepared.seconds), dtype=bool)
    return fit_experts(prepared, everything, fit_dense(prepared, everything))


def errors(prepared, values, rows):
    return np.abs(predict(prepared, values) / prepared.seconds - 1)[rows]


def test_shipped_constants_match_the_fit(whole):
    """The fine-tuning constants have their own fit: tests/refit/test_finetunes.py."""
    shipped, fitted = default_efficiency().values, {name: whole[name] for name in PRIORS}
    assert {name: shipped[name] for name in fitted} == pytest.approx(fitted, rel=0.01)


def test_number_of_fitted_constants_matches_the_score():
    assert sum(prior.spread > 0 for prior in PRIORS.values()) <= 25


def test_fit_errors_are_within_limits(prepared, whole):
    multi, experts = (prepared.families != GRID) & prepared.tuned, prepared.experts
    for rows, median, mean in (
        (multi, 0.06, 0.09),
        (multi & ~experts, 0.05, 0.07),
        (multi & experts, 1, 0.15),
        (prepared.families == GRID, 0.08, 0.11),
    ):
        deviations = errors(prepared, whole, rows)
        assert np.median(deviations) <= median and deviations.mean() <= mean


def test_fold_is_the_fit_without_its_family(prepared):
    family = "torchtitan H100-96GB-500W"
    values = fit_dense(prepared, prepared.families != family)
    row = next(row for row in table("fitted/folds/efficiency").rows if row["family"] == family)
    shipped = {name: float(value) for name, value in row.items() if name not in {"family", "source"}}
    shipped = {name: value for name, value in shipped.items() if name not in OF_EXPERTS}
    assert {name: values[name] for name in shipped} == pytest.approx(shipped, rel=0.01)


def test_fit_recovers_constants_from_synthetic_steps(prepared, whole):
    """The fit recovers the constants of synthetic rows from other starting values."""
    rows = np.arange(len(prepared.seconds)) % 3 == 0
    truth = {**whole, "matmul": whole["matmul"] * 0.9, "attention": whole["attention"] * 1.2}
    truth |= tied(truth)
    fitted = fit(prepared._replace(seconds=predict(prepared, truth)), rows)
    for name in ("matmul", "attention", "launch", "softmax_traffic"):
        assert fitted[name] == pytest.approx(truth[name], rel=0.1)


def own(factor, count=1):
    """Rows of a stack with `factor` times the predicted step time."""
    shipped = cm.step_time("llama-3.1-8b", CLUSTER, RECIPE, LAYOUT).seconds
    return calibrate([{**ROW, "step_time": shipped * factor}] * count)


def test_calibration_moves_other_setups_with_the_number_of_rows():
    other = cm.Pretraining(software="Megatron-LM", tokens=1e12, sequence_length=8192, batch_size=256)
    shipped = cm.step_time("llama-3.1-8b", CLUSTER, other, LAYOUT)
    moved = [cm.step_time("llama-3.1-8b", CLUSTER, other, LAYOUT, own(1.3, count)) for count in (1, 3, 10)]
    ratios = [step.seconds / shipped.seconds for step in moved]
    assert 1.05 < ratios[0] < ratios[1] < ratios[2] < 1.31
    assert np.log(ratios) / np.log(1.3) == pytest.approx([0.27, 0.63, 0.88], abs=0.02)
    spreads = [shipped.spread, *(step.spread for step in moved)]
    assert spreads == sorted(spreads, reverse=True)


@pytest.mark.parametrize("factor", [0.7, 1.02, 1.46])
@pytest.mark.parametrize("count", [1, 50])
def test_a_measured_setup_is_met_within_its_noise_from_one_row_on(factor, count):
    step = cm.step_time("llama-3.1-8b", CLUSTER, RECIPE, LAYOUT, own(factor, count))
    measured = cm.step_time("llama-3.1-8b", CLUSTER, RECIPE, LAYOUT).seconds * factor
    low, high = step.bounds(0.8)
    assert abs(np.log(step.seconds / measured)) < (0.015 if count == 1 else 0.001)
    assert low < measured < high and high / low < 1.15
    assert step.si.breakdown.total == pytest.approx(step.seconds)
    assert step.mfu == pytest.approx(
        cm.step_time("llama-3.1-8b", CLUSTER, RECIPE, LAYOUT).mfu * (measured / factor) / step.seconds
    )


def test_the_weight_of_a_measured_setup_follows_the_two_variances():
    found = own(1.3)
    shipped = default_efficiency()
    residual = np.log(1.3) * (1 - 0.27)
    between = (2 * shipped.spreads["dense"] ** 2 + residual**2) / 3
    assert found.spreads["setup"] == pytest.approx(np.sqrt(between), rel=0.02)
    assert found.spreads["repeat"] == pytest.approx(0.034)
    weight, spread = found.measurement(1)
    assert weight == pytest.approx(between / (between + 0.034**2), rel=0.01)
    assert spread == pytest.approx(0.034 * np.sqrt(1 + weight), rel=0.01)


def test_repeated_rows_give_their_scatter():
    shipped = cm.step_time("llama-3.1-8b", CLUSTER, RECIPE, LAYOUT).seconds
    logs = np.random.default_rng(0).normal(0, 0.01, 40)
    found = calibrate([{**ROW, "step_time": shipped * np.exp(log)} for log in logs])
    assert found.spreads["repeat"] == pytest.approx(np.sqrt((2 * 0.034**2 + 40 * logs.var()) / 41), rel=1e-6)
    assert len(found.setups) == 1 and found.setups[0].rows == 40


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"loss": "whole"}, True),
        ({"attention": "flash-2"}, True),
        ({"micro_batch": 2}, False),
        ({"zero": 1, "tensor": 2, "data": 4}, False),
        ({"recompute": "selective"}, False),
        ({"offload_optimizer": True}, False),
    ],
)
def test_a_setup_is_known_by_what_its_rows_state(change, same):
    efficiency = own(1.46)
    layout = LAYOUT.replace(change)
    measured = efficiency.setups[0].step_time
    step = cm.step_time("llama-3.1-8b", CLUSTER, RECIPE, layout, efficiency)
    assert (abs(step.seconds / measured - 1) < 0.02) is same
    stated = calibrate([{**ROW, "loss": "fused", "attention": "latest", "step_time": 34.0}])
    step = cm.step_time("llama-3.1-8b", CLUSTER, RECIPE, layout, stated)
    assert step.seconds < 32


@pytest.mark.parametrize(
    "changes",
    [
        {"recipe.sequence_length": 4096},
        {"recipe.batch_size": 256},
        {"recipe.precision": "fp8"},
        {"cluster.count": 16, "layout.data": 16, "recipe.batch_size": 256},
        {"cluster.accelerator": "H200-SXM"},
        {"architecture": "llama-2-7b"},
    ],
)
def test_another_model_batch_or_cluster_is_another_setup(changes):
    run = cm.Scenario("llama-3.1-8b", RECIPE, CLUSTER, layout=LAYOUT).replace(changes)
    ratio = cm.estimate(run.replace(efficiency=own(1.46))).value("step_time") / cm.estimate(run).value("step_time")
    assert 1.0 < ratio < 1.2


def test_several_layouts_are_met_where_they_were_measured():
    listed = [LAYOUT, LAYOUT.replace(micro_batch=2)]
    shipped, moved = (cm.step_time("llama-3.1-8b", CLUSTER, RECIPE, listed, each) for each in (None, own(1.46)))
    assert (moved.seconds / shipped.seconds) == pytest.approx([1.446, 1.08], abs=0.01)
    assert moved.spread[0] < moved.spread[1]


def test_a_second_calibration_keeps_the_setups_of_the_first():
    again = calibrate([{**ROW, "batch_size": 256, "step_time": 40.0}], own(1.46))
    assert [setup.settings["batch_size"] for setup in again.setups] == [128, 256]
    assert len(calibrate([{**ROW, "step_time": 30.0}], again).setups) == 2


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("microbatch", "unknown column 'microbatch' of measured steps; did you mean 'micro_batch'"),
        ("step_tme", "unknown column 'step_tme' of measured steps; did you mean 'step_time'"),
        ("routing", "column 'routing' decides nothing; leave it out"),
        ("mfu", "column 'mfu' decides nothing; leave it out"),
    ],
)
def test_columns_that_decide_nothing_are_refused(column, message):
    with pytest.raises(cm.InputError, match=message):
        calibrate([{**ROW, "step_time": 20.0, column: 1}])
    with pytest.raises(cm.InputError, match="2 problems"):
        calibrate([{**ROW, "step_time": 20.0, "mfu": 0.4, column + "x": 1}])


def test_calibration_on_predicted_steps_changes_nothing():
    same = own(1.0, 3).values
    of_others = {name for name in default_efficiency().values if name == "untuned" or name.startswith("software:")}
    shipped = {name: value for name, value in default_efficiency().values.items() if name not in of_others}
    assert same == pytest.approx(shipped, rel=2e-3)


def test_rows_of_software_that_was_not_measured_move_other_setups_by_most_of_the_difference():
    run = cm.Scenario("llama-3.1-8b", RECIPE.replace(software=None), CLUSTER, layout=LAYOUT)
    other = run.replace({"recipe.batch_size": 256})
    measured = 1.5 * cm.estimate(run).value("step_time")
    mine = calibrate([{**ROW, "software": "our own", "step_time": measured}])
    ratio = cm.estimate(other.replace(efficiency=mine)).value("step_time") / cm.estimate(other).value("step_time")
    assert 1.3 < ratio < 1.45
    stack = (cm.estimate(each).bounds("step_time") for each in (other, other.replace(efficiency=mine)))
    before, after = (high / low for low, high in stack)
    assert after < 0.8 * before


def test_scenario_accepts_calibrated_model():
    run = cm.Scenario(architecture="llama-3.1-8b", recipe=RECIPE, cluster=CLUSTER, layout=LAYOUT)
    slower = cm.estimate(run.replace(efficiency=own(1.3, 10)))
    assert slower.value("gpu_hours") > 1.2 * cm.estimate(run).value("gpu_hours")
    again = cm.Scenario.from_data(slower.scenario.to_data())
    assert cm.estimate(again).value("cost") == slower.value("cost")


def test_steps_above_the_peak_are_refused_all_at_once():
    with pytest.raises(cm.InputError, match=r"(?s)2 problems.*row 1: .*at least \d.*got 0.001 s.*row 3"):
        calibrate([{**ROW, "step_time": seconds} for seconds in (0.001, 20.0, 2.0)])


def test_invalid_rows_are_rejected_with_reasons():
    with pytest.raises(cm.InputError, match=r"row 1: llama-3.1-8b on 8 × H100-SXM: the row gives neither step_time"):
        calibrate([ROW])
    with pytest.raises(cm.InputError, match="there are none"):
        calibrate([])
