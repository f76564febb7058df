"""The format of the weights of a served model: given, or that of the released checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.architecture.loading import released_checkpoint
from costmodel.serving.step.formats import FORMATS, format_of, own_format, released_format, weight_bytes

if TYPE_CHECKING:
    from costmodel.architecture.specification import Architecture
    from costmodel.serving.step.formats import Format


def stored_of(architecture: Architecture, precision: str | None) -> Format:
    """Return the format of the weights: that of the released checkpoint, or the given one.

    Parameters
    ----------
    architecture : Architecture
    precision : str, optional
    """
    return released_format(architecture) if precision is None else format_of(architecture, precision)


def keeps_own(architecture: Architecture, precision: str) -> bool:
    """Return whether the checkpoint that was read has smaller weights than a precision, so that engines keep them.

    Parameters
    ----------
    architecture : Architecture
    precision : str
    """
    own = own_format(architecture)
    return own.is_quantized and own.bits < FORMATS[precision].bits and format_of(architecture, precision) == own


def is_overruled(architecture: Architecture, precision: str) -> bool:
    """Return whether engines keep the checkpoint that was read, or the released weights are smaller than a precision.

    Parameters
    ----------
    architecture : Architecture
    precision : str
    """
    released = released_format(architecture)
    given = format_of(architecture, precision)
    smaller = weight_bytes(architecture, released) < weight_bytes(architecture, given)
    return keeps_own(architecture, precision) or (released.is_quantized and smaller)


def weights_note(architecture: Architecture, precision: str | None) -> str:
    """Return the format of the weights, and where it is taken from.

    Parameters
    ----------
    architecture : Architecture
    precision : str, optional
        The given precision, if any.
    """
    released = released_checkpoint(architecture)
    if precision is not None:
        other = released and released_format(architecture) != format_of(architecture, precision)
        return f"{precision}, as given; the released checkpoint has {_name(released)}" if other else precision
    if released:
        return f"{_name(released)}, by default, as released in {released['repository']}"
    own = own_format(architecture)
    if own.is_quantized:
        return f"{own.bits:.3g} bits, by default those of the given checkpoint"
    named = isinstance(architecture.origin, str)
    where = "the catalog names no quantized release" if named else "the config has no quantization_config"
    return f"bf16, by default: {where}"


def _name(released: object) -> str:
    assert isinstance(released, dict)
    experts = released.get("experts")
    return f"{released['precision']}{f' with experts in {experts}' if experts else ''}"
