"""Features of training software that decide the speed of mixtures of experts, and their defaults by date.

Each feature chooses constants of the step-time model: a constant such as `exposed_experts` has a factor
`exposed_experts:1f1b` in `data/fitted/efficiency.csv`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from costmodel.foundation.columns import YES_NO
from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.tables import constant

if TYPE_CHECKING:
    from collections.abc import Iterable

Dispatcher = Literal["alltoall", "deepep", "hybridep"]
DISPATCHERS: tuple[Dispatcher, ...] = ("alltoall", "deepep", "hybridep")
Overlap = Literal["none", "1f1b", "dualpipe"]
OVERLAPS: tuple[Overlap, ...] = ("none", "1f1b", "dualpipe")
Graph = Literal["none", "partial", "full"]
GRAPHS: tuple[Graph, ...] = ("none", "partial", "full")

MERGED_YEAR = constant("merged_dispatcher_year")
"""Year from which training software sends one copy of a token to each node [year]."""
PARTIAL_GRAPH_YEAR = constant("partial_graph_year")
"""Year from which attention and router of mixtures of experts run in CUDA graphs [year]."""
FULL_GRAPH_YEAR = constant("full_graph_year")
"""Year from which a whole iteration is one CUDA graph, and grouped matmuls are fused, in 8 bits on Blackwell [year]."""


class Features(NamedTuple):
    """Features of training software for mixtures of experts; None where one is not known."""

    dispatcher: Dispatcher | None = None
    """How tokens are sent to their experts: "alltoall" (NCCL), "deepep" or "hybridep" (one copy per node)."""
    a2a_overlap: Overlap | None = None
    """What the exchange between experts overlaps with: "none", "1f1b" (another micro-batch of the pipeline schedule) or
    "dualpipe"."""
    cuda_graph: Graph | None = None
    """What CUDA graphs capture: "none", "partial" (attention, router) or "full" (the whole iteration)."""
    fused_grouped_mlp: bool | None = None
    """Whether activation function and casts run in the grouped matmuls of the experts."""
    token_drop: bool | None = None
    """Whether tokens above the capacity of an expert are dropped, so that all shapes are static."""

    @property
    def are_known(self) -> bool:
        """Whether dispatcher, overlap and graphs are known."""
        return None not in {self.dispatcher, self.a2a_overlap, self.cuda_graph}

    def or_usual(self, year: float, generation: str, low_precision: bool) -> Features:
        """Return the features, those that are not known as usual at a date.

        Parameters
        ----------
        year : float
            Year of the software.
        generation : str
            Generation of the accelerator.
        low_precision : bool
            Whether operands have fewer than 16 bits.
        """
        newest = year >= FULL_GRAPH_YEAR and generation == "blackwell" and low_precision
        graph: Graph = "full" if newest else "partial" if year >= PARTIAL_GRAPH_YEAR else "none"
        dispatcher: Dispatcher = "hybridep" if year >= MERGED_YEAR else "alltoall"
        return self.or_else(Features(dispatcher, "none", graph, newest, False))

    def or_else(self, others: Features) -> Features:
        """Return the features, those that are not known as in others.

        Parameters
        ----------
        others : Features
        """
        return self._replace(**{name: own for name, own in others._asdict().items() if getattr(self, name) is None})

    def texts(self) -> list[str]:
        """Return the features that are known, each as "name value"."""
        words = {True: "yes", False: "no"}
        return [
            f"{name} {words[value] if isinstance(value, bool) else value}"
            for name, value in self._asdict().items()
            if value is not None
        ]

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the constants that the features choose."""
        listed: list[str] = [self.dispatcher or "", self.a2a_overlap or ""]
        listed += [f"{self.cuda_graph}_graph"] if self.cuda_graph else []
        listed += ["fused_grouped_mlp"] if self.fused_grouped_mlp else []
        listed += ["token_drop"] if self.token_drop else []
        return tuple(listed)


NOT_KNOWN = Features()
"""Software whose features are not known."""
PLAIN = Features("alltoall", "none", "none", False, False)
"""Features of software that nobody tuned for mixtures of experts: NCCL, and kernels that the host launches."""
WORDS: dict[str, tuple[str, ...]] = {
    "dispatcher": DISPATCHERS,
    "a2a_overlap": OVERLAPS,
    "cuda_graph": GRAPHS,
    "fused_grouped_mlp": ("yes", "no"),
    "token_drop": ("yes", "no"),
}
"""Accepted values of each feature."""


def read_features(texts: Iterable[str]) -> Features:
    """Return the features that texts state, each as "name value".

    Parameters
    ----------
    texts : iterable of str

    Raises
    ------
    InputError
        With every problem of the texts.

    Examples
    --------
    >>> read_features(["dispatcher deepep", "cuda_graph partial"]).dispatcher
    'deepep'
    """
    stated: dict[str, Any] = {}
    problems = []
    for text in texts:
        name, _, value = text.replace("=", " ").partition(" ")
        value = value.strip().lower()
        value = YES_NO.get(value, value) if WORDS.get(name) == ("yes", "no") else "none" if value == "no" else value
        if name not in WORDS:
            problems.append(unknown("feature of the software", name, WORDS))
        elif value not in WORDS[name]:
            problems.append(f"{name} must be one of {', '.join(WORDS[name])}; got {value!r}")
        elif name in stated:
            problems.append(f"{name} is given twice")
        else:
            stated[name] = value == "yes" if WORDS[name] == ("yes", "no") else value
    if problems:
        raise InputError(problems)
    return Features(**stated)
