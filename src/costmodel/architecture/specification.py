"""The architecture of a model: its fields, its parameters, and its constructors by size and by counts."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self

from costmodel.architecture.counting import ParameterCounts, count_parameters
from costmodel.architecture.structure import Structure
from costmodel.foundation.checks import checked
from costmodel.foundation.errors import InputError
from costmodel.foundation.fields import MOST
from costmodel.foundation.limits import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from costmodel.architecture.blocks.block import Block
    from costmodel.architecture.structure import Layer, Stack
    from costmodel.architecture.summary import PartsTable
    from costmodel.foundation.fields import CountLike


class Architecture(Structure):
    """A model as it is trained: frozen; `replace(...)` returns a changed copy.

    Examples
    --------
    >>> import costmodel as cm
    >>> cm.load_architecture("llama-3.1-8b").parameters.total
    8030261248
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            name: str = ...,
            width: CountLike,
            layers: Sequence[Layer | Mapping[str, object]],
            vocabulary: CountLike | None = ...,
            tied: bool = ...,
            head: bool = ...,
            head_bias: bool = ...,
            embedding_width: CountLike | None = ...,
            embedding_projections: bool = ...,
            positions: int = ...,
            context_length: CountLike | None = ...,
            final_norm: bool = ...,
            norm_bias: bool = ...,
            prediction_layers: int = ...,
            prediction_layer: Layer | Mapping[str, object] | None = ...,
            extras: Sequence[Block | Mapping[str, object]] = ...,
            stacks: Sequence[Stack | Mapping[str, object]] = ...,
            tokens: CountLike | None = ...,
            stored_bytes: float | None = ...,
            training_precision: Literal["fp8"] | None = ...,
            unverified: Sequence[str] = ...,
            origin: str | dict[str, Any] | None = ...,
            source: str = ...,
        ) -> None: ...

    @classmethod
    @checked("layers", "width", "attention_width", "vocabulary", "tied", "name")
    def from_counts(
        cls,
        total: Any,
        active: Any = None,
        *,
        layers: int | None = None,
        width: int | None = None,
        attention_width: int | None = None,
        vocabulary: int | None = None,
        tied: bool = False,
        name: str = "from counts",
    ) -> Self:
        """Return an architecture of which only parameter counts are known.

        Parameters
        ----------
        total : float or str
            All parameters [1], or text such as "7B".
        active : float or str, optional
            Parameters used per token; equal to `total` by default [1].
        layers, width : int, optional
            Number of layers and hidden size; the FLOPs include core attention only if both are given.
        attention_width : int, optional
            Heads × head width; equal to `width` by default.
        vocabulary : int, optional
            Vocabulary size; if it is given, the FLOPs leave out the embedding lookup.
        tied : bool
            Whether the head shares the weights of the embedding.
        name : str
            Name of the architecture.

        Raises
        ------
        InputError
            If a count is not positive, or `active` exceeds `total`.

        Examples
        --------
        >>> Architecture.from_counts("7B").parameters
        ParameterCounts(total=7000000000, active=7000000000, embedding=0, prediction=0)
        """
        from costmodel.architecture.sizing import counted_fields

        sizes = {"layers": layers, "width": width, "attention_width": attention_width, "vocabulary": vocabulary}
        return cls(**counted_fields(total, active, tied=tied, name=name, **sizes))

    @classmethod
    @checked("vocabulary", "tied")
    def sized(cls, parameters: Any, *, vocabulary: int = 128_256, tied: bool = False) -> Self:
        """Return a typical decoder of a given size, for plans and scaling laws; `source` states the rule.

        Parameters
        ----------
        parameters : float or str
            All parameters, embeddings included [1], or text such as "3B".
        vocabulary : int
            Vocabulary size.
        tied : bool
            Whether the head shares the weights of the embedding.

        Raises
        ------
        InputError
            If no shape of the rule is within 25 % of the size.

        Examples
        --------
        >>> Architecture.sized("3B").parameters.total
        3002735616
        """
        from costmodel.architecture.sizing import sized_fields

        if not 1 <= vocabulary <= 10**9:
            raise InputError(f"vocabulary must be from 1 to 1e9; got {shown(vocabulary)}")

        return cls(**sized_fields(parameters, vocabulary, tied))

    @checked("sequence_length")
    def table(self, sequence_length: int = 4096) -> PartsTable:
        """Return parameters, active parameters and forward FLOPs by part, as text and HTML.

        Parameters
        ----------
        sequence_length : int
            Tokens of a sequence, for the FLOPs [token].
        """
        from costmodel.architecture.summary import parts_table

        if not 1 <= sequence_length <= MOST:
            raise InputError(f"sequence_length must be from 1 to {MOST:g}; got {shown(sequence_length)}")
        return parts_table(self, sequence_length)

    @cached_property
    def parameters(self) -> ParameterCounts:
        """Numbers of parameters."""
        return count_parameters(self)

    @property
    def kind(self) -> Literal["dense", "moe"]:
        """ "moe" (mixture of experts) if a token uses only part of the parameters, else "dense"."""
        return "moe" if self.parameters.active < self.parameters.total else "dense"
