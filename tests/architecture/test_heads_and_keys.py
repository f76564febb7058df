"""Heads by the class in `architectures`, and keys that no reader reads."""

import json
from pathlib import Path

import pytest

import costmodel as cm
from costmodel.architecture.sources import keys
from costmodel.foundation.tables import folder

LLAMA = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 100,
}
BODY = 2 * (64 * 64 * 2 + 64 * 32 * 2 + 3 * 64 * 128 + 2 * 64) + 64 + 100 * 64


CATALOG = {
    name: entry["config"]
    for name, entry in json.loads((folder() / "facts" / "architectures.json").read_text(encoding="utf-8")).items()
}


def total(**changes):
    return cm.load_architecture(LLAMA | changes).parameters.total


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("LlamaForCausalLM", 100 * 64),
        ("LlamaModel", 0),
        ("LlamaForSequenceClassification", 3 * 64),
        ("LlamaForTokenClassification", 3 * 64 + 3),
        ("LlamaForQuestionAnswering", 2 * 64 + 2),
        ("InternLM2ForRewardModel", 64),
        ("Qwen2ForRewardModel", 64 * 64 + 64 + 64 + 1),
        ("Qwen2ForProcessRewardModel", 64 * 64 + 64 + 2 * 64 + 2),
    ],
)
def test_the_class_determines_the_head(name, head):
    assert total(architectures=[name], id2label={"0": "a", "1": "b", "2": "c"}) == BODY + head


def test_a_class_of_the_text_model_has_no_towers():
    config = {"model_type": "mllama", "architectures": ["MllamaForCausalLM"]}
    text = {key: value for key, value in LLAMA.items() if key != "model_type"} | {"cross_attention_layers": [1]}
    whole = config | {"text_config": text, "vision_config": {}, "architectures": ["MllamaForConditionalGeneration"]}
    assert cm.load_architecture(whole).stacks
    assert cm.load_architecture(whole | {"architectures": ["MllamaForCausalLM"]}).stacks == ()


@pytest.mark.parametrize(
    ("model_type", "name", "whole"),
    [
        ("gemma3", "Gemma3ForCausalLM", "Gemma3ForConditionalGeneration"),
        ("qwen3_5", "Qwen3_5ForCausalLM", "Qwen3_5ForConditionalGeneration"),
    ],
)
def test_a_class_of_the_text_model_counts_as_that_model_alone(model_type, name, whole):
    text = {key: value for key, value in LLAMA.items() if key != "model_type"} | {"head_dim": 16}
    config = {"model_type": model_type, "text_config": text, "vision_config": {}}
    alone = cm.load_architecture(text | {"model_type": f"{model_type}_text", "architectures": [name]}).parameters
    assert cm.load_architecture(config | {"architectures": [whole]}).parameters.total > alone.total
    assert cm.load_architecture(config | {"architectures": [name]}).parameters.total == alone.total


def test_the_head_of_an_untied_opt_reads_the_width_of_its_embedding():
    """OPT-350m with a classifier: 331,196,416 parameters without a head, by transformers on the meta device."""
    config = {
        "model_type": "opt",
        "hidden_size": 1024,
        "word_embed_proj_dim": 512,
        "ffn_dim": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "vocab_size": 50272,
        "do_layer_norm_before": False,
        "architectures": ["OPTForSequenceClassification"],
    }
    with_scores = cm.load_architecture(config).parameters.total
    assert with_scores - cm.load_architecture(config | {"architectures": ["OPTModel"]}).parameters.total == 2 * 512


@pytest.mark.parametrize("name", ["LlamaForCausalLMEagle3", "LlamaRewardModel", "LlamaValueModel", "Llama"])
def test_an_unknown_class_is_refused_or_told_and_marked(name):
    with pytest.raises(cm.InputError, match=r"architectures: the head of .* is not known; known: .*ForCausalLM"):
        total(architectures=[name])
    told = cm.load_architecture(LLAMA | {"architectures": [name]}, head="none")
    assert told.parameters.total == BODY
    assert told.unverified == (f"architectures: the head 'none' was named by the caller; the config says ['{name}']",)
    with pytest.raises(cm.InputError, match=r"head: must be one of lm, none, .*; got 'value'"):
        cm.load_architecture(LLAMA, head="value")


@pytest.mark.parametrize("name", ["EagleLlamaForCausalLM", "MixtralForCausalLM", "NVEmbedModel"])
def test_a_class_of_another_family_is_refused_or_told_and_marked(name):
    with pytest.raises(
        cm.InputError, match=rf"architectures: \['{name}'\] is no class of model_type 'llama'; head='lm'"
    ):
        total(architectures=[name])
    assert cm.load_architecture(LLAMA | {"architectures": [name]}, head="lm").unverified


@pytest.mark.parametrize(
    ("model_type", "name"),
    [("Yi", "LlamaForCausalLM"), ("kimi_k2", "DeepseekV3ForCausalLM"), ("kimi_k2", "KimiK2ForCausalLM")],
)
def test_classes_of_an_alias_are_those_of_both_types(model_type, name):
    known = next(
        c for c in CATALOG.values() if c["model_type"] == {"Yi": "llama", "kimi_k2": "deepseek_v3"}[model_type]
    )
    assert cm.load_architecture(known | {"model_type": model_type, "architectures": [name]}).unverified == ()


def test_a_told_head_that_the_class_says_too_is_no_doubt():
    assert cm.load_architecture(LLAMA, head="lm").unverified == ()
    assert cm.load_architecture(LLAMA | {"architectures": ["LlamaModel"]}, head="none").unverified == ()


@pytest.mark.parametrize(
    "harmless",
    [
        {"mlp_bias": False, "attention_bias": False},
        {"num_loops": 0, "gate_width": None, "shared_heads": []},
        {"n_embd": 64, "n_layer": 2, "n_head": 4},
        {"moe_frequency": 1},
        {"output_gate_type": "swish"},
        {"use_sliding_window": False, "sliding_window": 16, "max_window_layers": 1},
        {"attn_dropout_rate_of_ours": 0.1, "unsloth_fixed": True, "auto_map": {"AutoModel": "x"}},
    ],
)
def test_keys_without_effect_pass(harmless):
    plain, read = cm.load_architecture(LLAMA), cm.load_architecture(LLAMA | harmless)
    assert read.parameters == plain.parameters and read.unverified == ()
    assert cm.count_flops(read, 64) == cm.count_flops(plain, 64)


def test_a_key_that_contradicts_what_is_read_is_refused():
    with pytest.raises(cm.InputError, match="n_embd: 32 contradicts hidden_size: 64"):
        total(n_embd=32)


def test_unknown_keys_are_refused_or_listed():
    odd = LLAMA | {"attn_output_gate": True, "num_loops": 2}
    with pytest.raises(cm.InputError) as caught:
        cm.load_architecture(odd)
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["attn_output_gate", "num_loops"]
    assert "strict=False" in str(caught.value) and "remove" not in str(caught.value)
    read = cm.load_architecture(odd, strict=False)
    assert [doubt.split(":")[0] for doubt in read.unverified] == ["attn_output_gate", "num_loops"]
    assert cm.load_architecture(read.to_data()).unverified == read.unverified


def test_no_key_that_shapes_a_type_has_an_inert_word_or_is_bookkeeping():
    table = json.loads((keys.folder() / "facts" / "config_keys.json").read_bytes())
    shaping = {key for entry in table.values() for key in entry["shapes"]} - keys.inert_keys()
    assert len(shaping) > 300
    assert not {key for key in shaping if set(key.lower().split("_")) & keys.INERT_WORDS}
    assert not {key for key in shaping if key.endswith(keys.INERT_ENDS) or key.startswith("rope_")}
    assert shaping & keys.BOOKKEEPING <= {"max_length"}  # of spectrograms; the key of generation elsewhere


SAVED = json.loads((Path(__file__).parent.parent / "data" / "saved_configs.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("model_type", SAVED)
def test_a_config_that_transformers_saves_again_counts_the_same(model_type):
    entry = SAVED[model_type]
    original, saved = (cm.load_architecture(entry[form]) for form in ("original", "saved"))
    assert original.parameters == saved.parameters
    assert original.parameters.total == entry["total"]
    assert cm.count_flops(original, 256) == cm.count_flops(saved, 256)


def test_another_name_of_a_key_is_read_and_must_not_contradict():
    config = SAVED["qwen3_moe"]["original"]
    named = {"num_local_experts" if key == "num_experts" else key: value for key, value in config.items()}
    assert cm.load_architecture(named).parameters.total == SAVED["qwen3_moe"]["total"]
    with pytest.raises(cm.InputError, match="num_local_experts: 7 contradicts num_experts: 12"):
        cm.load_architecture(config | {"num_local_experts": 7})


def test_options_reach_scenarios_files_and_estimates(tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps(LLAMA | {"model_type": "ours", "num_loops": 2}), encoding="utf-8")
    run = cm.Scenario(
        architecture=str(config),
        family="llama",
        strict=False,
        head="none",
        recipe=cm.Pretraining(tokens="1B", sequence_length=128),
        cluster=cm.Cluster("H100-SXM", 8),
        mfu=0.4,
    )
    assert run.architecture.parameters.total == BODY and len(run.architecture.unverified) == 3
    run.save(tmp_path / "run.toml")
    assert cm.Scenario.load(tmp_path / "run.toml") == run
    assert run.replace(mfu=0.3).architecture == run.architecture
    assert run.replace(head="lm").architecture.parameters.total == BODY + 6400
    result = cm.estimate(run)
    assert result.to_dict()["unverified"] == list(run.architecture.unverified)
    assert all(f"unverified: {doubt}" in result.to_text(None) for doubt in run.architecture.unverified)
    with pytest.raises(cm.InputError, match="family: no effect on an architecture that was not read from"):
        cm.Scenario(**{**run.given(), "architecture": run.architecture.replace(name="x"), "family": "llama"})


def test_a_hostile_config_is_refused_with_a_short_message():
    deep = "end"
    for _ in range(20_000):
        deep = {"x": deep}
    hostile = [
        LLAMA | {f"key_size_{index}": index + 2 for index in range(100_000)},
        LLAMA | {"hidden_shape": deep},
        LLAMA | {"hidden_shape": [[0] * 1000] * 1000},
        LLAMA | {"hidden_" + "x" * 1_000_000: 2},
        LLAMA | {"hidden_size": "x" * 1_000_000},
        LLAMA | {"architectures": ["x" * 1_000_000]},
        LLAMA | {f"key_size_{index}": index + 2 for index in range(1000)},
    ]
    for config in hostile:
        with pytest.raises(cm.InputError) as caught:
            cm.load_architecture(config)
        assert len(str(caught.value)) < 4000


@pytest.mark.parametrize("shaping", [{"gated_mlp": False}, {"use_glu": False}, {"hidden_act": "xielu"}])
def test_ungated_blocks_and_learned_activations_are_not_passed_over(shaping):
    with pytest.raises(cm.InputError, match=f"{next(iter(shaping))}: is not understood"):
        total(**shaping)
