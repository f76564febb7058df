"""Names that are refused as an accelerator, with the reason and what to give in their place."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from costmodel.foundation.names import name_key
from costmodel.foundation.tables import table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from costmodel.foundation.names import Names

_COUNTED = (
    re.compile(r"(?P<count>[0-9]{1,7})\s*(?:[x×*]\s*|\s)(?P<name>\S.*)", re.IGNORECASE),
    re.compile(r"(?P<name>\S.*?)\s*(?:[x×*]\s*|:)(?P<count>[0-9]{1,7})", re.IGNORECASE),
)
"""Names with a number of accelerators: "8xH100", "H100 x 8", "H100:8"."""
_APPLE = re.compile(r"(apple.*|mps|(apple[ -]?)?m[1-9]([ -]?(pro|max|ultra))?([ -].*)?)", re.IGNORECASE)
_WITHOUT_APPLE = (
    "Apple silicon has no published dense peak rates by number format, and no measured training steps; give the fields "
    "of an accelerator of your own in its place"
)
_CPU = re.compile(r"cpus?|x86|xeon.*|epyc.*|graviton.*", re.IGNORECASE)
_WITHOUT_CPU = (
    "the models of step time and memory are those of accelerators; give the fields of an accelerator of your own"
)
_LONGEST_NAME = 80
"""Length up to which a name is looked at [character]."""


def refusal(name: str, names: Names[Any], generations: Mapping[str, str]) -> str:
    """Return why a name is refused as an accelerator and what to give in its place, or "" if nothing is known of it.

    Parameters
    ----------
    name : str
        Name that is neither a name nor an alias of an accelerator.
    names : Names
        The accelerators.
    generations : Mapping
        Generation of each accelerator of the catalog.
    """
    written = name.strip()[:_LONGEST_NAME]
    for form in _COUNTED:
        found = form.fullmatch(written)
        if found and (proper := names.proper(found["name"])):
            return (
                f"accelerator {name!r} has a number of accelerators in its name; {_apart(proper, int(found['count']))}"
            )
    if instance := _instances().get(name_key(written)):
        accelerator, count = instance
        return f"accelerator {name!r} is an instance with {count} × {accelerator}; {_apart(accelerator, count)}"
    for form, reason in ((_APPLE, _WITHOUT_APPLE), (_CPU, _WITHOUT_CPU)):
        if form.fullmatch(written):
            return f"accelerator {name!r} is not supported: {reason}"
    members = [each for each, generation in generations.items() if generation and generation == written.lower()]
    return (
        f"accelerator {name!r} is a generation; give one of its accelerators: {', '.join(members)}" if members else ""
    )


def _apart(accelerator: str, count: int) -> str:
    """Return how an accelerator and a number are given apart."""
    return (
        f"give them apart: accelerator {accelerator!r} and count {count} (--gpu {accelerator} --gpus {count} of the "
        "command line)"
    )


@lru_cache(maxsize=1)
def _instances() -> dict[str, tuple[str, int]]:
    """Return the accelerator of each type of instance of the price table, and how many it has."""
    return {
        name_key(row["instance_type"]): (row["accelerator"], int(row["gpus_per_instance"]))
        for row in table("gpu_prices").rows
        if row["instance_type"] and row["gpus_per_instance"]
    }
