"""Types read by a layout: tensors as sums of products of keys."""

import pytest

from costmodel.architecture.families import FAMILIES
from costmodel.architecture.loading import load_architecture
from costmodel.architecture.sources import layouts
from costmodel.architecture.sources.layouts import layout_of, layout_types
from costmodel.foundation.errors import InputError

TOWER = {
    "model_type": "bridgetower_vision_model",
    "hidden_size": 256,
    "num_hidden_layers": 3,
    "num_channels": 3,
    "patch_size": 16,
    "image_size": 64,
}


@pytest.mark.parametrize("model_type", layout_types())
def test_default_configs_equal_the_reference(model_type):
    counts = load_architecture({"model_type": model_type}).parameters
    total, active, _ = layout_of(model_type).counts
    assert (counts.total, counts.active) == (total, active)


def test_types_with_a_reader_have_no_layout():
    assert not set(layout_types()) & set(FAMILIES)


@pytest.mark.parametrize("model_type", layout_types())
def test_all_numbers_of_the_sums_are_known(model_type):
    layout = layout_of(model_type)
    features = (layouts.features(key, value) for key, value in layout.free.items())
    known = {name for each in features for name in each} | {name for name, rule in layout.derived.items() if rule}
    rules = [*(text for line in layout.tensors for text in line[1:]), *filter(None, layout.derived.values())]
    assert set().union(*map(layouts.names_of, rules)) <= known


def test_a_free_key_changes_the_count_by_the_tensors_that_have_it():
    deeper = load_architecture({**TOWER, "num_hidden_layers": 4}).parameters.total
    deepest = load_architecture({**TOWER, "num_hidden_layers": 5}).parameters.total
    before = load_architecture(TOWER).parameters.total
    layer = 12 * 256 * 256 + 13 * 256  # attention with biases, feed-forward of 4 times the width, two norms
    assert deepest - deeper == deeper - before == layer


def test_a_fixed_key_is_refused_unless_it_has_its_default():
    model_type, key, value = next(
        (model_type, key, value)
        for model_type in layout_types()
        for key, value in layout_of(model_type).fixed.items()
        if "." not in key and isinstance(value, int) and value > 1
    )
    assert load_architecture({"model_type": model_type, key: value}).parameters.total
    with pytest.raises(InputError, match=f"^{key}: only {value} is known for this type; got {value + 1}"):
        load_architecture({"model_type": model_type, key: value + 1})


def test_all_problems_are_reported_at_once():
    config = {**TOWER, "hidden_size": "wide", "num_hidden_layers": -1, "architectures": ["BridgeTowerHead"]}
    with pytest.raises(InputError) as error:
        load_architecture(config)
    assert {problem.split(":")[0] for problem in error.value.problems} == {
        "hidden_size",
        "num_hidden_layers",
        "architectures",
    }


def test_a_key_that_is_not_understood_is_refused_or_marked():
    config = {**TOWER, "num_extra_experts": 4}
    with pytest.raises(InputError, match="num_extra_experts: is not understood"):
        load_architecture(config)
    assert load_architecture(config, strict=False).unverified


def test_an_impossible_size_is_refused():
    with pytest.raises(InputError, match="at most"):
        load_architecture({**TOWER, "num_hidden_layers": 10**8})


def test_only_patches_of_an_image_may_leave_a_rest():
    values = {"width": 65, "heads": 8, "image_size": 65, "patch_size": 8}
    assert layouts.evaluated("image_size//patch_size", values) == 8
    with pytest.raises(InputError, match=r"width: must be a multiple of heads \(8\); got 65"):
        layouts.evaluated("width//heads", values)
