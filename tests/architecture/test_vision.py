"""Encoders of images and sound: counts by Hugging Face transformers 5.24, of small configs.

Totals are unique parameters; FLOPs are those of `FlopCounterMode` over a forward pass of one image, one image
and a text of full length, or 12 frames of sound.
"""

import pytest

from costmodel.architecture.blocks.block import read_block
from costmodel.architecture.flops import count_flops
from costmodel.architecture.listing import operations_by_part
from costmodel.architecture.loading import load_architecture
from costmodel.foundation.errors import InputError

SIZE = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96}
DINO = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 32, "patch_size": 8}
TEXT = SIZE | {"vocab_size": 200, "max_position_embeddings": 12}
TOWER = SIZE | {"hidden_size": 48, "image_size": 32, "patch_size": 8}
SWIN = {"embed_dim": 16, "depths": [1, 2], "num_heads": [2, 4], "patch_size": 4, "window_size": 4}
CONV = {"hidden_sizes": [16, 24, 40], "depths": [1, 2, 1], "num_stages": 3, "patch_size": 4}
WAVES = SIZE | {
    "conv_dim": [16, 24],
    "conv_kernel": [10, 3],
    "conv_stride": [5, 2],
    "num_conv_pos_embedding_groups": 4,
    "num_feat_extract_layers": 2,
}
COUNTED = [
    ("vit", "ViTModel", DINO | {"intermediate_size": 96, "pooler_output_size": 24}, 73880, 2493952),
    (
        "vit",
        "ViTForImageClassification",
        SIZE | {"image_size": [32, 48], "patch_size": [8, 16], "num_channels": 1, "qkv_bias": False, "num_labels": 7},
        68039,
        1774976,
    ),
    ("dinov2", "Dinov2Model", DINO | {"use_swiglu_ffn": True}, 116160, 3953152),
    (
        "dinov2",
        "Dinov2ForImageClassification",
        DINO | {"mlp_ratio": 3, "use_mask_token": False, "num_labels": 7},
        98247,
        3328256,
    ),
    ("clip", "CLIPModel", {"projection_dim": 40, "text_config": TEXT, "vision_config": TOWER}, 125057, 3118288),
    ("siglip", "SiglipModel", {"text_config": TEXT | {"projection_size": 48}, "vision_config": TOWER}, 142466, 3207264),
    ("swin", "SwinModel", SWIN | {"image_size": 32, "use_absolute_embeddings": True, "mlp_ratio": 3.5}, 30914, 1376256),
    (
        "swin",
        "SwinForImageClassification",
        SWIN | {"image_size": [40, 62], "qkv_bias": False, "num_labels": 7},
        32225,
        4276672,
    ),
    ("convnext", "ConvNextModel", CONV | {"image_size": 32, "layer_scale_init_value": 0.0}, 36408, 1028928),
    ("convnext", "ConvNextForImageClassification", CONV | {"image_size": [38, 32], "num_labels": 7}, 36799, 1087088),
    ("wav2vec2", "Wav2Vec2Model", WAVES | {"num_conv_pos_embeddings": 16}, 78336, 1948480),
    (
        "wav2vec2",
        "Wav2Vec2ForCTC",
        WAVES | {"num_conv_pos_embeddings": 15, "feat_extract_norm": "layer", "conv_bias": True, "mask_time_prob": 0.0},
        79415,
        1940288,
    ),
    (
        "wav2vec2",
        "Wav2Vec2ForPreTraining",
        WAVES
        | {
            "num_conv_pos_embeddings": 16,
            "codevector_dim": 32,
            "proj_codevector_dim": 20,
            "num_codevectors_per_group": 30,
        },
        82756,
        2029120,
    ),
]
IMAGES = [row[:3] for row in COUNTED if row[0] != "wav2vec2"]


def read(model_type, name, config, **changes):
    return load_architecture({"model_type": model_type, "architectures": [name], **config, **changes})


@pytest.mark.parametrize(("model_type", "name", "config", "total", "flops"), COUNTED)
def test_small_configs_are_exact_and_read_back(exact, model_type, name, config, total, flops):
    exact(model_type, name, config, total, flops)


@pytest.mark.parametrize(("model_type", "name", "config"), IMAGES)
def test_an_image_costs_the_same_whatever_the_length(model_type, name, config):
    architecture = read(model_type, name, config)
    assert count_flops(architecture, 12) == count_flops(architecture, 3000)
    assert count_flops(architecture, 12, 8).forward == 8 * count_flops(architecture, 12).forward


def test_the_older_spelling_of_a_tower_goes_first():
    plain = {"projection_dim": 40, "text_config": TEXT, "vision_config": TOWER}
    older = {"text_config": {}, "text_config_dict": TEXT, "vision_config_dict": TOWER, "projection_dim": 40}
    assert read("clip", "CLIPModel", older).parameters == read("clip", "CLIPModel", plain).parameters


def test_windows_are_padded():
    even, padded = (read("swin", "SwinModel", SWIN, image_size=side) for side in (32, 36))
    assert even.parameters == padded.parameters
    score = {}
    for name, architecture in (("even", even), ("padded", padded)):
        listed = next(
            operations for part, _, operations in operations_by_part(architecture, 1.0, 1.0) if part == "stages"
        )
        score[name] = next(one for one in listed if one.name == "score")
    assert (score["even"].m, score["even"].n) == (8 * 8, 16)
    assert (score["padded"].m, score["padded"].n) == (12 * 12, 16)  # 9 × 9 places in windows of 4 × 4


def test_sound_grows_with_its_frames():
    waves = read("wav2vec2", "Wav2Vec2Model", WAVES)
    places = {}
    for part, _, operations in operations_by_part(waves, 12.0, 12.0):
        if part == "convolution":
            places[operations[0].n, operations[0].k] = operations[0].m
    assert places[24, 16 * 3] == 12
    assert places[16, 10] == 2 * 12 + 1  # a stride of 2 under a kernel of 3


def test_a_similarity_is_scaled_and_shifted():
    block = read_block({"kind": "contrast", "encoding_width": 40, "bias": True})
    assert [weight.size for weight in block.weights(64)] == [1, 1]
    assert [(one.m, one.n, one.k) for one in block.operations(64, 12.0, 12.0)] == [(1.0, 1, 40)]


@pytest.mark.parametrize(
    ("model_type", "name", "config", "changes", "named"),
    [
        ("vit", "ViTForMaskedImageModeling", SIZE, {}, "architectures"),
        ("vit", "ViTModel", SIZE, {"image_size": 8}, "image_size"),
        ("vit", "ViTModel", SIZE, {"image_size": [32, 0]}, "image_size"),
        ("vit", "ViTModel", SIZE, {"num_attention_heads": 5}, "64 is not a multiple of the 5 heads"),
        ("dinov2", "Dinov2Backbone", DINO, {}, "architectures"),
        ("dinov2", "Dinov2Model", DINO, {"intermediate_size": 96}, "intermediate_size"),
        ("clip", "CLIPTextModel", {}, {}, "architectures"),
        ("clip", "CLIPModel", {}, {"text_config": {"num_attention_heads": 7}}, "text_config"),
        ("siglip", "SiglipModel", {}, {"vision_config": {"vision_use_head": False}}, "vision_use_head"),
        ("siglip", "SiglipModel", {}, {"text_config": {"projection_size": 40}}, "projection_size"),
        ("swin", "SwinModel", SWIN, {"num_heads": [2]}, "num_heads"),
        ("swin", "SwinModel", SWIN, {"num_heads": [3, 4]}, "num_heads"),
        ("swin", "SwinModel", SWIN, {"image_size": 16}, "window_size"),
        ("convnext", "ConvNextModel", CONV, {"depths": [1, 2]}, "depths"),
        ("convnext", "ConvNextModel", CONV, {"num_stages": 4}, "num_stages"),
        ("wav2vec2", "Wav2Vec2ForSomething", WAVES, {}, "architectures"),
        ("wav2vec2", "Wav2Vec2Model", WAVES, {"add_adapter": True}, "add_adapter"),
        ("wav2vec2", "Wav2Vec2Model", WAVES, {"num_feat_extract_layers": 3}, "num_feat_extract_layers"),
        ("wav2vec2", "Wav2Vec2Model", WAVES, {"conv_stride": [5, 4]}, "conv_stride"),
        ("wav2vec2", "Wav2Vec2Model", WAVES, {"feat_extract_norm": "batch"}, "feat_extract_norm"),
    ],
)
def test_what_is_not_known_is_refused(model_type, name, config, changes, named):
    with pytest.raises(InputError, match=named):
        read(model_type, name, config, **changes)
