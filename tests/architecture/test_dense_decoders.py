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


@pytest.mark.golden(
    source="Hugging Face transformers 5.24", table="Elements of the parameters of the model built on the meta device"
)
@pytest.mark.parametrize("row", ROWS, ids=[f"{row[0]['model_type']}-{index}" for index, row in enumerate(ROWS)])
def test_counts_equal_the_reference(row, golden):
    config, *counts = row
    parameters = load_architecture(config).parameters
    golden(f"parameters of a small {config['model_type']}", f"{counts[0]:,}", parameters.total)
    assert list(parameters[:3]) == counts


def test_differential_attention_reads_the_values_of_both_heads_of_a_pair():
    """Of 2·s² FLOPs per unit of head width, the scores keep theirs, and the products with values double."""
    llama = count_flops(load_architecture(BASE | {"model_type": "llama"}), 256, attention="full").forward
    differential = count_flops(load_architecture(BASE | {"model_type": "diffllama"}), 256, attention="full").forward
    assert differential - llama == 4 * 2 * 256 * 256 * 64


def test_doge_with_experts_is_refused():
    with pytest.raises(ValueError, match="is_moe"):
        load_architecture(BASE | {"model_type": "doge", "is_moe": True})


def test_a_layer_with_an_unknown_change_is_refused():
    config = BASE | {"model_type": "gemma4_text", "per_layer_config": {"1": {"intermediate_size": 48}}}
    with pytest.raises(ValueError, match="per_layer_config"):
        load_architecture(config)


def test_loops_apply_layers_again_without_their_weights():
    """HRM with 2 layers per stack: 2 × (3 + 1) runs of a stack, of which 2 have weights."""
    config = BASE | {"model_type": "hrm_text", "num_hidden_layers": 2, "head_dim": 16}
    once = load_architecture(config | {"H_cycles": 1, "L_cycles": 1})
    looped = load_architecture(config | {"H_cycles": 2, "L_cycles": 3})
    assert looped.parameters == once.parameters
    head = 2 * 64 * 128 * 64
    assert count_flops(looped, 64).forward - head == 4 * (count_flops(once, 64).forward - head)
