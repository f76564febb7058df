"""Configurations of nanoGPT: `n_layer`, `n_head`, `n_embd`, `block_size`, `vocab_size` and `bias`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.sources.arguments import Arguments
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer

if TYPE_CHECKING:
    from collections.abc import Mapping

VOCABULARY = 50_304
"""Default vocabulary size of nanoGPT: that of GPT-2, rounded up to a multiple of 64 [1]."""


def nanogpt_architecture(data: Mapping[str, object]) -> Architecture:
    """Return the architecture of a configuration of nanoGPT, as its `GPTConfig` or its training files name it.

    Parameters
    ----------
    data : Mapping
        The configuration. Absent keys have the defaults of `GPTConfig`; other keys are those of the training.

    Raises
    ------
    InputError
        With every value that is wrong.

    Examples
    --------
    >>> nanogpt_architecture({"n_layer": 12, "n_head": 12, "n_embd": 768, "vocab_size": 50257}).parameters.total
    124439808
    """
    reader = Arguments(data)
    width, heads = reader.whole("n_embd", default=768), reader.whole("n_head", default=12)
    bias, positions = reader.flag("bias", default=True), reader.whole("block_size", default=1024)
    if width % heads:
        reader.problem(f"n_embd: {width} is not a multiple of the {heads} heads")
    depth, vocabulary = reader.whole("n_layer", default=12), reader.whole("vocab_size", default=VOCABULARY)
    reader.finish()
    mixer = Attention(heads=heads, kv_heads=heads, head_width=width // heads, qkv_bias=bias, output_bias=bias)
    block = FeedForward(inner_width=4 * width, gated=False, bias=bias)
    return Architecture(
        name="nanoGPT",
        width=width,
        layers=(Layer(mixer=mixer, feed_forward=block, norm_bias=bias, count=depth),),
        vocabulary=vocabulary,
        positions=positions,
        context_length=positions,
        tied=True,
        norm_bias=bias,
        source="configuration of nanoGPT",
    )
