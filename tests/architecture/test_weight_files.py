"""Safetensors files that their own libraries wrote: exact counts, exact stored bytes, and clear errors."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

import costmodel as cm
from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.experts import Experts
from costmodel.architecture.images import image_tokens
from costmodel.foundation.errors import InputError

CONFIG = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 512,
    "vocab_size": 320,
    "tie_word_embeddings": False,
}
MATRICES = {
    "self_attn.q_proj": (256, 256),
    "self_attn.k_proj": (128, 256),
    "self_attn.v_proj": (128, 256),
    "self_attn.o_proj": (256, 256),
    "mlp.gate_proj": (512, 256),
    "mlp.up_proj": (512, 256),
    "mlp.down_proj": (256, 512),
}
TOTAL = cm.load_architecture(CONFIG).parameters.total


def zeros(*shape, kind=np.float16):
    return np.zeros(shape, kind)


def model(head=True, quantize=None):
    """Return the arrays of the model; `quantize(name, shape)` gives those of a matrix."""
    arrays = {"model.embed_tokens.weight": zeros(320, 256), "model.norm.weight": zeros(256)}
    if head:
        arrays["lm_head.weight"] = zeros(320, 256)
    for index in range(2):
        for norm in ("input_layernorm", "post_attention_layernorm"):
            arrays[f"model.layers.{index}.{norm}.weight"] = zeros(256)
        for name, shape in MATRICES.items():
            name = f"model.layers.{index}.{name}"
            arrays |= quantize(name, shape) if quantize else {f"{name}.weight": zeros(*shape)}
    return arrays


def write_folder(folder, arrays, config=CONFIG, shards=1):
    folder.mkdir(exist_ok=True)
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    if shards == 1:
        save_file(arrays, folder / "model.safetensors")
        return folder
    names, places = list(arrays), {}
    for shard in range(shards):
        file = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
        save_file({name: arrays[name] for name in names[shard::shards]}, folder / file)
        places |= dict.fromkeys(names[shard::shards], file)
    index = {"metadata": {"total_size": 0}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    return folder


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("model_type", ["llama", "a family that nobody knows"])
def test_folder_is_exact_with_and_without_a_reader(tmp_path, shards, model_type):
    arrays = model()
    folder = write_folder(tmp_path / "model", arrays, CONFIG | {"model_type": model_type}, shards)
    counted = cm.load_architecture(folder)
    assert counted.parameters == cm.load_architecture(CONFIG).parameters
    assert counted.stored_bytes == sum(array.nbytes for array in arrays.values())
    assert counted.layers == cm.load_architecture(CONFIG).layers
    assert str(folder) in counted.source
    assert ("counted from the tensors" in counted.source) == (model_type != "llama")
    assert counted.name == "model"
    assert cm.load_architecture(counted.origin) == counted


def test_weights_without_a_config_are_counted(tmp_path):
    folder = write_folder(tmp_path / "model", model(), config=None)
    for path in (folder, folder / "model.safetensors"):
        counted = cm.load_architecture(path)
        assert counted.parameters == cm.load_architecture(CONFIG).parameters
        assert isinstance(counted.layers[0].mixer, Attention)
        with pytest.raises(InputError):
            image_tokens(counted, 224, 224)


def test_config_that_its_reader_refuses_is_counted_from_the_weights(tmp_path):
    for key in ("num_experts", "attention_size_of_nobody"):
        with pytest.raises(InputError, match=key):
            cm.load_architecture(CONFIG | {key: 8})
        folder = write_folder(tmp_path / key, model(), CONFIG | {key: 8})
        counted = cm.load_architecture(folder)
        assert counted.parameters.total == TOTAL
        assert not counted.unverified
    wider = CONFIG | {"attention_size_of_nobody": 8, "intermediate_size": 640}
    counted = cm.load_architecture(write_folder(tmp_path / "wider", model(), wider))
    assert counted.parameters.total == TOTAL
    assert "attention_size_of_nobody" in counted.source


@pytest.mark.parametrize("family", ["llama", "a family that nobody knows"])
def test_tied_head_is_counted_once_whether_stored_or_not(tmp_path, family):
    config = CONFIG | {"tie_word_embeddings": True, "model_type": family}
    for head in (True, False):
        counted = cm.load_architecture(write_folder(tmp_path / str(head), model(head), config))
        assert counted.parameters.total == TOTAL - 320 * 256
        assert counted.tied


def test_difference_between_config_and_weights_is_an_error_with_the_tensors(tmp_path):
    folder = write_folder(tmp_path / "model", model(), CONFIG | {"intermediate_size": 640, "vocab_size": 384})
    with pytest.raises(InputError) as caught:
        cm.load_architecture(folder)
    text = str(caught.value)
    wrong = TOTAL + 2 * 3 * 128 * 256 + 2 * 64 * 256
    assert f"the config gives {wrong:,} parameters, the tensors {TOTAL:,}" in text
    assert "embedding: 98,304 by the config, 81,920 by the tensors" in text
    assert "layer 0" in text and "mlp.gate_proj.weight" in text


def gptq(name, shape):
    outputs, inputs = shape
    return {
        f"{name}.qweight": zeros(inputs // 8, outputs, kind=np.int32),
        f"{name}.qzeros": zeros(inputs // 128, outputs // 8, kind=np.int32),
        f"{name}.scales": zeros(inputs // 128, outputs),
        f"{name}.g_idx": zeros(inputs, kind=np.int32),
    }


def gptq_of_three_bits(name, shape):
    outputs, inputs = shape
    return {
        f"{name}.qweight": zeros(inputs * 3 // 32, outputs, kind=np.int32),
        f"{name}.qzeros": zeros(1, outputs * 3 // 32, kind=np.int32),
        f"{name}.scales": zeros(1, outputs),
    }


def awq(name, shape):
    outputs, inputs = shape
    return {
        f"{name}.qweight": zeros(inputs, outputs // 8, kind=np.int32),
        f"{name}.qzeros": zeros(inputs // 128, outputs // 8, kind=np.int32),
        f"{name}.scales": zeros(inputs // 128, outputs),
    }


def bitsandbytes_of_four_bits(name, shape):
    size = shape[0] * shape[1]
    return {
        f"{name}.weight": zeros(size // 2, 1, kind=np.uint8),
        f"{name}.weight.absmax": zeros(size // 64, kind=np.uint8),
        f"{name}.weight.quant_map": zeros(16, kind=np.float32),
        f"{name}.weight.nested_absmax": zeros(size // 64 // 256 + 1, kind=np.float32),
        f"{name}.weight.nested_quant_map": zeros(256, kind=np.float32),
        f"{name}.weight.quant_state.bitsandbytes__nf4": zeros(80, kind=np.uint8),
    }


def bitsandbytes_of_eight_bits(name, shape):
    return {
        f"{name}.weight": zeros(*shape, kind=np.int8),
        f"{name}.SCB": zeros(shape[0], kind=np.float32),
        f"{name}.weight_format": zeros(kind=np.uint8),
    }


def compressed_integers(name, shape):
    outputs, inputs = shape
    return {
        f"{name}.weight_packed": zeros(outputs, inputs // 8, kind=np.int32),
        f"{name}.weight_scale": zeros(outputs, inputs // 128),
        f"{name}.weight_shape": zeros(2, kind=np.int64),
    }


def compressed_nvfp4(name, shape):
    outputs, inputs = shape
    return {
        f"{name}.weight_packed": zeros(outputs, inputs // 2, kind=np.uint8),
        f"{name}.weight_scale": zeros(outputs, inputs // 16, kind=np.uint8),
        f"{name}.weight_global_scale": zeros(1, kind=np.float32),
    }


def modelopt_nvfp4(name, shape):
    outputs, inputs = shape
    return {
        f"{name}.weight": zeros(outputs, inputs // 2, kind=np.uint8),
        f"{name}.weight_scale": zeros(outputs, inputs // 16, kind=np.uint8),
        f"{name}.weight_scale_2": zeros(kind=np.float32),
        f"{name}.input_scale": zeros(kind=np.float32),
    }


def fp8(name, shape):
    outputs, inputs = shape
    return {  # numpy has no fp8; 8-bit integers with the same scales are read alike
        f"{name}.weight": zeros(*shape, kind=np.int8),
        f"{name}.weight_scale_inv": zeros(-(-outputs // 128), inputs // 128, kind=np.float32),
    }


def packed_fp4(name, shape):
    outputs, inputs = shape
    return {
        f"{name}.weight": zeros(outputs, inputs // 2, kind=np.int8),
        f"{name}.scale": zeros(outputs, inputs // 32, kind=np.uint8),
    }


def int8_of_blocks(name, shape):
    outputs, inputs = shape
    return {
        f"{name}.weight": zeros(*shape, kind=np.int8),
        f"{name}.scale": zeros(outputs // 128, inputs // 128, kind=np.float32),
    }


def mlx(name, shape):
    outputs, inputs = shape
    return {
        f"{name}.weight": zeros(outputs, inputs // 8, kind=np.uint32),
        f"{name}.scales": zeros(outputs, inputs // 64),
        f"{name}.biases": zeros(outputs, inputs // 64),
    }


def bitnet(name, shape):
    return {
        f"{name}.weight": zeros(shape[0] // 4, shape[1], kind=np.uint8),
        f"{name}.weight_scale": zeros(1),
    }


FOUR_BITS = {"config_groups": {"group_0": {"weights": {"num_bits": 4, "group_size": 128}}}}
QUANTIZED = {
    "gptq": (gptq, {"quant_method": "gptq", "bits": 4, "group_size": 128}),
    "gptq of 3 bits": (gptq_of_three_bits, {"quant_method": "gptq", "bits": 3, "group_size": -1}),
    "awq": (awq, {"quant_method": "awq", "bits": 4, "group_size": 128}),
    "nf4": (bitsandbytes_of_four_bits, {"quant_method": "bitsandbytes", "load_in_4bit": True}),
    "int8": (bitsandbytes_of_eight_bits, {"quant_method": "bitsandbytes", "load_in_8bit": True}),
    "pack-quantized": (compressed_integers, {"quant_method": "compressed-tensors", **FOUR_BITS}),
    "nvfp4 of compressed-tensors": (compressed_nvfp4, {"quant_method": "compressed-tensors", **FOUR_BITS}),
    "nvfp4 of modelopt": (modelopt_nvfp4, {"quant_method": "modelopt", "quant_algo": "NVFP4"}),
    "fp8": (fp8, {"quant_method": "fp8", "weight_block_size": [128, 128]}),
    "fp4 of DeepSeek": (packed_fp4, {"quant_method": "fp8", "expert_dtype": "fp4"}),
    "blocks of DeepSeek": (int8_of_blocks, {"quant_method": "fp8"}),
    "bitnet": (bitnet, {"quant_method": "bitnet"}),
}


@pytest.mark.parametrize("family", ["llama", "a family that nobody knows"])
@pytest.mark.parametrize("name", QUANTIZED)
def test_quantized_checkpoints_have_their_logical_parameters(tmp_path, name, family):
    quantize, settings = QUANTIZED[name]
    arrays = model(quantize=quantize)
    config = CONFIG | {"quantization_config": settings, "model_type": family}
    counted = cm.load_architecture(write_folder(tmp_path / "model", arrays, config))
    assert counted.parameters == cm.load_architecture(CONFIG).parameters
    assert counted.stored_bytes == sum(array.nbytes for array in arrays.values())
    assert not counted.unverified


def test_mlx_states_its_bits_under_a_key_of_its_own(tmp_path):
    config = CONFIG | {"quantization": {"group_size": 64, "bits": 4}, "model_type": "unknown"}
    arrays = model(quantize=mlx)
    counted = cm.load_architecture(write_folder(tmp_path / "model", arrays, config))
    assert counted.parameters == cm.load_architecture(CONFIG).parameters


def test_mxfp4_experts_are_unpacked(tmp_path):
    arrays = model()
    for index in range(2):
        for part in ("gate", "up", "down"):
            del arrays[f"model.layers.{index}.mlp.{part}_proj.weight"]
        prefix = f"model.layers.{index}.mlp"
        arrays |= {
            f"{prefix}.router.weight": zeros(4, 256),
            f"{prefix}.router.bias": zeros(4),
            f"{prefix}.experts.gate_up_proj_blocks": zeros(4, 1024, 8, 16, kind=np.uint8),
            f"{prefix}.experts.gate_up_proj_scales": zeros(4, 1024, 8, kind=np.uint8),
            f"{prefix}.experts.gate_up_proj_bias": zeros(4, 1024),
            f"{prefix}.experts.down_proj_blocks": zeros(4, 256, 16, 16, kind=np.uint8),
            f"{prefix}.experts.down_proj_scales": zeros(4, 256, 16, kind=np.uint8),
            f"{prefix}.experts.down_proj_bias": zeros(4, 256),
        }
    config = CONFIG | {"model_type": "unknown", "num_local_experts": 4, "num_experts_per_tok": 2}
    counted = cm.load_architecture(write_folder(tmp_path / "model", arrays, config))
    block = counted.layers[0].feed_forward
    assert isinstance(block, Experts)
    assert (block.inner_width, block.gated, block.bias, block.router_bias) == (512, True, True, True)
    expert = 3 * 256 * 512 + 1024 + 256
    dense = TOTAL - 2 * 3 * 256 * 512
    assert counted.parameters.total == dense + 2 * (4 * expert + 4 * 256 + 4)
    assert counted.parameters.active == dense + 2 * (2 * expert + 4 * 256 + 4)


@pytest.mark.parametrize("last", ["W_q", "codebooks", "Qidxs", "trellis", "_data"])
def test_packings_that_are_not_known_are_refused_by_name(tmp_path, last):
    arrays = model(quantize=lambda name, shape: {f"{name}.{last}": zeros(4, 4, kind=np.uint8)})
    folder = write_folder(tmp_path / "model", arrays, CONFIG | {"model_type": "unknown"})
    with pytest.raises(InputError, match="known are gptq"):
        cm.load_architecture(folder)
    known = cm.load_architecture(write_folder(tmp_path / "known", arrays))
    assert known.parameters.total == TOTAL
    assert "not compared with the tensors" in known.unverified[0]


def test_missing_shard_is_named(tmp_path):
    folder = write_folder(tmp_path / "model", model(), shards=3)
    (folder / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(InputError, match=r"1 of the 3 files in the index are missing: model-00002-of-00003"):
        cm.load_architecture(folder)
    (folder / "model.safetensors.index.json").unlink()
    with pytest.raises(InputError, match="2 of the 3 safetensors files"):
        cm.load_architecture(folder)
    with pytest.raises(InputError, match="1 of the 3 safetensors files"):
        cm.load_architecture(folder / "model-00001-of-00003.safetensors")


def test_layers_of_prediction_are_no_part_of_the_total(tmp_path):
    arrays = model()
    arrays |= {
        name.replace("layers.1.", "layers.2."): zeros(*a.shape) for name, a in arrays.items() if "layers.1." in name
    }
    arrays |= {
        "model.layers.2.eh_proj.weight": zeros(256, 512),
        "model.layers.2.shared_head.head.weight": zeros(320, 256),
    }
    config = CONFIG | {"model_type": "unknown", "num_nextn_predict_layers": 1}
    counted = cm.load_architecture(write_folder(tmp_path / "model", arrays, config))
    assert counted.parameters.total == TOTAL
    assert counted.depth == 2


def test_old_names_of_norms_are_scales_and_shifts(tmp_path):
    arrays = model()
    for name in [name for name in arrays if "layernorm" in name]:
        arrays |= {name.replace("weight", "gamma"): zeros(256), name.replace("weight", "beta"): zeros(256)}
        del arrays[name]
    config = CONFIG | {"model_type": "unknown"}
    counted = cm.load_architecture(write_folder(tmp_path / "model", arrays, config))
    assert counted.parameters.total == TOTAL + 4 * 256
    assert counted.layers[0].norm_bias
