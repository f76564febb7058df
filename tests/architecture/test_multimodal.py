"""Vision-language models: parameters to the last unit, FLOPs with one image in the sequence, and refusals.

The FLOPs of flops.csv hold none of these families. REFERENCE was counted with torch's FlopCounterMode on
Hugging Face transformers 5.24 (eager attention, batch 1): shrunk configs, run on one image of the size that
the reader takes and 40 tokens of text. The average pooling of Gemma 4, which runs as a product with a matrix
of ones and zeros, is left out; Llama 4 has one expert there, because its reference runs all of them on every token.
"""

import copy
import csv

import numpy as np
import pytest

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import Operation
from costmodel.architecture.blocks.reused_attention import ReusedAttention
from costmodel.architecture.counting import flops_by_part, pairs
from costmodel.architecture.families import MODULES
from costmodel.architecture.flops import count_decode_flops, count_flops
from costmodel.architecture.loading import load_architecture
from costmodel.architecture.specification import Architecture

SMALL = {"hidden_size": 64, "num_hidden_layers": 3, "intermediate_size": 96, "vocab_size": 600}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2}
SIGLIP = {
    "hidden_size": 1152,
    "image_size": 896,
    "intermediate_size": 4304,
    "num_attention_heads": 16,
    "num_hidden_layers": 2,
    "patch_size": 14,
    "vision_use_head": False,
}
CLIP = {
    "hidden_size": 1024,
    "image_size": 336,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_hidden_layers": 2,
    "patch_size": 14,
    "model_type": "clip_vision_model",
}
LLAMA4_TOWER = {"hidden_size": 1408, "image_size": 336, "num_hidden_layers": 2, "vision_output_dim": 4096}
EXPERTS = {"moe_intermediate_size": 32, "num_experts": 8}
QWEN3_TEXT = {**SMALL, **HEADS, "head_dim": 128}
QWEN3_TOWER = {"depth": 3, "out_hidden_size": 64, "deepstack_visual_indexes": [0, 1]}
GEMMA4_26B = {
    **SMALL,
    "num_hidden_layers": 6,
    **EXPERTS,
    "top_k_experts": 2,
    "enable_moe_block": True,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "num_global_key_value_heads": 2,
    "attention_k_eq_v": True,
    "hidden_size_per_layer_input": 0,
}
GEMMA4_26B_TOWER = {
    "hidden_size": 1152,
    "head_dim": 72,
    "intermediate_size": 4304,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "num_hidden_layers": 2,
}
GEMMA4_E2B = {
    **SMALL,
    "num_hidden_layers": 10,
    "num_kv_shared_layers": 5,
    "use_double_wide_mlp": True,
    "layer_types": [*["sliding_attention"] * 4, "full_attention"] * 2,
    "num_key_value_heads": 1,
    "hidden_size_per_layer_input": 16,
    "vocab_size_per_layer_input": 600,
}
KIMI_TEXT = {
    **SMALL,
    "model_type": "kimi_k2",
    "num_attention_heads": 4,
    "n_routed_experts": 8,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "q_lora_rank": 24,
    "kv_lora_rank": 16,
    "first_k_dense_replace": 1,
}
LLAMA4_TEXT = {
    **SMALL,
    **HEADS,
    "num_hidden_layers": 8,
    "head_dim": 16,
    "num_local_experts": 1,
    "interleave_moe_layer_step": 2,
    "intermediate_size_mlp": 160,
}
MISTRAL_TEXT = {**SMALL, **HEADS, "model_type": "mistral", "sliding_window": None}
PIXTRAL_560 = {"image_size": 560, "patch_size": 14, "num_hidden_layers": 2}
PIXTRAL = {"model_type": "pixtral", "image_size": 512, "num_hidden_layers": 2}


def config(model_type, text, vision, **more):
    return {"model_type": model_type, "text_config": text, "vision_config": vision, **more}


CONFIGS = {
    "llava": config("llava", {**SMALL, "num_attention_heads": 4}, CLIP),
    "pixtral": config("llava", MISTRAL_TEXT, PIXTRAL, vision_feature_select_strategy="full"),
    "mistral3": config("mistral3", MISTRAL_TEXT, PIXTRAL_560, tie_word_embeddings=False),
    "gemma3": config("gemma3", {**SMALL, "num_hidden_layers": 7, "sliding_window_pattern": 6}, SIGLIP),
    "qwen2_vl": config("qwen2_vl", {**SMALL, **HEADS}, {"depth": 2, "hidden_size": 64}),
    "qwen3_vl": config("qwen3_vl", QWEN3_TEXT, QWEN3_TOWER),
    "qwen3_vl_moe": config("qwen3_vl_moe", {**QWEN3_TEXT, **EXPERTS, "num_experts_per_tok": 2}, QWEN3_TOWER),
    "kimi_k25": config("kimi_k25", KIMI_TEXT, {"text_hidden_size": 64}, tie_word_embeddings=False),
    "llama4": config("llama4", LLAMA4_TEXT, LLAMA4_TOWER),
    "gemma4 26B": config("gemma4", GEMMA4_26B, GEMMA4_26B_TOWER),
    "gemma4 E2B": config("gemma4", GEMMA4_E2B, {"num_hidden_layers": 2}),
}
REFERENCE = {
    "llava": (26641984, 576 + 40, 33009975296),
    "pixtral": (34585152, 1024 + 40, 80209911808),
    "mistral3": (38596032, 400 + 40, 133947187200),
    "gemma3": (38878688, 256 + 40, 416402137088),
    "qwen2_vl": (67579776, 1280 + 40, 756133273600),
    "qwen3_vl": (115192048, 576 + 40, 369218248704),
    "qwen3_vl_moe": (115285744, 576 + 40, 369197432832),
    "kimi_k25": (438831720, 1024 + 40, 5513852944384),
    "llama4": (89817920, 144 + 40, 71380515840),
    "gemma4 26B": (70427024, 280 + 40, 283214561280 - 1625702400),
    "gemma4 E2B": (39040208, 280 + 40, 150654320640 - 1083801600),
}
"""Parameters, tokens of the sequence, forward FLOPs."""


def changed(name, text=None, vision=None, **more):
    new = copy.deepcopy(CONFIGS[name])
    new["text_config"].update(text or {})
    new["vision_config"].update(vision or {})
    return {**new, **more}


@pytest.mark.parametrize("name", CONFIGS)
def test_shrunk_models_equal_the_reference(name):
    parameters, tokens, flops = REFERENCE[name]
    architecture = load_architecture(CONFIGS[name])
    assert architecture.parameters.total == parameters
    assert count_flops(architecture, tokens, attention="full").forward == flops


@pytest.mark.parametrize("name", CONFIGS)
def test_the_tower_works_once_for_a_sequence_and_not_in_decoding(name):
    architecture = load_architecture(CONFIGS[name])
    short, long = (flops_by_part(architecture, tokens)["vision"] for tokens in (1500.0, 3000.0))
    assert short == long > 0
    alone = architecture.replace(stacks=())
    assert count_decode_flops(architecture, 2000) == count_decode_flops(alone, 2000)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_whole_description_can_be_written_and_read(name):
    architecture = load_architecture(CONFIGS[name])
    again = Architecture.from_data(architecture.to_data())
    assert again.parameters == architecture.parameters
    assert again.stacks == architecture.stacks
    assert again.layers == architecture.layers


def test_published_models_are_exact(shared):
    ours = {name for name, module in MODULES.items() if module in {"multimodal", "gemma4"}}
    with (shared / "configs" / "params.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["model_type"] in ours]
    assert len(rows) == 10
    for row in rows:
        parameters = load_architecture(shared / "configs" / f"{row['model']}.json").parameters
        expected = int(row["total_params"]), int(row["active_params"]), int(row["embedding_params"])
        assert parameters[:3] == expected, row["model"]


MAVERICK = config(
    "llama4",
    {"num_local_experts": 128, "interleave_moe_layer_step": 2, "attention_chunk_size": None, "use_qk_norm": False},
    {**LLAMA4_TOWER, "num_hidden_layers": 34},
)
MISTRAL_SMALL = config(
    "mistral3",
    {
        "head_dim": 128,
        "hidden_size": 5120,
        "intermediate_size": 32768,
        "model_type": "mistral",
        "num_hidden_layers": 40,
        "vocab_size": 131072,
        "sliding_window": None,
    },
    {"image_size": 1540, "patch_size": 14, "model_type": "pixtral"},
    tie_word_embeddings=False,
)
PIXTRAL_12B = config(
    "llava",
    {
        "head_dim": 128,
        "hidden_size": 5120,
        "is_composition": True,
        "model_type": "mistral",
        "num_hidden_layers": 40,
        "sliding_window": None,
        "vocab_size": 131072,
    },
    {"head_dim": 64, "is_composition": True, "model_type": "pixtral"},
    vision_feature_select_strategy="full",
)
QWEN2_VL_2B = {
    "model_type": "qwen2_vl",
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_attention_heads": 12,
    "num_hidden_layers": 28,
    "num_key_value_heads": 2,
    "vocab_size": 151936,
    "sliding_window": 32768,
    "max_window_layers": 28,
    "use_sliding_window": False,
    "tie_word_embeddings": True,
    "vision_config": {"embed_dim": 1280, "hidden_size": 1536, "in_chans": 3, "spatial_patch_size": 14},
}
QWEN3_VL_4B = config(
    "qwen3_vl",
    {"hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36, "num_key_value_heads": 8},
    {
        "depth": 24,
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "out_hidden_size": 2560,
        "deepstack_visual_indexes": [5, 11, 17],
    },
    tie_word_embeddings=True,
)


@pytest.mark.parametrize(
    ("given", "total"),
    [
        (MAVERICK, 401583781376),
        (MISTRAL_SMALL, 24011361280),
        (PIXTRAL_12B, 12682739712),
        (QWEN2_VL_2B, 2208985600),
        (QWEN3_VL_4B, 4437815808),
        (config("llava", {}, {}), 6845802752),
        (config("gemma3", {}, {"vision_use_head": False}), 2716225792),
        (config("gemma4", {}, {}), 5246311936),
        (config("qwen2_vl", {}, {"hidden_size": 8192}), 73405560320),
        (config("qwen3_vl_moe", {}, {"out_hidden_size": 2048}), 14023752944),
    ],
    ids=[
        "maverick",
        "mistral-small",
        "pixtral-12b",
        "qwen2-vl-2b",
        "qwen3-vl-4b",
        "llava",
        "gemma3",
        "gemma4",
        "qwen2_vl",
        "qwen3_vl_moe",
    ],
)
def test_what_a_config_leaves_out_is_the_default_of_its_family(given, total):
    """Totals of transformers 5.24 on the meta device for the same configs."""
    assert load_architecture(given).parameters.total == total


def test_only_layers_with_rotary_positions_see_chunks():
    layers = [layer for layer in load_architecture(CONFIGS["llama4"]).layers for _ in range(layer.count)]
    assert [layer.mixer.chunk for layer in layers] == [8192, 8192, 8192, None] * 2
    assert [layer.feed_forward.part for layer in layers] == ["feed_forward", "experts"] * 4
    one = load_architecture(changed("llama4", text={"no_rope_layers": [0] * 8}))
    assert {layer.mixer.chunk for layer in one.layers} == {None}


def test_chunks_are_sequences_of_their_own():
    chunked = load_architecture(CONFIGS["llama4"])
    whole = load_architecture(changed("llama4", text={"attention_chunk_size": None}))
    for tokens in (8000, 8192):
        assert count_flops(chunked, tokens) == count_flops(whole, tokens)
    length = 2 * 8192 + 100
    saved = length**2 / 2 - (2 * 8192**2 + 100**2) / 2
    difference = count_flops(whole, length).forward - count_flops(chunked, length).forward
    assert difference == 2 * 2 * 6 * 4 * 16 * saved
    assert count_flops(whole, length, attention="full") == count_flops(chunked, length, attention="full")
    lengths = np.array([3000.0, 8192.0, 20000.0])
    assert list(count_flops(chunked, lengths).forward) == [
        count_flops(chunked, one).forward for one in lengths.tolist()
    ]
    assert pairs(10, "causal", True, 2, 4) == 2 * pairs(4, "causal", True, 2) + pairs(2, "causal", True, 2)


def test_a_new_token_sees_its_chunk_only():
    plain = Attention(heads=4, kv_heads=2, head_width=16)
    chunked = plain.replace(chunk=100)
    architecture = load_architecture(changed("llama4", text={"attention_chunk_size": 100, "no_rope_layers": [1] * 8}))
    assert count_decode_flops(architecture, 100) == count_decode_flops(architecture, 300)
    assert count_decode_flops(architecture, 301) == count_decode_flops(architecture, 1)
    assert chunked.cache(1000) == plain.cache(100)
    assert chunked.cache(50) == plain.cache(50)
    assert [one.chunk for one in chunked.operations(64, 10, 10) if one.kind != "matmul"] == [100, 100]
    assert Operation("score", "score", 1, 1, 1).chunk is None


def test_reused_keys_and_values_have_no_weights_and_no_cache():
    plain = Attention(heads=4, kv_heads=2, head_width=16, qk_norm="head", qkv_bias=True)
    key = ReusedAttention(attention=plain, reuses="key")
    earlier = ReusedAttention(attention=plain, reuses="earlier")
    names = [{weight.name for weight in block.weights(64)} for block in (plain, key, earlier)]
    assert names[0] - names[1] == {"value", "value_bias"}
    assert names[1] - names[2] == {"key", "key_bias", "key_norm"}
    assert [one.name for one in earlier.operations(64, 8, 8)] == ["query", "score", "attend", "output"]
    assert (key.cache(100), earlier.cache(100)) == (plain.cache(100), 0)


def test_layers_taken_side_by_side_widen_the_projector():
    one, two = (load_architecture({**CONFIGS["llava"], "vision_feature_layer": value}) for value in (-2, [-2, -1]))
    assert two.parameters.total - one.parameters.total == 1024 * 64


def test_the_class_token_is_projected_unless_left_out():
    dropped = load_architecture(CONFIGS["llava"])
    kept = load_architecture({**CONFIGS["llava"], "vision_feature_select_strategy": "full"})
    assert count_flops(kept, 616).forward - count_flops(dropped, 616).forward == 2 * (1024 * 64 + 64 * 64)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (changed("llava", vocab_size=601), "vocab_size: 601"),
        (changed("llava", vision={"model_type": "mystery"}), "vision_config.model_type: unknown tower"),
        (changed("llava", text={"model_type": "mystery"}), "text_config.model_type: no reader is known for"),
        (changed("llava", vision={"hidden_size": 1001}), "vision_config.hidden_size: 1001"),
        (changed("llava", vision={"image_size": [336, 336]}), "vision_config.image_size: must be a whole number"),
        (changed("llava", text={"hyper_layers": 3}), "text_config.hyper_layers: is not understood"),
        (changed("llava", vision={"gate_width": 3}), "vision_config.gate_width: is not understood"),
        (changed("llava", vision_feature_select_strategy="half"), "unknown strategy 'half'"),
        ({**CONFIGS["llava"], "vision_config": None}, "vision_config: is required"),
        (changed("gemma3", text={"tie_word_embeddings": False}), "tie_word_embeddings: is True here, but False"),
        (changed("qwen2_vl", vision={"hidden_size": 65}), "vision_config.hidden_size: 65 is not"),
        (changed("qwen3_vl", vision={"out_hidden_size": 65}), "vision_config.out_hidden_size: 65 is not"),
        (changed("kimi_k25", vision={"mm_projector_type": "mlp"}), "only 'patchmerger'"),
        (changed("kimi_k25", vision={"mm_hidden_size": 3}), "mm_hidden_size: 3"),
        (changed("llama4", vision={"vision_output_dim": 7}), "vision_output_dim: 7"),
        (changed("llama4", vision={"pixel_shuffle_ratio": 0.25}), "only 0.5"),
        (changed("llama4", text={"model_type": "llama"}), "only 'llama4_text'"),
        (changed("llama4", text={"no_rope_layers": [1, 0]}), "no_rope_layers: must be 8"),
        (changed("gemma4 E2B", audio_config={"model_type": "mystery"}), "audio_config.model_type: unknown tower"),
        (changed("gemma4 E2B", text={"use_bidirectional_attention": "all"}), "only 'vision'"),
        (changed("gemma4 E2B", text={"num_kv_shared_layers": 11}), "11 of only 10"),
        ({**MISTRAL_SMALL, "tie_word_embeddings": None}, "tie_word_embeddings: is required for mistral3"),
    ],
)
def test_what_is_not_known_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        load_architecture(given)


def test_problems_of_both_parts_are_told_together():
    given = changed("qwen3_vl", text={"hidden_size": "wide"}, vision={"num_heads": 0})
    with pytest.raises(ValueError, match="problems") as caught:
        load_architecture(given)
    places = {problem.split(": ")[0] for problem in caught.value.problems}
    assert {"text_config.hidden_size", "vision_config.num_attention_heads"} <= places
