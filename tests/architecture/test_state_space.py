"""State space models, linear attention and their hybrids: parameters exact, FLOPs by the formulas of their papers.

The counts of the small configs were taken from Hugging Face transformers 5.24 on the meta device.
"""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import costmodel as cm
from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import BLOCKS as REGISTERED
from costmodel.architecture.blocks.block import read_block
from costmodel.architecture.blocks.experts import Experts
from costmodel.architecture.blocks.gated_delta import GatedDelta
from costmodel.architecture.blocks.kimi_delta import KimiDelta
from costmodel.architecture.blocks.lightning_attention import LightningAttention
from costmodel.architecture.blocks.mamba import Mamba
from costmodel.architecture.blocks.mamba2 import Mamba2
from costmodel.architecture.blocks.rwkv import ChannelMix, TimeMix
from costmodel.architecture.counting import scan_flops
from costmodel.architecture.families import MODULES
from costmodel.architecture.flops import count_decode_flops, count_flops
from costmodel.foundation.errors import InputError

REFERENCE = json.loads((Path(__file__).parent.parent / "data" / "reference_recurrent.json").read_text("utf-8"))
FURTHER = {config["model_type"] for config, *_ in REFERENCE}
"""Families that are compared with the reference in test_reference_layouts.py."""
WITH_TOWERS = {"qwen3_5", "qwen3_5_moe"}
"""Models with images, whose text is read by `linear_attention`."""
OURS = {
    name for name, module in MODULES.items() if module in {"state_space", "linear_attention"}
} - FURTHER | WITH_TOWERS
SIZE = {"hidden_size": 64, "num_hidden_layers": 8, "vocab_size": 300}
HEADS = {**SIZE, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 96}
DELTA = {"linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 10, "linear_value_head_dim": 14}
MOE = {"num_experts": 12, "num_experts_per_tok": 3, "moe_intermediate_size": 20}
TOWER = {
    "depth": 2,
    "hidden_size": 48,
    "intermediate_size": 90,
    "num_heads": 4,
    "num_position_embeddings": 64,
    "out_hidden_size": 64,
    "patch_size": 4,
    "deepstack_visual_indexes": [],
}
SMALL = {
    "mamba": SIZE,
    "mamba2": {**SIZE, "num_heads": 8, "head_dim": 16},
    "rwkv": SIZE,
    "jamba": HEADS,
    "falcon_h1": {**HEADS, "mamba_n_heads": 8},
    "nemotron_h": {
        **HEADS,
        "hybrid_override_pattern": "ME*-MEM*",
        "mamba_num_heads": 6,
        "mamba_head_dim": 12,
        "n_groups": 2,
        "n_routed_experts": 4,
        "moe_intermediate_size": 30,
        "moe_shared_expert_intermediate_size": 50,
    },
    "qwen3_next": {**HEADS, **DELTA, **MOE},
    "minimax": {**HEADS, "num_local_experts": 5},
    "kimi_linear": {
        **HEADS,
        "num_key_value_heads": 4,
        "num_experts": 6,
        "num_experts_per_token": 2,
        "linear_num_heads": 3,
        "linear_head_dim": 12,
        "moe_intermediate_size": 20,
        "kv_lora_rank": 30,
    },
    "qwen3_5": {"text_config": {**HEADS, **DELTA, "mtp_num_hidden_layers": 1}, "vision_config": TOWER},
    "qwen3_5_moe": {"text_config": {**HEADS, **DELTA, **MOE}, "vision_config": TOWER},
}
LISTED = ["linear_attention", "moe", "full_attention", "mlp"] * 2
LINEAR_ATTENTION = {
    "full_attn_layers": [2, 8],
    "kda_layers": [1, 3, 4, 5, 6, 7],
    "head_dim": 9,
    "num_heads": 5,
    "short_conv_kernel_size": 3,
}
COUNTED = [
    ("mamba", {"use_bias": True}, 283456, 283456),
    ("mamba", {"use_conv_bias": False}, 279872, 279872),
    ("mamba", {"time_step_rank": "auto", "hidden_size": 72}, 345960, 345960),
    ("mamba", {"state_size": 9, "conv_kernel": 3}, 258368, 258368),
    ("mamba2", {"use_bias": True}, 1395520, 1395520),
    ("mamba2", {"use_conv_bias": False}, 1359104, 1359104),
    ("mamba2", {"n_groups": 2, "state_size": 20, "conv_kernel": 2}, 286848, 286848),
    ("mamba2", {"tie_word_embeddings": True}, 1357312, 1357312),
    ("rwkv", {}, 470272, 470272),
    ("rwkv", {"attention_hidden_size": 48}, 437248, 437248),
    ("rwkv", {"tie_word_embeddings": True}, 451072, 451072),
    (
        "jamba",
        {
            "num_experts": 3,
            "num_experts_per_tok": 1,
            "expert_layer_period": 3,
            "expert_layer_offset": 0,
            "attn_layer_period": 4,
            "attn_layer_offset": 1,
        },
        518744,
        408152,
    ),
    ("jamba", {"num_key_value_heads": 1, "hidden_size": 128}, 3450520, 1386136),
    ("falcon_h1", {"mamba_d_ssm": None}, 773888, 773888),
    ("falcon_h1", {"mamba_proj_bias": True}, 2206528, 2206528),
    ("falcon_h1", {"projectors_bias": True}, 2186496, 2186496),
    ("falcon_h1", {"mlp_bias": True}, 2188032, 2188032),
    ("falcon_h1", {"mamba_rms_norm": True, "mamba_conv_bias": False}, 2181888, 2181888),
    (
        "falcon_h1",
        {"mamba_d_ssm": 80, "mamba_d_head": 10, "mamba_n_groups": 2, "mamba_d_state": 7, "mamba_d_conv": 3},
        430208,
        430208,
    ),
    ("nemotron_h", {}, 441862, 426502),
    ("nemotron_h", {"use_bias": True}, 444040, 428680),
    ("nemotron_h", {"use_conv_bias": False, "conv_kernel": 3, "n_groups": 3, "ssm_state_size": 11}, 348712, 333352),
    ("nemotron_h", {"hybrid_override_pattern": None, "layers_block_type": LISTED}, 404164, 388804),
    ("nemotron_h", {"moe_latent_size": 16}, 422918, 419078),
    ("qwen3_next", {}, 1811908, 1535428),
    ("qwen3_next", {"attention_bias": True}, 1818180, 1541700),
    ("qwen3_next", {"decoder_sparse_step": 2}, 1304772, 1166532),
    ("qwen3_next", {"mlp_only_layers": [1, 3]}, 1558340, 1350980),
    ("minimax", {}, 910656, 468288),
    ("minimax", {"head_dim": 24}, 976320, 533952),
    ("kimi_linear", {}, 453491, 345971),
    ("kimi_linear", {"q_lora_rank": 22, "attention_bias": True}, 422845, 315325),
    ("kimi_linear", {"num_shared_experts": 2}, 480371, 372851),
    ("kimi_linear", {"linear_attn_config": LINEAR_ATTENTION}, 571736, 464216),
    ("qwen3_5", {}, 891624, 891624),
    ("qwen3_5", {"tie_word_embeddings": True}, 872424, 872424),
    ("qwen3_5_moe", {}, 1905896, 1629416),
]
BLOCKS = [
    Mamba(inner_width=12, state_width=4, step_rank=3, kernel=4),
    Mamba2(heads=4, head_width=3, state_width=5, groups=2, kernel=4),
    GatedDelta(key_heads=2, value_heads=4, key_width=3, value_width=5, kernel=4),
    KimiDelta(heads=2, head_width=6, kernel=4),
    LightningAttention(heads=2, head_width=6),
    TimeMix(inner_width=12, input_width=8),
    ChannelMix(inner_width=32, input_width=8),
]


def config(family, **changes):
    return {"model_type": family, **SMALL[family], **changes}


def flops(block, width, tokens=10.0, context=10.0):
    return sum(2 * one.copies * one.m * one.n * one.k for one in block.operations(width, tokens, context))


def rows(path):
    with path.open(encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["model_type"] in OURS]


def test_parameters_of_published_models_are_exact(shared):
    counted = {
        row["model"]: (int(row["total_params"]), int(row["active_params"]), int(row["embedding_params"]))
        for row in rows(shared / "configs" / "params.csv")
    }
    read = {name: cm.load_architecture(shared / "configs" / f"{name}.json").parameters[:3] for name in counted}
    assert len(counted) == len(OURS) == 11
    assert read == counted


def test_forward_flops_of_published_models_are_near_the_reference(shared):
    """The reference counts scans as its plain implementation spells them, in products over chunks."""
    listed = rows(shared / "configs" / "flops.csv")
    for row in listed:
        architecture = cm.load_architecture(shared / "configs" / f"{row['model']}.json")
        forward = count_flops(
            architecture, int(row["seq_len"]), int(row["batch"]), attention="full", scan="plain"
        ).forward
        assert forward == pytest.approx(int(row["forward_flops"]), rel=0.015), row["model"]
    assert len(listed) == 6


@pytest.mark.parametrize(("family", "changes", "total", "active"), COUNTED)
def test_parameters_of_small_models_are_exact(family, changes, total, active):
    assert cm.load_architecture(config(family, **changes)).parameters[:2] == (total, active)


def test_every_family_is_counted_small():
    assert {family for family, *_ in COUNTED} == OURS == set(SMALL)


def test_flops_of_the_scans_follow_their_formulas():
    mamba, mamba2, delta, kimi, lightning, time, channel = BLOCKS
    width, tokens = 8, 10
    assert flops(mamba, width) == tokens * (
        2 * width * 24 + 2 * 4 * 12 + 2 * 12 * (3 + 2 * 4) + 2 * 3 * 12 + 7 * 12 * 4 + 2 * 12 * width
    )
    groups_state, inner = 2 * 5, 12
    assert flops(mamba2, width) == tokens * (
        2 * width * (2 * inner + 2 * groups_state + 4)
        + 2 * 4 * (inner + 2 * groups_state)
        + 7 * inner * 5
        + 2 * inner * width
    )
    keys, values = 2 * 3, 4 * 5
    assert flops(delta, width) == tokens * 2 * (
        width * (2 * keys + 2 * values + 2 * 4) + 4 * (2 * keys + values) + 4 * 4 * 3 * 5 + width * values
    )
    assert flops(kimi, width) == tokens * 2 * (
        4 * width * 12 + 4 * 3 * 12 + 2 * (width * 6 + 6 * 12) + width * 2 + 4 * 2 * 6 * 6
    )
    assert flops(lightning, width) == tokens * 2 * (5 * width * 12 + 2 * 2 * 6 * 6)
    assert flops(TimeMix(inner_width=8, input_width=8), 8) + flops(channel, 8) == tokens * 2 * 13 * 8**2
    assert flops(time, width) == tokens * 2 * 4 * width * 12


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.kind)
def test_a_state_does_not_grow_with_the_context(block):
    assert block.cache(1) == block.cache(10**6) > 0
    assert flops(block, 8, 10.0, 10.0) == flops(block, 8, 10.0, 1e6) == pytest.approx(flops(block, 8, 20.0) / 2)
    assert sum(weight.size for weight in block.weights(16)) > sum(weight.size for weight in block.weights(8))


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.kind)
def test_blocks_are_read_back(block):
    assert read_block(block.model_dump(mode="json")) == block
    assert REGISTERED[block.kind] is type(block)


def test_caches_hold_state_and_last_tokens():
    assert [block.cache(100) for block in BLOCKS] == [
        12 * 4 + 12 * 3,
        12 * 5 + (12 + 2 * 2 * 5) * 3,
        4 * 3 * 5 + (2 * 6 + 20) * 3,
        2 * 36 + 3 * 12 * 3,
        2 * 36,
        3 * 12 + 8,
        8,
    ]


@pytest.mark.parametrize("family", ["mamba", "mamba2", "rwkv"])
def test_without_attention_flops_are_linear_in_the_length(family):
    architecture = cm.load_architecture(config(family))
    chunk = 256  # the scan of Mamba-2 runs in chunks: work within them grows up to their length
    whole = count_flops(architecture, 4096, scan="plain").forward
    assert whole == pytest.approx(4096 * count_flops(architecture, 1, scan="plain").forward)
    assert count_flops(architecture, 4096).forward == pytest.approx(16 * count_flops(architecture, chunk).forward)
    assert count_decode_flops(architecture, 10) == count_decode_flops(architecture, 10**5)


@pytest.mark.parametrize("family", ["jamba", "falcon_h1", "nemotron_h", "qwen3_next", "minimax", "kimi_linear"])
def test_hybrids_have_some_attention(family):
    architecture = cm.load_architecture(config(family))
    assert count_flops(architecture, 4096).forward > 1.01 * 4096 * count_flops(architecture, 1).forward
    assert count_decode_flops(architecture, 10) < count_decode_flops(architecture, 10**5)


def test_listed_layers_are_those_that_have_attention():
    def kinds(family, **changes):
        layers = cm.load_architecture(config(family, **changes)).layers
        return [layer.mixer.kind for layer in layers for _ in range(layer.count)]

    default = kinds("qwen3_next")
    assert [index for index, kind in enumerate(default) if kind == "attention"] == [3, 7]
    assert kinds("qwen3_next", full_attention_interval=3).index("attention") == 2
    chosen = ["full_attention", *["linear_attention"] * 7]
    assert kinds("qwen3_next", layer_types=chosen) == ["attention", *["gated_delta"] * 7]
    assert kinds("minimax", layer_types=chosen) == ["attention", *["lightning_attention"] * 7]
    assert kinds("minimax")[:2] == ["attention", "lightning_attention"]
    assert kinds("kimi_linear", layer_types=chosen) == ["latent_attention", *["kimi_delta"] * 7]
    assert [index for index, kind in enumerate(kinds("jamba")) if kind == "attention"] == [4]


def test_an_output_gate_is_as_wide_as_the_queries():
    plain = Attention(heads=4, kv_heads=2, head_width=16, qkv_bias=True)
    gated = plain.replace(output_gate=True)
    grown = sum(one.size for one in gated.weights(64)) - sum(one.size for one in plain.weights(64))
    assert grown == 64 * 64 + 64
    assert flops(gated, 64) - flops(plain, 64) == 10 * 2 * 64 * 64


def test_latent_experts_work_in_the_latent():
    latent = Experts(experts=8, top_k=2, inner_width=24, gated=False, latent_width=16)
    assert sum(one.size for one in latent.weights(64)) == 64 * 8 + 8 * 2 * 16 * 24 + 2 * 64 * 16
    assert flops(latent, 64) == 10 * 2 * (64 * 8 + 2 * 2 * 16 * 24 + 2 * 64 * 16)


def test_prediction_layers_stand_apart():
    plain = cm.load_architecture(config("nemotron_h"))
    ahead = cm.load_architecture(config("nemotron_h", num_nextn_predict_layers=1, mtp_hybrid_override_pattern="*E"))
    attention, router, experts = 64 * 128 * (4 + 2 + 2 + 4), 64 * 4, 2 * 64 * (4 * 30 + 50)
    assert ahead.parameters.total == plain.parameters.total
    assert ahead.parameters.prediction == 2 * 64 * 64 + 3 * 64 + attention + router + experts + 2 * 64
    assert cm.load_architecture(config("qwen3_5")).prediction_layers == 1


@pytest.mark.parametrize(
    ("family", "changes", "message"),
    [
        ("mamba", {"intermediate_size": 100}, "intermediate_size: 100 is not expand"),
        ("mamba", {"rms_norm": False}, "rms_norm: only true"),
        ("mamba2", {"num_heads": 7}, "num_heads: heads"),
        ("mamba2", {"n_groups": 3}, "n_groups: 3 groups do not divide the 8 heads"),
        ("jamba", {"attn_layer_offset": 8}, "attn_layer_offset: 8 is not below"),
        ("jamba", {"num_experts_per_tok": 99}, "num_experts_per_tok: 99 of only 16"),
        ("falcon_h1", {"mamba_n_heads": 7}, "mamba_n_heads: 7 does not divide"),
        ("falcon_h1", {"mamba_d_head": 3}, "mamba_d_head: 8 heads of 3"),
        ("falcon_h1", {"num_key_value_heads": 3}, "num_key_value_heads: 3 does not divide"),
        ("nemotron_h", {"hybrid_override_pattern": "ME*-MEX*"}, "unknown kinds of layer X"),
        ("nemotron_h", {"hybrid_override_pattern": "ME*"}, "gives 3 layers, num_hidden_layers 8"),
        ("nemotron_h", {"hybrid_override_pattern": None}, "hybrid_override_pattern: is required"),
        ("nemotron_h", {"n_shared_experts": 2}, "n_shared_experts: only 1"),
        ("nemotron_h", {"num_nextn_predict_layers": 2}, "num_nextn_predict_layers: at most 1"),
        ("nemotron_h", {"num_nextn_predict_layers": 1, "mtp_hybrid_override_pattern": "*-"}, "mtp_layers_block_type"),
        ("nemotron_h", {"attention_bias": True}, "attention_bias: is not understood"),
        ("nemotron_h", {"tie_word_embeddings": True}, "tie_word_embeddings: only false"),
        ("nemotron_h", {"moe_latent_size": 16, "mlp_bias": True}, "mlp_bias: only false"),
        ("qwen3_next", {"attn_output_gate": False}, "attn_output_gate: only true"),
        ("qwen3_next", {"linear_num_value_heads": 3}, "linear_num_key_heads: 2 does not divide"),
        ("qwen3_next", {"layer_types": ["sliding_attention"] * 8}, "layer_types: must be a list of 8"),
        ("kimi_linear", {"num_key_value_heads": 2}, "num_key_value_heads: latent attention"),
        ("kimi_linear", {"linear_attn_config": {"kda_layers": [1, 2]}}, "linear_attn_config.full_attn_layers"),
        ("kimi_linear", {"linear_attn_config": {"use_full_rank_gate": True}}, "use_full_rank_gate: is not understood"),
        ("kimi_linear", {"tie_word_embeddings": True}, "tie_word_embeddings: only false"),
        ("qwen3_5", {"vision_config": None}, "vision_config: is required"),
        ("qwen3_5", {"vision_config": {**TOWER, "deepstack_visual_indexes": [1]}}, "deepstack_visual_indexes"),
        ("qwen3_5", {"vision_config": {**TOWER, "out_hidden_size": 32}}, "out_hidden_size: 32 is not"),
    ],
)
def test_what_is_not_known_is_refused(family, changes, message):
    with pytest.raises(InputError, match=message):
        cm.load_architecture(config(family, **changes))


def test_all_problems_are_told_at_once():
    wrong = config("nemotron_h", hybrid_override_pattern="MX", n_shared_experts=3, use_bias="yes", vocab_size=-1)
    with pytest.raises(InputError) as caught:
        cm.load_architecture(wrong)
    for problem in ("unknown kinds of layer X", "gives 2 layers", "n_shared_experts", "use_bias", "vocab_size"):
        assert any(problem in each for each in caught.value.problems), problem


@pytest.mark.golden(
    source="Dao and Gu 2024 (arXiv 2405.21060)",
    table="Section 6: four batched products, each of T N² multiply-adds, for N = P = Q",
)
def test_chunked_scans_are_four_products_per_chunk(golden):
    size, tokens, heads = 16, 64, 3
    block = Mamba2(heads=heads, head_width=size, state_width=size, groups=heads, kernel=4, chunk=size)
    scan = next(work for work in block.operations(8, float(tokens), 0.0) if work.kind == "scan")
    full = scan_flops(scan, "full")
    golden("FLOPs of chunked scans", f"{4 * 2 * heads * tokens * size**2:,}", full)
    within = 2 * heads * tokens * size**2
    assert scan_flops(scan) == full - within  # half of the pairs of both products within a chunk


def test_chunked_scans_by_hand():
    # 10 tokens in chunks of 4, 4 and 2: 8 + 8 + 2 pairs; 12 channels, 5 state elements, 2 groups
    config_ = config("mamba2", hidden_size=6, num_heads=4, head_dim=3, state_size=5, n_groups=2, chunk_size=4)
    architecture = cm.load_architecture(config_ | {"num_hidden_layers": 1})
    chunked, plain = (count_flops(architecture, 10, scan=scan).forward for scan in ("chunked", "plain"))
    assert chunked - plain == 2 * (2 * 10 * 12 * 5 + 18 * (12 + 10)) - 7 * 10 * 12 * 5
    assert count_flops(architecture, np.array([10.0, 20.0])).forward[0] == chunked
    packed = count_flops(architecture, 10, packing=[4, 4, 2]).forward
    assert packed == chunked
    with pytest.raises(InputError, match="scan"):
        count_flops(architecture, 10, scan="fast")
