"""JSON schemas: units, bounds and descriptions of all fields, and the same verdict as the library on documents."""

import json
import re
import tomllib

import pytest

import costmodel as cm
from costmodel.foundation.units import SI_FACTOR

SCHEMAS = {"Scenario": cm.Scenario.model_json_schema(), "Project": cm.Project.model_json_schema()}
UNITS = {
    ("Scenario", "mfu"): "1",
    ("Scenario", "gpu_hours"): "hour",
    ("Pretraining", "tokens"): "token",
    ("Pretraining", "gpu_hours"): "hour",
    ("Rental", "price"): "USD/hour",
    ("Site", "pue"): "1",
    ("Site", "power_per_gpu"): "W",
    ("Site", "grid_intensity"): "kg/kWh",
    ("Site", "electricity"): "USD/kWh",
    ("Site", "water_intensity"): "liter/kWh",
    ("Accelerator", "bf16"): "TFLOP/s",
    ("Accelerator", "memory"): "GB",
    ("Accelerator", "memory_bandwidth"): "GB/s",
    ("Accelerator", "tdp"): "W",
    ("LoRA", "tokens"): "token",
}
SCENARIO = {
    "architecture": "llama-3.1-8b",
    "recipe": {"tokens": "15T"},
    "cluster": {"accelerator": "H100-SXM", "count": 1024},
}
BLOCKS = {
    "width": 64,
    "vocabulary": 1000,
    "layers": [{"mixer": {"kind": "attention", "heads": 4, "kv_heads": 4, "head_width": 16}, "count": 2}],
}
ACCEPTED = [
    {},
    {"architecture": {"total": "7B", "layers": 32, "width": 4096}},
    {"architecture": BLOCKS},
    {"architecture": 7e9},
    {"recipe": [{"tokens": 5e12}, {"kind": "lora", "tokens": "20M", "rank": "16", "targets": ["query"]}]},
    {"recipe": {"tokens": 5e12, "software": "2025"}},
    {"recipe": {"tokens": 5e12, "software": {"name": "megatron", "year": 2025, "dispatcher": "deepep"}}},
    {"recipe": {"kind": "dpo", "examples": 1000, "lengths": [200, 300, 400]}},
    {"recipe": {"kind": "grpo", "examples": 1000, "lengths": "200 to 400", "reward_model": "llama-3.1-8b"}},
    {"recipe": {"kind": "distillation", "tokens": 1e9, "teacher": {"total": "70B"}}},
    {"cluster": {"accelerator": {"name": "X", "bf16": "500 TFLOP/s", "memory": 96}, "count": "1k"}},
    {"cluster": {"accelerator": "H100-SXM", "count": 8, "site": {"pue": {"low": 1.1, "high": 1.3}}}},
    {"mfu": {"shape": "triangular", "low": 0.3, "mode": 0.4, "high": 0.5}},
    {"gpu_hours": {"shape": "samples", "values": [1e5, 2e5], "unit": "hour"}},
    {"goodput": {"shape": "beta", "alpha": 9, "beta": 1}},
    {"prices": {"price": "$2.99/h"}, "mfu": "40 %", "layout": None},
    {"prices": {"provider": "lambda", "on": "2026-09-01"}, "layout": {"zero": 3, "recompute": "full"}},
]
REJECTED = [
    {"architecure": "llama-3.1-8b"},
    {"architecture": True},
    {"recipe": {"kind": "lorra", "tokens": 1e9}},
    {"recipe": {"tokens": 1e9, "rank": 8}},
    {"recipe": {"kind": "lora", "tokens": 1e9, "rnk": 8}},
    {"recipe": {"kind": "lora", "tokens": -1e9}},
    {"recipe": "pretraining"},
    {"recipe": {"tokens": 1e9, "software": 2025}},
    {"cluster": {"accelerator": "H100-SXM", "count": 0}},
    {"cluster": {"accelerator": "H100-SXM", "count": True}},
    {"cluster": {"accelerator": "H100-SXM"}},
    {"cluster": None},
    {"prices": {"per": "hour"}},
    {"mfu": 1.5},
    {"mfu": [0.3, 0.4]},
    {"mfu": {"low": 0.3, "hihg": 0.4}},
    {"mfu": {"shape": "uniform", "low": 0.3, "high": 0.4}},
    {"layout": {"zero": 4}},
    {"layout": {"recompute": "everything"}},
    {"seed": -1},
]


@pytest.fixture(scope="module", params=SCHEMAS)
def schema(request):
    return SCHEMAS[request.param]


def resolved(schema, part):
    """Return a part of a schema with its first reference replaced by what it refers to."""
    if "$ref" not in part:
        return part
    target = schema
    for name in part["$ref"].removeprefix("#/").split("/"):
        target = target[name]
    return {**resolved(schema, target), **{key: value for key, value in part.items() if key != "$ref"}}


def specifications(schema):
    """Return the specifications of a schema by name."""
    named = {schema["title"]: schema, **schema["$defs"]}
    return {name: part for name, part in named.items() if "properties" in part}


def field(model, name):
    """Return the type of a field in the schema of a scenario; for an optional field, that of its value."""
    schema = SCHEMAS["Scenario"]
    part = resolved(schema, specifications(schema)[model]["properties"][name])
    return part if "unit" in part or "anyOf" not in part else resolved(schema, part["anyOf"][0])


@pytest.mark.parametrize(("model", "name"), UNITS)
def test_a_field_states_its_unit(model, name):
    assert field(model, name)["unit"] == UNITS[model, name]


def test_units_are_those_that_fields_read(schema):
    units = set()

    def walk(node):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            if key == "unit" and isinstance(value, str):
                units.add(value)
            elif isinstance(value, (dict, list)):
                walk(value)

    walk(schema)
    assert set(UNITS.values()) <= units <= set(SI_FACTOR)


def test_a_field_states_its_bounds_and_types():
    number = {"type": ["number", "string"], "exclusiveMinimum": 0.0, "maximum": 1.0}
    assert field("Scenario", "mfu") == {"anyOf": [number, {"$ref": "#/$defs/Range"}], "unit": "1"}
    assert field("Accelerator", "memory")["type"] == ["number", "string"]
    assert field("Cluster", "count")["type"] == ["integer", "string"]


def test_every_field_has_a_description(schema):
    missing = [
        f"{name}.{field}"
        for name, part in specifications(schema).items()
        for field, value in part["properties"].items()
        if not resolved(schema, value).get("description")
    ]
    assert not missing and len(specifications(schema)) > 40


def test_specifications_have_one_paragraph_of_description(schema):
    for part in specifications(schema).values():
        assert "\n" not in part.get("description", "")


def test_shared_types_are_written_once(schema):
    definitions = [json.dumps(part, sort_keys=True) for part in schema["$defs"].values()]
    assert len(set(definitions)) == len(definitions)
    assert {"Tokens", "Fraction", "Recipe", "LoRA", "Block", "Attention", "Cluster"} <= set(schema["$defs"])
    lora = schema["$defs"]["LoRA"]["properties"]
    assert re.fullmatch(r"#/\$defs/\w+/properties/epochs", lora["epochs"]["$ref"])


def test_alternatives_are_in_one_list(schema):
    def nested(part):
        """Whether a part of the schema has an alternative that is only a list of alternatives."""
        parts = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        choices = part.get("anyOf", ()) if isinstance(part, dict) else ()
        return any(choice.keys() <= {"anyOf", "unit"} for choice in choices) or any(map(nested, parts))

    assert not nested(schema)


@pytest.fixture(scope="module")
def validators():
    """A validator for each schema, which is checked too."""
    jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema")
    for schema in SCHEMAS.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    return {name: jsonschema.Draft202012Validator(schema) for name, schema in SCHEMAS.items()}


@pytest.mark.parametrize("changes", ACCEPTED, ids=json.dumps)
def test_library_and_schema_accept(validators, changes):
    document = json.loads(json.dumps({**SCENARIO, **changes}))
    assert cm.Scenario.from_data(document)
    assert validators["Scenario"].is_valid(document)


@pytest.mark.parametrize("changes", REJECTED, ids=json.dumps)
def test_library_and_schema_reject(validators, changes):
    document = {**SCENARIO, **changes}
    with pytest.raises(cm.InputError):
        cm.Scenario.from_data(document)
    assert not validators["Scenario"].is_valid(document)


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("pretraining", "Scenario"),
        ("stages", "Scenario"),
        ("reasoning-model", "Project"),
        ("domain-model", "Project"),
        ("support-ticket-classifier", "Project"),
    ],
)
def test_examples_follow_the_schema(validators, root, name, model):
    text = (root / "examples" / f"{name}.toml").read_text(encoding="utf-8")
    document = json.loads(json.dumps(tomllib.loads(text), default=str))
    assert validators[model].is_valid(document)


def test_a_schema_of_pydantic_alone_is_still_available():
    from pydantic.json_schema import GenerateJsonSchema

    plain = cm.Site.model_json_schema(schema_generator=GenerateJsonSchema)
    assert plain["properties"]["pue"]["title"] == "Pue"
