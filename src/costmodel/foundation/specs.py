"""What is a specification? A frozen, validated description that is changed by making a copy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.renamed import RENAMED, renamed

_PLACED = re.compile(r"[A-Za-z_][\w.-]*: ")
"""A problem that names the field it is about."""


class Spec(BaseModel):
    """The base of all specifications: frozen, strict about keys, and clear about what is wrong.

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
        names = list(cls.model_fields)
        if len(args) > len(names):
            raise InputError(f"{cls.__name__} takes at most {len(names)} arguments; got {len(args)}")
        for name, value in zip(names, args, strict=False):
            if name in data:
                raise InputError(f"{cls.__name__} got {name!r} twice: by its place and by its name")
            data[name] = value
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise InputError(problems(error, cls)) from None

    # pydantic calls an own __init__ for nested data too, where its errors would lose their place
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @model_validator(mode="before")
    @classmethod
    def _read_former_names(cls, data: Any) -> Any:
        """Accept fields under the names that they had in version 0.1."""
        if isinstance(data, Mapping) and not RENAMED.keys().isdisjoint(data):
            return renamed(data, cls.model_fields)
        return data

    def model_post_init(self, context: Any, /) -> None:
        """Count the tag of a union as given, so that it is written to files."""
        if "kind" in type(self).model_fields:
            self.model_fields_set.add("kind")

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Return the specification that the plain `data` (of a TOML or JSON file) describes."""
        if not isinstance(data, Mapping):
            raise InputError(f"{cls.__name__} is described by fields; got {type(data).__name__}")
        return cls(**{str(key): value for key, value in data.items()})

    def to_data(self) -> dict[str, Any]:
        """Return plain data that `from_data` reads back: only what was given, no defaults."""
        return self.model_dump(mode="json", exclude_unset=True, exclude_none=True)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in type(self).model_fields:
            raise InputError(f"{name}: a {type(self).__name__} is frozen; replace({name}=...) returns a copy")
        super().__setattr__(name, value)

    def __repr_args__(self) -> Any:
        return self.given().items()

    def given(self) -> dict[str, Any]:
        """Return the fields that were given, as they are held: what a changed copy starts from."""
        return {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}

    def replace(self, changes: Mapping[str, Any] | None = None, /, **fields: Any) -> Self:
        """Return a copy with the given fields changed.

        Parameters
        ----------
        changes : values by path, for fields inside fields: `{"cluster.count": 2048}`
        fields : values by name
        """
        data = self.given()
        if changes is not None and not isinstance(changes, Mapping):
            raise InputError(f"changes are values by path; got {type(changes).__name__}")
        for path, value in {**(changes or {}), **fields}.items():
            name = path.partition(".")[0]
            data = changed({name: getattr(self, name, None), **data}, path, value)
        return type(self)(**data)


def changed(value: Any, path: str, new: Any) -> Any:
    """Return a copy of `value` (a specification, mapping or sequence) with `new` at the dotted `path`."""
    name, _, rest = path.partition(".")
    if isinstance(value, Spec):  # opened up, so that problems keep their place in the whole
        value = value.given()
    if isinstance(value, (list, tuple)):
        if not name.isdigit() or int(name) >= len(value):
            raise InputError(f"{name!r} is no place in a list of {len(value)}")
        items = list(value)
        items[int(name)] = changed(items[int(name)], rest, new) if rest else new
        return items
    if value is None or isinstance(value, dict):
        inner = dict(value or {})
        inner[name] = changed(inner.get(name), rest, new) if rest else new
        return inner
    raise InputError(f"{path!r} names something inside {value!r}, which has no parts")


def problems(error: ValidationError, cls: type[BaseModel]) -> list[str]:
    """Return one line per problem that pydantic found: the field, what was given, what is allowed."""
    return list(dict.fromkeys(line for each in error.errors(include_url=False) for line in _problem(each, cls)))


def _problem(detail: Any, cls: type[BaseModel]) -> list[str]:
    *outer, last = [str(part) for part in detail["loc"]] or [""]
    location = [part for part in outer if " " not in part]  # the tag of a union has a space, a field has none
    location += [last] if detail["type"] == "extra_forbidden" or " " not in last else []
    path, given, kind = ".".join(location), detail["input"], detail["type"]
    if kind == "extra_forbidden":
        return [f"{path}: {unknown('field', location[-1], _fields(cls, outer))}"]
    if kind == "missing":
        return [f"{path}: is required"]
    if kind == "costmodel fields":
        return [f"{path}{'.' if _PLACED.match(line) else ': '}{line}" for line in detail["ctx"]["problems"]]
    if kind == "costmodel":
        return [f"{path}: {detail['msg']}" if path else str(detail["msg"])]
    shown = repr(given)
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    if kind == "tuple_type":
        return [f"{path}: should be a list; got {shown}"]
    message = str(detail["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return [f"{path}: {message}; got {shown}" if path else message]


def _fields(cls: type[BaseModel], location: list[str]) -> list[str]:
    """Return the names of the fields at `location`, as far as the annotations and the tags of unions tell."""
    current: Any = cls
    for part in location:
        if part.isdigit():
            continue
        if " " in part:
            current = _tagged(current, part) or current
            continue
        field = getattr(_model(current), "model_fields", {}).get(part)
        current = field.annotation if field is not None else None
    return list(getattr(_model(current), "model_fields", {}))


def _tagged(annotation: Any, tag: str) -> Any:
    """Return the member of a union, however deep, that has a tag."""
    if any(getattr(each, "tag", None) == tag for each in getattr(annotation, "__metadata__", ())):
        return annotation
    found = [_tagged(argument, tag) for argument in getattr(annotation, "__args__", ())]
    found += [_tagged(annotation.__origin__, tag)] if hasattr(annotation, "__metadata__") else []
    return next((each for each in found if each is not None), None)


def _model(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = [_model(argument) for argument in getattr(annotation, "__args__", ())]
    return next((each for each in found if each is not None), None)
