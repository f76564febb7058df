"""Counts of the models that transformers builds; the packages of the extra hub are needed for the last test only."""

import sys

import pytest

import costmodel as cm
from costmodel.foundation.errors import InputError

LLAMA = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 100,
}


def test_missing_packages_are_named_with_their_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError, match=r"pip install 'costmodel\[hub\]'"):
        cm.load_architecture(LLAMA, family="transformers")


def test_error_of_an_unknown_type_names_the_extra():
    with pytest.raises(InputError, match=r"family='transformers' .--family transformers. with the extra hub"):
        cm.load_architecture(LLAMA | {"model_type": "nobody knows it"})


def test_built_model_has_the_parameters_of_the_reader():
    pytest.importorskip("torch", reason="needs torch: pip install 'costmodel[hub]'")
    pytest.importorskip("transformers", reason="needs transformers: pip install 'costmodel[hub]'")
    built = cm.load_architecture(LLAMA, family="transformers")
    read = cm.load_architecture(LLAMA)
    assert built.parameters == read.parameters
    assert built.layers == read.layers
    assert built.stored_bytes == read.stored_bytes
    assert "LlamaForCausalLM as transformers" in built.source
    assert cm.load_architecture(built.origin) == built
    for wrong in ({"model_type": "nobody"}, {"num_hidden_layers": 10**6}, {"hidden_size": "wide"}):
        with pytest.raises(InputError):
            cm.load_architecture(LLAMA | wrong, family="transformers")
