"""Keys that a config leaves out because they have the default of their type, or that are null.

The totals are those of Hugging Face transformers 5.24 on the meta device, with the other keys at their defaults.
"""

import json

import pytest

import costmodel as cm
from costmodel.foundation.tables import folder

TYPES = json.loads((folder() / "facts" / "config_keys.json").read_text(encoding="utf-8"))


def total(model_type, without=(), **changes):
    config = {key: value for key, value in TYPES[model_type]["defaults"].items() if key not in without}
    return cm.load_architecture(config | changes | {"model_type": model_type}, strict=False).parameters.total


@pytest.mark.parametrize(
    ("model_type", "name", "heads", "expected"),
    [
        ("qwen2_5_vl_text", "Qwen2_5_VLTextModel", 128, 70789324800),
        ("exaone_moe", "ExaoneMoeForCausalLM", 64, 28013764608),
        ("zamba", "ZambaForCausalLM", 32, 7315164160),
        ("nanochat", "NanoChatForCausalLM", 12, 256573440),
    ],
)
def test_absent_kv_heads_have_the_default_of_their_type(model_type, name, heads, expected):
    changes = {"num_attention_heads": heads, "architectures": [name]}
    assert total(model_type, without=["num_key_value_heads"], **changes) == expected


@pytest.mark.parametrize("model_type", ["ernie4_5", "paddleocr_vl_text"])
def test_a_null_head_width_is_the_hidden_size_over_the_heads(model_type):
    assert total(model_type, head_dim=None) == 318280704


def test_an_absent_head_width_of_llama_4_is_128():
    assert total("llama4_text", without=["head_dim"], num_attention_heads=80) == 110286443520


def test_an_absent_image_of_owlv2_has_768_pixels():
    config = {"model_type": "owlv2_vision_model", "architectures": ["Owlv2VisionTransformer"]}
    assert cm.load_architecture(config).parameters.total == 87418368
