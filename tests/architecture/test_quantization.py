"""A quantized config changes the bytes of the weights, and no other count."""

import pytest

import costmodel as cm
from costmodel.architecture.quantization import stored_bits

SHAPE = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
LLAMA = {"model_type": "llama", "num_key_value_heads": 2, "vocab_size": 100, **SHAPE}


def test_counts_stay_and_bytes_fall():
    plain = cm.load_architecture(LLAMA)
    quantized = cm.load_architecture(
        LLAMA | {"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 32}}
    )
    assert quantized.parameters == plain.parameters
    assert plain.stored_bytes == 2 * plain.parameters.total
    matrices = 2 * (64 * 64 * 2 + 64 * 32 * 2 + 3 * 64 * 128)
    assert quantized.stored_bytes == plain.stored_bytes - matrices * (2 - 4.5 / 8)


@pytest.mark.parametrize(
    ("quantization", "bits"),
    [
        (None, 16),
        ({"quant_method": "fp8"}, 8),
        ({"quant_method": "mxfp4"}, 4.25),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, 4.127),
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, 4.125),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"group_0": {"weights": {"num_bits": 4, "group_size": 32}}},
            },
            4.5,
        ),
        ({"quant_method": "unheard of"}, None),
        ({"quant_method": {}}, None),
        ({"quant_method": "gptq", "bits": "four"}, None),
    ],
)
def test_bits_of_a_weight(quantization, bits):
    assert stored_bits(quantization) == bits


def test_published_sizes_of_quantized_checkpoints(catalog_config):
    """gpt-oss-20b takes 12.8 GiB as mxfp4 (model card); DeepSeek-V3 in fp8 671 GB and what stays in 16 bits."""
    mxfp4 = {
        "quant_method": "mxfp4",
        "modules_to_not_convert": [
            "model.layers.*.self_attn",
            "model.layers.*.mlp.router",
            "model.embed_tokens",
            "lm_head",
        ],
    }
    oss = cm.load_architecture({**catalog_config("gpt-oss-20b"), "quantization_config": mxfp4})
    deepseek = cm.load_architecture(
        {
            **catalog_config("deepseek-v3"),
            "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]},
        }
    )
    assert oss.stored_bytes / 2**30 == pytest.approx(12.8, rel=0.03)
    assert 671e9 < deepseek.stored_bytes < 676e9
