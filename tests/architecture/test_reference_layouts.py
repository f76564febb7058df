"""Parameters of mixtures of experts and of recurrent models equal those of the reference implementation.

Reference: Hugging Face transformers 5.24 and flash-linear-attention 0.6 (`reference_linear_attention.json`) on the meta
device; `tests/data/reference_experts.json` and others hold [config, total, active, embedding] of the default of each
type, and of a smaller model.
"""

import json
from pathlib import Path

import pytest

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.fast_weights import FastWeights
from costmodel.architecture.blocks.gated_recurrence import GatedRecurrence
from costmodel.architecture.blocks.indexer import Indexer
from costmodel.architecture.blocks.kimi_delta import KimiDelta
from costmodel.architecture.blocks.latent_attention import LatentAttention
from costmodel.architecture.blocks.matrix_memory import MatrixMemory
from costmodel.architecture.blocks.reapplied import Reapplied
from costmodel.architecture.blocks.rwkv7 import DeltaMix
from costmodel.architecture.blocks.short_convolution import ShortConvolution
from costmodel.architecture.flops import count_flops
from costmodel.architecture.loading import load_architecture
from costmodel.foundation.errors import InputError

DATA = Path(__file__).parent.parent / "data"
ROWS = [
    row
    for name in ("experts", "latent_attention", "linear_attention", "recurrent")
    for row in json.loads((DATA / f"reference_{name}.json").read_text("utf-8"))
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]['model_type']}-{row[1]}")
def test_layouts_equal_the_reference(row):
    config, *expected = row
    architecture = load_architecture(config)
    assert list(architecture.parameters[:3]) == expected


def test_the_rows_cover_the_families_twice():
    types = [row[0]["model_type"] for row in ROWS]
    assert len(ROWS) >= 110
    assert min(types.count(name) for name in set(types)) == 2


def config_of(model_type, **changes):
    return next(row[0] for row in ROWS if row[0]["model_type"] == model_type) | changes


def test_value_heads_narrower_than_query_heads_are_counted():
    block = Attention(heads=4, kv_heads=2, head_width=6, value_width=3, head_gate=True)
    sizes = {weight.name: weight.size for weight in block.weights(10)}
    assert sizes == {"query": 240, "key": 120, "value": 60, "output": 120, "head_gate": 40}
    work = {operation.name: (operation.n, operation.k) for operation in block.operations(10, 8.0, 8.0)}
    assert work["attend"] == (8.0, 3)
    assert work["output"] == (10, 12)
    assert block.cache(100) == 2 * (6 + 3) * 100


def test_sliding_layers_of_mimo_have_twice_the_kv_heads():
    # 9 full layers of 64 x 8192² pairs halves, 39 sliding ones of a window of 129: (192 + 128) x 64 heads x 2 FLOPs
    config = config_of("mimo_v2_flash")
    length, window = 8192, 129
    causal = count_flops(config, length, attention="causal").forward
    linear = count_flops(config, 1e-3).forward / 1e-3
    scores = 9 * length**2 / 2 + 39 * (window * length - window**2 / 2)
    assert causal - linear * length == pytest.approx(2 * (192 + 128) * 64 * scores, rel=1e-3)


def test_changes_of_single_layers_are_read():
    config = config_of("mellum")
    plain = load_architecture(config).parameters.total
    changed = load_architecture(config | {"per_layer_config": {"01": {"num_attention_heads": 16}}}).parameters.total
    width, head = config["hidden_size"], config["head_dim"]
    assert plain - changed == (config["num_attention_heads"] - 16) * head * width * 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"per_layer_config": {"0": {"hidden_size": 8}}}, "per_layer_config: changes of hidden_size are not known"),
        ({"per_layer_config": {"99": {}}}, "per_layer_config: must be an object of changes for layers 0 to 27"),
        ({"mlp_layer_types": ["sparse"]}, "mlp_layer_types: must be a list of 28"),
    ],
)
def test_layouts_that_are_not_known_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        load_architecture(config_of("mellum") | changes)


@pytest.mark.golden(
    source="Meituan LongCat Team 2025 (arXiv 2509.01322)", table="560B parameters, 27B active on average"
)
def test_longcat_flash_has_experts_without_weights(golden):
    architecture = load_architecture(config_of("longcat_flash") | {"zero_expert_num": 256})
    total, active = architecture.parameters.total / 1e9, architecture.parameters.active / 1e9
    golden("parameters of LongCat-Flash, billions", "5.6e2", total)
    assert total == pytest.approx(560, rel=0.005)
    assert active == pytest.approx(27, rel=0.04)  # 12 of 768 experts, of which 512 have weights


def test_shared_indexers_select_keys_without_weights():
    config = config_of("glm_moe_dsa", num_hidden_layers=4)
    all_own = load_architecture(config | {"indexer_types": ["full"] * 4})
    shared = load_architecture(config | {"indexer_types": ["full", "shared"] * 2})
    rank, width, heads, head = config["q_lora_rank"], config["hidden_size"], 32, 128
    indexer = rank * heads * head + width * head + 2 * head + width * heads
    assert all_own.parameters.total - shared.parameters.total == 2 * indexer
    work = [[op.name for op in layer.mixer.operations(width, 1.0, 1.0)] for layer in shared.layers]
    assert sum("index_score" in names for names in work) == sum("index_score" not in names for names in work)


def test_gates_and_windows_of_latent_attention_are_counted():
    plain = LatentAttention(heads=4, query_rank=8, kv_rank=8, nope_width=6, rope_width=2, value_width=5)
    changed = plain.replace(output_gate=True, head_gate=True, rope_norm=True, sinks=True, query_gate=True, window=16)

    def size(block):
        return sum(weight.size for weight in block.weights(10))

    gates = 10 * 4 * 5 + 10 * 4 + 2 + 4
    assert size(changed) - size(plain) == gates + (16 * (4 * 8 + 4 * 5) - 8 * 4 * 8)
    assert changed.cache(100) == (8 + 2) * 16
    assert {op.window for op in changed.operations(10, 64.0, 64.0) if op.kind == "score"} == {16}


@pytest.mark.parametrize(
    "block",
    [
        Attention(heads=4, kv_heads=2, head_width=6, value_width=3, input_width=20, output_gate=True, head_gate=True),
        FastWeights(heads=2, key_width=4, value_width=6, output_gate=True, decay_rank=3, correction=True, kernel=4),
        FastWeights(heads=2, key_width=4, value_width=6, wide_norm=True),
        GatedRecurrence(heads=2, head_width=6, channels=12, kernel=4),
        Indexer(heads=2, head_width=6),
        KimiDelta(heads=2, head_width=6, kernel=4, low_rank=False),
        LatentAttention(heads=4, kv_rank=8, nope_width=6, rope_width=0, value_width=5, index_heads=2, output_gate=True),
        MatrixMemory(heads=2, key_width=6, value_width=8),
        ShortConvolution(kernel=3, input_width=10, bias=True),
        DeltaMix(heads=2, head_width=6, decay_rank=3, rate_rank=4, gate_rank=5, value_rank=2),
    ],
    ids=str,
)
def test_each_matrix_of_a_block_is_multiplied_once_per_token(block):
    matrices = sum(weight.size for weight in block.weights(10) if weight.role == "matrix")
    products = [work for work in block.operations(10, 7.0, 7.0) if work.kind == "matmul"]
    states = sum(work.n * work.k * work.copies for work in products if work.name in {"update", "read"})
    assert sum(work.n * work.k * work.copies for work in products) - states == matrices
    assert all(work.m == 7 for work in products)


def test_shared_blocks_work_in_each_layer_and_are_counted_once():
    config = config_of("zamba")
    architecture = load_architecture(config)
    shared = next(block for layer in architecture.layers for block in layer.also if isinstance(block, Attention))
    layers = [(layer.count, block) for layer in architecture.layers for block in layer.blocks()]
    again = [block for _, block in layers if isinstance(block, Reapplied) and block.block == shared]
    assert shared.input_width == 2 * config["hidden_size"]
    assert again and all(block.weights(config["hidden_size"]) == [] for block in again)
    assert again[0].operations(64, 8.0, 8.0) == shared.operations(64, 8.0, 8.0)
    assert again[0].cache(100) == shared.cache(100) > 0
    assert sum(count for count, block in layers if block == shared) == 1


RWKV7 = {"model_type": "rwkv7", "head_dim": 64, "vocab_size": 65536, "norm_bias": True}
LING = {"num_attention_heads": 16, "num_key_value_heads": 4, "head_dim": 128, "hidden_size": 2048, "use_bias": False}


@pytest.mark.golden(
    source="Peng et al. 2025, RWKV-7 Goose (arXiv 2503.14456)",
    table="Parameters: 2DV + 4D + LD(12D + 2(dw + da + dv + dg) + 19) - (2 D dv + D), for 0.19B, 0.45B, 1.5B and 2.9B",
)
@pytest.mark.parametrize(
    ("width", "depth", "ranks", "published"),
    [
        (768, 12, (64, 64, 32, 128), "191034624"),
        (1024, 24, (64, 64, 32, 128), "450767872"),
        (2048, 24, (96, 96, 64, 256), "1527404544"),
        (2560, 32, (96, 96, 64, 320), "2947735040"),
    ],
)
def test_rwkv7_follows_the_formula_of_its_paper(golden, width, depth, ranks, published):
    names = ("decay_low_rank_dim", "a_low_rank_dim", "v_low_rank_dim", "gate_low_rank_dim")
    config = RWKV7 | dict(zip(names, ranks, strict=True)) | {"hidden_size": width, "num_hidden_layers": depth}
    architecture = load_architecture(config)
    formula = 2 * width * 65536 + 4 * width + depth * width * (12 * width + 2 * sum(ranks) + 19)
    assert architecture.parameters.total == formula - (2 * width * ranks[2] + width)
    golden(f"parameters of RWKV-7, {depth} layers of {width}", published, architecture.parameters.total)
    with pytest.raises(InputError, match="attn: attention in some layers is not known"):
        load_architecture(config | {"attn": {"layers": [1]}})


@pytest.mark.golden(
    source="Ling Team 2025 (arXiv 2503.05139); model cards of Ling and Grok-1", table="Total and active parameters"
)
@pytest.mark.parametrize(
    ("config", "total", "active"),
    [
        (
            LING
            | {"model_type": "bailing_moe", "vocab_size": 126464, "num_hidden_layers": 28, "num_experts": 64}
            | {"num_experts_per_tok": 6, "num_shared_experts": 2, "moe_intermediate_size": 1408},
            "16.8",
            "2.75",
        ),
        (
            LING
            | {"model_type": "bailing_moe_v2", "vocab_size": 157184, "num_hidden_layers": 20, "num_experts": 256}
            | {"num_experts_per_tok": 8, "num_shared_experts": 1, "moe_intermediate_size": 512, "use_qk_norm": True}
            | {"first_k_dense_replace": 1, "intermediate_size": 5120},
            "16",
            "1.4",
        ),
        (
            {"model_type": "grok-1", "vocab_size": 131072, "hidden_size": 6144, "intermediate_size": 32768}
            | {"num_hidden_layers": 64, "num_attention_heads": 48, "num_key_value_heads": 8, "num_experts": 8},
            "3.2e2",
            "8.4e1",
        ),
    ],
    ids=["ling-lite", "ling-mini-2.0", "grok-1"],
)
def test_mixtures_of_published_code_have_their_published_sizes(golden, config, total, active):
    architecture = load_architecture(config)
    golden("total, billions", total, architecture.parameters.total / 1e9)
    golden("active, billions", active, architecture.parameters.active / 1e9)


def test_feature_maps_of_linear_attention_work_on_each_head():
    plain = FastWeights(heads=2, key_width=4, value_width=4)
    mapped = plain.replace(feature_maps=True)
    extra = sum(weight.size for weight in mapped.weights(8)) - sum(weight.size for weight in plain.weights(8))
    assert extra == 4 * (4 * 4 + 4)  # two layers for queries and two for keys, shared by the heads
    maps = next(work for work in mapped.operations(8, 3.0, 3.0) if work.name == "feature_maps")
    assert maps.m * maps.n * maps.k * maps.copies == 3 * 4 * 4 * (4 * 2)
    assert mapped.cache(10) == mapped.cache(10**6) == 2 * 4 * 4


@pytest.mark.parametrize(
    ("model_type", "changes", "message"),
    [
        ("gla", {"use_gk": False}, "use_gk: only true"),
        ("gla", {"gate_low_rank_dim": 8}, "gate_low_rank_dim: only 16"),
        ("retnet", {"use_short_conv": True}, "use_short_conv: only false"),
        ("linear_attn", {"feature_map": "hedgehog"}, "feature_map: 'hedgehog' is not known"),
        ("hgrn2", {"attn": {"layers": [1]}}, "attn: only null"),
        ("gated_deltanet", {"use_gate": False}, "use_gate: only true"),
        ("zamba", {"tie_word_embeddings": False}, "tie_word_embeddings: only true"),
        ("xlstm", {"embedding_dim": 64}, "embedding_dim: must be"),
        ("zaya", {"num_experts_per_tok": 2}, "num_experts_per_tok: only 1"),
        ("recurrent_gemma", {"intermediate_size": 1}, "intermediate_size: must be a whole number from 2"),
        ("deepseek_v4", {"n_shared_experts": 2}, "n_shared_experts: only 1"),
        ("mimo_v2_flash", {"swa_head_dim": 64}, "swa_head_dim: must be 192"),
        ("unlimited_ocr_text", {"num_attention_heads": 20}, "head_dim: only hidden size / heads, 64, is read; got 128"),
        ("mistral_large4_text", {"kv_source_layers": [0, 0]}, "kv_source_layers: only layers with their own"),
    ],
)
def test_shapes_that_are_not_known_are_refused(model_type, changes, message):
    with pytest.raises(InputError, match=message):
        load_architecture(config_of(model_type) | changes)


def test_jetmoe_routes_attention_and_feed_forward():
    """The total is that of the reference at its defaults; the paper gives 8B, of which 2.2B are active."""
    config = {"model_type": "jetmoe", "vocab_size": 32000, "hidden_size": 2048, "num_hidden_layers": 12}
    architecture = load_architecture(config)
    assert architecture.parameters.total == 4293888000
    experts = 12 * 8 * (2 * 2048 * 2048 + 3 * 2048 * 5632)
    assert architecture.parameters.active == 4293888000 - experts * 6 / 8
    whole = load_architecture(config | {"num_hidden_layers": 24}).parameters
    assert (whole.total / 1e9, whole.active / 1e9) == (pytest.approx(8.5, rel=0.01), pytest.approx(2.2, rel=0.07))
    block = architecture.layers[0].mixer
    work = {operation.name: operation for operation in block.operations(2048, 64.0, 64.0)}
    assert work["expert_query"].m * work["expert_query"].copies == 64 * 2
    assert work["score"].copies == 16 * 2
    assert block.cache(10) == 2 * 16 * 128 * 10


@pytest.mark.parametrize("model_type", ["afmoe", "granitemoehybrid", "deepseek_v3", "mistral4"])
def test_null_experts_per_token_are_all_experts_and_unverified(model_type):
    architecture = load_architecture(config_of(model_type) | {"num_experts_per_tok": None})
    assert architecture.parameters.active == architecture.parameters.total
    assert "null does not say how many" in "".join(architecture.unverified)


def test_loops_of_inkling_work_again_without_weights():
    config = config_of("inkling2_loop_text")
    once, twice = (load_architecture(config | {"loop_num_passes": passes}) for passes in (1, 2))
    assert once.parameters.total == twice.parameters.total
    assert twice.depth - once.depth == 18 - 6
    body = count_flops(once, 512).forward
    assert 1.3 * body < count_flops(twice, 512).forward < 1.6 * body
