"""Step time: by hand on ideal hardware, and properties for any layout on real hardware."""

import math
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.experts import Experts
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer
from costmodel.training.step.communication import bandwidth
from costmodel.training.step.configuration import HardwareRates, TimeConstants
from costmodel.training.step.efficiency import default_efficiency, hardware_rates
from costmodel.training.step.layout import (
    BOOLEAN_FIELDS,
    LOSS_IMPLEMENTATIONS,
    RECOMPUTE_MODES,
    Layout,
    infeasibility_reasons,
    layouts,
)
from costmodel.training.step.memory import stage_parameters
from costmodel.training.step.numerics import numerics
from costmodel.training.step.timing import step_breakdown
from costmodel.training.step.workload import workload

LENGTH = 4096
BATCH = 256
MIXED = numerics()
H100 = cm.Cluster("H100-SXM", 64)
REAL, FITTED = hardware_rates(H100, "bf16"), default_efficiency().constants(H100.accelerator, "bf16")
IDEAL_HARDWARE = tomllib.loads((Path(__file__).parents[1] / "ideal_hardware.toml").read_text(encoding="utf-8"))
IDEAL = HardwareRates(**IDEAL_HARDWARE["hardware"])
ONLY_PEAK = TimeConstants(**IDEAL_HARDWARE["constants"])


def decoder(*, kv_heads=32, layers=32, norms=2, experts=None, vocabulary=32_000, **changes):
    """A decoder of width 4096 with a head width of 128, for which the constants give the attention rate directly."""
    feed_forward = experts or FeedForward(inner_width=16_384, gated=False)
    layer = Layer(
        mixer=Attention(heads=32, kv_heads=kv_heads, head_width=128),
        feed_forward=feed_forward,
        norms=norms,
        count=layers,
    )
    return Architecture(**{"width": 4096, "layers": (layer,), "vocabulary": vocabulary, "final_norm": False, **changes})


PLAIN = decoder()
HEADLESS = decoder(head=False)
GROUPED = decoder(kv_heads=4, layers=30)
MIXTURE = decoder(experts=Experts(experts=16, top_k=2, inner_width=2048), layers=32)


def breakdown(architecture, layout, *, hardware=IDEAL, constants=ONLY_PEAK, batch=BATCH, numbers=MIXED):
    return step_breakdown(workload(architecture, LENGTH), numbers, hardware, float(batch), layouts(layout), constants)


# By hand


@pytest.mark.parametrize(
    ("recompute", "attention", "products", "core"),
    [
        # the fused backward pass recomputes the scores: forward and backward are 3.5 forward passes
        ("none", "latest", 3, 3.5),
        ("full", "latest", 4, 4.5),
        ("none", "flash-2", 3, 3.5),
        ("selective", "latest", 3.25, 3.5),  # fused attention is not recomputed
        # unfused attention also computes the scores above the diagonal
        ("none", "unfused", 3, 3 * 2),
        ("selective", "unfused", 3, 4 * 2),
        ("full", "unfused", 4, 4 * 2),
    ],
)
def test_ideal_hardware_step_time_is_flops_over_peak(recompute, attention, products, core):
    work = workload(PLAIN, LENGTH)
    parts = breakdown(PLAIN, Layout(recompute=recompute, attention=attention))
    assert parts.matmul == pytest.approx(products * BATCH * work.dense.flops / 1e15)
    assert parts.attention == pytest.approx(core * BATCH * work.attention_flops / 1e15)
    assert parts.head == pytest.approx(3 * BATCH * work.head.flops / 1e15)
    assert parts.total == pytest.approx(parts.matmul + parts.attention + parts.head)


@pytest.mark.parametrize("expert", [1, 4, 16])
def test_weights_are_read_for_every_micro_batch(expert):
    """A rank reads only the expert weights that it holds."""
    hardware, constants = (
        IDEAL._replace(matmul_peak=math.inf, memory_bandwidth=1e12),
        ONLY_PEAK._replace(matmul_traffic=1.0),
    )
    unsharded, sharded = (
        breakdown(
            MIXTURE, Layout(data=16, expert=expert, micro_batch=value), hardware=hardware, constants=constants
        ).matmul
        for value in (1, 2)
    )
    counts = workload(MIXTURE, LENGTH).parameters
    weights = counts.dense + counts.expert / expert + counts.replicated - 32 * 2 * 4096  # norms are not matmuls
    assert unsharded - sharded == pytest.approx(3 * (16 - 8) * 2 * weights / 1e12)


def test_launch_time_counts_layers_and_experts():
    """With infinite peak only the launch time remains."""
    layers = (*decoder(layers=2).layers, *MIXTURE.replace(layers=(MIXTURE.layers[0].replace(count=6),)).layers)
    constants = ONLY_PEAK._replace(launch=1e-3, launch_experts=2e-3)
    hardware = IDEAL._replace(matmul_peak=math.inf, peak=math.inf)
    parts = breakdown(PLAIN.replace(layers=layers), Layout(micro_batch=2), hardware=hardware, constants=constants)
    assert parts.total == parts.launch == pytest.approx(BATCH / 2 * (8 * 1e-3 + 6 * 2e-3))


def test_frozen_weights_have_no_weight_gradients():
    """With adapters the backward pass computes only activation gradients."""
    full, frozen = (breakdown(PLAIN, Layout(), numbers=MIXED._replace(backward=value)).matmul for value in (2.0, 1.0))
    assert frozen == pytest.approx(full * 2 / 3)


@pytest.mark.parametrize(
    "layout",
    [
        Layout(data=8),
        Layout(tensor=8),
        Layout(context=8),
        Layout(data=2, tensor=4),
        Layout(data=4, pipeline=2, micro_batch=2),
    ],
)
def test_ideal_step_time_is_inverse_to_accelerators(layout):
    single, many = (breakdown(decoder(head=False, norms=0), value) for value in (Layout(), layout))
    assert (many.total - many.pipeline_bubble) * layout.accelerators == pytest.approx(single.total)


@pytest.mark.parametrize("chunks", [1, 2, 4])
@pytest.mark.parametrize(("stages", "micro_batches"), [(2, 4), (4, 4), (4, 64), (8, 16)])
@pytest.mark.parametrize("fitted", [False, True])
def test_pipeline_bubble_of_equal_stages(stages, micro_batches, chunks, fitted):
    """(p - 1) / m of the time without bubble; with v chunks (p - 1) / (m v) (Narayanan et al. 2021, section 2.2)."""
    layout = Layout(data=BATCH // micro_batches, pipeline=stages, interleave=chunks, overlap_data=False)
    arguments = {"hardware": REAL, "constants": FITTED} if fitted else {}
    parts = breakdown(HEADLESS, layout, **arguments)
    passes = parts.total - parts.pipeline_bubble - parts.data_parallel - parts.optimizer - parts.fixed_overhead
    assert parts.pipeline_bubble / passes == pytest.approx((stages - 1) / (chunks * micro_batches))


def test_no_pipeline_bubble_without_pipeline_stages():
    assert breakdown(PLAIN, Layout(data=8)).pipeline_bubble == 0


def test_stage_with_lm_head_may_be_slowest():
    """The head counts only if its stage is the slowest."""
    wide, narrow = decoder(vocabulary=256_000), decoder(vocabulary=2000, layers=30)
    assert breakdown(wide, Layout(pipeline=4)).head > 0
    assert breakdown(narrow, Layout(pipeline=4)).head == 0  # 8, 8, 7 and 7 layers: the last stage has one layer fewer


def test_slowest_pipeline_stage_determines_step_time():
    """30 layers on four stages take as long as 32."""
    thirty, even = (breakdown(decoder(layers=value, head=False), Layout(pipeline=4)) for value in (30, 32))
    assert thirty.total == pytest.approx(even.total)


@pytest.mark.parametrize(
    ("stride", "size", "expected"),
    [
        (1, 1, 900.0),
        (1, 8, 900.0),
        (4, 2, 900.0),  # both ranks in one node
        (8, 2, 50.0),  # one rank per node
        (4, 4, 100.0),  # the group uses two NICs per node
        (1, 64, 400.0),  # the group uses all eight NICs
        (16, 4, 50.0),
    ],
)
def test_bandwidth_depends_on_group_placement(stride, size, expected):
    hardware = IDEAL._replace(link_bandwidth=900.0, network_bandwidth=50.0)
    assert bandwidth(hardware, ONLY_PEAK, float(stride), float(size)) == expected
    array = bandwidth(hardware, ONLY_PEAK, np.array([stride, 1.0]), float(size))
    assert array[0] == expected


def test_network_bandwidth_is_limited_by_link_bandwidth():
    hardware = IDEAL._replace(link_bandwidth=100.0, network_bandwidth=50.0)
    assert bandwidth(hardware, ONLY_PEAK, 1.0, 64.0) == 100.0


SLOW = IDEAL._replace(link_bandwidth=1e11, network_bandwidth=1e11, gpus_per_node=1.0)
"""One accelerator per node: all groups have the same bandwidth."""


@pytest.mark.parametrize(
    ("zero", "per_step", "per_micro_batch"),
    [
        (0, 2 * 4, 0),  # all-reduce of 32-bit gradients
        (1, 4 + 2, 0),  # reduce-scatter of gradients, all-gather of weights
        (2, 2, 4),  # gradients of each micro-batch
        (3, 0, 2 + 2 + 4),  # per micro-batch: weights twice, gradients once
    ],
)
@pytest.mark.parametrize("accumulation", [1, 4])
def test_data_parallel_communication_volume(zero, per_step, per_micro_batch, accumulation):
    layout = Layout(data=8, zero=zero, overlap_data=False)
    stage = stage_parameters(workload(PLAIN, LENGTH), layouts(layout))
    parts = breakdown(PLAIN, layout, hardware=SLOW, batch=8 * accumulation)
    assert parts.data_parallel == pytest.approx(
        (per_step + accumulation * per_micro_batch) * stage.total * 7 / 8 / 1e11
    )


TWO_TIERS = IDEAL._replace(link_bandwidth=1e12, network_bandwidth=1e10)


@pytest.mark.parametrize("accumulation", [1, 4])
def test_hybrid_sharding_gathers_within_nodes_and_reduces_between_nodes(accumulation):
    layout = Layout(data=16, shard=8, zero=3, overlap_data=False)
    stage = stage_parameters(workload(PLAIN, LENGTH), layouts(layout))
    parts = breakdown(PLAIN, layout, hardware=TWO_TIERS, batch=16 * accumulation)
    inside = accumulation * (2 + 2 + 4) * stage.total * 7 / 8 / 1e12
    between = 2 * 4 * stage.total / 8 * 1 / 2 / 1e10  # all-reduce between the two ranks with the same shard
    assert parts.data_parallel == pytest.approx(inside + between)


def test_expert_replicas_communicate_between_nodes():
    """The eight ranks of a node hold different experts: each reduces its gradients over one NIC."""
    layout = Layout(data=16, expert=8, zero=1, overlap_data=False)
    stage = stage_parameters(workload(MIXTURE, LENGTH), layouts(layout))
    rest = (stage.dense + stage.embeddings) * 15 / 16 / (8 * 1e10)  # all NICs of a node share the volume
    assert breakdown(MIXTURE, layout, hardware=TWO_TIERS).data_parallel == pytest.approx(
        (4 + 2) * (rest + stage.expert / 2 / 1e10)
    )


def test_pipeline_stages_gather_weights_once():
    layout = Layout(data=8, pipeline=2, zero=3, overlap_data=False)
    stage = stage_parameters(workload(PLAIN, LENGTH), layouts(layout))
    for accumulation in (2, 8):
        parts = breakdown(PLAIN, layout, hardware=SLOW, batch=8 * accumulation)
        assert parts.data_parallel == pytest.approx(8 * stage.total * 7 / 8 / 1e11)


@pytest.mark.parametrize(("recompute", "passes"), [("none", 2), ("full", 3)])
@pytest.mark.parametrize("tensor", [2, 8])
def test_tensor_parallel_communication_volume(tensor, recompute, passes):
    """Reduce-scatter and all-gather of the hidden state in both blocks: forward, backward, recomputation."""
    parts = breakdown(PLAIN, Layout(tensor=tensor, recompute=recompute), hardware=SLOW)
    state = 2 * LENGTH * 4096
    expected = passes * BATCH * 32 * 2 * 2 * state * (tensor - 1) / tensor / 1e11
    assert parts.tensor_parallel == pytest.approx(expected)


def test_context_parallel_communication_volume():
    """Keys and values of the other ranks: forward, and backward with their gradients."""
    parts = breakdown(PLAIN, Layout(context=4), hardware=SLOW)
    assert parts.context_parallel == pytest.approx(3 * BATCH * 32 * 2 * (2 * LENGTH * 4096) * 3 / 4 / 1e11)
    assert breakdown(GROUPED, Layout(context=4), hardware=SLOW).context_parallel == pytest.approx(
        parts.context_parallel / 8 * 30 / 32
    )


def test_context_parallel_volume_with_replicated_kv_heads():
    """Four KV heads on eight ranks: each rank sends one whole head."""
    parts = breakdown(GROUPED, Layout(tensor=8, context=2), hardware=SLOW)
    assert parts.context_parallel == pytest.approx(3 * BATCH * 30 * 2 * (2 * LENGTH * 4 * 128) / 4 * 1 / 2 / 1e11)


def test_expert_parallel_communication_volume():
    """Dispatch and combine, forward and backward: two experts per token, on other ranks with probability 7/8."""
    parts = breakdown(MIXTURE, Layout(data=8, expert=8, micro_batch=1), hardware=SLOW)
    expected = BATCH / 8 * 32 * 4 * 2 * (2 * LENGTH * 4096) * 7 / 8 / 1e11
    assert parts.expert_parallel == pytest.approx(expected)
    assert breakdown(MIXTURE, Layout(data=8), hardware=SLOW).expert_parallel == 0


def test_pipeline_send_recv_volume():
    """The hidden state forward and its gradient backward, once per chunk."""
    for chunks in (1, 4):
        parts = breakdown(PLAIN, Layout(pipeline=4, interleave=chunks), hardware=SLOW)
        assert parts.pipeline_send_recv == pytest.approx(BATCH * 2 * chunks * 2 * LENGTH * 4096 / 1e11)


def test_slowest_link_of_a_pipeline_decides_its_send_recv():
    """Stages of 4 ranks: neighbors share a node of 8, but other boundaries are between nodes."""
    layout, length = Layout(data=4, pipeline=4), 2 * 2 * LENGTH * 4096
    for network in (1e9, 1e6):
        parts = breakdown(PLAIN, layout, hardware=SLOW._replace(network_bandwidth=network, gpus_per_node=8.0))
        assert parts.pipeline_send_recv == pytest.approx(BATCH / 4 * length / network)
    inside = breakdown(PLAIN, layout, hardware=SLOW._replace(network_bandwidth=1e6, gpus_per_node=16.0))
    assert inside.pipeline_send_recv == pytest.approx(BATCH / 4 * length / 1e11)


def test_optimizer_offload_is_limited_by_host_bandwidth():
    hardware = IDEAL._replace(host_bandwidth=1e10)
    kept, away = (
        breakdown(PLAIN, Layout(data=8, offload_optimizer=value), hardware=hardware).optimizer
        for value in (False, True)
    )
    stage = stage_parameters(workload(PLAIN, LENGTH), layouts(Layout(data=8)))
    assert away - kept == pytest.approx((4 + 2) * stage.total / 8 / 1e10)


def test_host_transfer_of_offloaded_weights_gradients_and_layer_inputs():
    """Weights twice, gradients once; a layer input out and in. They overlap with the passes."""
    hardware = IDEAL._replace(host_bandwidth=1e6)  # so slow that the passes hide nothing
    weights, inputs = (
        breakdown(PLAIN, Layout(recompute="full", micro_batch=BATCH, **{name: True}), hardware=hardware).host_transfer
        for name in ("offload_weights", "offload_activations")
    )
    stage = stage_parameters(workload(PLAIN, LENGTH), layouts(Layout()))
    assert weights == pytest.approx((2 * 2 + 4) * stage.total / 1e6, rel=0.01)
    layers = workload(PLAIN, LENGTH).layers
    assert inputs == pytest.approx(2 * 2 * BATCH * LENGTH * 4096 * layers / 1e6, rel=0.01)
    fast = breakdown(PLAIN, Layout(offload_weights=True), hardware=IDEAL._replace(host_bandwidth=1e14))
    assert fast.host_transfer < 0.01 * fast.total


def test_backward_pass_overlaps_gradient_reduction():
    hidden = ONLY_PEAK._replace(overlap=8.0)
    apart = breakdown(PLAIN, Layout(data=8, overlap_data=False), hardware=SLOW, constants=hidden)
    beside = breakdown(PLAIN, Layout(data=8), hardware=SLOW, constants=hidden)
    pass_time = (apart.total - apart.data_parallel) / (BATCH / 8)
    assert beside.data_parallel == pytest.approx((pass_time**8 + apart.data_parallel**8) ** (1 / 8) - pass_time)
    assert max(0.0, apart.data_parallel - pass_time) <= beside.data_parallel < apart.data_parallel


# Properties of any layout on real hardware


@st.composite
def any_layout(draw):
    """A layout of 64 accelerators that is feasible for a batch size of 256 and the decoders above."""
    tensor, pipeline, context = (draw(st.sampled_from(value)) for value in ([1, 2, 4, 8], [1, 2, 4], [1, 2]))
    data = 64 // (tensor * pipeline * context)
    return Layout(
        data=data,
        tensor=tensor,
        pipeline=pipeline,
        context=context,
        expert=draw(st.sampled_from([value for value in (1, 2, 8) if value <= data * tensor * context])),
        micro_batch=draw(st.sampled_from([1, 2])),
        zero=draw(st.integers(0, 3)),
        interleave=draw(st.sampled_from([1, 2])) if pipeline > 1 else 1,
        recompute=draw(st.sampled_from(RECOMPUTE_MODES)),
        attention=draw(st.sampled_from(["unfused", "flash-2", "latest"])),
        loss=draw(st.sampled_from(LOSS_IMPLEMENTATIONS)),
        **{name: draw(st.booleans()) for name in BOOLEAN_FIELDS},
    )


def suited(layout, architecture):
    """The same layout, without expert parallelism for dense models."""
    return layout if architecture is MIXTURE else layout.replace(expert=1)


models = st.sampled_from([PLAIN, GROUPED, MIXTURE, HEADLESS])
RECIPE = cm.Pretraining(tokens="1T", sequence_length=LENGTH, batch_size=BATCH)


def real(architecture, layout, hardware=REAL, **given):
    return breakdown(architecture, layout, hardware=hardware, constants=FITTED, **given)


@settings(max_examples=100, deadline=None)
@given(
    models,
    any_layout(),
    st.sampled_from(
        ["matmul_peak", "peak", "memory_bandwidth", "link_bandwidth", "network_bandwidth", "host_bandwidth"]
    ),
    st.floats(1, 20),
)
def test_better_hardware_is_never_slower(architecture, layout, name, factor):
    better = REAL._replace(**{name: getattr(REAL, name) * factor})
    assert real(architecture, layout, better).total <= real(architecture, layout).total * (1 + 1e-12)


def test_higher_peak_is_never_slower_with_reduce_scatter_per_micro_batch():
    """On a slow network, communication takes longer than the pass; the overlap must not count twice."""
    slow = REAL._replace(network_bandwidth=REAL.network_bandwidth / 50)
    layout = Layout(data=64, zero=2)
    now, better = (
        real(PLAIN, layout, slow._replace(matmul_peak=slow.matmul_peak * value), batch=64) for value in (1, 2)
    )
    assert better.total <= now.total


@settings(max_examples=60, deadline=None)
@given(models, any_layout())
def test_recomputation_increases_step_time(architecture, layout):
    none, selective, full = (real(architecture, layout.replace(recompute=value)).total for value in RECOMPUTE_MODES)
    assert none <= selective <= full


@settings(max_examples=60, deadline=None)
@given(models, any_layout())
def test_components_add_up_and_step_time_is_at_least_flops_over_peak(architecture, layout):
    step = cm.step_time(architecture, H100, RECIPE, suited(layout, architecture))
    least = workload(architecture, LENGTH).model_flops * BATCH / (64 * REAL.peak)
    assert least < step.seconds == pytest.approx(math.fsum(step.si.breakdown))
    assert min(step.si.breakdown) >= -1e-9 * step.seconds  # components that are differences have rounding errors
    assert step.mfu == pytest.approx(least / step.seconds)
    assert step.hfu >= step.mfu
    assert math.fsum(row["share"] for row in step.rows()) == pytest.approx(1)


@settings(max_examples=40, deadline=None)
@given(models, any_layout())
def test_model_flops_do_not_depend_on_layout(architecture, layout):
    """Sharding and recomputation do not change the model FLOPs of a step."""
    step = cm.step_time(architecture, H100, RECIPE, suited(layout, architecture))
    flops = cm.count_flops(architecture, LENGTH, BATCH).training
    assert step.mfu * step.seconds * 64 * REAL.peak == pytest.approx(flops)
    assert step.si.flops * step.seconds * 64 == pytest.approx(flops)


@pytest.mark.parametrize(
    ("recompute", "attention"),
    [("none", "unfused"), ("selective", "latest"), ("selective", "unfused"), ("full", "latest")],
)
def test_hardware_flops_are_model_flops_plus_recomputed_flops(recompute, attention):
    """Full: one more forward pass of the layers. Selective: unfused core attention."""
    step = cm.step_time(PLAIN, H100, RECIPE, Layout(data=64, recompute=recompute, attention=attention))
    flops = cm.count_flops(PLAIN, LENGTH)
    core = workload(PLAIN, LENGTH).attention_flops if (recompute, attention) == ("selective", "unfused") else 0
    again = flops.forward - workload(PLAIN, LENGTH).head.flops if recompute == "full" else core
    assert step.hfu / step.mfu == pytest.approx(1 + again / flops.training)


@settings(max_examples=25, deadline=None)
@given(models, st.lists(any_layout(), min_size=1, max_size=6))
def test_array_of_layouts_matches_each_layout(architecture, several):
    several = [suited(layout, architecture) for layout in several]
    together = cm.step_time(architecture, H100, RECIPE, several)
    assert together.seconds.shape == (len(several),)
    for place, layout in enumerate(several):
        alone = cm.step_time(architecture, H100, RECIPE, layout)
        for name in ("seconds", "mfu", "hfu", "flops", "fits", "spread"):
            assert getattr(together.si, name)[place] == pytest.approx(getattr(alone.si, name), rel=1e-9)
        for whole, expected in zip(
            (*together.si.breakdown, *together.si.memory), (*alone.si.breakdown, *alone.si.memory), strict=True
        ):
            actual = float(np.broadcast_to(whole, len(several))[place])
            assert actual == pytest.approx(
                expected, rel=1e-9, abs=1e-9 * alone.seconds
            )  # rounding errors of differences


@settings(max_examples=40, deadline=None)
@given(models, any_layout(), st.sampled_from([2, 4]))
def test_larger_batch_increases_step_time_and_mfu(architecture, layout, times):
    few, many = (real(architecture, layout, batch=BATCH * value).total for value in (1, times))
    assert few < many <= times * few


@settings(max_examples=40, deadline=None)
@given(models, any_layout())
def test_overlap_never_increases_step_time(architecture, layout):
    for name in ("overlap_tensor", "overlap_data"):
        apart, beside = (real(architecture, layout.replace(**{name: value})).total for value in (False, True))
        assert beside <= apart * (1 + FITTED.exposed_data)
    tensor = [real(architecture, layout.replace(overlap_tensor=value)).tensor_parallel for value in (False, True)]
    assert tensor[1] <= tensor[0]


@settings(max_examples=40, deadline=None)
@given(models, any_layout())
def test_software_factor_scales_step_time(architecture, layout):
    slower = FITTED._replace(software=2 * FITTED.software)
    now, then = (breakdown(architecture, layout, hardware=REAL, constants=value) for value in (FITTED, slower))
    assert then.total == pytest.approx(2 * now.total)


@settings(max_examples=40, deadline=None)
@given(models, any_layout())
def test_sampled_layouts_are_feasible(architecture, layout):
    """Otherwise the properties above would not be tested."""
    layout = layouts(suited(layout, architecture))
    assert not any(infeasibility_reasons(workload(architecture, LENGTH), 64.0, float(BATCH), layout).values())


# Public functions


def test_architecture_given_by_counts_has_no_step_time():
    with pytest.raises(cm.InputError, match="only its counts are given"):
        cm.step_time({"total": "7B"}, H100, RECIPE, Layout(data=64))


def test_unsupported_precision_is_rejected():
    with pytest.raises(cm.InputError, match="precision"):
        cm.step_time(PLAIN, cm.Cluster("A100-80GB-SXM", 64), RECIPE.replace(precision="fp8"), Layout(data=64))


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
def test_step_time_interval_contains_value_and_widens_with_level(level):
    step = cm.step_time(PLAIN, H100, RECIPE, [Layout(data=64), Layout(data=32, tensor=2)])
    low, high = step.bounds(level)
    wider_low, wider_high = step.bounds(level + 0.02)
    assert np.all((wider_low < low) & (low < step.seconds) & (step.seconds < high) & (high < wider_high))
    assert np.allclose(low * high, step.seconds**2)


@pytest.mark.parametrize("level", [0, 1, -0.5, 80, float("nan")])
def test_invalid_level_is_rejected(level):
    with pytest.raises(cm.InputError, match="level"):
        cm.step_time(PLAIN, H100, RECIPE, Layout(data=64)).interval(level)
