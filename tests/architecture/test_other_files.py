"""Architectures from params.json, nanoGPT, arguments of Megatron-LM, objects with to_dict, JSON text and sizes."""

import json

import pytest

import costmodel as cm

LLAMA_3_8B = {
    "dim": 4096, "n_layers": 32, "n_heads": 32, "n_kv_heads": 8, "vocab_size": 128256, "multiple_of": 1024,
    "ffn_dim_multiplier": 1.3, "norm_eps": 1e-05, "rope_theta": 500000.0, "use_scaled_rope": True,
}  # fmt: skip
MISTRAL_7B = {
    "dim": 4096, "n_layers": 32, "head_dim": 128, "hidden_dim": 14336, "n_heads": 32, "n_kv_heads": 8,
    "norm_eps": 1e-05, "vocab_size": 32768, "rope_theta": 1000000.0,
}  # fmt: skip
TOWER = {
    "hidden_size": 1024, "num_channels": 3, "intermediate_size": 4096, "num_hidden_layers": 24,
    "num_attention_heads": 16, "rope_theta": 10000.0, "image_token_id": 10,
}  # fmt: skip
GPT2 = {"n_layer": 12, "n_head": 12, "n_embd": 768, "block_size": 1024, "vocab_size": 50257, "bias": True}
ARGUMENTS = (
    "--num-layers 32 --hidden-size 4096 --ffn-hidden-size 14336 --num-attention-heads 32 --group-query-attention "
    "--num-query-groups 8 --vocab-size 128256 --swiglu --normalization RMSNorm --disable-bias-linear "
    "--untie-embeddings-and-output-weights --position-embedding-type rope --max-position-embeddings 8192"
)
NEMO = {
    "num_layers": 32, "hidden_size": 4096, "ffn_hidden_size": 14336, "num_attention_heads": 32, "num_query_groups": 8,
    "vocab_size": 128256, "activation": "fast-swiglu", "normalization": "rmsnorm", "add_bias_linear": False,
    "share_embeddings_and_output_weights": False, "position_embedding_type": "rope", "max_position_embeddings": 8192,
}  # fmt: skip


def total(source):
    return cm.load_architecture(source).parameters.total


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (LLAMA_3_8B, "llama-3.1-8b"),
        (LLAMA_3_8B | {"dim": 2048, "n_layers": 16, "multiple_of": 256, "ffn_dim_multiplier": 1.5}, "llama-3.2-1b"),
        (LLAMA_3_8B | {"dim": 8192, "n_layers": 80, "n_heads": 64, "multiple_of": 4096}, "llama-3.1-70b"),
        ({"dim": 4096, "n_layers": 32, "n_heads": 32, "multiple_of": 256, "vocab_size": 32000}, "llama-2-7b"),
        (MISTRAL_7B, "mistral-7b-v0.3"),
        (MISTRAL_7B | {"vocab_size": 32000, "moe": {"num_experts": 8, "num_experts_per_tok": 2}}, "mixtral-8x7b"),
        (GPT2, "gpt2"),
        (ARGUMENTS, "llama-3.1-8b"),
        (ARGUMENTS.split(), "llama-3.1-8b"),
        (NEMO, "llama-3.1-8b"),
        ({"model": NEMO, "trainer": {"devices": 8}}, "llama-3.1-8b"),
        (NEMO | {"add_qkv_bias": True, "num_layers": 28, "hidden_size": 3584, "ffn_hidden_size": 18944,
                 "vocab_size": 152064, "num_attention_heads": 28, "num_query_groups": 4}, "qwen2.5-7b"),
        (NEMO | {"qk_layernorm": True, "num_layers": 48, "hidden_size": 2048, "ffn_hidden_size": 6144,
                 "kv_channels": 128, "num_query_groups": 4, "vocab_size": 151936, "make_vocab_size_divisible_by": 1,
                 "num_moe_experts": 128,
                 "moe_router_topk": 8, "moe_ffn_hidden_size": 768}, "qwen3-30b-a3b"),
    ],
)  # fmt: skip
def test_other_files_have_the_counts_of_the_catalog(source, name):
    read, expected = cm.load_architecture(source), cm.load_architecture(name)
    assert read.parameters.total == expected.parameters.total
    assert read.parameters.active == expected.parameters.active
    assert cm.count_flops(read, 2048) == cm.count_flops(expected, 2048)


def test_files_of_mistral_with_a_vision_encoder_have_the_published_counts():
    small = MISTRAL_7B | {"dim": 5120, "n_layers": 40, "hidden_dim": 32768, "vocab_size": 131072}
    merged = TOWER | {
        "image_size": 1540, "patch_size": 14, "mm_projector_id": "patch_merge", "spatial_merge_size": 2,
        "add_pre_mm_projector_layer_norm": True, "adapter_bias": False,
    }  # fmt: skip
    assert total(small | {"vision_encoder": merged}) == 24_011_361_280  # Mistral-Small-3.1-24B, size of its checkpoint
    pixtral = small | {"hidden_dim": 14336, "vision_encoder": TOWER | {"image_size": 1024, "patch_size": 16}}
    assert total(pixtral) == 12_682_739_712  # LlavaForConditionalGeneration of transformers 5.24 with its config


def test_a_vocabulary_of_minus_one_is_refused_with_what_to_do():
    with pytest.raises(cm.InputError, match="is -1, so the tokenizer tells it; write the number into the file"):
        cm.load_architecture(LLAMA_3_8B | {"vocab_size": -1})


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (LLAMA_3_8B | {"moe_args": {"num_experts": 16}}, "moe_args: is not known in a params.json"),
        (MISTRAL_7B | {"q_lora_rank": 1536}, "q_lora_rank: is not known in a params.json"),
        (MISTRAL_7B | {"moe": {"num_experts": 8, "num_experts_per_tok": 2, "num_shared_experts": 1}}, "moe.num_shared"),
        (MISTRAL_7B | {"vision_encoder": TOWER}, "vision_encoder.patch_size: is required and missing"),
        (LLAMA_3_8B | {"dim": "wide"}, "dim: must be a whole number from 1"),
        (GPT2 | {"n_head": 7}, "n_embd: 768 is not a multiple of the 7 heads"),
        (NEMO | {"mtp_num_layers": 1}, "mtp_num_layers: models with it are not read"),
        (NEMO | {"num_moe_experts": 8, "moe_layer_freq": "[0]*3+[1]*20"}, "a pattern of 23 layers, not of 32"),
        ("--num-layers 32 --hidden-size 4096", "num_attention_heads: is required and missing"),
        ({"peft_type": "LORA", "r": 8}, "the configuration of an adapter"),
        ({"zero_optimization": {"stage": 3}}, "--deepspeed FILE"),
        ({"architecture": "gpt2", "recipe": {"tokens": "1B"}}, "this is a scenario"),
        ({"per_device_train_batch_size": 1}, "the file of a trainer"),
        ('{"model_type": ', "is not a JSON file"),
        (10**400, "a size is at most 1e+18 parameters"),
        (float("inf"), "a size is at most 1e+18 parameters"),
        ("9" * 400, "at most 200 characters"),
        ("0.05B", "for counts alone give {'total': '0.05B'}"),
    ],
)
def test_what_is_not_read_is_refused_with_the_reason(source, message):
    with pytest.raises(cm.InputError) as raised:
        cm.load_architecture(source)
    assert message in str(raised.value)


def test_layers_of_experts_follow_a_frequency_or_a_pattern():
    moe = NEMO | {"num_moe_experts": 8, "moe_router_topk": 2, "moe_ffn_hidden_size": 1024}
    for stated, routed in ((1, 32), (2, 16), ("([0]*3+[1]*29)", 29), ([0] * 3 + [1] * 29, 29)):
        layers = cm.load_architecture(moe | {"moe_layer_freq": stated}).layers
        assert sum(layer.count for layer in layers if layer.feed_forward.kind == "experts") == routed


def test_latent_attention_of_megatron_has_the_parameters_of_deepseek_v2_lite():
    arguments = {
        "num_layers": 27, "hidden_size": 2048, "ffn_hidden_size": 10944, "num_attention_heads": 16,
        "vocab_size": 102400, "multi_latent_attention": True, "kv_lora_rank": 512, "qk_head_dim": 128,
        "qk_pos_emb_head_dim": 64,
        "v_head_dim": 128, "swiglu": True, "normalization": "RMSNorm", "disable_bias_linear": True,
        "untie_embeddings_and_output_weights": True, "position_embedding_type": "rope", "num_experts": 64,
        "moe_router_topk": 6, "moe_ffn_hidden_size": 1408, "moe_shared_expert_intermediate_size": 2816,
        "moe_layer_freq": "([0]*1+[1]*26)",
    }  # fmt: skip
    expected = cm.load_architecture("deepseek-v2-lite").parameters
    assert cm.load_architecture(arguments).parameters == expected


def test_the_vocabulary_of_megatron_is_padded_for_tensor_parallelism():
    gpt3 = {"num_layers": 96, "hidden_size": 12288, "num_attention_heads": 96, "max_position_embeddings": 2048,
            "vocab_size": 50257}  # fmt: skip
    assert cm.load_architecture(gpt3).vocabulary == 50304
    assert cm.load_architecture(gpt3 | {"tensor_model_parallel_size": 8}).vocabulary == 51200
    assert cm.load_architecture(gpt3 | {"padded_vocab_size": 50257}).vocabulary == 50257


def test_files_of_all_kinds_are_read_from_a_path(tmp_path):
    pytest.importorskip("yaml", reason="needs pyyaml (costmodel[yaml])")
    texts = {
        "params.json": json.dumps(LLAMA_3_8B),
        "model.yaml": "\n".join(f"{name}: {value}" for name, value in NEMO.items()),
        "args.txt": ARGUMENTS,
        "run.sh": f"#!/bin/bash\nLAYERS=32\ntorchrun pretrain_gpt.py {ARGUMENTS.replace('32', '$LAYERS', 1)}  # run\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        read = cm.load_architecture(tmp_path / name)
        assert read.parameters.total == 8_030_261_248, name
        assert read.origin == str(tmp_path / name)
    assert cm.load_architecture(tmp_path).parameters.total == 8_030_261_248  # a folder with params.json alone


def test_an_object_with_to_dict_and_a_json_text_are_configs():
    config = {
        "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 4, "vocab_size": 100,
    }  # fmt: skip

    class Config:
        def to_dict(self):
            return config

    assert cm.load_architecture(Config()) == cm.load_architecture(json.dumps(config)) == cm.load_architecture(config)


def test_a_size_is_a_typical_decoder_and_says_so(tmp_path):
    sized = cm.load_architecture("7B")
    assert sized.parameters == cm.Architecture.sized("7B").parameters == cm.load_architecture(7e9).parameters
    assert sized.source.startswith("sized by rule")
    run = cm.Scenario(7e9, cm.Pretraining("1T"), cm.Cluster("H100-SXM", 64))
    run.save(tmp_path / "run.toml")
    assert cm.Scenario.load(tmp_path / "run.toml").architecture.parameters == sized.parameters
    with pytest.raises(KeyError, match="unknown architecture 'B7'"):
        cm.load_architecture("B7")
