"""Architectures from the arguments of Megatron-LM, and from the providers of Megatron-Bridge and NeMo.

All of them name the same fields; a text, a list and a mapping of arguments are read. Defaults are those of Megatron-LM:
biases, LayerNorm, learned positions, a tied LM head, and a vocabulary padded for tensor parallelism.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.experts import Experts
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.latent_attention import LatentAttention
from costmodel.architecture.sources.arguments import Arguments
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer

if TYPE_CHECKING:
    from costmodel.architecture.blocks.block import Block

SHAPE_KEYS = (
    "num_layers", "hidden_size", "ffn_hidden_size", "num_attention_heads", "num_query_groups", "group_query_attention",
    "kv_channels", "vocab_size", "padded_vocab_size", "make_vocab_size_divisible_by", "max_position_embeddings",
    "position_embedding_type", "swiglu", "gated_linear_unit", "normalization", "disable_bias_linear", "add_bias_linear",
    "add_qkv_bias", "qk_layernorm", "untie_embeddings_and_output_weights", "share_embeddings_and_output_weights",
    "num_experts", "num_moe_experts", "moe_router_topk", "moe_ffn_hidden_size", "moe_layer_freq",
    "moe_shared_expert_intermediate_size", "moe_shared_expert_gate", "moe_router_num_groups", "moe_router_group_topk",
    "multi_latent_attention", "q_lora_rank", "kv_lora_rank", "qk_head_dim", "qk_pos_emb_head_dim", "v_head_dim",
    "use_rotary_position_embeddings", "no_position_embedding", "activation", "should_pad_vocab",
)  # fmt: skip
"""Arguments that shape the model."""
_OTHER_SHAPES = ("mtp_num_layers", "hybrid_override_pattern", "hybrid_layer_pattern", "hybrid_attention_ratio", "spec",
                 "heterogeneous_layers_config_path", "window_size", "linear_attention_freq", "moe_latent_size",
                 "experimental_attention_variant", "encoder_num_layers", "decoder_num_layers")  # fmt: skip
"""Arguments of models that are not read."""
VOCABULARY_MULTIPLE = 128
"""Default of `--make-vocab-size-divisible-by` [1]."""
_PATTERN = re.compile(r"[\[\]()*+\d,\s]+")


def megatron_architecture(arguments: Mapping[str, object]) -> Architecture:
    """Return the architecture that arguments of Megatron-LM describe.

    Parameters
    ----------
    arguments : Mapping
        Values by the name of the argument, with or without dashes; texts are read as numbers.

    Raises
    ------
    InputError
        With every argument that is missing, wrong, or of a model that is not read.

    Examples
    --------
    >>> small = {"num_layers": 2, "hidden_size": 64, "num_attention_heads": 4, "max_position_embeddings": 128,
    ...          "vocab_size": 1000}
    >>> megatron_architecture(small).parameters.total
    173824
    """
    reader = Arguments({str(key).lstrip("-").replace("-", "_"): value for key, value in arguments.items()})
    for name in _OTHER_SHAPES:
        if reader.stated(name):
            reader.problem(f"{name}: models with it are not read")
    width, depth = reader.whole("hidden_size"), reader.whole("num_layers")
    bias = reader.flag("add_bias_linear", default=not reader.flag("disable_bias_linear"))
    gated = reader.flag("swiglu") or reader.flag("gated_linear_unit") or "swiglu" in reader.text("activation").lower()
    mixer = _attention(reader, width, bias)
    blocks = _blocks(reader, width, depth, gated, bias)
    layer_norm = reader.text("normalization", "LayerNorm").lower().replace("_", "") in {"layernorm", "layernorm1p"}
    rotary = reader.text("position_embedding_type", "learned_absolute") in {"rope", "yarn", "none", "mrope"}
    rotary = rotary or reader.flag("use_rotary_position_embeddings") or reader.flag("no_position_embedding")
    tied = not reader.flag("untie_embeddings_and_output_weights")
    tied = reader.flag("share_embeddings_and_output_weights", default=tied)
    positions = reader.whole("max_position_embeddings", "seq_length", default=0 if rotary else None)
    vocabulary = _vocabulary(reader)
    reader.finish()
    layers = tuple(
        Layer(mixer=mixer, feed_forward=block, norm_bias=layer_norm, count=count) for block, count in _runs(blocks)
    )
    return Architecture(
        name="Megatron-LM arguments",
        width=width,
        layers=layers,
        vocabulary=vocabulary,
        positions=0 if rotary else positions,
        context_length=positions or None,
        tied=tied,
        norm_bias=layer_norm,
        source="arguments of Megatron-LM",
    )


def _vocabulary(reader: Arguments) -> int:
    """Return the vocabulary with its padding: a multiple of 128 × tensor-parallel ranks by default."""
    if reader.stated("padded_vocab_size"):
        return reader.whole("padded_vocab_size")
    size = reader.whole("vocab_size")
    multiple = reader.whole("make_vocab_size_divisible_by", default=VOCABULARY_MULTIPLE)
    if not reader.flag("should_pad_vocab", default=True):
        return size
    multiple *= reader.whole("tensor_model_parallel_size", default=1)
    return -(-size // multiple) * multiple


def _attention(reader: Arguments, width: int, bias: bool) -> Block:
    heads = reader.whole("num_attention_heads")
    if reader.flag("multi_latent_attention"):
        return LatentAttention(
            heads=heads,
            query_rank=reader.whole("q_lora_rank", default=0, least=0) or None,
            kv_rank=reader.whole("kv_lora_rank", default=32),
            nope_width=reader.whole("qk_head_dim", default=128),
            rope_width=reader.whole("qk_pos_emb_head_dim", default=64),
            value_width=reader.whole("v_head_dim", default=128),
            bias=bias,
        )
    grouped = reader.flag("group_query_attention", default=reader.stated("num_query_groups"))
    groups = reader.whole("num_query_groups", default=heads) if grouped else heads
    if not reader.stated("kv_channels") and width % heads:
        reader.problem(f"kv_channels: hidden_size {width} is not a multiple of the {heads} heads; give kv_channels")
    if heads % groups:
        reader.problem(f"num_query_groups: {groups} does not divide the {heads} heads")
    return Attention(
        heads=heads,
        kv_heads=min(groups, heads),
        head_width=reader.whole("kv_channels", default=max(width // heads, 1)),
        qk_norm="head" if reader.flag("qk_layernorm") else "none",
        qkv_bias=bias or reader.flag("add_qkv_bias"),
        output_bias=bias,
    )


def _blocks(reader: Arguments, width: int, depth: int, gated: bool, bias: bool) -> list[Block]:
    """Return the feed-forward block of each layer."""
    usual = int(4 * width * 2 / 3 / 64) * 64 if gated else 4 * width
    inner = reader.whole("ffn_hidden_size", default=usual)
    dense = FeedForward(inner_width=inner, gated=gated, bias=bias)
    count = reader.whole("num_experts", "num_moe_experts", default=0, least=0)
    if not count:
        return [dense] * depth
    groups = reader.whole("moe_router_num_groups", default=1)
    shared = reader.whole("moe_shared_expert_intermediate_size", default=0, least=0)
    experts = Experts(
        experts=count,
        top_k=min(reader.whole("moe_router_topk", default=2), count),
        inner_width=reader.whole("moe_ffn_hidden_size", default=inner),
        gated=gated,
        bias=bias,
        groups=groups,
        top_groups=min(reader.whole("moe_router_group_topk", default=groups), groups),
        shared=FeedForward(inner_width=shared, gated=gated, bias=bias) if shared else None,
        shared_gate=reader.flag("moe_shared_expert_gate"),
    )
    return [experts if routed else dense for routed in _routed_layers(reader, depth)]


def _routed_layers(reader: Arguments, depth: int) -> list[bool]:
    """Return which layers have experts: every n-th, or a pattern of zeros and ones."""
    stated = reader.value("moe_layer_freq")
    if stated is None:
        return [True] * depth
    if isinstance(stated, Sequence) and not isinstance(stated, str):
        pattern = [bool(each) for each in stated]
    elif str(stated).strip().isdecimal():
        every = max(int(str(stated)), 1)
        return [index % every == 0 for index in range(depth)]
    else:
        pattern = _pattern(str(stated))
    if len(pattern) != depth:
        reader.problem(f"moe_layer_freq: {str(stated)[:60]!r} is a pattern of {len(pattern)} layers, not of {depth}")
        return [True] * depth
    return pattern


def _pattern(text: str) -> list[bool]:
    """Return the list that a pattern of bracketed numbers and repetitions stands for; empty if it is none."""
    if not _PATTERN.fullmatch(text):
        return []
    listed: list[bool] = []
    for part in text.strip("() ").split("+"):
        numbers, _, times = part.strip("() ").partition("*")
        values = [value.strip() == "1" for value in numbers.strip("[] ").split(",")]
        repeats = int(times) if times.strip().isdecimal() else 1
        listed += values * min(repeats, 10_000)
    return listed


def _runs(blocks: Sequence[Block]) -> list[tuple[Block, int]]:
    """Return equal consecutive blocks with their number."""
    runs: list[tuple[Block, int]] = []
    for block in blocks:
        if runs and runs[-1][0] == block:
            runs[-1] = (block, runs[-1][1] + 1)
        else:
            runs.append((block, 1))
    return runs
