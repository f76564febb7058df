"""JSON schemas of specifications, in which shared types and repeated fields are written once."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Annotated, Any, get_origin

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import CoreSchema
from pydantic_core.core_schema import LiteralSchema, WithDefaultSchema

from costmodel.foundation import fields

_DESCRIBING = {"default", "description"}
"""Keywords that describe a field and are no part of its type."""


class SharedJsonSchema(GenerateJsonSchema):
    """Generator of JSON schemas that are short enough to read.

    `$defs` holds the specifications and the types of `foundation.fields`. A field that repeats, as those of all
    fine-tuning recipes do, refers to its first occurrence.
    """

    def field_title_should_be_set(self, schema: object) -> bool:
        return False

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        described = super().default_schema(schema)
        if described.get("default", ...) is None:  # the description states what a field that is not given means
            del described["default"]
        return described

    def literal_schema(self, schema: LiteralSchema) -> JsonSchemaValue:
        described = super().literal_schema(schema)
        if "const" in described:  # which says the type already
            described.pop("type", None)
        return described

    def generate(self, schema: CoreSchema, mode: JsonSchemaMode = "validation") -> JsonSchemaValue:
        complete = super().generate(schema, mode)
        nested = complete.pop("$defs", {})
        shared: dict[str, JsonSchemaValue] = {}
        root = _with_references(complete, shared)
        shared |= {name: _summarized(_with_references(part, shared)) for name, part in nested.items()}
        _refer_to_first_fields({"#": root} | {f"#/$defs/{name}": definition for name, definition in shared.items()})
        for definition in shared.values():
            definition.pop("title", None)  # which is its name
        return {**_summarized(root), "$defs": shared}


def _with_references(schema: JsonSchemaValue, shared: dict[str, JsonSchemaValue]) -> JsonSchemaValue:
    """Return a schema whose parts refer to `shared`; the specifications and named types among them are added to it."""
    return _flat({key: _reference(value, shared) for key, value in schema.items()})


def _flat(schema: JsonSchemaValue) -> JsonSchemaValue:
    """Return a schema with the alternatives of an alternative, and their unit, among its own."""
    choices = schema.get("anyOf", [])
    nested = [choice for choice in choices if isinstance(choice, dict) and "anyOf" in choice]
    if len(nested) != 1 or not nested[0].keys() <= {"anyOf", "unit"}:
        return schema
    [inner] = nested
    listed = [each for choice in choices for each in (inner["anyOf"] if choice is inner else [choice])]
    return {**schema, **inner, "anyOf": listed}


def _reference(part: Any, shared: dict[str, JsonSchemaValue]) -> Any:
    """Return a part of a schema, or a reference to its definition if it is a specification or a named type."""
    if isinstance(part, list):
        return [_reference(item, shared) for item in part]
    if not isinstance(part, dict):
        return part
    if isinstance(name := part.get("title"), str):
        definition = _summarized(_with_references(part, shared))
        if shared.setdefault(name, definition) == definition:
            return {"$ref": f"#/$defs/{name}"}
    kind = {key: value for key, value in part.items() if key not in _DESCRIBING}
    if name := _named_types().get(json.dumps(kind, sort_keys=True)):
        shared[name] = _with_references(kind, shared)
        return {"$ref": f"#/$defs/{name}"} | {key: value for key, value in part.items() if key in _DESCRIBING}
    return _with_references(part, shared)


def _refer_to_first_fields(specifications: dict[str, JsonSchemaValue]) -> None:
    """Replace each field that equals a field of the same name before it by a reference to that one."""
    first: dict[str, str] = {}
    for place, specification in specifications.items():
        properties = specification.get("properties", {})
        for name, field in properties.items():
            path = f"{place}/properties/{name}"
            if (origin := first.setdefault(json.dumps([name, field], sort_keys=True), path)) != path:
                properties[name] = {"$ref": origin}


def _summarized(specification: JsonSchemaValue) -> JsonSchemaValue:
    """Return the schema of a specification with the first paragraph of its description."""
    if "description" not in specification:
        return specification
    summary = specification["description"].partition("\n\n")[0]
    return {**specification, "description": " ".join(summary.split())}


@lru_cache
def _named_types() -> dict[str, str]:
    """Return the names of the types of `foundation.fields`, by their JSON schema as text."""
    types = {name: alias for name, alias in vars(fields).items() if get_origin(alias) is Annotated}
    return {json.dumps(TypeAdapter(types[name]).json_schema(), sort_keys=True): name for name in reversed(types)}
