"""Configs and names: what is read, what is refused, and how that is said."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.architecture.families import FAMILIES
from costmodel.architecture.loading import catalog
from costmodel.foundation.limits import CONFIG_BYTES

LLAMA = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 100,
}


def test_a_name_is_found_however_it_is_written():
    expected = cm.load_architecture("llama-3.1-8b")
    for spelling in ("Llama-3.1-8B", "meta-llama/Llama-3.1-8B", "llama_3.1_8b", "LLAMA 3.1 8B"):
        assert cm.load_architecture(spelling) == expected


def test_a_misspelled_name_gets_a_suggestion():
    with pytest.raises(KeyError, match=r"did you mean .*'llama-3.1-8b'"):
        cm.load_architecture("lama-3.1-8b")


def test_every_catalog_entry_counts_close_to_what_was_published():
    scale = {"M": 1e6, "B": 1e9, "T": 1e12}
    assert len(catalog()) >= 80
    for name, entry in catalog().things.items():
        architecture = cm.load_architecture(name)
        assert entry["source"]
        published = entry["published_parameters"]
        if published and published[-1] in scale:
            rounded = float(published[:-1]) * scale[published[-1]]
            assert architecture.parameters.total == pytest.approx(rounded, rel=0.02), name


def test_file_folder_and_dict_are_the_same(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(LLAMA), encoding="utf-8")
    counts = {cm.load_architecture(source).parameters for source in (tmp_path, tmp_path / "config.json", LLAMA)}
    assert len(counts) == 1
    assert cm.load_architecture(str(tmp_path / "config.json")).parameters in counts


def test_family_defaults_fill_absent_keys():
    without = {key: value for key, value in LLAMA.items() if key != "num_key_value_heads"}
    assert cm.load_architecture(without).layers[0].mixer.kv_heads == 4  # llama: as many as heads
    mistral = without | {"model_type": "mistral", "num_attention_heads": 16}
    assert cm.load_architecture(mistral).layers[0].mixer.kv_heads == 8  # mistral: eight
    assert cm.load_architecture(mistral).layers[0].mixer.window == 4096
    assert cm.load_architecture(mistral | {"sliding_window": None}).layers[0].mixer.window is None


def test_a_null_query_rank_is_not_an_absent_one():
    config = {
        "model_type": "deepseek_v3",
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "vocab_size": 100,
        "n_routed_experts": 8,
        "num_experts_per_tok": 2,
    }
    assert cm.load_architecture(config).layers[0].mixer.query_rank == 1536
    assert cm.load_architecture(config | {"q_lora_rank": None}).layers[0].mixer.query_rank is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "lama"}, "no reader is known for 'lama'"),
        ({"model_type": None}, "model_type: is required"),
        ({"hidden_size": None}, "hidden_size: is required and missing"),
        ({"hidden_size": -1}, "hidden_size: must be a whole number"),
        ({"hidden_size": "64"}, "hidden_size: must be a whole number"),
        ({"hidden_size": 1e300}, "hidden_size: must be a whole number"),
        ({"hidden_size": float("nan")}, "hidden_size: must be a whole number"),
        ({"hidden_size": True}, "hidden_size: must be a whole number"),
        ({"hidden_size": 66}, "hidden_size: 66 is not a multiple of the 4 heads"),
        ({"num_key_value_heads": 3}, "num_key_value_heads: 3 does not divide the 4 heads"),
        ({"num_hidden_layers": 10**8}, "at most 10,000 layers"),
        ({"tie_word_embeddings": "yes"}, "tie_word_embeddings: must be true or false"),
        ({"num_extra_experts": 8}, "num_extra_experts: is not understood"),
        ({"qkv_bias": True}, "qkv_bias: is not understood"),
        ({"n_shared_experts": 1}, "n_shared_experts: is not understood"),
        ({"vision_config": {"hidden_size": 8}}, "vision_config: is not understood"),
        ({"layer_types": ["full_attention"]}, "layer_types: must be a list of 2"),
    ],
)
def test_a_wrong_config_names_the_key(change, message):
    with pytest.raises(cm.InputError, match=message):
        cm.load_architecture(LLAMA | change)


def test_all_problems_of_a_config_are_told_at_once():
    wrong = LLAMA | {"hidden_size": 0, "vocab_size": "many", "num_attention_heads": None}
    with pytest.raises(cm.InputError) as caught:
        cm.load_architecture(wrong)
    assert {problem.split(":")[0] for problem in caught.value.problems} >= {
        "hidden_size",
        "vocab_size",
        "num_attention_heads",
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is not a JSON file"),
        (b"\xff\xfe", "is not a JSON file"),
        (b"[1]", "holds no JSON object"),
        (b"[" * 10_000 + b"]" * 10_000, "nested too deep|holds no JSON object"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "nested too deep|model_type"),
    ],
)
def test_a_file_that_is_no_config(tmp_path, content, message):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(cm.InputError, match=message):
        cm.load_architecture(path)


def test_a_config_of_50_mb_is_not_read(tmp_path):
    path = tmp_path / "config.json"
    with path.open("wb") as file:
        file.truncate(50_000_000)
    with pytest.raises(cm.InputError, match=f"larger than {CONFIG_BYTES / 1e6:g} MB"):
        cm.load_architecture(path)


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-10, 10**12), st.floats(), st.text("ab", max_size=5), st.lists(st.integers())
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(sorted(FAMILIES)),
    st.dictionaries(
        st.sampled_from(
            [
                *LLAMA,
                "head_dim",
                "num_local_experts",
                "num_experts",
                "num_experts_per_tok",
                "n_embd",
                "n_layer",
                "n_head",
                "ffn_dim",
                "sliding_window",
                "layer_types",
                "q_lora_rank",
                "architectures",
                "num_labels",
                "per_layer_config",
                "n_layers",
            ]
        ),
        scalars,
    ),
    st.sampled_from([None, True, False]),
    st.sampled_from([None, "lm", "none", "token_classification"]),
)
def test_any_config_gives_counts_or_a_clear_error(family, changes, strict, head):
    try:
        architecture = cm.load_architecture(LLAMA | changes | {"model_type": family}, strict=strict, head=head)
    except cm.CostModelError as error:
        assert str(error)
    else:
        assert architecture.parameters.total > 0
        assert 0 < cm.flops_per_token(architecture, 128) < float("inf")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"total": "7B", "active": "8B"}, "active .* must be at most total"),
        ({"total": -1}, "total: must be a number at least 1"),
        ({"total": "7 GB"}, "wrong dimension"),
        ({"total": "7B", "vocabulary": 32000}, "needs the width too"),
        ({"total": 1000, "vocabulary": 1000, "width": 10}, "must have fewer parameters"),
        ({"total": "7B", "depth": 3}, "unknown field 'depth'"),
    ],
)
def test_counts_that_cannot_be(arguments, message):
    with pytest.raises(cm.InputError, match=message):
        cm.load_architecture(arguments)


def test_replace_returns_a_copy_that_is_written_in_full():
    changed = cm.load_architecture("llama-3.1-8b").replace(tied=True)
    assert changed.origin is None
    assert cm.load_architecture(changed.to_data()).parameters == changed.parameters


def test_a_text_in_the_form_of_a_path_is_a_path(tmp_path, monkeypatch):
    folder = tmp_path / "llama-3.1-8b"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(LLAMA), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    small = cm.load_architecture(LLAMA).parameters
    assert cm.load_architecture("./llama-3.1-8b").parameters == small
    assert cm.load_architecture(f"{tmp_path}/llama-3.1-8b").parameters == small
    assert cm.load_architecture("llama-3.1-8b").parameters.total == 8_030_261_248


def test_keys_that_shape_nothing_are_no_obstacle():
    """A config saved in full by an old library, and by tools that add keys of their own."""
    full = {
        "return_dict": True,
        "max_length": 20,
        "num_beams": 1,
        "num_beam_groups": 1,
        "top_k": 50,
        "pruned_heads": {},
        "chunk_size_feed_forward": 0,
        "add_cross_attention": False,
        "no_repeat_ngram_size": 0,
        "use_flash_attn": True,
        "quantization_config": {"bits": 4},
        "max_window_layers": 28,
        "use_sliding_window": False,
        "pretraining_tp": 2,
        "architectures": ["LlamaForCausalLM"],
        "id2label": {"0": "x"},
        "tokenizer_class": "x",
        "torch_dtype": "fp16",
        "rope_scaling": {"factor": 8.0},
        "attention_dropout": 0.1,
        "tensor_parallel_size": 8,
        "num_labels": 3,
    }
    assert cm.load_architecture(LLAMA | full).parameters == cm.load_architecture(LLAMA).parameters


def test_prediction_layers_are_read_in_both_spellings():
    ahead = [
        cm.load_architecture(LLAMA | keys).parameters
        for keys in (
            {"num_nextn_predict_layers": 3},
            {"use_mtp": True, "num_mtp_modules": 3, "mtp_transformer_layers": 1},
        )
    ]
    assert ahead[0] == ahead[1]
    assert ahead[0].prediction > 0
    assert ahead[0].total == cm.load_architecture(LLAMA).parameters.total
