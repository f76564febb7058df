"""Workload sums against the parameters and FLOPs that the architecture counts."""

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
from costmodel.training.step.layout import Layout, layouts
from costmodel.training.step.memory import memory
from costmodel.training.step.numerics import numerics
from costmodel.training.step.workload import stacked, workload

WAYS = ("dense", "grouped", "replicated", "expert")
FIXED_LENGTH = (
    "vit-base-patch16-224",
    "clip-vit-base-patch32",
    "siglip-base-patch16-224",
    "convnext-tiny",
    "swin-tiny",
)
"""The models that fix their number of tokens themselves."""
NARROW_TABLE = ("opt-350m",)
"""The model whose embedding is narrower than its hidden state."""
SEVERAL = st.sampled_from(["gpt2", "llama-3.1-8b", "gemma-3-27b-text", "mixtral-8x7b", "nemotron-3-nano-30b-a3b"])
NAMES = [entry["name"] for entry in cm.architectures()]


def tiny(*, heads=8, kv_heads=8, head_width=16, gated=False, layers=4, norms=2, experts=None, **changes):
    """A decoder of width 128 whose numbers are easily counted by hand."""
    feed_forward = experts or FeedForward(inner_width=512, gated=gated)
    mixer = Attention(heads=heads, kv_heads=kv_heads, head_width=head_width)
    layer = Layer(mixer=mixer, feed_forward=feed_forward, norms=norms, count=layers)
    return Architecture(**{"width": 128, "layers": (layer,), "vocabulary": 1000, "final_norm": False, **changes})


def forward(architecture, length):
    """The forward FLOPs of one sequence, from the sums."""
    work = workload(architecture, length)
    head = work.head.flops / (1 + architecture.prediction_layers)
    return sum(getattr(work, way).flops for way in WAYS) + work.attention_flops + work.scan_flops + head


def listed(architecture):
    """The parameters of all sharding groups, and those that the sums leave out.

    The final norm and the bias of the head belong to no layer and to no matrix: at most 3e-4 of a model.
    """
    counts = workload(architecture, 64).parameters
    apart = architecture.final_norm * (1 + architecture.norm_bias) * architecture.width
    apart += (architecture.vocabulary or 0) * (architecture.head and architecture.head_bias)
    return sum(getattr(counts, way) for way in WAYS) + counts.embedding + counts.head + apart


@pytest.mark.parametrize("length", [64, 1024, 10_000])
def test_forward_flops_match_count_flops_for_the_catalog(length):
    """Both sum in a different order: only rounding may differ. Scans are plain, as their rate in step times."""
    off = {}
    for name in NAMES:
        architecture = cm.load_architecture(name)
        error = forward(architecture, length) / cm.count_flops(architecture, length, scan="plain").forward - 1
        if abs(error) > 1e-9 and name not in {*FIXED_LENGTH, *NARROW_TABLE}:
            off[name] = error
    assert off == {}


@pytest.mark.parametrize("name", FIXED_LENGTH)
def test_model_with_fixed_token_count_uses_it(name):
    architecture = cm.load_architecture(name)
    assert forward(architecture, 1024) == pytest.approx(cm.count_flops(architecture, 1024).forward, rel=1e-9)


@pytest.mark.parametrize("name", NARROW_TABLE)
def test_embedding_projections_are_counted(name):
    architecture = cm.load_architecture(name)
    assert listed(architecture) == architecture.parameters.total
    assert forward(architecture, 1024) == pytest.approx(cm.count_flops(architecture, 1024).forward, rel=1e-9)


def test_sharding_groups_add_up_to_total_parameters_for_the_catalog():
    """Exactly, without multi-token prediction layers."""
    architectures = {name: cm.load_architecture(name) for name in NAMES if name not in NARROW_TABLE}
    off = {
        name: difference
        for name, architecture in architectures.items()
        if (difference := listed(architecture) - architecture.parameters.total)
    }
    assert off == {}
    assert any(architecture.parameters.prediction for architecture in architectures.values())


def test_dense_decoder_by_hand():
    s, d, depth, f, v = 64.0, 128.0, 4.0, 512.0, 1000.0
    work = workload(tiny(), 64)
    assert work.parameters.dense == depth * (4 * d * d + 2 * d * f)
    assert (work.parameters.replicated, work.parameters.grouped, work.parameters.expert) == (depth * 2 * d, 0, 0)
    assert (work.parameters.embedding, work.parameters.head) == (v * d, v * d)
    assert work.dense.flops == 2 * s * work.parameters.dense
    assert work.dense.weights == work.parameters.dense
    assert work.head.flops == 2 * s * v * d
    assert work.normalized == work.residual == work.all_reduced == 2 * depth * s * d
    assert work.dense.written_sharded == depth * s * (3 * d + f)  # queries, keys, values; hidden units of the MLP
    assert work.dense.read_sharded == depth * s * (
        d + f
    )  # inputs of the output projection and of the second MLP matrix
    assert work.scores == depth * 8 * s * s
    assert work.attention_flops == depth * 2 * s * s * d  # causal: half of 2 s² d for each of two matmuls
    assert work.key_values == depth * 2 * s * d
    assert work.parameters.matrix_share == pytest.approx(1 - 2 * d / (4 * d * d + 2 * d * f + 2 * d))
    assert (work.layers, work.heads, work.key_heads, work.head_width) == (4, 8, 8, 16)


def test_grouped_query_attention_is_sharded_by_kv_heads():
    work = workload(tiny(kv_heads=2), 64)
    assert work.key_heads == 2
    assert work.parameters.grouped == 4 * 2 * 128 * 2 * 16
    assert work.grouped.flops == 2 * 64 * work.parameters.grouped
    assert work.parameters.dense == 4 * (2 * 128 * 128 + 2 * 128 * 512)


def test_moe_decoder_by_hand():
    experts = Experts(experts=16, top_k=2, inner_width=64, shared=FeedForward(inner_width=32, gated=True))
    work = workload(tiny(experts=experts), 64)
    assert (work.experts, work.expert_layers) == (16, 4)
    assert work.parameters.expert == 4 * 16 * 3 * 128 * 64
    assert work.parameters.replicated == 4 * (128 * 16 + 2 * 128)  # routers and norms
    assert work.parameters.dense == 4 * (4 * 128 * 128 + 3 * 128 * 32)
    assert work.expert.flops == 4 * 2 * 64 * 2 * 3 * 128 * 64  # two experts per token
    assert work.routed == 4 * 2 * 64 * 128


def test_multi_token_prediction_layers_are_counted_separately():
    with_them = cm.load_architecture("deepseek-v3")
    without = with_them.replace(prediction_layers=0, prediction_layer=None)
    ahead, plain = workload(with_them, 4096), workload(without, 4096)
    assert ahead.parameters._replace(prediction=0.0) == plain.parameters
    assert ahead.parameters.prediction == with_them.parameters.prediction > 0
    assert ahead.model_flops == cm.count_flops(with_them, 4096).training > plain.model_flops
    assert ahead.head.flops == 2 * plain.head.flops
    of_layers = plain.model_flops / 3 - plain.head.flops
    more = 3 * (ahead.prediction_share * of_layers / plain.layers + plain.head.flops)
    assert ahead.model_flops == pytest.approx(plain.model_flops + more, rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(SEVERAL, st.integers(4, 12))
def test_matmul_flops_are_linear_and_attention_at_most_quadratic_in_length(name, power):
    architecture = cm.load_architecture(name)
    single, two = workload(architecture, 2**power), workload(architecture, 2 ** (power + 1))
    for way in WAYS:
        assert getattr(two, way).flops == pytest.approx(2 * getattr(single, way).flops)
        assert getattr(two, way).weights == getattr(single, way).weights
    assert two.scan_flops == pytest.approx(2 * single.scan_flops)
    assert 2 * single.attention_flops <= two.attention_flops * (1 + 1e-12)
    assert two.attention_flops <= 4 * single.attention_flops * (1 + 1e-12)
    assert two.parameters == single.parameters


@given(st.integers(1, 12))
def test_flops_of_equal_layers_add_up(depth):
    single, many = workload(tiny(layers=1), 64), workload(tiny(layers=depth), 64)
    for name in ("normalized", "residual", "all_reduced", "scores", "key_values", "attention_flops", "layers"):
        assert getattr(many, name) == depth * getattr(single, name)
    assert many.dense == tuple(depth * value for value in single.dense)


def test_stacked_workloads_match_each_workload():
    single = [
        workload(tiny(), 64),
        workload(cm.load_architecture("llama-3.1-8b"), 4096),
        workload(cm.load_architecture("deepseek-v3"), 4096),
    ]
    together = stacked(single)
    assert together.layers.shape == together.dense.flops.shape == (3,)
    for place, work in enumerate(single):
        assert type(work)._make(_element(field, place) for field in together) == work
    layout = layouts([Layout(data=4, tensor=2, recompute="full")] * 3)
    total = memory(together, numerics(), 8.0, layout).total
    assert np.allclose(
        total,
        [memory(work, numerics(), 8.0, layouts(Layout(data=4, tensor=2, recompute="full"))).total for work in single],
        rtol=1e-12,
    )


def _element(field, place):
    return type(field)._make(part[place] for part in field) if isinstance(field, tuple) else field[place]
