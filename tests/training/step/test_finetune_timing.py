"""Step time of fine-tuning by hand: adapters, quantized weights, eager mode."""

import math
import tomllib
from pathlib import Path

import pytest

import costmodel as cm
from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer
from costmodel.training.recipes.finetuning import FROZEN_WEIGHT_BYTES
from costmodel.training.step.adapters import Adapters
from costmodel.training.step.configuration import HardwareRates, TimeConstants
from costmodel.training.step.layout import Layout, layouts
from costmodel.training.step.memory import stage_parameters
from costmodel.training.step.numerics import numerics
from costmodel.training.step.timing import step_breakdown
from costmodel.training.step.workload import workload

LENGTH = 4096
BATCH = 256
IDEAL_HARDWARE = tomllib.loads((Path(__file__).parents[1] / "ideal_hardware.toml").read_text(encoding="utf-8"))
IDEAL = HardwareRates(**IDEAL_HARDWARE["hardware"])
ONLY_PEAK = TimeConstants(**IDEAL_HARDWARE["constants"])
SLOW = IDEAL._replace(link_bandwidth=1e11, network_bandwidth=1e11, gpus_per_node=1.0)
"""One accelerator per node: all groups have the same bandwidth."""
LAYER = Layer(
    mixer=Attention(heads=32, kv_heads=32, head_width=128),
    feed_forward=FeedForward(inner_width=16_384, gated=False),
    norms=2,
    count=32,
)
PLAIN = Architecture(width=4096, layers=(LAYER,), vocabulary=32_000, final_norm=False)


def breakdown(layout, *, hardware=IDEAL, constants=ONLY_PEAK, numbers=None, adapters=None):
    work = workload(PLAIN, LENGTH, adapters)
    return step_breakdown(work, numbers or numerics(), hardware, float(BATCH), layouts(layout), constants)


def test_offloaded_optimizer_step_uses_host_memory_bandwidth():
    """1.5 times states, gradients and weights; eight accelerators share the host memory bandwidth."""
    constants = ONLY_PEAK._replace(host_memory=1e11)
    parts = breakdown(Layout(data=8, offload_optimizer=True), constants=constants)
    stage = stage_parameters(workload(PLAIN, LENGTH), layouts(Layout(data=8)))
    assert parts.optimizer == pytest.approx(1.5 * (12 + 4 + 2) * stage.total / 8 / (1e11 / 8))


@pytest.mark.parametrize(("recompute", "passes"), [("none", 3), ("full", 4)])
@pytest.mark.parametrize(("eager", "share"), [(True, 1.0), (False, 0.1)])
def test_adapter_time_follows_from_traffic_and_flops(recompute, passes, eager, share):
    hardware, numbers = IDEAL._replace(memory_bandwidth=1e12), cm.LoRA(tokens=1).numerics()
    constants = ONLY_PEAK._replace(adapter_traffic=3.0, adapter_fused=0.1, adapter_matmul=0.5)
    work = workload(PLAIN, LENGTH, Adapters(16))
    layout = Layout(recompute=recompute, eager=eager)
    parts = step_breakdown(work, numbers, hardware, float(BATCH), layouts(layout), constants)
    matrices = 32 * (4 * 2 * 4096 + 2 * (4096 + 16_384))  # inputs and outputs of each matrix
    traffic = share * 3 * 4 * LENGTH * matrices / 1e12
    flops = 2 * LENGTH * 16 * matrices / (0.5 * 1e15)
    assert parts.adapters == pytest.approx(passes * BATCH * (traffic + flops))
    split = step_breakdown(work, numbers, hardware, float(BATCH), layouts(layout.replace(tensor=4)), constants)
    assert split.adapters == pytest.approx(parts.adapters / 4)


@pytest.mark.parametrize(("recompute", "passes"), [("none", 2), ("full", 3)])
@pytest.mark.parametrize("micro_batch", [1, 4])
def test_4_bit_weights_are_dequantized_for_every_micro_batch(micro_batch, recompute, passes):
    """4 bits are read and 16 written in each pass; embedding and head are not quantized.

    GPTQ uses framework operations, NF4 a fused kernel, in eager mode too.
    """
    hardware, constants = (
        IDEAL._replace(memory_bandwidth=1e12),
        ONLY_PEAK._replace(dequantize=2.0, dequantize_fused=0.25),
    )
    weights = workload(PLAIN, LENGTH).dense.weights
    for quantization, eager, share in (("gptq-int4", True, 1.0), ("nf4", True, 0.25), ("nf4", False, 0.25)):
        layout = Layout(recompute=recompute, eager=eager, micro_batch=micro_batch)
        numbers = cm.QLoRA(tokens=1, quantization=quantization).numerics()
        parts = breakdown(layout, hardware=hardware, constants=constants, numbers=numbers)
        value = share * 2 * (FROZEN_WEIGHT_BYTES[quantization] + 2) * weights / 1e12
        assert parts.dequantize == pytest.approx(passes * BATCH / micro_batch * value)
    assert (
        breakdown(Layout(), hardware=hardware, constants=constants, numbers=cm.LoRA(tokens=1).numerics()).dequantize
        == 0
    )


@pytest.mark.parametrize(
    ("eager", "zero", "quantization", "expected"),
    [
        (False, 0, "none", 2e-3 / 3),
        (True, 0, "none", 4e-3 / 3),
        (True, 3, "none", 4e-3 / 3 + 5e-3),
        (False, 3, "none", 2e-3 / 3),
        (True, 0, "gptq-int4", 4e-3 / 3 + 7e-3),
        (True, 0, "nf4", 4e-3 / 3),
    ],
)
def test_eager_mode_increases_launch_time(eager, zero, quantization, expected):
    """Two thirds of `launch` with frozen weights, plus ZeRO-3 gathering and dequantization."""
    constants = ONLY_PEAK._replace(launch=1e-3, launch_eager=2.0, launch_sharded=5e-3, launch_quantized=7e-3)
    hardware = IDEAL._replace(matmul_peak=math.inf, peak=math.inf)
    numbers = cm.LoRA(tokens=1, quantization=quantization).numerics()
    parts = breakdown(Layout(eager=eager, zero=zero), hardware=hardware, constants=constants, numbers=numbers)
    assert parts.launch == pytest.approx(BATCH * 32 * expected)


@pytest.mark.parametrize("attention", ["flash-1", "flash-2", "latest"])
def test_fused_attention_is_slower_for_short_sequences(attention):
    half = ONLY_PEAK._replace(attention_length=float(LENGTH))
    long, short = (breakdown(Layout(attention=attention), constants=value) for value in (ONLY_PEAK, half))
    assert short.attention == pytest.approx(2 * long.attention)
    slower = ONLY_PEAK._replace(
        **{"attention" if attention == "latest" else f"attention_{attention.replace('-', '_')}": 0.5}
    )
    assert breakdown(Layout(attention=attention), constants=slower).attention == pytest.approx(2 * long.attention)


def test_eager_loss_increases_logit_traffic():
    hardware, constants = IDEAL._replace(memory_bandwidth=1e12, peak=math.inf), ONLY_PEAK._replace(loss_eager=8.0)
    fused, eager = (
        breakdown(Layout(eager=value), hardware=hardware, constants=constants).head for value in (False, True)
    )
    assert fused == pytest.approx(3 * BATCH * 4 * LENGTH * 32_000 / 1e12)
    assert eager == pytest.approx(8 * fused)


@pytest.mark.parametrize("zero", [0, 1, 2, 3])
def test_only_adapter_gradients_are_reduced_over_data_parallel_ranks(zero):
    """Frozen weights have no gradients; ZeRO-3 still gathers them."""
    work, numbers = workload(PLAIN, LENGTH, Adapters(16)), cm.LoRA(tokens=1).numerics()
    layout = layouts(Layout(data=8, zero=zero, overlap_data=False))
    parts = step_breakdown(work, numbers, SLOW, 8.0, layout, ONLY_PEAK)
    own = work.adapter.weights * 7 / 8 / 1e11
    stage = stage_parameters(work, layout)
    gathered = 2 * 2 * stage.total * 7 / 8 / 1e11 if zero == 3 else 0
    sent = {0: 2 * 2, 1: 2 + 2, 2: 2 + 2, 3: 2}[zero]
    assert parts.data_parallel == pytest.approx(gathered + sent * own)
