"""Attention of a layer from the names and shapes of its tensors."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.core_attention import CoreAttention
from costmodel.architecture.blocks.cross_attention import CrossAttention
from costmodel.architecture.blocks.latent_attention import LatentAttention

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from costmodel.architecture.blocks.block import Block
    from costmodel.architecture.sources.hyperparameters import LayerShape

ROLES: dict[str, tuple[str, ...]] = {
    "query": ("q_proj", "q", "query", "wq", "q_lin", "attn_q", "to_q", "Wq", "project_q", "query_proj", "linear_q"),
    "key": ("k_proj", "k", "key", "wk", "k_lin", "attn_k", "to_k", "Wk", "project_k", "key_proj", "linear_k"),
    "value": ("v_proj", "v", "value", "wv", "v_lin", "attn_v", "to_v", "Wv", "project_v", "value_proj", "linear_v"),
    "joined": (
        "qkv_proj",
        "query_key_value",
        "c_attn",
        "wqkv",
        "Wqkv",
        "qkv",
        "attn_qkv",
        "in_proj",
        "W_pack",
        "to_qkv",
    ),
    "key_value": ("kv_proj", "key_value", "wkv", "kv", "to_kv"),
    "output": (
        "o_proj",
        "out_proj",
        "dense",
        "c_proj",
        "wo",
        "out_lin",
        "attn_output",
        "proj",
        "o",
        "out",
        "to_out",
        "linear_out",
        "Wo",
        "attention_out",
        "projection_layer",
        "0",
    ),
    "query_norm": ("q_norm", "query_norm", "q_layernorm", "attn_q_norm", "query_layernorm", "q_ln"),
    "key_norm": ("k_norm", "key_norm", "k_layernorm", "attn_k_norm", "key_layernorm", "k_ln"),
    "sinks": ("sinks", "attn_sinks"),
}
"""Last names of the tensors of attention."""
_ROLE = {name: role for role, names in ROLES.items() for name in names}
_ATTENTION = re.compile(r"attn|attention", re.IGNORECASE)
_CROSS = re.compile(r"cross|encdec|encoder_attn|encoder_attention", re.IGNORECASE)
_RECURRENT = re.compile(r"conv|^A_log$|^dt_|^ssm", re.IGNORECASE)
_INDEX = re.compile(r"^(?:wq_b|wk|k_norm|weights_proj)$")
_LATENT_KEYS = ("kv_a_proj_with_mqa", "kv_a_proj", "attn_kv_a_mqa", "kv_a")
_LATENT = re.compile(
    r"^(?:attn_)?(?:q_proj|q|q_a_proj|q_a|q_b_proj|q_b|q_a_layernorm|q_a_norm|kv_a_proj_with_mqa|"
    r"kv_a_mqa|kv_a_layernorm|kv_a_norm|kv_b_proj|kv_b|k_b|v_b|o_proj|output)$"
)
USUAL_HEAD_WIDTHS = (128, 64, 96, 80, 32, 16, 8)
"""Head widths tried where a config states neither heads nor their width; only limits of sharding depend on it [1]."""


class Member(NamedTuple):
    """A tensor of a layer, or of a part outside the layers."""

    path: tuple[str, ...]
    """Names of the modules below the layer, without "weight" and "bias"."""
    bias: bool
    """Whether it is called a bias."""
    shape: tuple[int, ...]
    """Extents, as in `Tensor`."""
    table: bool | None = None
    """Whether it is a lookup table, as in `Tensor`."""

    @property
    def size(self) -> int:
        """Number of elements [1]."""
        return math.prod(self.shape)

    @property
    def is_vector(self) -> bool:
        """Whether at most one extent is above 1."""
        return sum(extent > 1 for extent in self.shape) <= 1

    @classmethod
    def of(cls, names: Sequence[str], shape: tuple[int, ...], table: bool | None = None) -> Member:
        """Return the member of a name below the layer, split at the dots."""
        last = names[-1]
        if last in {"weight", "bias", "gamma", "beta"} and len(names) > 1:  # norms of old checkpoints: gamma, beta
            return cls(tuple(names[:-1]), last in {"bias", "beta"}, shape, table)
        for ending in ("_weight", "_bias"):
            if last.endswith(ending):
                return cls((*names[:-1], last.removesuffix(ending)), ending == "_bias", shape, table)
        return cls(tuple(names), last == "bias", shape, table)


class _Module(NamedTuple):
    """The tensors of one attention by role, matrices and biases."""

    weights: Mapping[str, Member]
    biases: Mapping[str, Member]
    crosses: bool


class _Widths(NamedTuple):
    queries: int
    """Heads × head width [1]."""
    keys: int
    """KV heads × head width [1]."""
    gate: bool


def other_extent(shape: tuple[int, ...], width: int) -> int | None:
    """Return the extent of a matrix that is not the hidden size, or None if neither is.

    Parameters
    ----------
    shape : tuple
        Extents of the matrix.
    width : int
        Hidden size [1].
    """
    if len(shape) != 2 or width not in shape:
        return None
    return shape[0] if shape[1] == width else shape[1]


def _role(member: Member) -> str | None:
    """Return the role of a tensor in attention; a wrapped linear layer has that of its wrapper."""
    wrapped = len(member.path) > 1 and member.path[-1] in {"linear", "base_layer"}
    return _ROLE.get(member.path[-2 if wrapped else -1])


def attentions(members: Sequence[Member], width: int, shape: LayerShape) -> tuple[list[Block], list[Member]]:
    """Return the attention blocks of a layer and the tensors that are left.

    Parameters
    ----------
    members : sequence of Member
        Tensors of the layer.
    width : int
        Hidden size [1].
    shape : LayerShape
        Heads, head width and window of the layer.
    """
    rest, blocks = list(members), []
    groups: dict[tuple[str, ...], list[Member]] = {}
    for member in members:
        groups.setdefault(_place(member), []).append(member)
    for place, group in groups.items():
        if not place:
            continue
        block, taken = _attention(place, group, width, shape)
        if block is not None:
            blocks.append(block)
            chosen = {id(member) for member in taken}
            rest = [member for member in rest if id(member) not in chosen]
    return sorted(blocks, key=lambda block: block.reads_source), rest


def _place(member: Member) -> tuple[str, ...]:
    """Return the module of attention that a tensor belongs to; empty if there is none."""
    for index, name in enumerate(member.path):
        if name.startswith("attn_"):
            return (*member.path[:index], "attn")
        if _ATTENTION.search(name):
            return member.path[: index + 1]
    role = _role(member)
    return member.path[:-1] if role in {"query", "key", "value", "joined"} and "in_proj" not in member.path else ()


def _attention(
    place: tuple[str, ...], group: Sequence[Member], width: int, shape: LayerShape
) -> tuple[Block | None, list[Member]]:
    """Return an attention block and its tensors; without its tensors if they fit no block with weights."""
    if any(member.path[-1] in _LATENT_KEYS for member in group):
        return _latent_attention(group, width, shape)
    if not shape.attends or any(_RECURRENT.search(name) for member in group for name in member.path):
        return None, []
    weights: dict[str, Member] = {}
    biases: dict[str, Member] = {}
    for member in group:
        role = _role(member)
        if role is not None and not any(name.isdigit() for name in member.path[len(place) : -1]):
            (biases if member.bias and role != "sinks" else weights).setdefault(role, member)
    module = _Module(weights, biases, bool(_CROSS.search(".".join(place))))
    if "query" not in weights and "joined" not in weights:
        return None, []
    widths = _widths(module, width)
    heads = _heads(module, widths, shape) if widths is not None else None
    if widths is None or heads is None:
        if shape.heads and shape.head_width and ("key" in weights or "joined" in weights):
            return _core(shape, shape.heads, shape.kv_heads, shape.head_width), []
        return None, []
    block, taken = _block(module, widths, heads, width, shape)
    if sum(weight.size for weight in block.weights(width)) == sum(member.size for member in taken):
        return block, taken
    return _core(shape, heads, max(widths.keys * heads // widths.queries, 1), widths.queries // heads), []


def _core(shape: LayerShape, heads: int, kv_heads: int, head_width: int) -> CoreAttention:
    return CoreAttention(
        heads=heads, kv_heads=kv_heads, head_width=head_width, window=shape.window, causal=shape.causal
    )


def _widths(module: _Module, width: int) -> _Widths | None:
    """Return the widths of queries and keys, or None if the matrices are not those of grouped queries."""
    weights = module.weights
    output = weights.get("output")
    queries = other_extent(output.shape, width) if output is not None else None
    if queries is None:
        return None
    gate = False
    if "joined" in weights:
        rows = other_extent(weights["joined"].shape, width)
        keys = (rows - queries) // 2 if rows is not None and (rows - queries) % 2 == 0 else 0
    else:
        asked = other_extent(weights["query"].shape, width)
        gate = asked == 2 * queries
        if asked != queries and not gate:
            return None
        pair = [weights[role] for role in ("key", "value", "key_value") if role in weights]
        extents = [member.shape[0] if module.crosses else other_extent(member.shape, width) for member in pair]
        known = [extent for extent in extents if extent is not None]
        total = sum(known) if len(known) == len(pair) else 0
        joint = "key_value" in weights
        keys = total // 2 if (joint and total % 2 == 0) or (len(known) == 2 and known[0] == known[1]) else 0
    return _Widths(queries, keys, gate) if keys > 0 else None


def _heads(module: _Module, widths: _Widths, shape: LayerShape) -> int | None:
    """Return the number of heads: that of the config, or by its head width, the norms, or a usual head width."""
    candidates = [widths.queries // shape.heads] if shape.heads and widths.queries % shape.heads == 0 else []
    candidates.append(shape.head_width)
    norm = module.weights.get("query_norm")
    candidates += [norm.size] if norm is not None and not (shape.heads or shape.head_width) else []
    candidates += () if shape.heads or shape.head_width else USUAL_HEAD_WIDTHS
    for head_width in candidates:
        if head_width and widths.queries % head_width == 0 and widths.keys % head_width == 0:
            return widths.queries // head_width
    return None


def _block(module: _Module, widths: _Widths, heads: int, width: int, shape: LayerShape) -> tuple[Block, list[Member]]:
    """Return the block of grouped queries, and the tensors that it stands for."""
    weights, biases = module.weights, module.biases
    head_width = widths.queries // heads
    projections = [role for role in ("joined", "query", "key", "value", "key_value") if role in weights]
    with_bias = [role for role in projections if role in biases]
    key_bias = with_bias != ["query", "value"]
    qkv_bias = with_bias == projections or not key_bias
    taken = [weights[role] for role in (*projections, "output")]
    taken += [biases[role] for role in with_bias] if qkv_bias else []
    taken += [biases["output"]] if "output" in biases else []
    kv_heads, output_bias = widths.keys // head_width, "output" in biases
    if module.crosses:
        source = weights["key"].shape[1] if "key" in weights else width
        cross = CrossAttention(
            heads=heads,
            kv_heads=kv_heads,
            head_width=head_width,
            qkv_bias=qkv_bias,
            key_bias=key_bias,
            output_bias=output_bias,
            source_width=source if source != width else None,
        )
        return cross, taken
    norms = [weights[role] for role in ("query_norm", "key_norm") if role in weights]
    shifts = [biases[role] for role in ("query_norm", "key_norm") if role in biases]
    sizes = [norm.size for norm in norms]
    qk_norm: Literal["none", "head", "width"] = "none"
    if sizes == [head_width, head_width]:
        qk_norm = "head"
    elif sizes == [widths.queries, widths.keys]:
        qk_norm = "width"
    taken += [*norms, *shifts] if qk_norm != "none" else []
    has_sinks = "sinks" in weights and weights["sinks"].size == heads
    taken += [weights["sinks"]] if has_sinks else []
    block = Attention(
        heads=heads,
        kv_heads=kv_heads,
        head_width=head_width,
        qkv_bias=qkv_bias,
        key_bias=key_bias,
        output_bias=output_bias,
        window=shape.window,
        causal=shape.causal,
        qk_norm=qk_norm,
        qk_norm_bias=qk_norm != "none" and len(shifts) == 2,
        sinks=has_sinks,
        output_gate=widths.gate,
    )
    return block, taken


def _latent_attention(group: Sequence[Member], width: int, shape: LayerShape) -> tuple[Block | None, list[Member]]:
    """Return multi-head latent attention, where the config states the widths of its parts."""
    if shape.latent is None or not shape.heads:
        core = _core(shape, shape.heads, shape.heads, shape.head_width) if shape.heads and shape.head_width else None
        return core, []
    index = [member for member in group if "indexer" in member.path and _INDEX.search(member.path[-1])]
    taken = [member for member in group if "indexer" not in member.path and _LATENT.search(member.path[-1])]
    widths = shape.latent
    block = LatentAttention(
        heads=shape.heads,
        query_rank=widths.query_rank or None,
        kv_rank=widths.kv_rank,
        nope_width=widths.nope_width,
        rope_width=widths.rope_width,
        value_width=widths.value_width,
        bias=any(member.bias for member in taken),
        causal=shape.causal,
        index_heads=widths.index_heads if index else None,
        index_width=widths.index_width or 128,
        index_top_k=widths.index_top_k if index else None,
    )
    taken += index
    if sum(weight.size for weight in block.weights(width)) == sum(member.size for member in taken):
        return block, taken
    return _core(shape, shape.heads, shape.heads, widths.nope_width + widths.rope_width), []
