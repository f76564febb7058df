"""Assumed constants and limits of an estimate, in cases that can be computed by hand."""

import math

import numpy as np
import pytest

import costmodel as cm
from costmodel.estimation.chain import gpu_time
from costmodel.foundation.tables import default, table
from costmodel.serving.generation import generation
from costmodel.training.calibration.measured_steps import read_steps
from costmodel.training.step.efficiency import default_efficiency
from costmodel.training.step.layout import layouts
from costmodel.training.step.memory import memory
from costmodel.training.step.workload import workload


@pytest.mark.parametrize(
    ("mfu", "realized_efficiency", "expected"),
    [
        (0.5, 1.5, 0.75),
        (0.6, 2.0, 0.9),  # the fastest matrix products reach 0.9 of the peak
        (0.95, 1.1, 0.95),  # a given MFU is kept
    ],
)
def test_realized_efficiency_raises_the_mfu_to_90_percent_at_most(mfu, realized_efficiency, expected):
    seconds = gpu_time(1e18, 1e15, mfu, 1.0, realized_efficiency)
    assert seconds == pytest.approx(1e3 / expected)


def test_range_of_peak_memory_holds_80_percent_of_measured_peaks():
    steps = [step for step in read_steps(table("measurements/step_times"))[0] if step.memory]
    errors = [
        abs(math.log(memory(workload(step.architecture, step.sequence_length), step.numbers, step.batch_size,
                            layouts(step.layout)).total / step.memory))
        for step in steps
    ]  # fmt: skip
    layout = cm.Layout(data=8, zero=3)
    recipe = cm.Pretraining(tokens="1B", sequence_length=4096, batch_size=8)
    scenario = cm.Scenario(architecture="llama-3.1-8b", recipe=recipe, cluster=cm.Cluster("H100-SXM", 8), layout=layout)
    peak = cm.estimate(scenario).inputs["memory"]
    low, high = peak.interval()
    assert high / low == pytest.approx(math.exp(2 * np.quantile(errors, 0.8)), rel=0.03)


def test_mfu_interval_of_a_very_fast_step_ends_at_98_percent():
    efficiency = default_efficiency()
    constants = efficiency.values
    traffic = dict.fromkeys(("matmul_traffic", "elementwise", "launch", "exposed_data"), 1e-6)
    fast = efficiency.replace(values={**constants, **traffic, "matmul": 1.3 * constants["matmul"], "attention": 2.0})
    recipe = cm.Pretraining(tokens="1B", sequence_length=4096, batch_size=256)
    scenario = cm.Scenario(
        architecture="llama-3.2-1b", recipe=recipe, cluster=cm.Cluster("H100-SXM", 8),
        layout=cm.Layout(data=8), efficiency=fast,
    )  # fmt: skip
    mfu = cm.estimate(scenario).inputs["mfu"]
    assert mfu.value < 0.98
    assert mfu.interval()[1] == pytest.approx(0.98)


def test_rollouts_send_the_16_bit_weights_to_each_replica_once_per_step():
    """The shards of an engine are sent at once, each at the default rate."""
    architecture = cm.load_architecture("llama-3.1-8b")
    recipe = cm.GRPO(examples=64, group_size=8, lengths="lognormal 200 to 1500", sequence_length=4096, batch_size=512)

    cluster = cm.Cluster("H100-SXM", 16)
    estimate = cm.estimate(cm.Scenario(architecture=architecture, recipe=recipe, cluster=cluster, goodput=1.0))
    size = generation(architecture, cluster, prompt_length=256.0, output_length=1000.0).accelerators_per_replica
    rate = default("weight_sync_rate").value * 1e9
    expected = 2 * architecture.parameters.total / (rate * size)
    assert estimate.value("weight_sync_time") == pytest.approx(expected, rel=1e-6)
    adapted = cm.estimate(cm.Scenario(architecture, recipe.replace(rank=16), cluster))
    assert adapted.value("weight_sync_time") < expected / 50, "only the adapters are sent"


# Limits of scenario files


@pytest.mark.parametrize(("size", "accepted"), [(5_000_000, True), (5_000_001, False)])
def test_scenario_files_have_at_most_5_megabytes(tmp_path, size, accepted):
    scenario = cm.Scenario(
        architecture="llama-3.1-8b", recipe=cm.Pretraining(tokens="1T"), cluster=cm.Cluster("H100-SXM", 8)
    )
    path = tmp_path / "run.toml"
    scenario.save(path)
    path.write_text(path.read_text(encoding="utf-8") + "#" * (size - path.stat().st_size), encoding="utf-8")
    if accepted:
        assert cm.Scenario.load(path) == scenario
    else:
        with pytest.raises(cm.InputError, match="larger than 5 MB"):
            cm.Scenario.load(path)


@pytest.mark.parametrize(("files", "accepted"), [(10, True), (11, False)])
def test_scenario_files_extend_at_most_10_files_in_a_row(tmp_path, files, accepted):
    scenario = cm.Scenario(
        architecture="llama-3.1-8b", recipe=cm.Pretraining(tokens="1T"), cluster=cm.Cluster("H100-SXM", 8)
    )
    scenario.save(tmp_path / "0.toml")
    for number in range(1, files):
        (tmp_path / f"{number}.toml").write_text(f'extends = "{number - 1}.toml"\n', encoding="utf-8")
    if accepted:
        assert cm.Scenario.load(tmp_path / f"{files - 1}.toml") == scenario
    else:
        with pytest.raises(cm.InputError, match="more than 10 files in a row"):
            cm.Scenario.load(tmp_path / f"{files - 1}.toml")
