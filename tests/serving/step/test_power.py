"""Power of accelerators that serve."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import costmodel as cm
from costmodel.serving.calibration.constants import default_constants
from costmodel.serving.calibration.figures import default_power, power_of
from costmodel.serving.engine.recipes import recipe_of
from costmodel.serving.step.formats import FORMATS
from costmodel.serving.step.power import PowerConstants, power_share
from costmodel.serving.step.replica import Replica, hardware_of
from costmodel.serving.step.timing import time_per_token
from costmodel.serving.step.work import Workload, work_of

CARD = cm.load_accelerator("H100-SXM")
HARDWARE = hardware_of(cm.Cluster(CARD, 1), 1, "bf16")[0]
CONSTANTS = default_constants().constants(recipe_of(CARD, "vllm", "default"), "bf16")
WORK = work_of(cm.load_architecture("llama-3.1-8b"), FORMATS["bf16"], "bf16", Replica(), Workload(200, 400))
FITTED = power_of(default_power().values, "hopper")


def share(batch, power=FITTED):
    return power_share(WORK, HARDWARE, power, batch, time_per_token(WORK, HARDWARE, CONSTANTS, batch))


def test_power_of_one_sequence_by_hand():
    """15.01 GB of weights and 400 tokens of cache in 10 ms, at 3.35 TB/s: the memory is busy 0.4496 of the time."""
    power = PowerConstants(idle=0.1, memory=0.5, exponent=0.3, compute=0.8, generation=1.1)
    flops = WORK.dense_flops + WORK.score_flops + (WORK.prompt_dense_flops + WORK.prompt_score_flops) / 400
    busy = (15_009_849_344 + 400 * 131072) / 3.35e12 / 0.01
    expected = 1.1 * (0.1 + 0.5 * busy**0.3 + 0.8 * (flops / 989.4e12 / 0.01) ** 0.5)
    assert power_share(WORK, HARDWARE, power, 1.0, 0.01) == pytest.approx(expected)


@given(st.floats(1, 4000))
def test_power_is_between_idle_and_the_tdp(batch):
    assert FITTED.idle < share(batch) <= 1


def test_large_batches_draw_more_power_and_less_energy_per_token():
    shares = [share(batch) for batch in (8.0, 64.0, 512.0)]
    assert shares == sorted(shares) and 0.45 < shares[0] < 0.75 < shares[-1]
    energies = [share(b) * time_per_token(WORK, HARDWARE, CONSTANTS, b) / b for b in (8.0, 64.0, 512.0)]
    assert energies == sorted(energies, reverse=True)


def test_a_generation_without_metered_rows_is_less_certain():
    power = default_power()
    assert power.spread("hopper") < power.spread("cdna3") == power.spreads["other"]
