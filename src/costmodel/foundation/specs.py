"""Specifications: frozen, validated descriptions, changed by making a copy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.fields import FieldInfo

from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.file_version import without_version
from costmodel.foundation.renamed import RENAMED, present, renamed
from costmodel.foundation.signatures import LazyDocstring, LazySignature, arguments

_OTHER_NAMES = {"gpu": "accelerator", "gpus": "count", "num_gpus": "count", "model": "architecture", "cost": "price"}
"""Fields by other names that people give them."""
_PLACED = re.compile(r"[A-Za-z_][\w.-]*: ")
"""A problem that starts with the name of a field."""


class Spec(BaseModel):
    """Base of all specifications: frozen, without unknown fields, and with every problem in one error.

    Raises
    ------
    InputError
        On construction, with every problem of the input in `problems`.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        arbitrary_types_allowed=True,
        allow_inf_nan=False,
        ser_json_inf_nan="constants",
        protected_namespaces=(),
    )

    def __init__(self, *args: Any, **data: Any) -> None:
        cls = type(self)
        names = list(arguments(cls)) if args else []
        if len(args) > len(names):
            raise InputError(f"{cls.__name__} takes at most {len(names)} arguments; got {len(args)}")
        for name, value in zip(names, args, strict=False):
            if name in data:
                raise InputError(f"{cls.__name__} got {name!r} twice: by position and by name")
            data[name] = value
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise InputError(problems(error, cls)) from None

    # pydantic calls an own __init__ for nested data too, where its errors would lose their place
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    if not TYPE_CHECKING:  # the signature is that of pydantic

        @classmethod
        def model_json_schema(cls, *args: Any, **options: Any) -> dict[str, Any]:
            """Return the JSON schema, with shared types and repeated fields written once in `$defs`.

            With arguments it is the schema of pydantic: another generator, or references of another form.
            """
            from costmodel.foundation.json_schema import SharedJsonSchema

            own = {} if args or options else {"schema_generator": SharedJsonSchema}
            return super().model_json_schema(*args, **options, **own)

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        if cls.__init__ is Spec.__init__:
            cls.__signature__ = LazySignature()  # type: ignore[assignment]
        cls.__doc__ = LazyDocstring(cls.__doc__ or "")  # type: ignore[assignment]

    @model_validator(mode="before")
    @classmethod
    def _read_former_names(cls, data: Any) -> Any:
        """Accept fields under the names that they had in version 0.1."""
        if isinstance(data, Mapping) and not RENAMED.keys().isdisjoint(data):
            return renamed(data, cls.model_fields)
        return data

    def model_post_init(self, context: Any, /) -> None:
        """Mark `kind` as given, so that files contain it."""
        if "kind" in type(self).model_fields:
            self.model_fields_set.add("kind")

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Return a specification from plain data, as a TOML or JSON file holds it.

        Parameters
        ----------
        data : Mapping
            Values by field name.
        """
        if not isinstance(data, Mapping):
            raise InputError(f"{cls.__name__} must be a table of fields; got {type(data).__name__}")
        return cls(**{str(key): value for key, value in without_version(data).items()})

    def to_data(self) -> dict[str, Any]:
        """Return plain data that `from_data` reads back: only what was given, no defaults."""
        return self.model_dump(mode="json", exclude_unset=True, exclude_none=True)

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_"):
            self._refuse(name)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        self._refuse(name)

    def _refuse(self, name: str) -> NoReturn:
        """Raise `InputError` for the change of an attribute."""
        cls = type(self)
        if name in cls.model_fields:
            raise InputError(f"{name}: {cls.__name__} is frozen; replace({name}=...) returns a changed copy")
        raise InputError(f"{cls.__name__} is frozen: {unknown('field', name, list(arguments(cls)))}")

    def __repr_args__(self) -> Any:
        return self.given().items()

    def given(self) -> dict[str, Any]:
        """Return the given fields with their held values; a changed copy starts from them."""
        return {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}

    def replace(self, changes: Mapping[str, Any] | None = None, /, **fields: Any) -> Self:
        """Return a copy with the given fields changed.

        Parameters
        ----------
        changes : Mapping, optional
            Values by dotted path, for nested fields: `{"cluster.count": 2048}`.
        **fields : object
            Values by name.
        """
        data = self.given()
        if changes is not None and not isinstance(changes, Mapping):
            raise InputError(f"changes must be a mapping of values by path; got {type(changes).__name__}")
        for path, value in {**(changes or {}), **fields}.items():
            name = path.partition(".")[0]
            if name not in type(self).model_fields:  # a name of version 0.1 replaces the value of the present one
                path = present(path)
                name = path.partition(".")[0]
            data = changed({name: getattr(self, name, None), **data}, path, value)
        return type(self)(**data)


def kind_problem(base: type[Spec], kind: str, value: Any) -> str:
    """Return what is wrong if a class cannot be one of the specifications that `kind` tells apart, or "".

    Parameters
    ----------
    base : type
        Base of these specifications.
    kind : str
        Kind under which files name the class.
    value : object
        The class.
    """
    if not (isinstance(value, type) and issubclass(value, base)):
        return f"must be a subclass of {base.__module__}.{base.__name__}; got {value!r}"
    field = value.model_fields.get("kind")
    if field is None or field.default != kind:
        return f'must have the field `kind: Literal["{kind}"] = "{kind}"`, so that files can name it'
    return ""


def changed(value: Any, path: str, new: Any) -> Any:
    """Return a copy of a specification, mapping or sequence with a new value at a dotted path.

    Parameters
    ----------
    value : Spec, dict, list or tuple
        The original; None counts as an empty mapping.
    path : str
        Names and list positions, joined by dots.
    new : object
        The new value.
    """
    name, _, rest = path.partition(".")
    if isinstance(value, Spec):  # as a mapping, so that problems keep their path
        value = value.given()
    if isinstance(value, (list, tuple)):
        if not name.isdigit() or int(name) >= len(value):
            raise InputError(f"{name!r} must be a position in a list of {len(value)}, from 0 to {len(value) - 1}")
        items = list(value)
        items[int(name)] = changed(items[int(name)], rest, new) if rest else new
        return items
    if value is None or isinstance(value, dict):
        inner = dict(value or {})
        inner[name] = changed(inner.get(name), rest, new) if rest else new
        return inner
    raise InputError(f"{path!r} names a field of {value!r}, which has no fields")


def problems(error: ValidationError, specification: type[BaseModel]) -> list[str]:
    """Return one line per problem of a pydantic error: the field, what is accepted, the value given.

    Parameters
    ----------
    error : ValidationError
    specification : type
        The specification that was constructed.
    """
    details = error.errors(include_url=False)
    places = [detail["loc"] for detail in details]
    details = [detail for detail in details if detail["type"] != "too_short" or not _has_within(detail["loc"], places)]
    return list(dict.fromkeys(line for detail in details for line in _problem(detail, specification)))


def _is_tag(part: str) -> bool:
    """Return whether a part of a place names a member of a union, not a field: it has a space, or is a function."""
    return " " in part or part.startswith("function-")


def _has_within(place: tuple[int | str, ...], places: list[tuple[int | str, ...]]) -> bool:
    """Return whether a place lies within another: a list whose entries are wrong is not also too short."""
    return any(len(other) > len(place) and other[: len(place)] == place for other in places)


def _problem(detail: Any, cls: type[BaseModel]) -> list[str]:
    *outer, last = [str(part) for part in detail["loc"]] or [""]
    location = [part for part in outer if not _is_tag(part)]
    location += [last] if detail["type"] == "extra_forbidden" or not _is_tag(last) else []
    path, given, kind = ".".join(location), detail["input"], detail["type"]
    if kind == "extra_forbidden":
        fields = _fields(cls, outer)
        if other := _named_otherwise(fields, location[-1]):
            meant = ".".join([*location[:-1], other])
            return [f"{path}: unknown field {location[-1]!r}; did you mean {meant!r}?"]
        inside = _inside(fields, location[-1])
        known = [f"{'.'.join(location[:-1])}.{name}".lstrip(".") for name in inside] or list(fields)
        return [f"{path}: {unknown('field', location[-1], known)}"]
    if kind == "missing":
        return [f"{path}: is required{_summary(_fields(cls, outer).get(last))}"]
    if kind == "costmodel fields":
        listed = detail["ctx"]["problems"]
        return [f"{path}{'.' if _PLACED.match(line) else ': '}{line}" for line in listed] if path else list(listed)
    if kind == "costmodel":
        return [f"{path}: {detail['msg']}" if path else str(detail["msg"])]
    shown = repr(given)
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    if kind == "tuple_type":
        return [f"{path}: should be a list; got {shown}"]
    if kind == "too_short":
        least = detail["ctx"]["min_length"]
        return [f"{path}: must have at least {least} item{'s' * (least > 1)}; got {detail['ctx']['actual_length']}"]
    if kind == "union_tag_invalid":
        name, accepted = detail["ctx"]["discriminator"].strip("'"), detail["ctx"]["expected_tags"]
        tag = f"{path}.{name}" if path else name
        return [f"{tag}: must be one of {accepted}; got {detail['ctx']['tag']!r}"]
    message = str(detail["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return [f"{path}: {message}; got {shown}" if path else message]


def _summary(field: FieldInfo | None) -> str:
    """Return the first sentence of the description of a field, to follow a message."""
    description = field.description if field is not None else None
    return f". {description.partition('. ')[0].removesuffix('.')}." if description else ""


def _fields(cls: type[BaseModel], location: list[str]) -> dict[str, FieldInfo]:
    """Return the fields at a location, from annotations and tags of unions."""
    current: Any = cls
    for part in location:
        if part.isdigit():
            continue
        if " " in part:
            current = _tagged(current, part) or current
            continue
        field = getattr(_model(current), "model_fields", {}).get(part)
        current = field.annotation if field is not None else None
    fields: dict[str, FieldInfo] = getattr(_model(current), "model_fields", {})
    return fields


def _inside(fields: Mapping[str, FieldInfo], name: str, depth: int = 2) -> list[str]:
    """Return the dotted paths of a name among the fields of fields, such as "recipe.batch_size" of "batch_size"."""
    paths: list[str] = []
    for outer, field in fields.items():
        for model in _models(field.annotation):
            if name in model.model_fields:
                paths.append(f"{outer}.{name}")
            elif depth > 1:
                paths += [f"{outer}.{path}" for path in _inside(model.model_fields, name, depth - 1)]
    return list(dict.fromkeys(paths))


def _named_otherwise(fields: Mapping[str, FieldInfo], name: str) -> str:
    """Return the dotted path of the field that a name such as "gpus" means, or ""."""
    other = _OTHER_NAMES.get(name, "")
    if not other or other in fields:
        return other
    return min(_inside(fields, other), key=lambda path: path.count("."), default="")


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Return the specifications among the members of an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    members = [model for argument in getattr(annotation, "__args__", ()) for model in _models(argument)]
    for item in getattr(annotation, "__metadata__", ()):
        members += getattr(item, "specifications", list)()  # of a registry, as that of recipes
    return members + (_models(annotation.__origin__) if hasattr(annotation, "__metadata__") else [])


def _tagged(annotation: Any, tag: str) -> Any:
    """Return the member of a union with a tag, also of nested unions."""
    if any(getattr(item, "tag", None) == tag for item in getattr(annotation, "__metadata__", ())):
        return annotation
    members = [_tagged(argument, tag) for argument in getattr(annotation, "__args__", ())]
    members += [_tagged(annotation.__origin__, tag)] if hasattr(annotation, "__metadata__") else []
    return next((member for member in members if member is not None), None)


def _model(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    models = [_model(argument) for argument in getattr(annotation, "__args__", ())]
    return next((model for model in models if model is not None), None)
