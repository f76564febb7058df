"""Parameters of models that read images or sound equal those of the reference implementation.

Reference: Hugging Face transformers 5.24 on the meta device; `tests/data/reference_multimodal.json` holds
[config, total, active, embedding] of the default of each type, and of a smaller model with other switches.
"""

import json
from pathlib import Path

import pytest

from costmodel.architecture.blocks.window_attention import WindowAttention
from costmodel.architecture.counting import flops_by_part
from costmodel.architecture.loading import load_architecture
from costmodel.foundation.errors import InputError

ROWS = json.loads((Path(__file__).parent.parent / "data" / "reference_multimodal.json").read_text("utf-8"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]['model_type']}-{row[1]}")
def test_multimodal_models_equal_the_reference(row):
    config, *expected = row
    architecture = load_architecture(config)
    assert list(architecture.parameters[:3]) == expected


def test_the_rows_cover_each_type_twice():
    types = [row[0]["model_type"] for row in ROWS]
    assert len(ROWS) >= 230
    assert min(types.count(name) for name in set(types)) == 2


def small(model_type, **changes):
    return [row[0] for row in ROWS if row[0]["model_type"] == model_type][-1] | changes


def test_attention_within_windows_is_counted_by_window():
    # the tower of Qwen2.5-VL: an image of 1280 tokens is 5120 patches, in windows of (112 / 14)² = 64 patches
    config = next(row[0] for row in ROWS if row[0]["model_type"] == "qwen2_5_vl")
    tower = load_architecture(config).stacks[0]
    full, windowed = tower.layers
    assert (full.count, windowed.count, tower.tokens) == (4, 28, 5120)
    pairs = [
        sum(work.m * work.n for work in layer.mixer.operations(3584, 5120.0, 5120.0) if work.kind == "score")
        for layer in tower.layers
    ]
    assert pairs == [5120.0 * 5120, 5120.0 * 64]
    weights = [sum(weight.size for weight in layer.mixer.weights(3584)) for layer in tower.layers]
    assert weights[0] == weights[1] == 4 * 3584**2 + 4 * 3584


def test_heads_of_windows_can_share_keys_and_values():
    block = WindowAttention(heads=4, kv_heads=2, head_width=8, window=16, places=64)
    sizes = {weight.name: weight.size for weight in block.weights(32)}
    assert sizes["key"] == sizes["value"] == sizes["query"] / 2 == 512
    assert "relative_positions" not in sizes


def test_the_resampler_reads_all_patches_with_few_latents():
    tower, resampler = load_architecture(small("idefics2")).stacks
    assert (tower.tokens, resampler.tokens) == (16, 5)
    scores = [work for work in resampler.layers[0].mixer.operations(64, 5.0, 5.0) if work.kind == "score"]
    assert [(work.m, work.n) for work in scores] == [(5.0, 21.0)]


def test_the_head_that_pools_an_image_can_be_left_out():
    with_head, without = (
        load_architecture(small("siglip2_vision_model", vision_use_head=flag)) for flag in (True, False)
    )
    width, inner = 48, 80
    head = width + 4 * width**2 + 4 * width + 2 * width + 2 * width * inner + width + inner
    assert with_head.parameters.total - without.parameters.total == head


def test_a_tower_alone_reads_its_image_in_every_sequence():
    tower = load_architecture(small("idefics2_vision"))
    assert tower.tokens == 16
    assert flops_by_part(tower, 16.0) == flops_by_part(tower, 4096.0)


def test_the_head_of_an_untied_model_must_have_the_vocabulary_of_its_text():
    with pytest.raises(ValueError, match="vocab_size: 601 is not that of text_config"):
        load_architecture(small("ovis2", vocab_size=601))


def test_the_text_of_llama_vision_attends_to_all_tiles_of_the_image():
    model = load_architecture(small("mllama"))
    tower = model.stacks[0]
    assert tower.tokens == (16 + 1) * 2
    cross = [layer.mixer for layer in model.layers if layer.mixer.reads_source]
    assert [block.source_tokens for block in cross] == [34]
    assert not model.has_source


def test_a_sound_of_30_seconds_is_1500_frames_pooled_by_two():
    config = next(row[0] for row in ROWS if row[0]["model_type"] == "qwen2_audio")
    model = load_architecture(config)
    tower = model.stacks[0]
    assert (tower.name, tower.tokens) == ("audio", 1500)
    parts = flops_by_part(model, 800.0)
    assert parts["projector"] == 2 * 750 * 1280 * 4096
    layers = 32 * (2 * 1500 * (4 * 1280**2 + 2 * 1280 * 5120) + 2 * 2 * 1500**2 * 1280)
    stem = 2 * 3 * (3000 * 128 * 1280 + 1500 * 1280 * 1280)
    assert parts["audio"] == layers + stem


def test_a_query_transformer_reads_the_tower_in_every_second_layer():
    tower, queries = load_architecture(next(row[0] for row in ROWS if row[0]["model_type"] == "blip-2")).stacks
    assert (tower.tokens, queries.tokens) == (257, 32)
    reading, own = queries.layers
    assert (reading.count, own.count) == (6, 6)
    scores = [work.m * work.n for work in reading.also[0].operations(768, 32.0, 32.0) if work.kind == "score"]
    assert scores == [32.0 * 257]


def test_gemma4_with_both_towers_has_their_layers_to_the_text():
    text = {
        "model_type": "gemma4_text",
        **{"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4},
        **{"num_key_value_heads": 2, "vocab_size": 600, "head_dim": 16, "hidden_size_per_layer_input": 0},
    }
    towers = {"vision_config": small("gemma4_vision"), "audio_config": small("gemma4_audio")}
    alone = [load_architecture(config).parameters.total for config in towers.values()]
    plain = load_architecture({"model_type": "gemma4", "text_config": text})
    whole = load_architecture({"model_type": "gemma4", "text_config": text, **towers})
    assert [stack.name for stack in whole.stacks] == ["vision", "audio"]
    assert whole.parameters.total - plain.parameters.total == sum(alone) + (48 + 40) * 64


def test_the_parts_of_an_omni_model_are_counted_apart():
    config = next(row[0] for row in ROWS if row[0]["model_type"] == "qwen2_5_omni")
    parts = set(flops_by_part(load_architecture(config), 2000.0))
    assert {"attention", "vision", "audio", "projector", "talker", "token2wav"} <= parts
    silent = load_architecture(config | {"enable_audio_output": False})
    assert [stack.name for stack in silent.stacks] == ["audio", "vision"]


def test_a_conformer_sees_its_chunk_and_the_tokens_before_it():
    config = next(row[0] for row in ROWS if row[0]["model_type"] == "gemma4_audio")
    tower = load_architecture(config)
    assert tower.tokens == 750
    scores = [work for work in tower.layers[0].mixer.operations(1024, 750.0, 750.0) if work.kind == "score"]
    assert [(work.m, work.n) for work in scores] == [(750.0, 24)]


@pytest.mark.parametrize(
    ("model_type", "outside", "inside", "tied"),
    [
        ("llava", None, True, True),
        ("llava", False, None, False),
        ("mistral3", False, True, False),
        ("paddleocr_vl", False, None, True),
        ("llama4", True, None, False),
        ("llama4", None, True, True),
        ("molmo2", True, True, False),
        ("kosmos-2", True, False, True),
        ("internvl", True, False, True),
        ("qwen2_audio", True, None, False),
        ("voxtral", True, True, False),
        ("audioflamingo3", True, True, False),
        ("musicflamingo", True, None, False),
    ],
)
def test_the_head_is_tied_where_the_reference_ties_it(model_type, outside, inside, tied):
    config = small(model_type)
    text = {key: value for key, value in config["text_config"].items() if key != "tie_word_embeddings"}
    config = {key: value for key, value in config.items() if key != "tie_word_embeddings"} | {"text_config": text}
    if outside is not None:
        config["tie_word_embeddings"] = outside
    if inside is not None:
        text["tie_word_embeddings"] = inside
    assert load_architecture(config).tied == tied


def test_a_contradiction_about_the_head_is_refused_where_the_top_level_says_nothing():
    config = small("internvl")
    del config["tie_word_embeddings"]
    config["text_config"] = config["text_config"] | {"tie_word_embeddings": False}
    with pytest.raises(ValueError, match="tie_word_embeddings: is True here, but False in text_config"):
        load_architecture(config)


@pytest.mark.parametrize(
    ("model_type", "changes", "message"),
    [
        ("shieldgemma2", {"tie_word_embeddings": False}, "tie_word_embeddings: only true is read"),
        ("minicpmv4_6", {"merge_kernel_size": [4, 2]}, "merge_kernel_size: only .2, 2. is read"),
        ("minimax_m3_vl", {"merged_hidden_size": 5}, "merged_hidden_size: 5 is not that of the text"),
        ("granite_speech", {"window_size": 4, "downsample_rate": 5}, "window_size: 4 is less than downsample_rate, 5"),
        ("cohere2_vision", {"alignment_intermediate_size": 1}, "alignment_intermediate_size: must be a whole number"),
        ("gemma3", {"tie_word_embeddings": None}, "tie_word_embeddings: must be true or false; got null"),
    ],
)
def test_values_that_the_reference_ignores_are_refused(model_type, changes, message):
    with pytest.raises(InputError, match=message):
        load_architecture(small(model_type, **changes))
