"""Compressed attention and residual streams: shapes, and FLOPs that fall with the compression."""

import pytest

import costmodel as cm
from costmodel.architecture.counting import flops_by_part

CONFIG = {
    "model_type": "deepseek_v4",
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "head_dim": 32,
    "num_key_value_heads": 1,
    "q_lora_rank": 16,
    "o_lora_rank": 8,
    "o_groups": 2,
    "sliding_window": 16,
    "index_n_heads": 2,
    "index_head_dim": 8,
    "index_topk": 4,
    "compress_ratios": [0, 4, 128],
    "moe_intermediate_size": 24,
    "n_routed_experts": 8,
    "num_experts_per_tok": 2,
    "hc_mult": 4,
    "vocab_size": 100,
}


def test_parameters_by_hand():
    attention = 4 + 64 * 16 + 16 + 16 * 128 + 64 * 32 + 32 + 64 * 16 + 16 * 64
    overlapping = 4 * 64 + 2 * 64 * 64 + 32 + 4 * 16 + 2 * 64 * 16 + 8 + 16 * 16 + 64 * 2
    wide = 128 * 32 + 2 * 64 * 32 + 32
    experts = 64 * 8 + (8 + 1) * 3 * 64 * 24
    mixing = 2 * (256 * 24 + 24 + 3)
    layers = 3 * (attention + experts + mixing + 2 * 64) + overlapping + wide
    total = layers + 2 * 100 * 64 + 64 + (256 * 4 + 4 + 1)
    assert cm.load_architecture(CONFIG).parameters.total == total


def test_compression_saves_score_flops():
    def attention(ratios, length, kind="causal"):
        architecture = cm.load_architecture(CONFIG | {"compress_ratios": ratios})
        return flops_by_part(architecture, length, kind)["attention"]

    window, coarse, fine = (attention(ratios, 1e5) for ratios in ([0] * 3, [128] * 3, [4] * 3))
    assert window < coarse < fine
    assert attention([0] * 3, 2e5) == pytest.approx(2 * window, rel=1e-3)  # linear in the length
    per_pair = 4 * 3 * 4 * 32  # two products of 2 FLOPs, 3 layers of 4 heads of 32
    projections = 3 * 1e5 * 2 * 64 * 2 * 32
    assert coarse - window == pytest.approx(per_pair * 1e5**2 / 128 / 2 + projections)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"compress_ratios": [0, 8, 128]}, "compress_ratios: must list one of"),
        ({"compress_ratios": [0]}, "compress_ratios: must list one of"),
        ({"num_key_value_heads": 2}, "num_key_value_heads: only 1"),
        ({"o_groups": 3}, "o_groups: 3 does not divide"),
    ],
)
def test_what_is_not_known_is_refused(change, message):
    with pytest.raises(cm.InputError, match=message):
        cm.load_architecture(CONFIG | change)
