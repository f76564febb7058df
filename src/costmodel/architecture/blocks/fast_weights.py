"""Linear attention: keys and values are written to a state of fixed size, which queries read."""

from typing import ClassVar, Literal

from pydantic import Field

from costmodel.architecture.blocks.block import KIND, Block, Operation, Sharding, Weight, linear, norm, product
from costmodel.foundation.fields import Dimension


class FastWeights(Block):
    """Linear attention of flash-linear-attention: GLA, RetNet, HGRN2, DeltaNet and plain linear attention.

    It is counted in its linear form: each token writes the state and reads it, and with the delta rule reads it once
    more and corrects it, 8 FLOPs for each element of the state. Decays are elementwise and are not counted.

    References
    ----------
    Katharopoulos et al. 2020 (arXiv 2006.16236); Sun et al. 2023, "RetNet" (arXiv 2307.08621); Yang et al. 2023, "GLA"
    (arXiv 2312.06635); Qin et al. 2024, "HGRN2" (arXiv 2404.07904); Yang et al. 2024, "DeltaNet" (arXiv 2406.06484).
    """

    part_name: ClassVar[str] = "linear_attention"
    kind: Literal["fast_weights"] = Field(default="fast_weights", description=KIND)
    heads: Dimension = Field(description="Heads, each with a state (`num_heads`).")
    key_width: Dimension = Field(description="Width of a query or key head.")
    value_width: Dimension = Field(description="Width of a value head.")
    output_gate: bool = Field(default=False, description="Whether a gate multiplies the output of the heads.")
    decay_rank: Dimension | None = Field(
        default=None,
        description="Rank of decays that are computed from the token (`gate_low_rank_dim`); default: none.",
    )
    correction: bool = Field(default=False, description="Whether each key corrects the state first (delta rule).")
    kernel: Dimension | None = Field(
        default=None,
        description="Kernel size of short convolutions over queries, keys and values (`conv_size`) [token]; default: "
        "none.",
    )
    feature_maps: bool = Field(
        default=False, description="Whether queries and keys pass through products of two linear layers."
    )
    wide_norm: bool = Field(
        default=False, description="Whether the norm of the output is over all heads together, not over each head."
    )

    def sharding(self) -> Sharding:
        return Sharding(self.heads)

    @property
    def _widths(self) -> tuple[int, int]:
        return self.heads * self.key_width, self.heads * self.value_width

    def weights(self, width: int) -> list[Weight]:
        keys, values = self._widths
        listed = [
            *linear("query", width, keys, split="columns"),
            *linear("key", width, keys, split="columns"),
            *linear("value", width, values, split="columns"),
            *norm("output_norm", values if self.wide_norm else self.value_width),
            *linear("output", values, width, split="rows"),
        ]
        if self.output_gate:
            listed += linear("output_gate", width, values, split="columns")
        if self.decay_rank is not None:
            listed += linear("decay_down", width, self.decay_rank, split="replicated")
            listed += linear("decay_up", self.decay_rank, keys, bias=True, split="columns")
        if self.correction:
            listed += linear("correction", width, self.heads, split="columns")
        if self.kernel is not None:
            listed.append(Weight("convolution", (2 * keys + values, self.kernel), split="heads"))
        if self.feature_maps:
            listed.append(Weight("feature_maps", (self.key_width, self.key_width), copies=4))
            listed.append(Weight("feature_maps_bias", (self.key_width,), "bias", copies=4))
        return listed

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        keys, values = self._widths
        listed = [
            product("query", tokens, width, keys),
            product("key", tokens, width, keys),
            product("value", tokens, width, values),
            product("output", tokens, values, width),
        ]
        if self.correction:
            work = Operation("recurrence", "scan", tokens, self.value_width, self.key_width, 4 * self.heads)
            listed += [work, product("correction", tokens, width, self.heads)]
        else:
            listed.append(product("update", tokens, self.key_width, self.value_width, self.heads))
            listed.append(product("read", tokens, self.key_width, self.value_width, self.heads))
        if self.output_gate:
            listed.append(product("output_gate", tokens, width, values))
        if self.decay_rank is not None:
            listed.append(product("decay_down", tokens, width, self.decay_rank))
            listed.append(product("decay_up", tokens, self.decay_rank, keys))
        if self.kernel is not None:
            listed.append(product("convolution", tokens, self.kernel, 2 * keys + values))
        if self.feature_maps:
            listed.append(product("feature_maps", tokens, self.key_width, self.key_width, 4 * self.heads))
        return listed

    def cache(self, context: int) -> float:
        keys, values = self._widths
        kept = (2 * keys + values) * (self.kernel - 1) if self.kernel is not None else 0
        return float(self.heads * self.key_width * self.value_width + kept)
