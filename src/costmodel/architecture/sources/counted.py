"""Architectures counted from a list of tensors: exact totals for models of any family."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.architecture.blocks.pieces import Table
from costmodel.architecture.sources.hyperparameters import Hyperparameters, main_config, tower_config
from costmodel.architecture.sources.quantized import unpacked
from costmodel.architecture.sources.tensor_attention import Member
from costmodel.architecture.sources.tensor_blocks import layer_of, pieces
from costmodel.architecture.sources.tensors import TensorList, parameters_of
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer, Stack
from costmodel.foundation.errors import InputError

if TYPE_CHECKING:
    from costmodel.architecture.blocks.block import Block
    from costmodel.architecture.sources.tensors import Tensor

_LAYERS = re.compile(r"^(?:.*layers?|h|blk|.*blocks?|.*stages?)$")
"""Names of lists of layers."""
_STACKS = {
    "vision": re.compile(r"vision|visual|(?:^|_)vit(?:$|_)|image|^v$"),
    "audio": re.compile(r"audio|speech|sound"),
    "prediction": re.compile(r"^mtp|nextn|medusa"),
    "feature_extractor": re.compile(r"^feature_extractor$|^conv_layers$"),
    "projector": re.compile(r"projector|merger|connector|aligner"),
    "encoder": re.compile(r"^encoder$|^enc$"),
}
"""Names of modules by the stack that they belong to; all others belong to the main one."""
_TEXT = re.compile(r"text|language")
_EMBEDDING = re.compile(r"embed|^wte$|^wpe$|token_embd|position_embd|^shared$")
_POSITIONS = re.compile(r"^wpe$|position_embedding|embed_positions|position_embd|pos_embed")
_HEADS = ("lm_head", "output", "embed_out", "head", "decoder", "output_layer", "proj_out")
_NORM = re.compile(r"norm|^ln_|^ln$|_ln$", re.IGNORECASE)


class _Group(NamedTuple):
    """Tensors of a list of layers."""

    prefix: tuple[str, ...]
    layers: dict[int, list[Member]]

    @property
    def size(self) -> int:
        """Elements of all layers [1]."""
        return sum(member.size for members in self.layers.values() for member in members)


class _Rules(NamedTuple):
    """What decides about tensors that are absent, or stored twice."""

    generates: bool
    """Whether a model without a stored head has a tied one."""
    has_copies: bool
    """Whether the list can hold copies of tied matrices."""


class _Outside(NamedTuple):
    """What the tensors outside the layers of the main stack are."""

    fields: dict[str, Any]
    """Fields of the architecture: vocabulary, head, positions, final norm."""
    rest: list[Member]
    """Tensors that become blocks of their own."""
    copies: int
    """Elements of stored copies of tied matrices [1]."""


def architecture_of_tensors(
    tensors: TensorList, config: Mapping[str, Any] | None = None, name: str = ""
) -> Architecture:
    """Return the architecture that a list of tensors describes, exact in its number of parameters.

    Attention, feed-forward blocks and experts are found by the names and shapes of the tensors; what fits none of
    them becomes single linear layers, so that nothing is lost.

    Parameters
    ----------
    tensors : TensorList
        Names and shapes; sizes in bytes where they come from files.
    config : Mapping, optional
        What tensors do not tell, by the keys of a Hugging Face config: heads (`num_attention_heads`), head width
        (`head_dim`), windows, experts per token (`num_experts_per_tok`), and whether the head is tied
        (`tie_word_embeddings`).
    name : str
        Name of the architecture.

    Raises
    ------
    InputError
        If the tensors are stored in a quantized format that is not known, or no layers are among them.

    Examples
    --------
    >>> from costmodel.architecture.sources.tensors import Tensor
    >>> listed = [Tensor("model.embed_tokens.weight", (1000, 64)), Tensor("model.norm.weight", (64,))]
    >>> for part, shape in {"q": (64, 64), "k": (32, 64), "v": (32, 64), "o": (64, 64)}.items():
    ...     listed.append(Tensor(f"model.layers.0.self_attn.{part}_proj.weight", shape))
    >>> model = architecture_of_tensors(TensorList(tuple(listed)), {"num_attention_heads": 4})
    >>> model.parameters.total, model.layers[0].mixer.kv_heads
    (76352, 2)
    """
    config = config or {}
    listed = parameters_of(unpacked(tensors.checked(), config))
    if listed and all(".lora_" in tensor.name for tensor in listed):
        raise InputError(
            f"{tensors.origin}: holds the adapters of a model, not the model; costmodel estimate takes its "
            "adapter_config.json"
        )
    groups, outside = _grouped([(tuple(tensor.name.split(".")), tensor) for tensor in listed])
    main = _main(groups, tensors.origin)
    main_name = _stack_of(main.prefix)
    shape = Hyperparameters(main_config(config), causal=_is_causal(config, main_name))
    predicted = _without_prediction(groups, main, shape)
    predicted += sum(member.size for member in outside.pop("prediction", []))
    own = outside.pop(main_name, []) + outside.pop("main", [])
    width = _width(main, shape, own)
    found = _outside(own, width, shape, _Rules(_generates(config, main), not tensors.only_parameters))
    architecture = Architecture(
        name=name or "counted from tensors",
        width=width,
        layers=_layers(main, width, shape),
        extras=_pieces(found.rest),
        tokens=shape.image_tokens if "vocabulary" not in found.fields else None,
        stacks=_stacks(groups, main, outside, config),
        context_length=shape.number("context") or None,
        stored_bytes=tensors.stored_bytes or None,
        source=f"counted from the tensors of {tensors.origin}",
        **found.fields,
    )
    expected = sum(tensor.size for tensor in listed) - predicted - found.copies
    if architecture.parameters.total != expected:
        raise InputError(
            f"{tensors.origin}: the layers found in the tensors have {architecture.parameters.total:,} parameters, the "
            f"tensors {expected:,}; the layout of these tensors is not understood"
        )
    return architecture


def _stack_of(names: Sequence[str]) -> str:
    """Return the stack that a module belongs to: a key of `_STACKS`, or "main"."""
    if any(_TEXT.search(name) for name in names):
        return "main"
    for stack, pattern in _STACKS.items():
        if any(pattern.search(name) for name in names):
            return stack
    return "main"


def _grouped(
    tensors: Sequence[tuple[tuple[str, ...], Tensor]], any_list: bool = False
) -> tuple[list[_Group], dict[str, list[Member]]]:
    """Return the lists of layers, and the tensors outside them by stack.

    `any_list` takes every numbered list of modules; else, lists with the usual names of layers are taken if there are
    any.
    """
    groups: dict[tuple[str, ...], _Group] = {}
    outside: dict[str, list[Member]] = {}
    for names, tensor in tensors:
        numbered = [i for i in range(1, len(names) - 1) if names[i].isdecimal()]
        place = next((i for i in numbered if any_list or _LAYERS.search(names[i - 1])), None)
        if place is None:
            outside.setdefault(_stack_of(names), []).append(Member.of(names, tensor.shape, tensor.table))
            continue
        group = groups.setdefault(names[:place], _Group(names[:place], {}))
        member = Member.of(names[place + 1 :], tensor.shape, tensor.table)
        group.layers.setdefault(int(names[place][:9]), []).append(member)
    if not groups and not any_list:
        return _grouped(tensors, any_list=True)
    return list(groups.values()), outside


def _main(groups: Sequence[_Group], origin: str) -> _Group:
    """Return the main list of layers: the largest of the language model, or of all."""
    groups = [group for group in groups if _stack_of(group.prefix) != "prediction"]
    if not groups:
        raise InputError(f"{origin}: has no tensors of layers (such as model.layers.0.self_attn.q_proj.weight)")
    own = [group for group in groups if _stack_of(group.prefix) == "main"]
    return max(own or groups, key=lambda group: group.size)


def _without_prediction(groups: list[_Group], main: _Group, shape: Hyperparameters) -> int:
    """Remove the layers of multi-token prediction, which totals leave out; return their elements [1]."""
    removed = 0
    for group in [group for group in groups if group is not main and _stack_of(group.prefix) == "prediction"]:
        removed += group.size
        groups.remove(group)
    depth = shape.number("layers")
    if shape.number("prediction") and depth:
        for index in [index for index in main.layers if index >= depth]:
            removed += sum(member.size for member in main.layers.pop(index))
    return removed


def _is_causal(config: Mapping[str, Any], main_name: str) -> bool:
    """Tell whether the main stack is a decoder: by its stack and by the class of the model."""
    if config.get("is_causal") is False:
        return False
    classes = config.get("architectures")
    named = " ".join(name for name in classes if isinstance(name, str)) if isinstance(classes, list) else ""
    return main_name == "main" and "MaskedLM" not in named


def _width(group: _Group, shape: Hyperparameters | None, outside: Sequence[Member]) -> int:
    """Return the hidden size: that of the config where the matrices have it, or the extent that most of them share."""
    counts: dict[int, int] = {}
    for member in next(iter(group.layers.values()), []):
        for extent in set(member.shape) if len(member.shape) in {2, 3} else ():
            counts[extent] = counts.get(extent, 0) + 1
    stated = shape.number("width") if shape is not None else 0
    columns = {member.shape[-1] for member in outside if _is_embedding(member)}
    best = max(counts, key=lambda extent: (counts[extent], extent in columns, -extent), default=0)
    if stated in counts:
        return stated
    return best or max((member.size for members in group.layers.values() for member in members), default=1)


def _layers(group: _Group, width: int, shape: Hyperparameters) -> tuple[Layer, ...]:
    """Return the layers in order; equal consecutive layers are one entry."""
    built: dict[object, Layer] = {}
    runs: list[Layer] = []
    keys = [(tuple(sorted(group.layers[index])), shape.layer(index)) for index in sorted(group.layers)]
    for (members, layer_shape), equal in groupby(keys):
        key = members, layer_shape
        if key not in built:
            built[key] = layer_of(members, width, layer_shape)
        runs.append(built[key].replace(count=len(list(equal))))
    return tuple(runs)


def _stacks(
    groups: Sequence[_Group], main: _Group, outside: Mapping[str, list[Member]], config: Mapping[str, Any]
) -> tuple[Stack, ...]:
    """Return the stacks beside the main one: its other lists of layers, and the tensors outside them."""
    stacks, rest = [], dict(outside)
    for group in groups:
        if group is main:
            continue
        stack = _stack_of(group.prefix)
        shape = Hyperparameters(tower_config(config, stack), causal=False)
        width = _width(group, shape, [])
        named = stack if stack != "main" else "_".join(group.prefix)
        stacks.append(
            Stack(
                name=named,
                width=width,
                layers=_layers(group, width, shape),
                extras=_pieces(rest.pop(stack, []), stack),
                tokens=shape.image_tokens,
            )
        )
    for stack, members in rest.items():
        stacks.append(Stack(name=stack, width=1, extras=_pieces(members, stack)))
    return tuple(stacks)


def _pieces(members: Sequence[Member], part: str = "") -> tuple[Block, ...]:
    """Return embeddings as tables, and all other tensors as pieces of a part."""
    embeddings = [member for member in members if _is_embedding(member)]
    tables = [Table(rows=math.prod(member.shape[:-1]), columns=member.shape[-1]) for member in embeddings]
    return (*tables, *pieces(_left(members, embeddings), part))


def _outside(members: list[Member], width: int, shape: Hyperparameters, rules: _Rules) -> _Outside:
    """Return what the tensors outside the layers of the main stack are."""
    fields: dict[str, Any] = {"final_norm": False, "head": False}
    rest, copies = list(members), 0
    tables = [member for member in members if _is_embedding(member) and not _is_position(member)]
    projections = [m for m in members if m.path[-1] in {"project_in", "project_out"} and not m.bias]
    inner = min(projections[0].shape) if len(projections) == 2 else width
    words = [member for member in tables if len(member.shape) == 2 and member.shape[1] == inner]
    stated = shape.number("vocabulary")
    words.sort(key=lambda member: (member.shape[0] == stated, member.size), reverse=True)
    if words:
        embedding = words[0]
        fields["vocabulary"] = embedding.shape[0]
        heads = [m for m in rest if m.path[-1] in _HEADS and not m.bias and set(m.shape) == set(embedding.shape)]
        drop = [embedding, *projections]
        fields["embedding_width"] = inner if inner != width else None
        is_copy = bool(heads) and bool(shape.tied) and rules.has_copies
        drop += heads[:1]
        copies += heads[0].size if is_copy else 0
        fields["head"] = bool(heads) or (shape.tied is not False and rules.generates)
        fields["tied"] = fields["head"] and (not heads or is_copy)
        bias = [m for m in rest if heads and m.path == heads[0].path and m.bias and m.shape == (embedding.shape[0],)]
        fields["head_bias"] = bool(bias)
        rest = _left(rest, [*drop, *bias])
    positions = [
        m for m in rest if _is_position(m) and m.table is not False and len(m.shape) == 2 and m.shape[1] == width
    ]
    if len(positions) == 1:
        fields["positions"] = positions[0].shape[0]
        rest = _left(rest, positions)
    norms = [m for m in rest if m.is_vector and m.size == width and m.path and _NORM.search(m.path[-1])]
    if sum(not norm.bias for norm in norms) == 1 and len({norm.path for norm in norms}) == 1:
        fields |= {"final_norm": True, "norm_bias": len(norms) == 2}
        rest = _left(rest, norms)
    return _Outside(fields, rest, copies)


def _left(members: Sequence[Member], taken: Sequence[Member]) -> list[Member]:
    """Return the members that are not taken; equal members are told apart."""
    chosen = {id(member) for member in taken}
    return [member for member in members if id(member) not in chosen]


def _is_embedding(member: Member) -> bool:
    if member.table is not None:
        return member.table and bool(member.shape)
    named = any(_EMBEDDING.search(name) for name in member.path[-2:])
    return named and len(member.shape) == 2 and not member.bias


def _is_position(member: Member) -> bool:
    return any(_POSITIONS.search(name) for name in member.path)


def _generates(config: Mapping[str, Any], main: _Group) -> bool:
    """Tell whether a model without a stored head has a tied one: by its class, or by the names of its tensors."""
    classes = config.get("architectures")
    if isinstance(classes, list) and classes:
        return any("LM" in name or "Generation" in name for name in classes if isinstance(name, str))
    return len(main.prefix) > 1 or main.prefix == ("blk",)
