"""Assumed constants of memory and step time, in cases that can be computed by hand."""

import math
import tomllib
from pathlib import Path

import pytest

import costmodel as cm
from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer
from costmodel.foundation.tables import table
from costmodel.foundation.units import GIB
from costmodel.hardware.accelerator import load_accelerator
from costmodel.training.calibration.software import year_of
from costmodel.training.step.configuration import HardwareRates, TimeConstants
from costmodel.training.step.efficiency import NEWEST_SOFTWARE, age, default_efficiency, hardware_rates
from costmodel.training.step.layout import Layout, layouts
from costmodel.training.step.memory import default_memory_constants, memory
from costmodel.training.step.numerics import numerics
from costmodel.training.step.timing import step_breakdown
from costmodel.training.step.workload import workload

LENGTH = 64
PLAIN = Layout()
MIXED = numerics()
FITTED = default_memory_constants()
IDEAL = tomllib.loads((Path(__file__).parents[1] / "ideal_hardware.toml").read_text(encoding="utf-8"))
HARDWARE, CONSTANTS = HardwareRates(**IDEAL["hardware"]), TimeConstants(**IDEAL["constants"])


def decoder(width=128, heads=8, layers=8):
    """A decoder with the classic shape: a feed-forward network of four times the width."""
    layer = Layer(
        mixer=Attention(heads=heads, kv_heads=heads, head_width=width // heads),
        feed_forward=FeedForward(inner_width=4 * width, gated=False),
        norms=2,
        count=layers,
    )
    return Architecture(width=width, layers=(layer,), vocabulary=1000, final_norm=False)


def step_memory(architecture, layout, batch=1, length=LENGTH):
    return memory(workload(architecture, length), MIXED, float(batch), layouts(layout))


def breakdown(architecture, layout=PLAIN, *, hardware=HARDWARE, constants=CONSTANTS, batch=256):
    return step_breakdown(workload(architecture, LENGTH), MIXED, hardware, float(batch), layouts(layout), constants)


# Memory


@pytest.mark.parametrize("tensor", [2, 4])
def test_tensor_parallel_buffers_hold_two_16_bit_copies_and_their_gradients(tensor):
    assert step_memory(decoder(), Layout(tensor=tensor)).buffers == 2 * (2 + 2) * LENGTH * 128
    assert step_memory(decoder(), Layout()).buffers == 0


def test_selective_recomputation_keeps_half_of_32_bytes_per_element():
    """Korthikanti et al. 2022 count 32 bytes per element of a layer without dropout; 16 are kept, 16 recomputed."""
    activations = step_memory(decoder(layers=8), Layout(recompute="selective")).activations
    assert activations == (8 * 16 + 16) * LENGTH * 128


def test_deepspeed_updates_a_billion_parameters_at_a_time():
    architecture = cm.load_architecture("llama-3.1-8b")
    parts = step_memory(architecture, Layout(data=2, zero=3, eager=True), batch=2)
    trained = sum(workload(architecture, LENGTH).parameters[:6]) / 2
    in_step = parts.gradients + parts.activations + parts.logits
    assert in_step == pytest.approx(4 * trained + 1e9 * FITTED.sub_group)


def test_device_context_and_communication_library_need_half_a_gib_each():
    assert step_memory(decoder(), Layout(), 8).framework == 0.5 * GIB
    assert step_memory(decoder(), Layout(data=8), 8).framework == 1 * GIB


def test_chunk_of_a_loss_has_1024_tokens():
    short, long = (step_memory(decoder(), Layout(loss="chunked"), 1, length=length) for length in (1024, 8192))
    vocabulary = workload(decoder(), 1024).vocabulary
    assert short.logits == long.logits == pytest.approx(FITTED.chunked_logits * 1024 * vocabulary)


def test_host_memory_of_a_node_is_three_times_that_of_its_accelerators():
    cluster = cm.Cluster("H100-SXM", 8)
    bytes_per_gpu, spread = cluster.host_memory_per_accelerator
    assert bytes_per_gpu == pytest.approx(3 * cluster.accelerator.usable_memory)
    assert spread == pytest.approx(0.36)


# Step time


def test_optimizer_step_moves_18_bytes_per_parameter_one_and_a_half_times():
    """Weights 2, gradients 4, master weights 4, moments 8: some are only read or only written."""
    hardware, constants = HARDWARE._replace(memory_bandwidth=1e12), CONSTANTS._replace(optimizer_traffic=1.0)
    seconds = breakdown(decoder(), Layout(zero=0), hardware=hardware, constants=constants).optimizer
    assert seconds == pytest.approx(1.5 * 18 * sum(workload(decoder(), LENGTH).parameters[:6]) / 1e12)


def test_equal_kernel_and_launch_times_add_a_fifth():
    """(1 + 1)^(1/4) = 1.19."""
    kernels = breakdown(decoder(layers=8))
    per_layer = (kernels.matmul + kernels.attention) / (256 * 8)
    both = breakdown(decoder(layers=8), constants=CONSTANTS._replace(launch=per_layer))
    assert both.matmul + both.attention + both.launch == pytest.approx(2**0.25 * 256 * 8 * per_layer)


def test_attention_with_heads_of_128_is_15_percent_faster_than_with_heads_of_64():
    """2^0.2 = 1.149, for the same FLOPs."""
    wide, narrow = (breakdown(decoder(width=1024, heads=heads)).attention for heads in (8, 16))
    assert narrow / wide == pytest.approx(1.149, abs=5e-4)


@pytest.mark.parametrize(
    ("older", "expected"), [(6.0, 1.5), (1.5, 1.5), (1.0, 1.0), (0.5, 0.5), (0.0, 0.0), (-0.5, 0.0)]
)
def test_age_of_software_counts_up_to_18_months(older, expected):
    assert age(NEWEST_SOFTWARE - older) == pytest.approx(expected)


def test_newest_software_is_that_of_the_newest_measured_step():
    dated = [row for row in table("measurements/step_times").rows if row["software_date"]]
    newest = max(year_of(row["software_date"], row["software"], "") for row in dated)
    assert newest <= NEWEST_SOFTWARE < newest + 0.25


def test_host_bandwidth_defaults_to_16_lanes_of_pcie_4():
    """16 GT/s on each of 16 lanes, 8 bits per byte."""
    accelerator = load_accelerator("A100-80GB-SXM").replace(host_bandwidth=None)
    rates = hardware_rates(cm.Cluster(accelerator, 8), "bf16")
    assert rates.host_bandwidth == 16e9 * 16 / 8


@pytest.mark.parametrize(("launch_share", "case"), [(0.09, "dense"), (0.11, "launch")])
def test_steps_with_a_tenth_of_launch_overhead_have_the_spread_of_launch_bound_steps(launch_share, case):
    efficiency = default_efficiency()
    accelerator = load_accelerator("H100-SXM")
    spread = efficiency.spread(accelerator, False, launch_share=launch_share)
    assert spread == math.hypot(max(efficiency.spreads[case], efficiency.spreads["dense"]))
    assert efficiency.spreads["launch"] > efficiency.spreads["dense"]
