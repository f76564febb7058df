"""Time mixing of RWKV-7: a generalized delta rule with gates from low-rank projections."""

from typing import ClassVar, Literal

from pydantic import Field

from costmodel.architecture.blocks.block import KIND, Operation, Weight, linear, norm, product
from costmodel.architecture.blocks.heads import HeadBlock
from costmodel.foundation.fields import Dimension

_SHIFTED = ("receptance", "decay", "key", "value", "rate", "gate")


class DeltaMix(HeadBlock):
    """Time mixing of an RWKV-7 layer.

    The recurrence is counted as that of the gated delta rule: 8 FLOPs for each element of the state.

    References
    ----------
    Peng et al. 2025, "RWKV-7 Goose", section 4 and appendix on parameters and FLOPs (arXiv 2503.14456).
    """

    part_name: ClassVar[str] = "time_mixing"
    kind: Literal["delta_mix"] = Field(default="delta_mix", description=KIND)
    decay_rank: Dimension = Field(description="Rank of the decays (`decay_low_rank_dim`).")
    rate_rank: Dimension = Field(description="Rank of the in-context learning rates (`a_low_rank_dim`).")
    gate_rank: Dimension = Field(description="Rank of the output gate (`gate_low_rank_dim`).")
    value_rank: Dimension | None = Field(
        default=None,
        description="Rank of the mix with the values of the first layer (`v_low_rank_dim`); default: none, as in it.",
    )

    @property
    def _ranks(self) -> dict[str, int]:
        ranks = {"decay": self.decay_rank, "rate": self.rate_rank, "gate": self.gate_rank}
        return ranks if self.value_rank is None else ranks | {"value_mix": self.value_rank}

    def weights(self, width: int) -> list[Weight]:
        inner = self.heads * self.head_width
        low = [
            weight
            for name, rank in self._ranks.items()
            for weight in (
                *linear(f"{name}_down", width, rank, split="replicated"),
                *linear(f"{name}_up", rank, inner, bias=name != "gate", split="columns"),
            )
        ]
        return [
            *(Weight(f"{name}_shift", (width,), "bias") for name in _SHIFTED),
            *(Weight(name, (inner,), "bias", split="heads") for name in ("removal", "rate_scale", "bonus")),
            *linear("receptance", width, inner, split="columns"),
            *linear("key", width, inner, split="columns"),
            *linear("value", width, inner, split="columns"),
            *low,
            *norm("head_norm", inner, bias=True),
            *linear("output", inner, width, split="rows"),
        ]

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        inner = self.heads * self.head_width
        low = [
            work
            for name, rank in self._ranks.items()
            for work in (
                product(f"{name}_down", tokens, width, rank),
                product(f"{name}_up", tokens, rank, inner),
            )
        ]
        return [
            *(product(name, tokens, width, inner) for name in ("receptance", "key", "value")),
            *low,
            Operation("recurrence", "scan", tokens, self.head_width, self.head_width, 4 * self.heads),
            product("output", tokens, inner, width),
        ]

    def cache(self, context: int) -> float:
        return float(self.heads * self.head_width * (self.head_width + 1))
