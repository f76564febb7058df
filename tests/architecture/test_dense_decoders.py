"""Parameters of dense decoders equal those of the reference implementation, for defaults and changed small configs.

Reference: Hugging Face transformers 5.24 on the meta device; `tests/data/reference_dense_decoders.json` holds configs
with total, active and embedding parameters.
"""

import json
from pathlib import Path

import pytest

from costmodel.architecture.flops import count_flops
from costmodel.architecture.loading import load_architecture

with (Path(__file__).parent.parent / "data" / "reference_dense_decoders.json").open(encoding="utf-8") as file:
    ROWS = json.load(file)
BASE = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "vocab_size": 128,
}


@pytest.mark.parametrize("row", ROWS, ids=[f"{row[0]['model_type']}-{index}" for index, row in enumerate(ROWS)])
def test_counts_equal_the_reference(row):
    config, *counts = row
    parameters = load_architecture(config).parameters
    assert list(parameters[:3]) == counts


WINDOWED = [
    ({"model_type": "cwm"}, [1, 2, 3, 5, 6, 7]),
    ({"model_type": "cohere2"}, [0, 1, 2, 4, 5, 6]),
    ({"model_type": "cohere2", "sliding_window_pattern": 2}, [0, 2, 4, 6]),
    ({"model_type": "exaone4"}, [0, 1, 2, 4, 5, 6]),
    ({"model_type": "exaone4", "sliding_window_pattern": "LLG"}, [0, 1, 3, 4, 6]),
    ({"model_type": "exaone4", "sliding_window": None}, []),
    ({"model_type": "gemma3n_text", "num_kv_shared_layers": 0}, [0, 1, 2, 3, 5, 6, 7]),
    ({"model_type": "granite_swa"}, [1, 2, 3, 5, 6, 7]),
    ({"model_type": "ministral"}, list(range(8))),
    ({"model_type": "modernbert-decoder", "num_key_value_heads": None}, [1, 2, 4, 5, 7]),
    ({"model_type": "muse_glimmer_text"}, [0, 1, 2, 4, 5, 6]),
    ({"model_type": "vaultgemma"}, [0, 2, 4, 6]),
]


@pytest.mark.parametrize(("config", "windowed"), WINDOWED)
def test_layers_with_a_sliding_window_follow_the_pattern_of_the_family(config, windowed):
    layers = load_architecture(BASE | {"num_hidden_layers": 8, **config}).layers
    mixers = [layer.mixer for layer in layers for _ in range(layer.count)]
    assert [index for index, mixer in enumerate(mixers) if mixer.window] == windowed


@pytest.mark.parametrize(
    ("model_type", "catalog", "config"),
    [
        (
            "RefinedWebModel",
            "falcon-7b",
            {
                "hidden_size": 4544,
                "n_head": 71,
                "n_layer": 32,
                "multi_query": True,
                "parallel_attn": True,
                "bias": False,
                "alibi": False,
                "vocab_size": 65024,
            },
        ),
        (
            "stablelm_epoch",
            "stablelm-3b",
            {
                "hidden_size": 2560,
                "intermediate_size": 6912,
                "num_hidden_layers": 32,
                "num_attention_heads": 32,
                "num_key_value_heads": 32,
                "vocab_size": 50304,
                "rope_pct": 0.25,
            },
        ),
    ],
)
def test_earlier_names_of_a_family_give_the_same_counts(model_type, catalog, config):
    assert load_architecture(config | {"model_type": model_type}).parameters == load_architecture(catalog).parameters


def test_differential_attention_reads_the_values_of_both_heads_of_a_pair():
    """Of 2·s² FLOPs per unit of head width, the scores keep theirs, and the products with values double."""
    llama = count_flops(load_architecture(BASE | {"model_type": "llama"}), 256, attention="full").forward
    differential = count_flops(load_architecture(BASE | {"model_type": "diffllama"}), 256, attention="full").forward
    assert differential - llama == 4 * 2 * 256 * 256 * 64


def test_doge_with_experts_is_refused():
    with pytest.raises(ValueError, match="is_moe"):
        load_architecture(BASE | {"model_type": "doge", "is_moe": True})


def test_heads_of_another_width_than_a_square_output_are_refused():
    with pytest.raises(ValueError, match="head_dim: the heads are 128 wide"):
        load_architecture(BASE | {"model_type": "helium", "head_dim": 32})


def test_a_layer_with_an_unknown_change_is_refused():
    config = BASE | {"model_type": "gemma4_text", "per_layer_config": {"1": {"intermediate_size": 48}}}
    with pytest.raises(ValueError, match="per_layer_config"):
        load_architecture(config)


def test_dory_without_head_has_no_scale_of_logits():
    config = BASE | {"model_type": "dory", "n_input_layers": 1, "n_output_layers": 1}
    whole, body = (load_architecture(config | {"architectures": [f"Dory{end}"]}) for end in ("ForCausalLM", "Model"))
    assert whole.parameters.total - body.parameters.total == 128 * 64 + 128


@pytest.mark.parametrize("name", ["XLNetForSequenceClassification", "XLNetForQuestionAnswering"])
def test_heads_with_layers_of_their_own_are_refused(name):
    config = {"model_type": "xlnet", "d_model": 64, "n_layer": 2, "n_head": 4, "d_inner": 96, "vocab_size": 128}
    with pytest.raises(ValueError, match="heads of this family"):
        load_architecture(config | {"architectures": [name]})


def test_loops_apply_layers_again_without_their_weights():
    """HRM with 2 layers per stack: 2 × (3 + 1) runs of a stack, of which 2 have weights."""
    config = BASE | {"model_type": "hrm_text", "num_hidden_layers": 2, "head_dim": 16}
    once = load_architecture(config | {"H_cycles": 1, "L_cycles": 1})
    looped = load_architecture(config | {"H_cycles": 2, "L_cycles": 3})
    assert looped.parameters == once.parameters
    head = 2 * 64 * 128 * 64
    assert count_flops(looped, 64).forward - head == 4 * (count_flops(once, 64).forward - head)


PUBLISHED = [
    (
        "baichuan",
        "README of Baichuan-13B, table of model details, 7B",
        7_000_559_616,
        {
            "hidden_size": 4096,
            "intermediate_size": 11008,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "vocab_size": 64000,
        },
    ),
    (
        "baichuan",
        "README of Baichuan-13B, table of model details, 13B",
        13_264_901_120,
        {
            "hidden_size": 5120,
            "intermediate_size": 13696,
            "num_hidden_layers": 40,
            "num_attention_heads": 40,
            "vocab_size": 64000,
            "model_max_length": 4096,
            "_from_model_config": True,
        },
    ),
    (
        "chatglm",
        "README of ChatGLM3, fine-tuning, all parameters without trainable ones",
        6_243_584_000,
        {
            "add_bias_linear": False,
            "add_qkv_bias": True,
            "ffn_hidden_size": 13696,
            "hidden_size": 4096,
            "kv_channels": 128,
            "multi_query_attention": True,
            "multi_query_group_num": 2,
            "num_attention_heads": 32,
            "num_layers": 28,
            "padded_vocab_size": 65024,
            "post_layer_norm": True,
            "rmsnorm": True,
        },
    ),
    (
        "qwen",
        "Qwen-7B, elements of the loaded model",
        7_721_324_544,
        {
            "hidden_size": 4096,
            "intermediate_size": 22016,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "kv_channels": 128,
            "vocab_size": 151936,
            "no_bias": True,
            "use_logn_attn": True,
        },
    ),
    (
        "internlm2",
        "InternLM2-7B, elements of the loaded model",
        7_737_708_544,
        {
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "vocab_size": 92544,
            "bias": False,
        },
    ),
    (
        "minicpm",
        "MiniCPM-2B, elements of the loaded model",
        2_724_880_896,
        {
            "hidden_size": 2304,
            "intermediate_size": 5760,
            "num_hidden_layers": 40,
            "num_attention_heads": 36,
            "num_key_value_heads": 36,
            "vocab_size": 122753,
        },
    ),
    (
        "Yi",
        "Yi-34B, elements of the loaded model",
        34_388_917_248,
        {
            "hidden_size": 7168,
            "intermediate_size": 20480,
            "num_hidden_layers": 60,
            "num_attention_heads": 56,
            "num_key_value_heads": 8,
            "vocab_size": 64000,
        },
    ),
]


@pytest.mark.golden(
    source="Publishers of the models", table="Parameters as stated, or counted where the published weights were loaded"
)
@pytest.mark.parametrize(("model_type", "source", "total", "config"), PUBLISHED)
def test_counts_of_models_with_remote_code_equal_the_published_ones(model_type, source, total, config, golden):
    parameters = load_architecture(config | {"model_type": model_type}).parameters
    golden(source, f"{total:,}", parameters.total)
    assert parameters.total == total


def test_mimo_is_qwen2_with_layers_of_multi_token_prediction():
    config = BASE | {"num_nextn_predict_layers": 1}
    mimo, qwen = (load_architecture(config | {"model_type": name}).parameters for name in ("mimo", "qwen2"))
    assert mimo == qwen and mimo.prediction > 0
