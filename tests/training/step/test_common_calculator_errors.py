"""Common errors of training-cost calculators: one test for each, by subject."""

import tomllib
from pathlib import Path

import pytest

import costmodel as cm
from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.experts import Experts
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer
from costmodel.training.step.communication import bandwidth
from costmodel.training.step.configuration import HardwareRates, TimeConstants
from costmodel.training.step.layout import Layout, layouts
from costmodel.training.step.memory import memory, stage_parameters
from costmodel.training.step.numerics import numerics, optimizer_bytes_per_parameter
from costmodel.training.step.timing import step_breakdown
from costmodel.training.step.workload import workload

LENGTH = 1024
MIXED = numerics()
IDEAL_HARDWARE = tomllib.loads((Path(__file__).parents[1] / "ideal_hardware.toml").read_text(encoding="utf-8"))
IDEAL = HardwareRates(**IDEAL_HARDWARE["hardware"])
ONLY_PEAK = TimeConstants(**IDEAL_HARDWARE["constants"])
NODE = IDEAL._replace(link_bandwidth=9e11, network_bandwidth=5e10)


def decoder(
    *,
    heads=16,
    kv_heads=16,
    head_width=128,
    layers=16,
    norms=0,
    window=None,
    causal=True,
    experts=None,
    vocabulary=32_000,
    **changes,
):
    mixer = Attention(heads=heads, kv_heads=kv_heads, head_width=head_width, window=window, causal=causal)
    feed_forward = experts or FeedForward(inner_width=8192, gated=False)
    layer = Layer(mixer=mixer, feed_forward=feed_forward, norms=norms, count=layers)
    return Architecture(**{"width": 2048, "layers": (layer,), "vocabulary": vocabulary, "final_norm": False, **changes})


def step_memory(architecture, layout, batch=64):
    return memory(workload(architecture, LENGTH), MIXED, float(batch), layouts(layout))


def step_times(architecture, layout, batch=64, hardware=NODE):
    return step_breakdown(workload(architecture, LENGTH), MIXED, hardware, float(batch), layouts(layout), ONLY_PEAK)


def test_causal_attention_has_half_the_flops_of_full_attention():
    """A bidirectional model has all pairs. Conventions of attention FLOPs: tests/architecture/test_flops.py."""
    causal, both = workload(decoder(), LENGTH), workload(decoder(causal=False), LENGTH)
    assert causal.attention_flops == 16 * 2 * LENGTH**2 * 2048
    assert both.attention_flops == 2 * causal.attention_flops
    assert step_times(decoder(causal=False), Layout()).attention == pytest.approx(
        2 * step_times(decoder(), Layout()).attention
    )


@pytest.mark.parametrize(
    ("window", "pairs"),
    [
        (LENGTH // 4, LENGTH**2 / 4 - LENGTH**2 / 32),
        (LENGTH - 1, LENGTH**2 / 2 - 0.5),
        (LENGTH, LENGTH**2 / 2),
        (LENGTH + 1, LENGTH**2 / 2),
    ],
)
def test_sliding_window_counts_only_pairs_within_it(window, pairs):
    """w s - w² / 2 pairs for windows below the sequence length, else s² / 2."""
    assert workload(decoder(window=window), LENGTH).attention_flops == 16 * 4 * 2048 * pairs


def test_tied_head_has_flops_and_embedding_lookup_has_none():
    tied, untied = (workload(decoder(tied=value), LENGTH) for value in (True, False))
    assert tied.head.flops == untied.head.flops == 2 * LENGTH * 32_000 * 2048
    assert (
        tied.model_flops
        == untied.model_flops
        == pytest.approx(3 * (tied.dense.flops + tied.head.flops + tied.attention_flops))
    )
    assert (tied.parameters.head, untied.parameters.head) == (0, 32_000 * 2048)
    assert step_times(decoder(tied=True), Layout()).head == step_times(decoder(), Layout()).head


def test_expert_parallelism_shards_expert_weights_not_activations():
    """More cases: test_memory.test_expert_parallelism_shards_expert_weights and those after it."""
    mixture = decoder(experts=Experts(experts=16, top_k=2, inner_width=1024))
    apart, together = Layout(data=16, tensor=4), Layout(data=16, tensor=4, expert=16, expert_tensor=4)
    stages = [stage_parameters(workload(mixture, LENGTH), layouts(layout)) for layout in (apart, together)]
    assert stages[0].expert == 64 * stages[1].expert
    assert stages[0].dense == stages[1].dense
    assert step_memory(mixture, apart).activations == step_memory(mixture, together).activations
    value = optimizer_bytes_per_parameter(MIXED, workload(mixture, LENGTH).parameters.matrix_share)
    rest = (stages[1].dense + stages[1].embeddings) / 16
    assert step_memory(mixture, together).optimizer_states == pytest.approx(
        value * (rest + stages[1].expert)
    )  # not / 16


def test_attention_width_may_differ_from_model_width():
    wide = workload(decoder(heads=16, kv_heads=16, head_width=256), LENGTH)
    assert wide.attention_flops == 2 * workload(decoder(), LENGTH).attention_flops
    assert wide.parameters.dense == 16 * (4 * 2048 * 4096 + 2 * 2048 * 8192)
    assert (wide.head_width, wide.key_values) == (256, 16 * 2 * LENGTH * 4096)


def test_largest_pipeline_stage_determines_time_and_memory():
    """14 layers on four stages are 4, 4, 3 and 3: the largest stage is that of 16 layers."""
    fourteen, sixteen = (decoder(layers=value, head=False) for value in (14, 16))
    layout = Layout(pipeline=4)
    assert step_times(fourteen, layout).matmul == pytest.approx(step_times(sixteen, layout).matmul)
    assert step_memory(fourteen, layout).weights == step_memory(sixteen, layout).weights
    assert step_memory(fourteen, layout).activations == pytest.approx(step_memory(sixteen, layout).activations)


def test_pipeline_bubble_with_interleaving_in_multiples_of_stages():
    """More cases: test_timing.test_pipeline_bubble_of_equal_stages."""
    parts = step_times(decoder(head=False), Layout(pipeline=4, interleave=2), batch=8)
    assert parts.pipeline_bubble == pytest.approx(
        (parts.total - parts.pipeline_bubble - parts.data_parallel) * 3 / (2 * 8)
    )
    layout = Layout(pipeline=4, interleave=2)
    of_9, of_12 = (step_times(decoder(head=False), layout, batch=batch).total for batch in (9, 12))
    assert of_9 == of_12, "9 micro-batches take as long as the next multiple of the stages"


def test_memory_components_add_up():
    """The total is the sum of the components, not their maximum."""
    parts = step_memory(decoder(), Layout(micro_batch=8))
    states = parts.weights + parts.gradients + parts.optimizer_states
    passing = parts.activations + parts.logits
    assert parts.total - parts.framework == pytest.approx(states + passing)
    assert max(states, passing) < 0.95 * (parts.total - parts.framework)


def test_only_zero3_gathers_for_every_micro_batch_and_tensor_parallelism_divides_volume():
    """More cases: test_timing.test_data_parallel_communication_volume."""
    apart = NODE._replace(gpus_per_node=1.0)  # one bandwidth for every group

    def data(zero, tensor=1, batch=64):
        layout = Layout(data=8, tensor=tensor, zero=zero, overlap_data=False)
        return step_times(decoder(), layout, batch=batch, hardware=apart).data_parallel

    assert data(1, batch=64) == data(1, batch=8)  # once per step
    assert data(3, batch=64) == pytest.approx(8 * data(3, batch=8))  # for every micro-batch
    assert data(1) < data(0)  # gathers 16-bit weights instead of 32-bit gradients
    for zero in (0, 1, 2, 3):
        assert data(zero, tensor=4) == pytest.approx(data(zero) / 4)


@pytest.mark.parametrize("layout", [Layout(tensor=4), Layout(pipeline=4)], ids=["tensor", "pipeline"])
def test_parallelism_divides_gradients_and_activations(layout):
    """Tensor parallelism divides both; pipeline stages divide gradients and keep several micro-batches."""
    whole, split = (step_memory(decoder(vocabulary=8), value) for value in (Layout(), layout))
    assert split.gradients == pytest.approx(whole.gradients / 4, rel=1e-3)  # embedding and head on the end stages
    assert split.activations == pytest.approx(whole.activations / layout.tensor)
    single = step_memory(decoder(vocabulary=8), layout, batch=1)
    assert single.activations == pytest.approx(whole.activations / 4)


def test_norms_are_replicated_over_tensor_parallel_ranks():
    bare, normed = (
        stage_parameters(workload(decoder(norms=value), LENGTH), layouts(Layout(tensor=8))).dense for value in (0, 2)
    )
    assert normed - bare == 16 * 2 * 2048


def test_kv_heads_are_replicated_beyond_their_number():
    """Two KV heads on eight ranks: each rank holds one head. More cases: test_memory."""
    grouped = decoder(kv_heads=2)
    two, eight = (step_memory(grouped, Layout(tensor=value)) for value in (2, 8))
    keys = 16 * 2 * 2048 * 128  # one key head and one value head
    rest = 16 * (2 * 2048**2 + 2 * 2048 * 8192)
    assert two.weights == 2 * (keys + rest / 2 + 2 * 32_000 * 2048 / 2)
    assert eight.weights == 2 * (keys + rest / 8 + 2 * 32_000 * 2048 / 8)
    work = workload(grouped, LENGTH)
    expected = 3 * 64 * (work.grouped.flops / 2 + work.dense.flops / 8) / 1e15
    assert step_times(grouped, Layout(tensor=8)).matmul == pytest.approx(expected)


def test_data_parallel_bandwidth_depends_on_group_placement():
    """Two ranks in a node use the link; ranks of different nodes use the network."""
    assert bandwidth(NODE, ONLY_PEAK, 1.0, 2.0) == NODE.link_bandwidth
    assert bandwidth(NODE, ONLY_PEAK, 8.0, 2.0) == NODE.network_bandwidth
    near, far = (
        step_times(decoder(), Layout(data=2, tensor=value, overlap_data=False)).data_parallel * value
        for value in (1, 8)
    )
    assert far / near == pytest.approx(NODE.link_bandwidth / NODE.network_bandwidth)


def test_fp8_peak_applies_to_matmuls_not_to_attention_or_head():
    twice = NODE._replace(matmul_peak=2e15)
    sixteen, eight = step_times(decoder(), Layout()), step_times(decoder(), Layout(), hardware=twice)
    assert eight.matmul == pytest.approx(sixteen.matmul / 2)
    assert (eight.attention, eight.head) == (sixteen.attention, sixteen.head)


def test_mfu_refers_to_bf16_peak_for_any_precision():
    recipe = cm.Pretraining(tokens="1T", sequence_length=LENGTH, batch_size=64)
    cluster, peak = cm.Cluster("H100-SXM", 8), cm.load_accelerator("H100-SXM").peak()
    for precision in ("bf16", "fp8"):
        step = cm.step_time(decoder(), cluster, recipe.replace(precision=precision), Layout(data=8))
        assert step.si.flops == pytest.approx(step.mfu * peak)


@pytest.mark.parametrize("tensor", [1, 8])
def test_vocabulary_is_counted_without_padding(tensor):
    """50,257 tokens: parameters and model FLOPs do not include padding of the vocabulary."""
    odd = decoder(vocabulary=50_257)
    work = workload(odd, LENGTH)
    assert odd.parameters.total == 16 * (4 * 2048**2 + 2 * 2048 * 8192) + 2 * 50_257 * 2048
    assert work.head.flops == 2 * LENGTH * 50_257 * 2048
    assert stage_parameters(work, layouts(Layout(tensor=tensor))).embeddings == 2 * 50_257 * 2048 / tensor


@pytest.mark.parametrize(("name", "drift"), [("pythia-70m", 0.38), ("smollm2-135m", -0.21), ("llama-3.1-405b", -0.005)])
def test_model_flops_are_not_6_times_total_parameters(name, drift):
    """Small models consist mostly of embeddings (no FLOPs) and core attention (no parameters).

    By hand: 6 FLOPs per matrix parameter (head included), and half of 12 L a h s for causal attention.
    """
    architecture = cm.load_architecture(name)
    attention = architecture.layers[0].mixer
    matrices = workload(architecture, 2048).parameters.dense + workload(architecture, 2048).parameters.grouped
    matrices += architecture.vocabulary * architecture.width
    by_hand = 6 * matrices + 6 * architecture.depth * attention.heads * attention.head_width * 2048
    counted = workload(architecture, 2048).model_flops / 2048
    assert counted == pytest.approx(by_hand, rel=2e-3)  # biases are parameters without matmul
    assert 6 * architecture.parameters.total / counted - 1 == pytest.approx(drift, abs=5e-3)
