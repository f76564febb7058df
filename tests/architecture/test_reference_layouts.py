"""Parameters of mixtures of experts and of recurrent models equal those of the reference implementation.

Reference: Hugging Face transformers 5.24 on the meta device; `tests/data/reference_experts.json` and others hold
[config, total, active, embedding] of the default of each type, and of a smaller model.
"""

import json
from pathlib import Path

import pytest

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.flops import count_flops
from costmodel.architecture.loading import load_architecture
from costmodel.foundation.errors import InputError

DATA = Path(__file__).parent.parent / "data"
ROWS = [row for name in ("experts",) for row in json.loads((DATA / f"reference_{name}.json").read_text("utf-8"))]


@pytest.mark.golden(
    source="Hugging Face transformers 5.24", table="Elements of the parameters of the model built on the meta device"
)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]['model_type']}-{row[1]}")
def test_layouts_equal_the_reference(row, golden):
    config, *expected = row
    architecture = load_architecture(config)
    golden(f"parameters of {config['model_type']}", f"{expected[0]:,}", architecture.parameters.total)
    assert list(architecture.parameters[:3]) == expected


def test_the_rows_cover_the_families_twice():
    types = [row[0]["model_type"] for row in ROWS]
    assert len(ROWS) >= 44
    assert min(types.count(name) for name in set(types)) == 2


def config_of(model_type, **changes):
    return next(row[0] for row in ROWS if row[0]["model_type"] == model_type) | changes


def test_value_heads_narrower_than_query_heads_are_counted():
    block = Attention(heads=4, kv_heads=2, head_width=6, value_width=3, head_gate=True)
    sizes = {weight.name: weight.size for weight in block.weights(10)}
    assert sizes == {"query": 240, "key": 120, "value": 60, "output": 120, "head_gate": 40}
    work = {operation.name: (operation.n, operation.k) for operation in block.operations(10, 8.0, 8.0)}
    assert work["attend"] == (8.0, 3)
    assert work["output"] == (10, 12)
    assert block.cache(100) == 2 * (6 + 3) * 100


def test_sliding_layers_of_mimo_have_twice_the_kv_heads():
    # 9 full layers of 64 x 8192² pairs halves, 39 sliding ones of a window of 129: (192 + 128) x 64 heads x 2 FLOPs
    config = config_of("mimo_v2_flash")
    length, window = 8192, 129
    causal = count_flops(config, length, attention="causal").forward
    linear = count_flops(config, 1e-3).forward / 1e-3
    scores = 9 * length**2 / 2 + 39 * (window * length - window**2 / 2)
    assert causal - linear * length == pytest.approx(2 * (192 + 128) * 64 * scores, rel=1e-3)


def test_changes_of_single_layers_are_read():
    config = config_of("mellum")
    plain = load_architecture(config).parameters.total
    changed = load_architecture(config | {"per_layer_config": {"01": {"num_attention_heads": 16}}}).parameters.total
    width, head = config["hidden_size"], config["head_dim"]
    assert plain - changed == (config["num_attention_heads"] - 16) * head * width * 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"per_layer_config": {"0": {"hidden_size": 8}}}, "per_layer_config: changes of hidden_size are not known"),
        ({"per_layer_config": {"99": {}}}, "per_layer_config: must be an object of changes for layers 0 to 27"),
        ({"mlp_layer_types": ["sparse"]}, "mlp_layer_types: must be a list of 28"),
    ],
)
def test_layouts_that_are_not_known_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        load_architecture(config_of("mellum") | changes)
