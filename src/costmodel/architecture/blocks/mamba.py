"""Mamba block: a selective scan with one state per channel."""

from typing import ClassVar, Literal

from pydantic import Field

from costmodel.architecture.blocks.block import KIND, Block, Operation, Weight, linear, norm, product
from costmodel.foundation.fields import Dimension


class Mamba(Block):
    """Selective state-space model (S6) between a short convolution and a gate.

    The scan takes 7 FLOPs per channel and state element, as Megatron-LM counts it.

    References
    ----------
    Gu and Dao 2023, "Mamba", section 3 (arXiv 2312.00752); Lieber et al. 2024, "Jamba", for the norms
    (arXiv 2403.19887).
    """

    part_name: ClassVar[str] = "state_space"
    kind: Literal["mamba"] = Field(default="mamba", description=KIND)
    inner_width: Dimension = Field(description="Channels of the scan (d_inner).")
    state_width: Dimension = Field(description="State elements per channel (`state_size`, `mamba_d_state`).")
    step_rank: Dimension = Field(
        description="Rank of the projection to the step sizes (`time_step_rank`, `mamba_dt_rank`)."
    )
    kernel: Dimension = Field(description="Kernel size of the convolution (`conv_kernel`, `mamba_d_conv`) [token].")
    bias: bool = Field(
        default=False,
        description="Whether the input and output projections have a bias (`use_bias`, `mamba_proj_bias`).",
    )
    convolution_bias: bool = Field(
        default=True, description="Whether the convolution has a bias (`use_conv_bias`, `mamba_conv_bias`)."
    )
    inner_norms: bool = Field(
        default=False,
        description="Whether the step sizes and the input and output of the state have norms, as in Jamba.",
    )

    def weights(self, width: int) -> list[Weight]:
        inner, state, rank = self.inner_width, self.state_width, self.step_rank
        listed = [
            *linear("input", width, 2 * inner, bias=self.bias, split="columns"),
            Weight("convolution", (inner, self.kernel), split="heads"),
            *linear("select", inner, rank + 2 * state, split="rows"),
            *linear("step", rank, inner, bias=True, split="columns"),
            Weight("decay", (inner, state), "bias", split="heads"),
            Weight("skip", (inner,), "bias", split="heads"),
            *linear("output", inner, width, bias=self.bias, split="rows"),
        ]
        if self.convolution_bias:
            listed.append(Weight("convolution_bias", (inner,), "bias", split="heads"))
        if self.inner_norms:
            listed += [*norm("step_norm", rank), *norm("state_input_norm", state), *norm("state_output_norm", state)]
        return listed

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        inner, state, rank = self.inner_width, self.state_width, self.step_rank
        return [
            product("input", tokens, width, 2 * inner),
            product("convolution", tokens, self.kernel, inner),
            product("select", tokens, inner, rank + 2 * state),
            product("step", tokens, rank, inner),
            Operation("scan", "scan", tokens, inner, state, 3.5),
            product("output", tokens, inner, width),
        ]

    def cache(self, context: int) -> float:
        return float(self.inner_width * (self.state_width + self.kernel - 1))
