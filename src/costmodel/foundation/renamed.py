"""Names of version 0.1 that have changed since: files that use them still load, and draws keep their keys."""

from collections.abc import Container, Mapping
from typing import Any

RENAMED: dict[str, str] = {
    "hidden_share": "checkpoint_overlap",
    "overhead_share": "residual_overhead",
    "padded_together": "padding_group",
    "quantisation": "quantization",
    "quantisation_aware_training": "quantization_aware_training",
    "reached": "realized_efficiency",
    "utilisation": "utilization",
    "QuantisationAwareTraining": "QuantizationAwareTraining",
}
"""The present name by the name in version 0.1: fields, kinds of recipes, figures and public names."""
_ORIGINAL = {new: old for old, new in RENAMED.items()}


def renamed(data: Mapping[str, Any], fields: Container[str]) -> dict[str, Any]:
    """Return fields under their present names.

    Parameters
    ----------
    data : Mapping
        Values by field name, present or former.
    fields : Container
        Field names of the specification. Former names of other fields stay as they are.
    """
    return {new if (new := RENAMED.get(name, name)) in fields else name: value for name, value in data.items()}


def present(path: str) -> str:
    """Return a dotted path with the present names.

    Parameters
    ----------
    path : str
        May hold names of version 0.1.

    Examples
    --------
    >>> present("reliability.overhead_share")
    'reliability.residual_overhead'
    """
    return ".".join(RENAMED.get(name, name) for name in path.split("."))


def original(path: str) -> str:
    """Return a dotted path with the names of version 0.1, which remain the keys of random draws.

    Parameters
    ----------
    path : str
        Holds present names.

    Examples
    --------
    >>> original("reliability.residual_overhead")
    'reliability.overhead_share'
    """
    return ".".join(_ORIGINAL.get(name, name) for name in path.split("."))
