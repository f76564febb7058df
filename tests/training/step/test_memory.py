"""Peak memory: published figures, layouts that ran or cannot fit, and properties for any layout."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.experts import Experts
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer
from costmodel.foundation.tables import table
from costmodel.foundation.units import GIB
from costmodel.training.calibration.measured_steps import candidates, read_steps
from costmodel.training.step.efficiency import hardware_rates
from costmodel.training.step.layout import BOOLEAN_FIELDS, LOSS_IMPLEMENTATIONS, RECOMPUTE_MODES, Layout, layouts
from costmodel.training.step.memory import (
    CHUNK,
    COMMUNICATION_MEMORY,
    DEVICE_CONTEXT,
    default_memory_constants,
    host_bytes,
    in_flight_layers,
    memory,
    stage_parameters,
)
from costmodel.training.step.numerics import numerics, optimizer_bytes_per_parameter
from costmodel.training.step.workload import workload

LENGTH = 64
MIXED = numerics()
STEPS = [step for step in read_steps(table("measurements/step_times"))[0] if not step.untuned]
CONSTANTS = default_memory_constants()


def tiny(*, kv_heads=8, layers=8, norms=2, experts=None, **changes):
    """A decoder of width 128 whose numbers are easily counted by hand."""
    feed_forward = experts or FeedForward(inner_width=512, gated=False)
    layer = Layer(
        mixer=Attention(heads=8, kv_heads=kv_heads, head_width=16), feed_forward=feed_forward, norms=norms, count=layers
    )
    return Architecture(**{"width": 128, "layers": (layer,), "vocabulary": 1000, "final_norm": False, **changes})


PLAIN = tiny()
MIXTURE = tiny(experts=Experts(experts=16, top_k=2, inner_width=256))
LLAMA = cm.load_architecture("llama-3.1-8b")


def step_memory(architecture, layout, batch=64, numbers=MIXED, length=LENGTH):
    return memory(workload(architecture, length), numbers, float(batch), layouts(layout))


def states(parts):
    return parts.weights + parts.gradients + parts.optimizer_states


# Published values


@pytest.mark.parametrize(("heads", "width", "length"), [(96, 12288, 2048), (64, 6144, 2048), (16, 1024, 8192)])
def test_activations_per_layer_match_korthikanti_2022_without_dropout(heads, width, length):
    """Korthikanti et al. 2022 (arXiv 2205.05198), equation 2: s b d (34 + 5 a s / d) bytes for a layer.

    In 16 bits: inputs of the norms 4, of the two blocks 4, queries, keys and values 6, into the output 2,
    inner state before and after the activation 16: 32. The paper's 34 have two dropout masks of a byte each,
    and today's models have no dropout. Scores are kept after softmax, after dropout, and with its mask: 5.
    """
    layer = Layer(
        mixer=Attention(heads=heads, kv_heads=heads, head_width=width // heads),
        feed_forward=FeedForward(inner_width=4 * width, gated=False),
    )
    architecture = Architecture(width=width, layers=(layer,), vocabulary=51200)
    for batch in (1, 4):
        unit = length * batch * width
        fused = step_memory(architecture, Layout(micro_batch=batch), batch, length=length).activations
        written_out = step_memory(
            architecture, Layout(micro_batch=batch, attention="unfused"), batch, length=length
        ).activations
        assert fused == pytest.approx(32 * unit)
        assert written_out == pytest.approx((32 + 5 * heads * length / width) * unit)
    split = step_memory(architecture, Layout(tensor=8, attention="unfused"), 1, length=length).activations
    assert split == pytest.approx((32 + 5 * heads * length / width) * length * width / 8)  # equation 4
    apart = step_memory(
        architecture, Layout(tensor=8, attention="unfused", sequence_parallel=False), 1, length=length
    ).activations
    assert apart == pytest.approx((8 + (24 + 5 * heads * length / width) / 8) * length * width)  # equation 3


@pytest.mark.parametrize(("zero", "gigabytes"), [(0, 120), (1, 31.4), (2, 16.6), (3, 1.88)])
def test_zero_state_memory_matches_rajbhandari_2020(zero, gigabytes):
    """Rajbhandari et al. 2020 (arXiv 1910.02054), figure 1: 7.5 B parameters, 2 + 2 + 12 bytes for each."""
    numbers = MIXED._replace(gradient=2.0)  # gradients in 16 bits there
    counted = sum(workload(LLAMA, LENGTH).parameters[:6])
    parts = step_memory(LLAMA, Layout(data=64, zero=zero), numbers=numbers)
    assert states(parts) * 7.5e9 / counted / 1e9 == pytest.approx(gigabytes, rel=4e-3)  # three digits are printed


def test_pure_data_parallelism_fits_up_to_1_4b_parameters_on_32_gb():
    """Rajbhandari et al. 2020, section 1: beyond 1.4 B it runs out of 32 GB; the states alone of 2.1 B fill them."""
    numbers = MIXED._replace(gradient=2.0)
    for size, fits in (("1B", True), ("2.2B", False)):
        layout = Layout(data=8, zero=0, recompute="full")
        total = step_memory(Architecture.sized(size, vocabulary=50257, tied=True), layout, 8, numbers, 1024).total
        assert (total <= 32 * GIB) == fits


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.id)
def test_every_measured_layout_fits(step):
    """If the source does not state a setting, one of the possible layouts fits."""
    work = workload(step.architecture, step.sequence_length)
    least = min(memory(work, step.numbers, step.batch_size, layouts(layout)).total for layout in candidates(step))
    assert least <= hardware_rates(step.cluster, step.precision).memory


def test_predicted_memory_matches_measured_memory():
    """Rows that state memory, recomputation and layout: torchtitan, 8 B to 405 B, 8 to 512 accelerators."""
    rows = [step for step in STEPS if step.memory and not step.open]
    errors = [
        memory(
            workload(step.architecture, step.sequence_length), step.numbers, step.batch_size, layouts(step.layout)
        ).total
        / step.memory
        - 1
        for step in rows
    ]
    assert len(rows) >= 10
    assert np.median(np.abs(errors)) <= 0.1
    assert np.max(np.abs(errors)) <= 0.2


@pytest.mark.parametrize(
    ("name", "accelerator", "count", "given"),
    [
        # states alone, 18 bytes for a parameter: 18 × 70.6e9 / 8 = 159 GB
        ("llama-3.1-70b", "H100-SXM", 8, {"zero": 0}),
        ("llama-3.1-70b", "H100-SXM", 8, {"zero": 3}),
        ("llama-3.1-8b", "H100-SXM", 1, {}),  # 145 GB
        ("gpt3-175b", "A100-40GB-SXM", 64, {}),  # 49 GB
        ("llama-3.1-405b", "H100-SXM", 64, {}),  # 114 GB
        ("deepseek-v3", "H100-SXM", 128, {}),  # 94 GB
        # at most 64 ways of model parallelism without ZeRO: weights, gradients and states of 405 B are 114 GB again
        ("llama-3.1-405b", "H100-SXM", 1024, {"zero": 0, "tensor": 8, "pipeline": 8}),
        # 12 bytes of states sharded, 6 bytes of weights and gradients over eight ranks: 53 GB and 53 GB
        ("llama-3.1-70b", "H100-SXM", 16, {"zero": 1, "tensor": 8, "pipeline": 1}),
    ],
)
def test_layouts_that_exceed_memory_do_not_fit(name, accelerator, count, given):
    recipe = cm.Pretraining(tokens="1T", sequence_length=2048, batch_size=1024)
    with pytest.raises(cm.InputError, match=r"fits on no layout|the smallest needs") as caught:
        cm.search_layouts(name, cm.Cluster(accelerator, count), recipe, offload_optimizer=False, **given)
    needed = float(str(caught.value).split("needs ")[1].split(" GiB")[0])
    assert needed > cm.load_accelerator(accelerator).memory


def test_more_sharding_makes_the_model_fit():
    recipe = cm.Pretraining(tokens="1T", sequence_length=2048, batch_size=1024)
    search = cm.search_layouts(
        "llama-3.1-70b", cm.Cluster("H100-SXM", 64), recipe, offload_optimizer=False, zero=3, micro_batch=1
    )
    assert search.best.fits


# One accelerator and few, by hand


def test_memory_components_of_small_model_by_hand():
    """All components are added. Two micro-batches accumulate gradients."""
    parameters = 8 * (4 * 128**2 + 2 * 128 * 512 + 2 * 128) + 2 * 1000 * 128
    parts = step_memory(PLAIN, Layout(micro_batch=2), 4)
    tokens = 2 * LENGTH
    assert parts.weights == 2 * parameters
    assert parts.gradients == 4 * parameters
    assert parts.optimizer_states == pytest.approx(12 * parameters)
    assert parts.activations == pytest.approx(8 * 32 * tokens * 128)
    logits = (
        CONSTANTS.whole_logits * tokens * 1000
    )  # 16 and 32 bits, each with its gradient: 12 bytes, and temporary buffers
    assert parts.logits == pytest.approx(logits)
    assert (parts.buffers, parts.adapters) == (0, 0)
    expected = 18 * parameters + 8 * 32 * tokens * 128 + logits + DEVICE_CONTEXT
    assert parts.total == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("length", [1, 64, 4096])
def test_single_micro_batch_gradients_reuse_activation_memory(length):
    """Gradients reuse freed activations: the peak is at the end or at the start of the backward pass."""
    parameters = 8 * (4 * 128**2 + 2 * 128 * 512 + 2 * 128) + 2 * 1000 * 128
    parts = step_memory(PLAIN, Layout(), 1, length=length)
    going = parts.activations + parts.logits
    assert parts.gradients + going == pytest.approx(max(4 * parameters, going))
    assert step_memory(PLAIN, Layout(), 2, length=length).gradients == 4 * parameters
    assert step_memory(PLAIN, Layout(data=2, zero=0), 2, length=length).gradients == 4 * parameters
    assert step_memory(PLAIN, Layout(step_in_backward=True), 2, length=length).gradients == 0


def test_communication_library_needs_memory_on_several_accelerators():
    alone, together = step_memory(PLAIN, Layout(), 8), step_memory(PLAIN, Layout(data=8), 8)
    assert (alone.framework, together.framework) == (DEVICE_CONTEXT, DEVICE_CONTEXT + COMMUNICATION_MEMORY)
    assert CONSTANTS.context > DEVICE_CONTEXT


def test_fused_loss_needs_a_third_of_logit_memory():
    bytes_per_logit = {
        name: step_memory(PLAIN, Layout(loss=name), 1).logits / (LENGTH * 1000) for name in LOSS_IMPLEMENTATIONS
    }
    assert bytes_per_logit["fused"] == 4
    assert bytes_per_logit["fused"] / bytes_per_logit["whole"] == pytest.approx(1 / 3, abs=0.03)
    assert bytes_per_logit["whole"] == pytest.approx(CONSTANTS.whole_logits) and bytes_per_logit[
        "half"
    ] == pytest.approx(CONSTANTS.half_logits)
    assert bytes_per_logit["whole"] > bytes_per_logit["half"] > bytes_per_logit["fused"]


@pytest.mark.parametrize("length", [LENGTH, 4096, 2**17])
def test_chunked_loss_holds_the_logits_of_one_chunk(length):
    logits = step_memory(PLAIN, Layout(loss="chunked"), 1, length=length).logits
    assert logits == pytest.approx(CONSTANTS.chunked_logits * min(length, CHUNK) * 1000)


def test_general_purpose_trainers_hold_a_copy_of_the_logits():
    lean, eager = (step_memory(PLAIN, Layout(eager=value), 2).logits for value in (False, True))
    assert eager - lean == pytest.approx(CONSTANTS.copied_logits * LENGTH * 1000)


def test_eager_mode_needs_more_activation_and_gradient_memory():
    """Eager mode has copies of activations, and temporary buffers in the optimizer step."""
    lean, eager = (step_memory(PLAIN, Layout(eager=value), 2) for value in (False, True))
    norms, projected = 2 * CONSTANTS.eager_norms, 1  # two norms in each layer, one output projection
    assert eager.activations - lean.activations == pytest.approx(8 * 2 * LENGTH * 128 * (norms + projected))
    parameters = lean.gradients / 4
    most = (4 + CONSTANTS.foreach) * parameters - eager.activations - eager.logits
    assert eager.gradients == pytest.approx(max(lean.gradients, most))
    assert eager.gradients > lean.gradients
    assert (eager.weights, eager.optimizer_states) == (lean.weights, lean.optimizer_states)


def test_offloaded_weights_are_gathered_layer_by_layer():
    kept, away = (step_memory(PLAIN, Layout(offload_weights=value), 2) for value in (False, True))
    assert (away.weights, away.gradients) == (0, 0)
    layer = 4 * 128**2 + 2 * 128 * 512 + 2 * 128
    assert away.buffers - kept.buffers == pytest.approx(2 * (2 * layer + 2 * 1000 * 128))


def test_offloaded_activations_keep_one_layer():
    kept, away = (step_memory(PLAIN, Layout(recompute="full", offload_activations=value), 1) for value in (False, True))
    assert kept.activations - away.activations == pytest.approx(7 * 2 * LENGTH * 128)
    assert away.activations == pytest.approx(32 * LENGTH * 128)


def test_offloading_moves_memory_to_the_host():
    """Weights 2, gradients 4 and states 12 bytes per parameter; layer inputs 2 bytes per element."""
    work, parameters = workload(PLAIN, LENGTH), 8 * (4 * 128**2 + 2 * 128 * 512 + 2 * 128) + 2 * 1000 * 128

    def on_host(count=1, **fields):
        return host_bytes(work, MIXED, float(count), layouts(Layout(data=count, **fields)))

    assert on_host() == 0
    assert on_host(offload_optimizer=True) == pytest.approx(16 * parameters)
    assert on_host(offload_optimizer=True, offload_weights=True) == pytest.approx(18 * parameters)
    assert on_host(4, zero=3, offload_optimizer=True) == pytest.approx(16 / 4 * parameters)
    inputs = on_host(recompute="full", offload_activations=True)
    assert inputs == pytest.approx(8 * 2 * LENGTH * 128)
    assert on_host(offload_activations=True) == 0, "only inputs of recomputed layers are offloaded"


@pytest.mark.parametrize("length", [64, 256, 4096])
def test_tiled_feed_forward_keeps_the_activations_of_one_tile(length):
    """Of the recomputed layer: 2 × 512 inner elements per token, of 128 tokens at most."""
    whole, tiled = (
        step_memory(PLAIN, Layout(recompute="full", tiled_feed_forward=value), 1, length=length).activations
        for value in (False, True)
    )
    assert whole - tiled == pytest.approx(2 * 2 * 512 * max(length - 128, 0))


def test_tiled_feed_forward_repeats_the_forward_pass_of_the_feed_forward_blocks():
    cluster, recipe = cm.Cluster("H100-SXM", 1), cm.FullFineTuning(tokens="1B", sequence_length=8192, batch_size=1)
    whole, tiled = (
        cm.step_time(LLAMA, cluster, recipe, Layout(recompute="full", tiled_feed_forward=value)) for value in (0, 1)
    )
    blocks = workload(LLAMA, 8192).feed_forward_flops / workload(LLAMA, 8192).dense.flops
    assert 0.6 < blocks < 0.95
    ratio = tiled.si.breakdown.matmul / whole.si.breakdown.matmul
    assert 1 + 0.6 / 4 < ratio < 1 + blocks / 4 + 0.02


def test_frozen_matrices_without_adapters_save_no_inputs():
    """In bitsandbytes they do."""

    def saved(targets, **fields):
        recipe = cm.LoRA(tokens="1M", sequence_length=LENGTH, targets=targets, **fields)
        work = workload(PLAIN, LENGTH, recipe.adapters)
        return memory(work, recipe.numerics(), 1.0, layouts(Layout(eager=True))).activations

    every, some = saved(["all-linear"]), saved(["query", "value"])
    inner, hidden, projected = 512, 128, 128
    assert every - some == pytest.approx(8 * 2 * LENGTH * (inner + hidden + projected))
    assert saved(["query", "value"], quantization="nf4") == pytest.approx(every)


@pytest.mark.parametrize("optimizer", ["adamw-8bit", "adafactor"])
def test_optimizers_that_go_from_tensor_to_tensor_have_no_buffer_of_all_gradients(optimizer):
    layout = Layout(eager=True)
    buffered, lean = (step_memory(PLAIN, layout, 1, numbers=numerics("bf16", name)) for name in ("adamw", optimizer))
    parameters = buffered.weights / 2
    assert buffered.gradients - lean.gradients == pytest.approx(CONSTANTS.foreach * parameters)


def test_offloaded_optimizer_states_need_no_accelerator_memory():
    kept, away = step_memory(PLAIN, Layout(), 1), step_memory(PLAIN, Layout(offload_optimizer=True), 1)
    assert away.optimizer_states == 0
    assert away.total == kept.total - kept.optimizer_states


@pytest.mark.parametrize(("stages", "layers"), [(1, 8), (2, 4), (3, 3), (5, 2), (8, 1)])
def test_largest_pipeline_stage_determines_memory(stages, layers):
    """Eight layers on three stages are 3, 3 and 2: the largest stage has three."""
    stage = stage_parameters(workload(PLAIN, LENGTH), layouts(Layout(pipeline=stages)))
    assert stage.dense == pytest.approx(layers * (4 * 128**2 + 2 * 128 * 512 + 2 * 128))
    assert stage.embeddings == (2 if stages == 1 else 1) * 1000 * 128  # embedding or head, not both


def test_tied_embeddings_are_on_first_and_last_pipeline_stage():
    tied = workload(tiny(tied=True), LENGTH)
    assert stage_parameters(tied, layouts(Layout())).embeddings == 1000 * 128
    assert stage_parameters(tied, layouts(Layout(pipeline=2))).embeddings == 1000 * 128


@pytest.mark.parametrize("tensor", [1, 2, 4, 8])
def test_tensor_parallelism_shards_matrices_and_replicates_norms(tensor):
    stage = stage_parameters(workload(PLAIN, LENGTH), layouts(Layout(tensor=tensor)))
    assert stage.dense == pytest.approx(8 * ((4 * 128**2 + 2 * 128 * 512) / tensor + 2 * 128))
    assert stage.embeddings == 2 * 1000 * 128 / tensor


@pytest.mark.parametrize("tensor", [1, 2, 4, 8])
def test_key_value_weights_are_sharded_at_most_by_kv_heads(tensor):
    grouped = tiny(kv_heads=2, norms=0)
    stage = stage_parameters(workload(grouped, LENGTH), layouts(Layout(tensor=tensor)))
    keys = 2 * 128 * 2 * 16 / min(tensor, 2)
    assert stage.dense == pytest.approx(8 * ((2 * 128**2 + 2 * 128 * 512) / tensor + keys))


@pytest.mark.parametrize(("expert", "inner"), [(1, 1), (4, 1), (16, 1), (4, 2), (1, 8)])
def test_expert_parallelism_shards_expert_weights(expert, inner):
    layout = Layout(data=8, tensor=8, expert=expert, expert_tensor=inner)
    stage = stage_parameters(workload(MIXTURE, LENGTH), layouts(layout))
    assert stage.expert == 8 * 16 * 3 * 128 * 256 / (expert * inner)


def test_expert_optimizer_states_are_sharded_over_expert_replicas():
    """Two of 16 ranks hold the same experts: expert states are sharded over 2 ranks, all others over 16."""
    work = workload(MIXTURE, LENGTH)
    layout = Layout(data=16, expert=8, zero=1)
    stage = stage_parameters(work, layouts(layout))
    value = optimizer_bytes_per_parameter(MIXED, work.parameters.matrix_share)
    expected = value * ((stage.dense + stage.embeddings) / 16 + stage.expert / 2)
    assert step_memory(MIXTURE, layout).optimizer_states == pytest.approx(expected)


def test_expert_parallelism_does_not_shard_activations():
    """Expert-parallel ranks are data-parallel ranks: each still processes all of its tokens."""
    apart, together = (step_memory(MIXTURE, Layout(data=16, expert=expert)).activations for expert in (1, 16))
    assert apart == together > 0


def test_zero3_gathered_weights_need_memory():
    """ZeRO-3 gathers two layers and the embeddings at a time; with pipeline stages, the whole stage."""
    work = workload(PLAIN, LENGTH)
    stage = stage_parameters(work, layouts(Layout(data=8)))
    assert step_memory(PLAIN, Layout(data=8, zero=3)).buffers == pytest.approx(
        2 * (2 * stage.dense / 8 + stage.embeddings), rel=1e-12
    )
    assert step_memory(PLAIN, Layout(data=8, zero=2)).buffers == 0
    staged = stage_parameters(work, layouts(Layout(data=4, pipeline=2)))
    assert step_memory(PLAIN, Layout(data=4, pipeline=2, zero=3)).buffers == pytest.approx(6 * staged.total)


@pytest.mark.parametrize(("micro_batches", "waiting"), [(1, 1), (2, 2), (4, 4), (64, 4)])
def test_pipeline_keeps_activations_of_one_micro_batch_per_stage(micro_batches, waiting):
    work = workload(PLAIN, LENGTH)
    assert in_flight_layers(work, float(micro_batches), layouts(Layout(pipeline=4))) == waiting * 2


@pytest.mark.parametrize("chunks", [2, 4])
@pytest.mark.parametrize("stages", [2, 4, 8])
def test_interleaving_needs_more_activation_memory(stages, chunks):
    """Korthikanti et al. 2022, section 4.2.3: by the factor 1 + (p - 1) / (p v)."""
    deep = tiny(layers=64)
    single, many = (
        step_memory(deep, Layout(pipeline=stages, interleave=value), 8 * stages).activations for value in (1, chunks)
    )
    assert many / single == pytest.approx(1 + (stages - 1) / (stages * chunks))


def test_full_recomputation_keeps_layer_inputs_and_one_layer():
    """The recomputed layer keeps all of its activations, its input included."""
    parts = step_memory(PLAIN, Layout(recompute="full"), 1)
    assert parts.activations == pytest.approx((7 * 2 + 32) * LENGTH * 128)


def test_key_value_activations_are_sharded_at_most_by_kv_heads():
    """Two KV heads on eight ranks: each rank keeps one head."""
    of_layer = (2 * 128 + 2 * 128 + 5 * 128 + 5 * 128) / 8 + 2 * 16
    parts = step_memory(tiny(kv_heads=2), Layout(tensor=8), 1)
    assert parts.activations == pytest.approx(8 * 2 * LENGTH * of_layer)


def test_muon_has_two_moments_for_embeddings():
    numbers = numerics(optimizer="muon")
    bare = tiny(norms=0)
    layers, tables = 8 * (4 * 128**2 + 2 * 128 * 512), 2 * 1000 * 128
    assert step_memory(bare, Layout(), 1, numbers).optimizer_states == pytest.approx(8 * layers + 12 * tables)


def test_full_recomputation_of_a_single_layer_saves_no_memory():
    architecture = tiny(layers=1)
    assert step_memory(architecture, Layout(recompute="full"), 1).total <= step_memory(architecture, Layout(), 1).total


def test_selective_recomputation_of_a_single_layer_saves_no_memory():
    """During its backward pass the layer has all activations again."""
    architecture = tiny(layers=1)
    assert step_memory(architecture, Layout(recompute="selective"), 1).total == pytest.approx(
        step_memory(architecture, Layout(), 1).total
    )


# Properties of any layout


@st.composite
def any_layout(draw, **fixed):
    """A layout of 1 to 256 accelerators that is feasible for a batch size of 256.

    Operations are not launched one by one: their step of the optimizer takes gradients aside, in the room of
    activations, so that states do not follow from the layout alone.
    """
    powers = st.sampled_from([1, 2, 4])
    fields = {name: draw(powers) for name in ("data", "tensor", "pipeline", "context", "micro_batch")}
    fields |= {
        "zero": draw(st.integers(0, 3)),
        "recompute": draw(st.sampled_from(RECOMPUTE_MODES)),
        "attention": draw(st.sampled_from(["unfused", "latest"])),
        "loss": draw(st.sampled_from(LOSS_IMPLEMENTATIONS)),
        **{name: draw(st.booleans()) for name in BOOLEAN_FIELDS if name != "eager"},
    }
    fields["interleave"] = draw(st.sampled_from([1, 2])) if fields["pipeline"] > 1 else 1
    world = fields["data"] * fields["tensor"] * fields["context"]
    fields["expert"] = draw(st.sampled_from([value for value in (1, 2, 4, 8) if value <= world]))
    return Layout(**{**fields, **fixed})


models = st.sampled_from([LLAMA, MIXTURE, tiny(kv_heads=2, layers=24)])


@settings(max_examples=60, deadline=None)
@given(models, any_layout())
def test_recomputation_never_increases_memory(architecture, layout):
    none, selective, full = (
        step_memory(architecture, layout.replace(recompute=value), 256).total for value in RECOMPUTE_MODES
    )
    assert none >= selective >= full


@settings(max_examples=60, deadline=None)
@given(models, any_layout())
def test_higher_zero_level_never_increases_memory(architecture, layout):
    """Without the buffers of gathered weights, which only ZeRO-3 needs."""
    parts = [step_memory(architecture, layout.replace(zero=zero), 256) for zero in range(4)]
    totals = [component._replace(buffers=0.0).total for component in parts]
    assert totals == sorted(totals, reverse=True)
    assert parts[0].buffers == parts[1].buffers == parts[2].buffers <= parts[3].buffers


@pytest.mark.parametrize("data", [2, 8, 64])
def test_zero3_needs_least_memory_for_deep_models(data):
    totals = [step_memory(LLAMA, Layout(data=data, zero=zero)).total for zero in range(4)]
    assert totals == sorted(totals, reverse=True)


@settings(max_examples=40, deadline=None)
@given(models, any_layout(expert=1), st.sampled_from([2, 4, 8]))
def test_sharded_states_times_ranks_are_constant(architecture, layout, more):
    """Without expert parallelism: expert-parallel shards are sharded over fewer ranks.

    Otherwise only the communication library is added, with the second accelerator.
    """
    few, many = (step_memory(architecture, layout.replace(data=layout.data * times), 256) for times in (1, more))
    for part, from_zero in (("optimizer_states", 1), ("gradients", 2), ("weights", 3)):
        if layout.tensor == 1 or architecture is not MIXTURE:
            times = more if layout.zero >= from_zero else 1
            assert getattr(many, part) * times == pytest.approx(getattr(few, part), rel=1e-12)
    assert many.total - many.framework <= (few.total - few.framework) * (1 + 1e-12)
    assert few.framework <= many.framework <= DEVICE_CONTEXT + COMMUNICATION_MEMORY


@settings(max_examples=40, deadline=None)
@given(models, any_layout(), st.sampled_from(["tensor", "pipeline", "context"]))
def test_model_parallelism_never_increases_state_memory(architecture, layout, degree):
    assume(layout.zero < 3 or degree != "pipeline")
    few, many = (
        step_memory(architecture, layout.replace(**{degree: getattr(layout, degree) * times}), 256) for times in (1, 2)
    )
    assert states(many) <= states(few) * (1 + 1e-12)
    assert many.logits <= few.logits


@settings(max_examples=40, deadline=None)
@given(models, any_layout(), st.sampled_from([2, 4]))
def test_activations_are_linear_in_micro_batch_size(architecture, layout, times):
    """With enough micro-batches to fill the pipeline."""
    assume(not layout.tiled_feed_forward)  # a tile stays as large as it is
    few, many = (
        step_memory(architecture, layout.replace(micro_batch=layout.micro_batch * value), 1024) for value in (1, times)
    )
    assert many.activations == pytest.approx(times * few.activations)
    assert many.logits == pytest.approx(times * few.logits)
    assert states(many) == states(few)


@settings(max_examples=40, deadline=None)
@given(models, any_layout())
def test_memory_components_add_up_and_are_not_negative(architecture, layout):
    parts = step_memory(architecture, layout, 256)
    assert min(parts) >= 0
    assert max(parts) < parts.total == pytest.approx(math.fsum(parts))


@settings(max_examples=40, deadline=None)
@given(models, any_layout())
def test_eager_mode_never_reduces_memory(architecture, layout):
    fused, eager = (step_memory(architecture, layout.replace(eager=value), 256) for value in (False, True))
    assert all(component >= other for component, other in zip(eager, fused, strict=True))


@settings(max_examples=40, deadline=None)
@given(models, any_layout(), st.sampled_from(["optimizer", "weights", "activations"]))
def test_offloading_never_increases_memory(architecture, layout, offloaded):
    kept, away = (
        step_memory(architecture, layout.replace(**{f"offload_{offloaded}": value}), 256) for value in (False, True)
    )
    component = "optimizer_states" if offloaded == "optimizer" else offloaded
    assert getattr(away, component) <= getattr(kept, component)
    # the buffers hold two layers and an embedding, or a stage: in a shallow model possibly all weights
    assert away.total - away.buffers <= kept.total - kept.buffers


@settings(max_examples=25, deadline=None)
@given(models, st.lists(any_layout(), min_size=1, max_size=5), st.booleans())
def test_array_of_layouts_matches_each_layout(architecture, several, eager):
    several = [layout.replace(eager=eager) for layout in several]
    together = step_memory(architecture, several, 256)
    for place, layout in enumerate(several):
        alone = step_memory(architecture, layout, 256)
        assert [float(np.broadcast_to(part, len(several))[place]) for part in together] == pytest.approx(list(alone))
