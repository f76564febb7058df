"""Variants of configs that are rare among published models: biases, norms, dense layers, other key heads.

Totals by Hugging Face transformers 5.24 (`AutoModelForCausalLM.from_config` on the meta device, tied weights once).
"""

import pytest

from costmodel.architecture.loading import load_architecture

BASE = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 128,
}
FALCON = {
    "model_type": "falcon",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 128,
}
QWEN2_MOE = BASE | {
    "model_type": "qwen2_moe",
    "num_experts": 8,
    "moe_intermediate_size": 32,
    "shared_expert_intermediate_size": 48,
}
GLM4_MOE = BASE | {
    "model_type": "glm4_moe",
    "head_dim": 16,
    "n_routed_experts": 8,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
}
DEEPSEEK = BASE | {
    "model_type": "deepseek_v2",
    "num_key_value_heads": 4,
    "kv_lora_rank": 16,
    "q_lora_rank": 24,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 8,
    "v_head_dim": 8,
    "n_routed_experts": 8,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
}
ERNIE = BASE | {"model_type": "ernie4_5_moe", "moe_num_experts": 8, "moe_k": 2, "moe_intermediate_size": 32}
VARIANTS = [
    (BASE | {"model_type": "glm", "head_dim": 16}, 140352),
    (BASE | {"model_type": "glm", "head_dim": 16, "attention_bias": True}, 140352),
    (BASE | {"model_type": "glm4", "head_dim": 16}, 140864),
    (BASE | {"model_type": "glm4", "head_dim": 16, "attention_bias": True}, 140864),
    (BASE | {"model_type": "smollm3"}, 131648),
    (BASE | {"model_type": "smollm3", "attention_bias": True, "mlp_bias": True, "tie_word_embeddings": False}, 141632),
    (BASE | {"model_type": "ministral3", "head_dim": 16}, 139840),
    (BASE | {"model_type": "olmo"}, 139264),
    (BASE | {"model_type": "olmo", "attention_bias": True, "tie_word_embeddings": True}, 131840),
    (BASE | {"model_type": "olmo3"}, 140224),
    (BASE | {"model_type": "olmo2", "attention_bias": True}, 140992),
    (BASE | {"model_type": "olmoe", "num_experts": 8, "num_experts_per_tok": 2}, 658368),
    (BASE | {"model_type": "olmoe", "num_experts": 8, "attention_bias": True}, 659136),
    (BASE | {"model_type": "minimax_m2", "head_dim": 16, "num_local_experts": 8, "num_experts_per_tok": 2}, 658368),
    (QWEN2_MOE, 302400),
    (QWEN2_MOE | {"qkv_bias": False, "mlp_only_layers": [0], "decoder_sparse_step": 2}, 220864),
    (GLM4_MOE, 251968),
    (
        GLM4_MOE | {"attention_bias": True, "use_qk_norm": True, "first_k_dense_replace": 2, "n_shared_experts": 2},
        227520,
    ),
    (BASE | {"model_type": "phimoe", "num_local_experts": 4, "attention_bias": True, "lm_head_bias": True}, 363520),
    (DEEPSEEK, 295648),
    (DEEPSEEK | {"q_lora_rank": None, "attention_bias": True, "n_shared_experts": 1}, 275424),
    (DEEPSEEK | {"model_type": "deepseek_v3", "n_group": 1, "topk_group": 1, "attention_bias": True}, 159392),
    (ERNIE, 262232),
    (
        ERNIE
        | {
            "moe_num_shared_experts": 1,
            "moe_layer_start_index": 2,
            "moe_layer_interval": 2,
            "tie_word_embeddings": False,
        },
        177224,
    ),
    (ERNIE | {"moe_layer_end_index": 2, "moe_layer_start_index": 0}, 262232),
    (BASE | {"model_type": "cohere", "use_qk_norm": True}, 131776),
    (BASE | {"model_type": "cohere", "attention_bias": True}, 132160),
    (BASE | {"model_type": "stablelm", "use_qkv_bias": True, "qk_layernorm": True}, 141312),
    (BASE | {"model_type": "stablelm", "use_parallel_residual": True}, 139904),
    (BASE | {"model_type": "phi", "qk_layernorm": True}, 117120),
    (BASE | {"model_type": "starcoder2", "use_bias": False}, 107648),
    (BASE | {"model_type": "starcoder2"}, 109056),
    (BASE | {"model_type": "gemma", "head_dim": 16, "attention_bias": True}, 132416),
    (BASE | {"model_type": "gemma2", "head_dim": 16}, 132160),
    (BASE | {"model_type": "gemma3_text", "head_dim": 16}, 132288),
    (BASE | {"model_type": "qwen3", "head_dim": 16, "attention_bias": True}, 140736),
    (
        BASE
        | {
            "model_type": "qwen3_moe",
            "num_experts": 8,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 32,
            "decoder_sparse_step": 2,
        },
        202432,
    ),
    (BASE | {"model_type": "mixtral", "num_local_experts": 4}, 362048),
    (BASE | {"model_type": "mistral", "head_dim": 24}, 164416),
    (BASE | {"model_type": "gpt_oss", "num_local_experts": 4, "head_dim": 16}, 366944),
    (BASE | {"model_type": "gpt_oss", "num_local_experts": 4, "head_dim": 16, "attention_bias": False}, 366176),
    (BASE | {"model_type": "phi3"}, 139840),
    (BASE | {"model_type": "llama", "attention_bias": True, "mlp_bias": True}, 141632),
    (
        FALCON,
        94592,
    ),
    (
        FALCON
        | {
            "multi_query": False,
            "parallel_attn": False,
            "alibi": True,
            "bias": True,
        },
        108288,
    ),
    (
        FALCON
        | {
            "new_decoder_architecture": True,
            "num_kv_heads": 2,
        },
        98944,
    ),
    (
        FALCON
        | {
            "new_decoder_architecture": True,
            "num_kv_heads": 2,
            "num_ln_in_parallel_attn": 1,
            "bias": True,
        },
        99712,
    ),
    (
        FALCON
        | {
            "tie_word_embeddings": False,
        },
        102784,
    ),
    ({"model_type": "bloom", "hidden_size": 64, "n_layer": 2, "n_head": 4, "vocab_size": 128}, 108416),
    ({"model_type": "gptj", "n_embd": 64, "n_layer": 2, "n_head": 4, "vocab_size": 128, "rotary_dim": 8}, 115840),
    (
        {
            "model_type": "gpt_neo",
            "hidden_size": 64,
            "num_layers": 2,
            "num_heads": 4,
            "vocab_size": 128,
            "attention_types": [[["global", "local"], 1]],
        },
        238976,
    ),
    (
        {"model_type": "gpt_bigcode", "n_embd": 64, "n_layer": 2, "n_head": 4, "vocab_size": 128, "multi_query": False},
        173824,
    ),
    ({"model_type": "mpt", "d_model": 64, "n_layers": 2, "n_heads": 4, "vocab_size": 128}, 106816),
    (
        {
            "model_type": "opt",
            "hidden_size": 64,
            "ffn_dim": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "vocab_size": 128,
            "word_embed_proj_dim": 32,
            "enable_bias": False,
        },
        197376,
    ),
    (
        {
            "model_type": "opt",
            "hidden_size": 64,
            "ffn_dim": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "vocab_size": 128,
            "word_embed_proj_dim": 64,
            "layer_norm_elementwise_affine": False,
        },
        197568,
    ),
    (
        {
            "model_type": "gpt_neox",
            "hidden_size": 64,
            "intermediate_size": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "vocab_size": 128,
            "attention_bias": False,
        },
        74688,
    ),
]


@pytest.mark.parametrize(("config", "total"), VARIANTS, ids=lambda value: str(value)[:60])
def test_parameters_of_a_variant(config, total):
    assert load_architecture(config).parameters.total == total
