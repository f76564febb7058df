"""A quantized config changes the bytes of the weights, and no other count."""

import pytest

import costmodel as cm
from costmodel.architecture.quantization import stored_bits
from costmodel.serving.step.formats import own_format

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


def grouped(**weights):
    return {"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": weights}}}


@pytest.mark.parametrize(
    ("quantization", "bits"),
    [
        (None, 16),
        ({"quant_method": "fp8"}, 8),
        ({"quant_method": "mxfp4"}, 4.25),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, 8 + 32 / 128**2),
        ({"quant_method": "fp8", "weight_block_size": [128, 128], "scale_fmt": "ue8m0"}, 8 + 8 / 128**2),
        ({"quant_method": "fp8", "weight_block_size": None}, 8),
        ({"quant_method": "mxfp8"}, 8.25),
        ({"quant_method": "nvfp4"}, 4.5),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, 4.5),
        ({"quant_method": "modelopt", "quantization": {"quant_algo": "FP8"}}, 8),
        ({"quant_method": "modelopt", "quant_algo": "W4A8_AWQ"}, None),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, 8),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, 4.5),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_use_double_quant": False}, 4.5),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_use_double_quant": True}, 4.127),
        ({"quant_method": "gptq", "bits": 4, "group_size": -1}, 4),
        ({"quant_method": "gptq", "bits": 4, "group_size": 0}, None),
        ({"quant_method": "gptq", "bits": 4, "group_size": [128]}, None),
        ({"quant_method": "awq", "w_bit": 4, "q_group_size": 64}, 4.25),
        ({"quant_method": "auto-round", "bits": 2, "group_size": 32}, 2.5),
        ({"quant_method": "auto-round"}, 4.125),
        ({"bits": 4, "group_size": 64}, 4.5),
        ({"bits": 8, "group_size": 32, "mode": "affine"}, 9),
        ({"bits": 4, "group_size": 32, "mode": "mxfp4"}, 4.25),
        ({"bits": 4, "mode": "other"}, None),
        ({"quant_method": "metal", "bits": 4, "group_size": 64}, 4.5),
        ({"quant_method": "torchao", "quant_type": "int4_weight_only", "quant_type_kwargs": {"group_size": 32}}, 5),
        ({"quant_method": "torchao", "quant_type": {"default": {"_type": "Int4WeightOnlyConfig", "_data": {}}}}, 4.25),
        ({"quant_method": "torchao", "quant_type": {"default": {"_type": "Int8WeightOnlyConfig"}}}, 8),
        ({"quant_method": "torchao", "quant_type": {"default": {"_type": "UIntXWeightOnlyConfig"}}}, None),
        ({"quant_method": "bitnet"}, 2),
        ({"quant_method": "bitnet", "quantization_mode": "online"}, 16),
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, 4.125),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"group_0": {"weights": {"num_bits": 4, "group_size": 32}}},
            },
            4.5,
        ),
        (grouped(num_bits=4, type="float", group_size=16, strategy="tensor_group"), 4.5),
        (grouped(num_bits=4, type="float", group_size=32, strategy="group"), 4.25),
        (grouped(num_bits=8, type="float", strategy="channel", group_size=None), 8),
        (grouped(num_bits=8, type="float", strategy="block", block_structure=[128, 128]), 8 + 16 / 128**2),
        (grouped(num_bits=8, type="int", strategy="channel"), 8),
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


@pytest.mark.parametrize(
    ("quantization", "reason"),
    [
        ({"quant_method": "aqlm"}, "quantization_config.quant_method: unknown method 'aqlm'; known: auto-round, awq"),
        (
            {"quant_method": "gptq", "bits": "four"},
            "quantization_config.bits: must be a whole number above 0; got 'four'",
        ),
        ({"quant_method": "modelopt", "quant_algo": "W4A8_AWQ"}, "unknown format of modelopt 'W4A8_AWQ'"),
        ({"quant_method": "torchao", "quant_type": "fpx"}, "unknown configuration of torchao 'fpx'"),
    ],
)
def test_method_that_is_not_known_leaves_the_size_out_with_the_reason(quantization, reason):
    counted = cm.load_architecture(LLAMA | {"quantization_config": quantization})
    assert counted.parameters == cm.load_architecture(LLAMA).parameters
    assert counted.stored_bytes is None
    assert counted.source.startswith("stored size of the weights unknown: ")
    assert reason in counted.source


def test_mlx_quantizes_embedding_and_head_too():
    plain = cm.load_architecture(LLAMA)
    quantized = cm.load_architecture(LLAMA | {"quantization": {"group_size": 64, "bits": 4}})
    norms = 5 * 64
    assert quantized.stored_bytes == 2 * norms + (plain.parameters.total - norms) * 4.5 / 8


def test_fp8_with_scales_of_blocks_is_served_in_fp8(catalog_config):
    settings = {"quant_method": "fp8", "weight_block_size": [128, 128]}
    served = cm.load_architecture({**catalog_config("deepseek-v3"), "quantization_config": settings})
    assert own_format(served).product == "fp8"
    nvfp4 = cm.load_architecture(LLAMA | {"quantization_config": {"quant_method": "nvfp4"}})
    assert own_format(nvfp4).product == "bf16"
    assert own_format(nvfp4).bits == pytest.approx(4.5)


def test_embedding_that_is_quantized_too_never_gives_negative_bits():
    model = cm.load_architecture(LLAMA | {"vocab_size": 50_000})
    stored = model.replace(stored_bytes=model.parameters.total * 4.5 / 8)
    assert own_format(stored).bits == pytest.approx(4.5)
