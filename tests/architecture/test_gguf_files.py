"""GGUF files that their own library wrote: exact counts, exact stored bytes, and the keys of their metadata."""

import json
import shutil

import gguf
import numpy as np
import pytest
from safetensors.numpy import save_file

import costmodel as cm
from costmodel.architecture.sources.gguf import TYPES, config_of_metadata, read_gguf
from costmodel.architecture.sources.weights import weights_at
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
TOTAL = cm.load_architecture(CONFIG).parameters.total


def write_gguf(path, kind=None, order=gguf.GGUFEndian.LITTLE, experts=0, **options):
    """Write a small model; matrices in the given type of ggml."""
    writer = gguf.GGUFWriter(str(path), "llama", endianess=order, **options)
    writer.add_block_count(2)
    writer.add_embedding_length(256)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_context_length(2048)
    writer.add_token_list([f"token {index}" for index in range(320)])
    writer.add_token_scores([0.0] * 5000)
    if experts:
        writer.add_expert_count(experts)
        writer.add_expert_used_count(2)

    def add(name, *shape):
        array = np.zeros(shape, np.float32)
        if kind is None or len(shape) < 2:
            writer.add_tensor(name, array)
        else:
            raw = np.zeros(gguf.quant_shape_to_byte_shape(shape, kind), np.uint8)
            writer.add_tensor(name, raw, raw_dtype=kind)

    add("token_embd.weight", 320, 256)
    add("output.weight", 320, 256)
    add("output_norm.weight", 256)
    add("rope_freqs.weight", 32)
    for index in range(2):
        add(f"blk.{index}.attn_norm.weight", 256)
        add(f"blk.{index}.ffn_norm.weight", 256)
        for name, shape in {"attn_q": (256, 256), "attn_k": (128, 256), "attn_v": (128, 256)}.items():
            add(f"blk.{index}.{name}.weight", *shape)
        add(f"blk.{index}.attn_output.weight", 256, 256)
        ending, stack = ("_exps", (experts,)) if experts else ("", ())
        add(f"blk.{index}.ffn_gate{ending}.weight", *stack, 512, 256)
        add(f"blk.{index}.ffn_up{ending}.weight", *stack, 512, 256)
        add(f"blk.{index}.ffn_down{ending}.weight", *stack, 256, 512)
        if experts:
            writer.add_tensor(f"blk.{index}.ffn_gate_inp.weight", np.zeros((experts, 256), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


INTEGERS = {"I8", "I16", "I32", "I64"}


@pytest.mark.parametrize("order", [gguf.GGUFEndian.LITTLE, gguf.GGUFEndian.BIG])
def test_gguf_of_both_byte_orders_is_exact(tmp_path, order):
    counted = cm.load_architecture(write_gguf(tmp_path / "model.gguf", order=order))
    assert counted.parameters == cm.load_architecture(CONFIG).parameters
    assert counted.layers == cm.load_architecture(CONFIG).layers
    assert counted.stored_bytes == 4 * (TOTAL + 32)
    assert counted.context_length == 2048


@pytest.mark.parametrize("kind", [kind for kind in gguf.GGMLQuantizationType if kind.name not in INTEGERS])
def test_every_type_of_ggml_has_its_exact_size(tmp_path, kind):
    path = write_gguf(tmp_path / "model.gguf", kind)
    counted = cm.load_architecture(path)
    assert counted.parameters.total == TOTAL
    stored = {tensor.name: tensor.n_bytes for tensor in gguf.GGUFReader(path).tensors}
    assert {tensor.name: tensor.stored_bytes for tensor in read_gguf(path).tensors} == stored


@pytest.mark.parametrize("kind", [kind for kind in gguf.GGMLQuantizationType if kind.name in INTEGERS])
def test_matrices_of_integers_are_refused(tmp_path, kind):
    with pytest.raises(InputError, match=f"integers of type {kind.name}"):
        cm.load_architecture(write_gguf(tmp_path / "model.gguf", kind))


def test_types_of_ggml_are_those_of_its_library():
    theirs = {int(kind): (kind.name, *sizes) for kind, sizes in gguf.GGML_QUANT_SIZES.items()}
    assert {key: theirs[key] for key in TYPES} == TYPES


def test_stacked_experts_of_gguf_use_the_experts_per_token_of_its_metadata(tmp_path):
    counted = cm.load_architecture(write_gguf(tmp_path / "model.gguf", experts=8))
    routed = 2 * 8 * 3 * 256 * 512
    assert counted.parameters.total == TOTAL + routed * 7 // 8 + 2 * 8 * 256
    assert counted.parameters.total - counted.parameters.active == routed * 6 // 8
    assert counted.layers[0].feed_forward.sharding().experts == 8


def test_split_gguf_is_read_whole(tmp_path):
    write_gguf(tmp_path / "model.gguf", split_max_tensors=8)
    parts = sorted(tmp_path.glob("model-*.gguf"))
    assert len(parts) > 1
    for path in (*parts, tmp_path):
        assert cm.load_architecture(path).parameters.total == TOTAL
    parts[-1].unlink()
    with pytest.raises(InputError, match="1 of its"):
        cm.load_architecture(parts[0])


def test_folder_with_several_gguf_models_asks_for_one(tmp_path):
    write_gguf(tmp_path / "small.gguf")
    shutil.copy(tmp_path / "small.gguf", tmp_path / "large.gguf")
    with pytest.raises(InputError, match=r"several GGUF models.*large\.gguf, small\.gguf"):
        cm.load_architecture(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    assert cm.load_architecture(tmp_path).stored_bytes == 2 * TOTAL


def test_safetensors_go_before_gguf_and_adapters_are_not_the_model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    save_file({"model.layers.0.mlp.up_proj.weight": np.zeros((8, 4), np.float16)}, folder / "model.safetensors")
    write_gguf(folder / "model-Q8.gguf")
    save_file({"base.lora_A.weight": np.zeros((4, 4), np.float16)}, folder / "adapter_model.safetensors")
    assert weights_at(folder).tensors.stored_bytes == 2 * 8 * 4


def test_metadata_of_gguf_become_the_keys_of_a_config():
    deepseek = {
        "general.architecture": "deepseek2",
        "deepseek2.block_count": 62,
        "deepseek2.nextn_predict_layers": 1,
        "deepseek2.attention.head_count": 128,
        "deepseek2.attention.head_count_kv": 1,
        "deepseek2.attention.key_length": 576,
        "deepseek2.attention.key_length_mla": 192,
        "deepseek2.attention.value_length": 512,
        "deepseek2.attention.value_length_mla": 128,
        "deepseek2.attention.kv_lora_rank": 512,
        "deepseek2.attention.q_lora_rank": 1536,
        "deepseek2.rope.dimension_count": 64,
        "deepseek2.expert_used_count": 8,
    }
    config = config_of_metadata(deepseek)
    assert (config["num_hidden_layers"], config["num_nextn_predict_layers"]) == (61, 1)
    assert (config["qk_nope_head_dim"], config["qk_rope_head_dim"], config["v_head_dim"]) == (128, 64, 128)
    assert config["num_experts_per_tok"] == 8
    gemma = {"general.architecture": "g", "g.attention.sliding_window": 512}
    pattern = config_of_metadata(gemma | {"g.attention.sliding_window_pattern": [True, False]})
    assert pattern["layer_types"] == ["sliding_attention", "full_attention"]
    assert config_of_metadata(gemma | {"g.attention.sliding_window_pattern": 6})["sliding_window_pattern"] == 6
    assert config_of_metadata({}) == {"gguf_architecture": None}


def test_latent_attention_of_gguf_with_split_matrices_is_exact(tmp_path):
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(str(path), "deepseek2")
    writer.add_block_count(1)
    writer.add_embedding_length(64)
    writer.add_head_count(4)
    writer.add_kv_lora_rank(16)
    writer.add_q_lora_rank(24)
    writer.add_key_length_mla(12)
    writer.add_value_length_mla(8)
    writer.add_rope_dimension_count(4)
    shapes = {
        "token_embd": (100, 64),
        "output_norm": (64,),
        "blk.0.attn_norm": (64,),
        "blk.0.attn_q_a": (24, 64),
        "blk.0.attn_q_a_norm": (24,),
        "blk.0.attn_q_b": (4 * 12, 24),
        "blk.0.attn_kv_a_mqa": (16 + 4, 64),
        "blk.0.attn_kv_a_norm": (16,),
        "blk.0.attn_k_b": (4, 16, 8),
        "blk.0.attn_v_b": (4, 8, 16),
        "blk.0.attn_output": (64, 4 * 8),
    }
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", np.zeros(shape, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    counted = cm.load_architecture(path)
    assert counted.parameters.total == sum(int(np.prod(shape)) for shape in shapes.values())
    assert counted.layers[0].mixer.kind == "latent_attention"
    assert counted.tied
