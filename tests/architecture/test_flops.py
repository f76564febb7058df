"""FLOPs by convention: published figures, and properties that hold for any shape."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import costmodel as cm
from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.counting import flops_by_part, pairs
from costmodel.architecture.flops import CONVENTIONS
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer

# parameters, 6N, causal, full, llm-foundry: FLOPs per token of training as four tools count them
# (Megatron, PaLM / torchtitan and llm-foundry conventions, worked out by hand from the published shapes)
PUBLISHED = {
    ("gpt3-175b-megatron", 2048): (174_615_846_912, "1.047695e+12", "1.061947e+12", "1.076443e+12", "1.076686e+12"),
    ("llama-2-70b", 4096): (68_976_648_192, "4.138599e+11", "4.283852e+11", "4.444914e+11", "4.460721e+11"),
    ("llama-3-8b", 8192): (8_030_261_248, "4.818157e+10", "5.147040e+10", "5.791285e+10", "6.106647e+10"),
    ("llama-3-70b", 8192): (70_553_706_496, "4.233222e+11", "4.492225e+11", "4.814348e+11", "4.877467e+11"),
    ("llama-3.1-405b", 8192): (405_853_388_800, "2.435120e+12", "2.523956e+12", "2.625425e+12", "2.638058e+12"),
}


@pytest.mark.parametrize(("name", "length"), PUBLISHED)
def test_flops_per_token_of_four_conventions(name, length):
    total, *expected = PUBLISHED[name, length]
    architecture = cm.load_architecture(name)
    assert architecture.parameters.total == total
    counted = [
        f"{cm.flops_per_token(architecture, length, each):.6e}" for each in ("6n", "causal", "full", "llm-foundry")
    ]
    assert counted == expected


def test_narayanan_2021_without_recomputation():
    """Narayanan et al. 2021 (arXiv 2104.04473): 96 B s L d² (1 + s/(6d) + V/(16 L d)) with recomputation.

    Three quarters of the layers' part are model FLOPs (4 passes to 3); the head is not recomputed. The score
    matrix is counted in full there.
    """
    depth, width, vocabulary, length = 96, 12288, 51200, 2048
    published = 96 * length * depth * width**2 * (1 + length / (6 * width) + vocabulary / (16 * depth * width))
    flops = cm.count_flops(cm.load_architecture("gpt3-175b-megatron"), length, attention="full")
    assert flops.training + flops.recompute == pytest.approx(published, rel=1e-12)


@pytest.mark.parametrize("window", [1, 7, 512, 4096])
def test_a_window_joins_full_attention_without_a_jump(window):
    for length in (1, 5, 511, 512, 513, 5000):
        expected = length**2 / 2 if length <= window else window * length - window**2 / 2
        assert pairs(length, "causal", True, window) == expected
        assert pairs(length, "full", True, window) == length**2


def test_bidirectional_attention_is_not_halved():
    assert pairs(100, "causal", False, None) == 10_000


@pytest.mark.parametrize("length", [10, 64, 65, 128, 1000])
def test_a_window_to_both_sides_joins_full_attention_without_a_jump(length):
    window = 128  # 64 to each side
    expected = length**2 if length <= 64 else window * length - window**2 / 4
    assert pairs(length, "causal", False, window) == expected
    assert pairs(length, "full", False, window) == length**2


def test_local_layers_of_an_encoder_grow_linearly():
    wide = cm.load_architecture("modernbert-base")
    attention = [flops_by_part(wide.replace(layers=wide.layers[1:2]), length)["attention"] for length in (1e5, 2e5)]
    assert attention[1] / attention[0] == pytest.approx(2, rel=1e-2)


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_causal_pairs_never_exceed_half_of_all(length, window):
    assert 0 < pairs(length, "causal", True, window) <= length**2 / 2


def small(**changes):
    mixer = Attention(heads=4, kv_heads=2, head_width=16, window=changes.pop("window", None))
    layer = Layer(mixer=mixer, feed_forward=FeedForward(inner_width=128, gated=True), count=3)
    return Architecture(width=48, layers=(layer,), vocabulary=1000, **changes)


@given(st.lists(st.integers(1, 10**5), min_size=1, max_size=5), st.sampled_from(CONVENTIONS))
def test_scalar_equals_element_of_an_array(lengths, convention):
    architecture = small(window=64)
    together = cm.flops_per_token(architecture, np.array(lengths), convention)
    alone = [cm.flops_per_token(architecture, length, convention) for length in lengths]
    zero_d = [cm.flops_per_token(architecture, np.array(length), convention) for length in lengths]
    assert np.array_equal(together, alone)
    assert np.array_equal(zero_d, alone)


@given(st.integers(1, 10**5), st.integers(1, 1000))
def test_flops_are_linear_in_the_batch(length, batch):
    one, many = (cm.count_flops(small(), length, size) for size in (1, batch))
    assert many.training == pytest.approx(batch * one.training, rel=1e-12)
    assert one.training == one.forward + one.backward + one.prediction


def test_a_tied_head_multiplies_and_the_lookup_does_not():
    tied, untied = small(tied=True), small(tied=False)
    assert cm.count_flops(tied, 128).training == cm.count_flops(untied, 128).training
    assert untied.parameters.total - tied.parameters.total == 48 * 1000


def test_head_width_need_not_be_width_over_heads():
    attention = small().layers[0].mixer
    shapes = {weight.name: weight.shape for weight in attention.weights(48)}
    assert shapes["query"] == (48, 64)
    assert shapes["key"] == (48, 32)
    assert shapes["output"] == (64, 48)


def test_from_counts_leaves_core_attention_out_unless_told_the_shape():
    bare = cm.Architecture.from_counts("7B")
    shaped = cm.Architecture.from_counts("7B", layers=32, width=4096)
    assert cm.flops_per_token(bare, 4096) == 6 * 7e9
    assert cm.flops_per_token(shaped, 4096) == 6 * 7e9 + 6 * 32 * 4096 * 4096


def test_prediction_layers_are_trained_but_not_counted_in_the_total():
    architecture = cm.load_architecture("deepseek-v3")
    flops = cm.count_flops(architecture, 4096)
    assert architecture.parameters.total == 671_026_404_352
    # a layer, a joining projection and three norms (DeepSeek-V3 report, arXiv 2412.19437, section 2.2)
    assert 11e9 < architecture.parameters.prediction < 12e9
    # Megatron-Bridge counts 2.60e11 FLOPs per token with the prediction layer and 2.497e11 without it; it leaves
    # the router out (0.26 %) and, in the prediction layer, the joining projection
    assert (flops.forward + flops.backward) / 4096 == pytest.approx(2.497e11, rel=3.5e-3)
    assert flops.training / 4096 == pytest.approx(2.60e11, rel=5e-3)


@pytest.mark.parametrize("wrong", ["Causal", "6N", "", "half"])
def test_an_unknown_convention_is_refused(wrong):
    with pytest.raises(ValueError, match="unknown convention"):
        cm.flops_per_token(small(), 128, wrong)


@pytest.mark.parametrize("wrong", [0, -5, float("nan"), float("inf"), "8192", None, True, [4096, -1]])
def test_a_length_that_is_none_is_refused(wrong):
    for count in (cm.count_flops, cm.flops_per_token):
        with pytest.raises(cm.InputError, match="sequence_length must be"):
            count(small(), wrong)


def test_narrow_integers_do_not_overflow():
    expected = cm.count_flops(small(), 131072).training
    assert cm.count_flops(small(), np.int32(131072)).training == expected
    assert cm.count_flops(small(), np.array([131072], dtype=np.int32)).training[0] == expected


@pytest.mark.parametrize(
    "source", ["llama-3.1-8b", {"total": "7B", "layers": 32, "width": 4096}], ids=["name", "counts"]
)
def test_flops_take_whatever_names_an_architecture(source):
    architecture = cm.load_architecture(source)
    assert cm.count_flops(source, 4096) == cm.count_flops(architecture, 4096)
    assert cm.count_decode_flops(source, 4096) == cm.count_decode_flops(architecture, 4096)
    assert cm.flops_per_token(source, 4096, "6n") == cm.flops_per_token(architecture, 4096, "6n")
