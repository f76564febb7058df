"""Tokens of an image by model family."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import costmodel as cm

QWEN, LLAMA = "qwen3-vl-30b-a3b", "llama-4-scout"
QWEN2 = {
    "model_type": "qwen2_vl",
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_hidden_layers": 28,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "vocab_size": 151936,
    "tie_word_embeddings": True,
    "vision_config": {"hidden_size": 1536},
}
EDGES = st.integers(1, 5000)


@pytest.mark.parametrize(
    ("model", "width", "height", "tokens"),
    [
        ("llava-1.5-7b", 1920, 1080, 576),  # 336 / 14 = 24 patches along each edge
        ("gemma-3-4b", 1920, 1080, 256),
        (QWEN, 1920, 1080, 60 * 34),  # tokens of 32 pixels: 60 and 33.75
        (QWEN, 32, 32, 64),  # enlarged to 65,536 pixels
        (QWEN, 8192, 8192, 128 * 128),  # reduced to 16,384 tokens
        (QWEN2, 1920, 1080, 69 * 39),  # tokens of 28 pixels: 68.6 and 38.6
        (LLAMA, 336, 336, 144),  # 24 patches along each edge, four of them a token
        (LLAMA, 672, 672, 5 * 144),  # four tiles and the global one
        ("vit-base-patch16-224", 640, 480, 197),
        ("clip-vit-base-patch32", 640, 480, 50),
    ],
)
def test_tokens_of_an_image(model, width, height, tokens):
    assert cm.image_tokens(model, width, height) == tokens


@given(EDGES, EDGES)
def test_tokens_of_images_that_keep_their_ratio_are_bounded(width, height):
    assert 32 <= cm.image_tokens(QWEN, width, height) <= 16_384
    assert cm.image_tokens(LLAMA, width, height) in {144 * count for count in range(1, 18)} - {2 * 144}


def test_models_without_images_and_wrong_sizes_are_refused():
    with pytest.raises(cm.InputError, match=r"llama-3.1-8b reads no images"):
        cm.image_tokens("llama-3.1-8b", 640, 480)
    with pytest.raises(cm.InputError, match=r"width: must be a whole number.*got 0") as caught:
        cm.image_tokens(QWEN, 0, 1.5)
    assert len(caught.value.problems) == 2
    with pytest.raises(cm.MissingFactError, match=r"image processor of kimi-k2.5 is not known.*1024 tokens"):
        cm.image_tokens("kimi-k2.5", 640, 480)
