"""The ways to pay for accelerators: rented or owned, as the field `prices` of a scenario holds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Discriminator, Tag

from costmodel.foundation.errors import FieldsError
from costmodel.foundation.fields import reported
from costmodel.market.owned import Ownership
from costmodel.market.rental import Rental

_OWNED, _RENTED = "owned accelerators", "rented accelerators"


def _way(value: Any) -> str:
    """Return the tag of prices: owned with `kind = "owned"`, rented else."""
    owned = value.get("kind") == "owned" if isinstance(value, Mapping) else isinstance(value, Ownership)
    return _OWNED if owned else _RENTED


def _checked(value: Any) -> Any:
    """Return prices whose kind is known; rented ones without it."""
    if not isinstance(value, Mapping) or "kind" not in value or value["kind"] == "owned":
        return value
    if value["kind"] != "rented":
        raise FieldsError([f"kind: must be 'owned' or 'rented' (the default); got {value['kind']!r}"])
    return {name: field for name, field in value.items() if name != "kind"}


Prices: TypeAlias = Annotated[
    Annotated[Ownership, Tag(_OWNED)] | Annotated[Rental, Tag(_RENTED)],
    Discriminator(_way),
    BeforeValidator(reported(_checked)),
]
"""Rented or owned accelerators; a mapping without `kind` is rented."""
