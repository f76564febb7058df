"""Mamba-2 block: groups of heads share the input and output of their states."""

from typing import ClassVar, Literal

from pydantic import Field

from costmodel.architecture.blocks.block import KIND, Operation, Weight, linear, norm, product
from costmodel.architecture.blocks.heads import HeadBlock
from costmodel.foundation.fields import Dimension


class Mamba2(HeadBlock):
    """State-space duality layer: one decay per head, and one input projection for all inputs of the scan.

    Kernels run the scan in chunks of Q tokens, which takes 4 H P N + Q (H P + G N) FLOPs per token, with H heads of
    width P, G groups and N state elements. As a plain recurrence it takes 7 H P N, as Megatron-LM counts it;
    `count_flops(scan="plain")` does so.

    References
    ----------
    Dao and Gu 2024, "Transformers are SSMs", sections 6 and 7 (arXiv 2405.21060).
    """

    part_name: ClassVar[str] = "state_space"
    kind: Literal["mamba2"] = Field(default="mamba2", description=KIND)
    state_width: Dimension = Field(description="State elements per channel (`state_size`, `mamba_d_state`).")
    groups: Dimension = Field(
        description="Groups of heads that share the input and output of their states (`n_groups`, `mamba_n_groups`)."
    )
    kernel: Dimension = Field(description="Kernel size of the convolution (`conv_kernel`, `mamba_d_conv`) [token].")
    chunk: Dimension = Field(
        default=256, description="Chunk length of the scan in kernels (`chunk_size`, `mamba_chunk_size`) [token]."
    )
    input_bias: bool = Field(default=False, description="Whether the input projection has a bias.")
    output_bias: bool = Field(default=False, description="Whether the output projection has a bias.")
    convolution_bias: bool = Field(
        default=True, description="Whether the convolution has a bias (`use_conv_bias`, `mamba_conv_bias`)."
    )
    gated_norm: bool = Field(
        default=True, description="Whether a norm follows the gate, before the output projection (`mamba_rms_norm`)."
    )

    @property
    def inner_width(self) -> int:
        """Channels of the scan."""
        return self.heads * self.head_width

    @property
    def convolved_width(self) -> int:
        """Channels of the convolution: those of the scan, and the input and output of the states."""
        return self.inner_width + 2 * self.groups * self.state_width

    def weights(self, width: int) -> list[Weight]:
        inputs = self.inner_width + self.convolved_width + self.heads
        listed = [
            *linear("input", width, inputs, bias=self.input_bias, split="columns"),
            Weight("convolution", (self.convolved_width, self.kernel), split="heads"),
            Weight("step_bias", (self.heads,), "bias", split="heads"),
            Weight("decay", (self.heads,), "bias", split="heads"),
            Weight("skip", (self.heads,), "bias", split="heads"),
            *linear("output", self.inner_width, width, bias=self.output_bias, split="rows"),
        ]
        if self.convolution_bias:
            listed.append(Weight("convolution_bias", (self.convolved_width,), "bias", split="heads"))
        if self.gated_norm:
            listed += norm("gated_norm", self.inner_width)
        return listed

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        inputs = self.inner_width + self.convolved_width + self.heads
        return [
            product("input", tokens, width, inputs),
            product("convolution", tokens, self.kernel, self.convolved_width),
            Operation(
                "scan",
                "scan",
                tokens,
                self.inner_width,
                self.state_width,
                3.5,
                chunk=self.chunk,
                shared=self.groups * self.state_width,
            ),
            product("output", tokens, self.inner_width, width),
        ]

    def cache(self, context: int) -> float:
        return float(self.inner_width * self.state_width + self.convolved_width * (self.kernel - 1))
