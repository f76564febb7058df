"""The JSON schema of a scenario names the unit of every number."""

import json

import pytest

import costmodel as cm
from costmodel.foundation.units import SI_FACTOR

UNITS = {
    ("Scenario", "mfu"): "1", ("Scenario", "gpu_hours"): "hour", ("Pretraining", "tokens"): "token",
    ("Pretraining", "gpu_hours"): "hour", ("Rental", "price"): "USD/hour", ("Site", "pue"): "1",
    ("Site", "power_per_gpu"): "W", ("Site", "grid_intensity"): "kg/kWh", ("Site", "electricity"): "USD/kWh",
    ("Site", "water_intensity"): "liter/kWh", ("Accelerator", "bf16"): "TFLOP/s", ("Accelerator", "memory"): "GB",
    ("Accelerator", "memory_bandwidth"): "GB/s", ("Accelerator", "tdp"): "W",
}  # fmt: skip


def titled(node, title):
    """Yield every part of a schema that describes a model of this name."""
    for value in node.values() if isinstance(node, dict) else node:
        if isinstance(value, (dict, list)):
            yield from titled(value, title)
    if isinstance(node, dict) and node.get("title") == title and "properties" in node:
        yield node


def schema_of(model, field):
    schema = cm.Scenario.model_json_schema()
    found = next(part for part in titled(schema, model))["properties"][field]
    return found if "unit" in found else next(form for form in found["anyOf"] if "unit" in form)


@pytest.mark.parametrize(("model", "field"), UNITS)
def test_a_field_names_its_unit(model, field):
    assert schema_of(model, field)["unit"] == UNITS[model, field]


def test_every_unit_of_the_schema_is_one_that_is_read():
    found = set()

    def walk(node):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            if key == "unit" and isinstance(value, str):
                found.add(value)
            elif isinstance(value, (dict, list)):
                walk(value)

    walk(cm.Scenario.model_json_schema())
    assert set(UNITS.values()) <= found <= set(SI_FACTOR)


def test_a_field_names_its_bounds_and_forms():
    forms = schema_of("Scenario", "mfu")["anyOf"]
    assert {"type": "number", "exclusiveMinimum": 0.0, "maximum": 1.0} in forms
    assert [form["type"] for form in forms] == ["number", "string", "object"]
    assert [form["type"] for form in schema_of("Accelerator", "memory")["anyOf"]] == ["number", "string"]


def test_the_schema_is_json():
    assert json.loads(json.dumps(cm.Scenario.model_json_schema()))["additionalProperties"] is False
