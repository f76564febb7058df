"""Blocks of a layer from the names and shapes of its tensors; what fits no block becomes single linear layers."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.architecture.blocks.aggregate import Aggregate
from costmodel.architecture.blocks.experts import Experts
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Convolution, Linear, Norm
from costmodel.architecture.sources.tensor_attention import Member, attentions, other_extent
from costmodel.architecture.structure import Layer
from costmodel.foundation.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from costmodel.architecture.blocks.block import Block
    from costmodel.architecture.sources.hyperparameters import LayerShape

_ATTENTION = re.compile(r"attn|attention", re.IGNORECASE)
_NORM = re.compile(r"norm|(?:^|_)ln(?:_|\d|$)", re.IGNORECASE)
_ROUTED = re.compile(r"^(?!.*shared).*experts$|_exps$|^expert_\d+$", re.IGNORECASE)
_NUMBERED = re.compile(r"^ffn_(?:gate|up|down)\.\d+$")
"""Experts of older GGUF files."""
_INDEX = re.compile(r"^(?:expert_)?\d+$")
_SHARED = re.compile(r"shared_expert|shared_mlp|_shexp$", re.IGNORECASE)
_RECURRENT = re.compile(r"conv|^A_log$|^D$|^dt|^ssm", re.IGNORECASE)


class _Routed(NamedTuple):
    """Routed experts of a layer."""

    experts: int
    matrices: tuple[tuple[int, ...], ...]
    """Shapes of the matrices of one expert."""
    vectors: tuple[int, ...]
    """Extents of the vectors of one expert."""
    size: int
    """Elements of all experts [1]."""


def layer_of(members: Sequence[Member], width: int, shape: LayerShape) -> Layer:
    """Return a layer with exactly the parameters of its tensors.

    Parameters
    ----------
    members : sequence of Member
        Tensors of the layer.
    width : int
        Hidden size [1].
    shape : LayerShape
        Heads, windows and experts per token of the layer.
    """
    mixers, rest = attentions(members, width, shape)
    experts, rest = _experts(rest, width, shape)
    dense, rest = _feed_forwards(rest, width)
    norms, norm_bias, rest = _norms(rest, width)
    channels = [block for block in (*experts, *dense) if block.aggregated_layers is None]
    counted = [block for block in experts if block.aggregated_layers is not None]
    return Layer(
        mixer=mixers[0] if mixers else None,
        feed_forward=channels[0] if channels else None,
        also=(*mixers[1:], *channels[1:], *counted, *pieces(rest)),
        norms=norms,
        norm_bias=norm_bias,
    )


def pieces(members: Iterable[Member], part: str = "") -> list[Block]:
    """Return single linear layers, convolutions and vectors with the parameters of some tensors.

    Parameters
    ----------
    members : iterable of Member
        Tensors.
    part : str
        Part of the model that they are counted in; by default attention, or by kind.
    """
    members = list(members)
    biases = {member.path: member for member in members if member.bias and member.is_vector}
    paired: set[int] = set()
    listed: list[Block] = []
    for member in members:
        if member.is_vector:
            continue
        bias = biases.get(member.path)
        has_bias = bias is not None and not member.bias and bias.size == member.shape[0] and id(bias) not in paired
        paired |= {id(bias)} if has_bias else set()
        options: dict[str, Any] = {"bias": has_bias, "belongs_to": part or _part(member)}
        outputs, inputs, kernel = member.shape[0], member.shape[1], math.prod(member.shape[2:])
        if len(member.shape) == 2:
            listed.append(Linear(inputs=inputs, outputs=outputs, **options))
        else:
            listed.append(Convolution(inputs=inputs, outputs=outputs, kernel=kernel, **options))
    vectors = [member for member in members if member.is_vector and id(member) not in paired]
    return [*listed, *(Norm(extent=member.size, belongs_to=part or _part(member)) for member in vectors)]


def _part(member: Member) -> str:
    return "attention" if _ATTENTION.search(".".join(member.path)) and not member.is_vector else ""


def _experts(members: list[Member], width: int, shape: LayerShape) -> tuple[list[Block], list[Member]]:
    """Return the block of experts of a layer, if it has one, and the tensors that are left."""
    chosen = [member for member in members if _is_routed(member, shape.experts)]
    if not chosen:
        return [], members
    routed = _routed(chosen, shape.experts)
    if not shape.top_k:
        raise InputError(
            f"num_experts_per_tok: is required and missing; the layers have {routed.experts} experts, and the tensors "
            "do not tell how many a token uses"
        )
    if shape.top_k > routed.experts:
        raise InputError(f"num_experts_per_tok: {shape.top_k} of only {routed.experts} experts")
    rest = [member for member in members if member not in chosen]
    expert = feed_forward_of(routed.matrices, routed.vectors, width)
    router = next((member for member in rest if _is_router(member, routed.experts, width)), None)
    top_k = shape.top_k
    if expert is None or router is None or (routed.vectors and not expert.bias):
        active = max(round(routed.size * top_k / routed.experts), 1)
        return [Aggregate(parameters=routed.size, active=active)], rest
    bias = next((member for member in rest if member.bias and member.path == router.path), None)
    shared, used = _shared(rest, width)
    gate = next((member for member in rest if _is_shared_gate(member, width)), None) if shared else None
    taken = [router, *used, *(member for member in (bias, gate) if member is not None)]
    block = Experts(
        experts=routed.experts,
        top_k=top_k,
        inner_width=expert.inner_width,
        gated=expert.gated,
        bias=expert.bias,
        router_bias=bias is not None,
        shared=shared,
        shared_gate=gate is not None,
    )
    return [block], [member for member in rest if member not in taken]


def _is_routed(member: Member, experts: int) -> bool:
    """Tell whether a tensor belongs to routed experts: by its name, or as a stack of as many matrices."""
    if not member.shape:
        return False
    if _NUMBERED.search(".".join(member.path)):
        return True
    if any(_ROUTED.search(name) for name in member.path) and not any(_SHARED.search(name) for name in member.path):
        return True
    stacked = len(member.shape) == 3 and member.shape[0] == experts > 1
    return stacked and not any(_RECURRENT.search(name) for name in member.path)


def _is_router(member: Member, experts: int, width: int) -> bool:
    return not member.bias and len(member.shape) == 2 and sorted(member.shape) == sorted((experts, width))


def _is_shared_gate(member: Member, width: int) -> bool:
    named = any(_SHARED.search(name) for name in member.path) and "gate" in ".".join(member.path)
    return named and not member.bias and member.is_vector and member.size == width


def _routed(chosen: Sequence[Member], experts: int) -> _Routed:
    """Return the experts of a layer, stored one by one or stacked."""
    single: dict[tuple[str, ...], list[Member]] = {}
    matrices: list[tuple[int, ...]] = []
    vectors: list[int] = []
    count = experts
    for member in chosen:
        index = next((place for place, name in enumerate(member.path) if _INDEX.search(name)), None)
        if index is not None:
            leaf = (*member.path[:index], *member.path[index + 1 :], "bias" if member.bias else "weight")
            single.setdefault(leaf, []).append(member)
            continue
        extents = member.shape
        if len(extents) == 2 and experts and extents[0] > experts and extents[0] % experts == 0:
            extents = (experts, extents[0] // experts, extents[1])  # all experts in the rows of one matrix
        count = extents[0]
        if len(extents) > 2:
            matrices.append(extents[1:])
        else:
            vectors.append(math.prod(extents[1:]))
    for members in single.values():
        count = len(members)
        shape = members[0].shape
        if len(shape) > 1:
            matrices.append(shape)
        else:
            vectors.append(math.prod(shape))
    size = sum(member.size for member in chosen)
    of_one = sum(math.prod(matrix) for matrix in matrices) + sum(vectors)
    regular = count * of_one == size
    return _Routed(max(count, 1), tuple(matrices) if regular else (), tuple(vectors), size)


def _shared(members: Sequence[Member], width: int) -> tuple[FeedForward | None, list[Member]]:
    """Return the shared experts, and their tensors."""
    named = [member for member in members if any(_SHARED.search(name) for name in member.path)]
    named = [member for member in named if not _is_shared_gate(member, width)]
    matrices = [member for member in named if not member.is_vector]
    block = feed_forward_of([member.shape for member in matrices], [m.size for m in named if m.is_vector], width)
    if block is None:
        return None, []
    return block, named if block.bias else matrices


def feed_forward_of(matrices: Sequence[tuple[int, ...]], vectors: Sequence[int], width: int) -> FeedForward | None:
    """Return the feed-forward block with these matrices, with a bias if the vectors are its biases, or None.

    Parameters
    ----------
    matrices : sequence of tuple
        Shapes of the matrices.
    vectors : sequence of int
        Extents of the vectors beside them.
    width : int
        Hidden size [1].
    """
    extents = [other_extent(matrix, width) for matrix in matrices]
    known = [extent for extent in extents if extent is not None]
    if len(known) != len(matrices) or len(known) not in {2, 3}:
        return None
    inner = min(known)
    joined = len(known) == 2 and max(known) == 2 * inner
    if max(known) != inner and not joined:
        return None
    gated = joined or len(known) == 3
    bias = bool(vectors) and sum(vectors) == (2 if gated else 1) * inner + width
    return FeedForward(inner_width=inner, gated=gated, bias=bias)


def _feed_forwards(members: list[Member], width: int) -> tuple[list[Block], list[Member]]:
    """Return the dense feed-forward blocks: matrices of one module first, then those that are left."""
    blocks: list[Block] = []
    groups: dict[tuple[str, ...], list[Member]] = {}
    for member in members:
        if not _ATTENTION.search(".".join(member.path)):
            groups.setdefault(member.path[:-1], []).append(member)
    for group in [*groups.values(), None]:
        candidates = members if group is None else [member for member in group if member in members]
        if any(_RECURRENT.search(name) for member in candidates for name in member.path):
            continue
        matrices = [m for m in candidates if len(m.shape) == 2 and not m.is_vector and not m.bias]
        matrices = [m for m in matrices if not _ATTENTION.search(".".join(m.path))]
        paths = {member.path for member in matrices}
        vectors = [m for m in candidates if m.is_vector and m.bias and m.path in paths]
        block = feed_forward_of([m.shape for m in matrices], [m.size for m in vectors], width)
        if block is not None:
            blocks.append(block)
            taken = [*matrices, *(vectors if block.bias else [])]
            members = [member for member in members if member not in taken]
    return blocks, members


def _norms(members: list[Member], width: int) -> tuple[int, bool, list[Member]]:
    """Return the number of norms over the hidden state, whether they have a bias, and the tensors that are left."""
    named = [m for m in members if m.is_vector and m.size == width and m.path and _NORM.search(m.path[-1])]
    scales, shifts = [m for m in named if not m.bias], [m for m in named if m.bias]
    has_bias = bool(scales) and {m.path for m in scales} == {m.path for m in shifts}
    taken = named if has_bias else scales
    return len(scales), has_bias, [member for member in members if member not in taken]
