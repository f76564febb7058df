"""Names of the inputs of an estimate, and the fields of a scenario that set them.

The calculation names its inputs by short paths, such as `site.pue` or `reliability.interval`. A scenario holds the
same inputs in fields, such as `cluster.site.pue` or `reliability.checkpoint_interval`. `field_of` translates the
first into the second. `Scenario.replace`, `Scenario.load` and `--set` accept both.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from costmodel.foundation.renamed import present
from costmodel.foundation.specs import changed

if TYPE_CHECKING:
    from collections.abc import Mapping

_RECIPE = r"recipe(?:\.\d+)?"
_FIELDS = (
    (re.compile(r"site\.(\w+)"), r"cluster.site.\1"),
    (re.compile(r"gpu_time"), "gpu_hours"),
    (re.compile(rf"({_RECIPE})\.gpu_time"), r"\1.gpu_hours"),
    (re.compile(rf"{_RECIPE}\.realized_efficiency"), "realized_efficiency"),
    (re.compile(rf"{_RECIPE}\.rollout_efficiency"), "rollout_efficiency"),
    (re.compile(r"reliability\.gpu_time_per_failure"), "reliability.gpu_hours_per_failure"),
    (re.compile(r"reliability\.gpu_time_per_interruption"), "reliability.gpu_hours_per_interruption"),
    (re.compile(r"reliability\.interval"), "reliability.checkpoint_interval"),
)
"""Paths of inputs that are spelled differently in a scenario."""
_COMPUTED = re.compile(
    r"cluster\.peak|trained_parameters|memory|rollout_memory|fit_probability|"
    r"other_costs\.checkpoints\.parameters|.*\.(flops_per_token|batch_tokens|purchases|training_gpus)|.+\.(mfu|decode_mfu|seconds)"
)
"""Paths of inputs that no field sets: counts of the architecture, peak rates of the catalog, predictions."""


def field_of(path: str) -> str:
    """Return the field of a scenario that a path names; a path that names a field already is returned as it is.

    Parameters
    ----------
    path : str
        A dotted path, as estimates print it or as a scenario file spells it, also with a name of version 0.1.

    Examples
    --------
    >>> field_of("site.pue"), field_of("recipe.0.gpu_time"), field_of("cluster.count")
    ('cluster.site.pue', 'recipe.0.gpu_hours', 'cluster.count')
    """
    name = present(path)
    for pattern, field in _FIELDS:
        if match := pattern.fullmatch(name):
            return match.expand(field)
    return name


def is_settable(path: str) -> bool:
    """Return whether a field of the scenario sets an input; other inputs are counted, looked up or predicted.

    Parameters
    ----------
    path : str
        A dotted path, as estimates print it.

    Examples
    --------
    >>> is_settable("site.pue"), is_settable("recipe.flops_per_token")
    (True, False)
    """
    return _COMPUTED.fullmatch(path) is None


def with_changes(data: Any, changes: Mapping[str, Any]) -> Any:
    """Return the plain data of a scenario with values changed.

    Parameters
    ----------
    data : dict
        Fields of a scenario.
    changes : Mapping
        Values by dotted path, as `--set` takes them.
    """
    for path, value in changes.items():
        data = changed(data, field_of(path), value)
    return data
