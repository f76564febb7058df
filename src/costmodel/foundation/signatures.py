"""Signatures and docstrings of specifications: short types, and the description of each field.

Both are made when `help`, an editor or `inspect.signature` asks for them.
"""

from __future__ import annotations

import inspect
import textwrap
import types
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from costmodel.foundation import fields

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from costmodel.foundation.specs import Spec


class ShortType:
    """A type that is displayed as a short text, such as "Tokens | None"."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


MOST_WORDS = 4
"""Words of a choice that a signature lists [1]."""


class LazySignature:
    """Class attribute `__signature__` of a specification: its fields, with short types.

    The required fields before the first optional one can be given by position. A choice of many words is `str` here;
    the Parameters section lists the words.
    """

    def __get__(self, _: object, owner: type[Spec]) -> inspect.Signature:
        parameters = []
        optional = False
        for name, field in arguments(owner).items():
            required = field.is_required()
            optional = optional or not required
            kind = inspect.Parameter.KEYWORD_ONLY if optional else inspect.Parameter.POSITIONAL_OR_KEYWORD
            default = inspect.Parameter.empty if required else field.get_default(call_default_factory=True)
            stated = _annotation(owner, name)
            many = get_origin(stated) is Literal and len(get_args(stated)) > MOST_WORDS
            annotation = ShortType("str" if many else short_type(stated))
            parameters.append(inspect.Parameter(name, kind, default=default, annotation=annotation))
        return inspect.Signature(parameters)


class LazyDocstring:
    """Class attribute `__doc__` of a specification: its text, with a Parameters section from its fields."""

    def __init__(self, text: str) -> None:
        self.text = inspect.cleandoc(text)

    def __get__(self, _: object, owner: type[Spec]) -> str:
        lines = self.text.splitlines()
        sections = (i for i, underline in enumerate(lines[1:]) if underline and set(underline) == {"-"})
        end = next(sections, len(lines))
        before = [*lines[:end], ""] if end == len(lines) else lines[:end]
        return "\n".join([*before, *_parameters(owner), *lines[end:]]).strip()


def arguments(owner: type[Spec]) -> dict[str, FieldInfo]:
    """Return the fields that a constructor sets: all but the `kind` that tells a class from others in files.

    Parameters
    ----------
    owner : type
        A specification.

    Returns
    -------
    dict of str to FieldInfo
    """
    kind = owner.model_fields.get("kind")
    fixed = kind is not None and len(get_args(kind.annotation)) == 1
    return {name: field for name, field in owner.model_fields.items() if not (fixed and name == "kind")}


def _parameters(owner: type[Spec]) -> list[str]:
    """Return the lines of the Parameters section of a specification."""
    lines = []
    for name, field in arguments(owner).items():
        optional = "" if field.is_required() else ", optional"
        lines.append(f"{name} : {short_type(_annotation(owner, name))}{optional}")
        lines += textwrap.wrap(
            field.description or "", 96, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False
        )
    return ["Parameters", "----------", *lines, ""] if lines else []


def short_type(annotation: Any) -> str:
    """Return the type of a field as text: names of the types of quantities, without metadata.

    Parameters
    ----------
    annotation : type
        Annotation of the field.

    Returns
    -------
    str

    Examples
    --------
    >>> short_type(fields.Tokens | None), short_type(Literal["gpu", "instance"]), short_type(tuple[str, ...])
    ('Tokens | None', "'gpu' | 'instance'", 'tuple[str, ...]')
    """
    if isinstance(annotation, str):
        return annotation
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        named = (name for name, alias in vars(fields).items() if alias is annotation)
        stated = (item.type_name for item in arguments[1:] if hasattr(item, "type_name"))
        return next(named, None) or next(stated, None) or short_type(arguments[0])
    if origin in (Union, types.UnionType):
        return " | ".join(dict.fromkeys(map(short_type, arguments)))
    if origin is Literal:
        return " | ".join(map(repr, arguments))
    if isinstance(annotation, list):  # arguments of a callable
        return f"[{', '.join(map(short_type, annotation))}]"
    if annotation is Ellipsis:
        return "..."
    if annotation is None or annotation is types.NoneType:
        return "None"
    if origin is not None:
        return f"{origin.__name__}[{', '.join(map(short_type, arguments))}]"
    return str(getattr(annotation, "__name__", annotation))


def _annotation(owner: type[Spec], name: str) -> Any:
    """Return the annotation of a field as its class states it."""
    return next(annotations[name] for base in owner.__mro__ if name in (annotations := inspect.get_annotations(base)))
