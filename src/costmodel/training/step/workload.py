"""What does a sequence ask of the machine? The lists of the blocks, summed by how they are split.

One small set of numbers per architecture and sequence length, from which memory and step time of any
layout follow. Every number is of one whole replica and one sequence; layouts divide them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.architecture.blocks.pieces import Linear
from costmodel.architecture.counting import pairs
from costmodel.architecture.specification import distinct_layers
from costmodel.training.step.adapters import virtual_parameters

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from costmodel.architecture.blocks.block import Block, Operation, Weight
    from costmodel.architecture.specification import Architecture, Layer
    from costmodel.training.step.adapters import Adapters


class Products(NamedTuple):
    """Matrix products that are split alike: forward FLOPs, elements moved, parameters.

    `read` and `written` are elements on all ranks of a tensor-parallel group, `read_part` and
    `written_part` those of which each rank has its share; `kept` are the elements written or read in
    parts that the backward pass needs, `weights` the elements of the matrices.
    """

    flops: Any = 0.0
    read: Any = 0.0
    read_part: Any = 0.0
    written: Any = 0.0
    written_part: Any = 0.0
    weights: Any = 0.0


class Workload(NamedTuple):
    """One architecture at one sequence length.

    `dense`, `grouped`, `whole` and `expert` are the products that tensor parallelism splits, those it
    splits up to the number of key heads, those it leaves whole, and those of the routed experts; `head`
    is that over the vocabulary, once for each set of logits.
    """

    sequence_length: Any
    layers: Any
    expert_layers: Any
    width: Any
    heads: Any
    key_heads: Any
    experts: Any
    vocabulary: Any
    dense: Products
    grouped: Products
    whole: Products
    expert: Products
    head: Products
    adapter: Products
    """Of low-rank adapters, all of them; their `weights` are their parameters."""
    attention_flops: Any
    """Forward FLOPs of core attention, by the causal convention."""
    head_width: Any
    """Mean width of the heads, weighted by their FLOPs."""
    scores: Any
    """Elements of the score matrices, all of them."""
    scan_flops: Any
    residual: Any
    """Elements of the hidden state that go into blocks."""
    normed: Any
    """Elements that are normed."""
    reduced: Any
    """Elements summed over a tensor-parallel group in the forward pass, the experts' apart."""
    routed: Any
    """Elements sent to the experts and back, once."""
    key_values: Any
    """Elements of keys and values, which context parallelism passes around."""
    prediction_share: Any
    """Work of the multi-token-prediction layers over that of one mean layer."""
    parameters: Any
    """Of all layers, by the same four ways to split, and of what stands outside of them."""
    model_flops: Any
    """Of training on a sequence, core attention causal."""
    recomputed_flops: Any
    """Of one more forward pass through the layers."""


class Parameters(NamedTuple):
    """Numbers of parameters by how tensor and expert parallelism split them."""

    dense: Any
    grouped: Any
    whole: Any
    expert: Any
    embedding: Any
    head: Any
    prediction: Any
    """Of the multi-token-prediction layers, all ways together."""
    matrix_share: Any
    """Of those in the layers, the share in matrices."""


@lru_cache(maxsize=256)
def workload(architecture: Architecture, sequence_length: float, adapters: Adapters | None = None) -> Workload:
    """Return the sums over an architecture at a sequence length [token].

    Parameters
    ----------
    architecture : Architecture
    sequence_length : tokens of a sequence [token]
    adapters : low-rank adapters beside its matrices
    """
    return _Sums(architecture, float(architecture.tokens or sequence_length), adapters).workload()


def stacked(workloads: Sequence[Workload]) -> Workload:
    """Return the workloads as one, whose numbers are arrays of shape (len(workloads),)."""
    import numpy as np

    def joined(values: Sequence[Any]) -> Any:
        if isinstance(values[0], tuple):
            return type(values[0])(*(joined(each) for each in zip(*values, strict=True)))
        return np.array(values, dtype=float)

    whole: Workload = joined(workloads)
    return whole


_WAYS = ("dense", "grouped", "whole", "expert")


class _Sums:
    """Adds the lists of an architecture up."""

    def __init__(self, architecture: Architecture, length: float, adapters: Adapters | None) -> None:
        self.architecture, self.length, self.adapters = architecture, length, adapters
        self.adapter = dict.fromkeys(Products._fields, 0.0)
        self.products = {way: dict.fromkeys(Products._fields, 0.0) for way in _WAYS}
        self.parameters = dict.fromkeys(_WAYS, 0.0)
        self.matrices = self.attention = self.heads_flops = self.scores = self.scan = 0.0
        self.residual = self.normed = self.reduced = self.routed = self.key_values = 0.0
        self.layers = self.expert_layers = 0.0
        self.heads: list[int] = []
        self.key_heads: list[int] = []
        self.experts: list[int] = []
        self.add_layers(architecture.layers, architecture.width, length)
        for stack in architecture.stacks:
            self.add_layers(stack.layers, stack.width, float(stack.tokens or length))
            for block in stack.extras:
                self.add_block(block, 1, stack.width, float(stack.tokens or length))
        for block in architecture.extras:
            self.add_block(block, 1, architecture.width, length)
        inner, width = architecture.embedding_width or architecture.width, architecture.width
        if inner != width:
            for one in (Linear(inputs=inner, outputs=width), Linear(inputs=width, outputs=inner)):
                self.add_block(one, 1, width, length)

    def add_layers(self, layers: Iterable[Layer], width: int, tokens: float) -> None:
        for layer, copies in distinct_layers(tuple(layers)).items():
            self.layers += copies
            self.normed += copies * layer.norms * width * tokens
            self.add_weights(layer.norm_weights(width), copies)
            for block in layer.blocks():
                self.residual += copies * width * tokens
                self.add_block(block, copies, width, tokens)
                self.expert_layers += copies if block.part == "experts" else 0

    def add_weights(self, weights: Iterable[Weight], copies: int, grouped: Sequence[str] = ()) -> None:
        for weight in weights:
            self.parameters[_way(weight, grouped)] += copies * weight.size
            self.matrices += copies * weight.size * (len(weight.shape) > 1)

    def add_block(self, block: Block, copies: int, width: int, tokens: float) -> None:
        listed = block.weights(width)
        heads, key_heads = int(getattr(block, "heads", 0) or 0), int(getattr(block, "kv_heads", 0) or 0)
        grouped = ("key", "value", "key_bias", "value_bias") if 0 < key_heads < heads else ()
        self.heads += [heads] if heads else []
        self.key_heads += [key_heads] if grouped else []
        self.experts += [int(getattr(block, "experts", 0) or 0)] if block.part == "experts" else []
        self.add_weights(listed, copies, grouped)
        if self.adapters is not None:
            self.add_adapters(block.operations(width, tokens, tokens), listed, copies, self.adapters)
        by_name = {weight.name: weight for weight in listed}
        if block.part == "attention":
            self.key_values += copies * block.cache(int(tokens))
        for operation in block.operations(width, tokens, tokens):
            if operation.kind == "matmul":
                weight = by_name.get(operation.name)
                self.add_product(operation, copies, weight, "whole" if weight is None else _way(weight, grouped))
            elif operation.kind == "scan":
                self.scan += 2 * copies * operation.copies * operation.m * operation.n * operation.k
            else:
                self.add_attention(operation, copies)

    def add_adapters(
        self, operations: Iterable[Operation], listed: Iterable[Weight], copies: int, adapters: Adapters
    ) -> None:
        rows = {operation.name: operation.m for operation in operations if operation.kind == "matmul"}
        for weight in listed:
            if not adapters.takes(weight):
                continue
            inputs, outputs = weight.shape
            times, size = copies * weight.copies * rows.get(weight.name, 0.0), copies * adapters.size(weight)
            self.adapter["weights"] += size
            self.adapter["flops"] += 2 * times * adapters.rank * (inputs + outputs)
            self.adapter["read"] += times * inputs
            self.adapter["written"] += times * outputs * (1 + adapters.magnitude)

    def add_product(self, operation: Operation, copies: int, weight: Weight | None, way: str) -> None:
        times = copies * operation.copies
        taken, given = times * operation.m * operation.k, times * operation.m * operation.n
        split = "replicated" if weight is None else weight.split
        sums = self.products[way]
        sums["flops"] += 2 * taken * operation.n
        sums["weights"] += times * operation.n * operation.k
        sums["read_part" if split == "rows" else "read"] += taken
        sums["written_part" if split in {"columns", "heads"} else "written"] += given
        if split == "rows":
            if way == "expert":
                self.routed += given
            else:
                self.reduced += given

    def add_attention(self, operation: Operation, copies: int) -> None:
        counted = operation.m * operation.n
        self.scores += copies * operation.copies * counted * (operation.kind == "score")
        if operation.causal or operation.window:
            window, chunk = operation.window, operation.chunk
            counted = pairs(operation.m, "causal", operation.causal, window, chunk) * operation.n / operation.m
        flops = 2 * copies * operation.copies * operation.k * counted
        self.attention += flops
        self.heads_flops += flops * operation.k

    def workload(self) -> Workload:
        from costmodel.architecture.counting import count_flops

        architecture, length = self.architecture, self.length
        counted = count_flops(architecture, int(length))
        inner = architecture.embedding_width or architecture.width
        vocabulary = float(architecture.vocabulary or 0)
        table = vocabulary * inner
        if self.adapters is not None:
            self.adapter["weights"] += virtual_parameters(architecture, self.adapters)
        has_head = float(architecture.head) * (table > 0)
        sets = 1.0 + architecture.prediction_layers
        head = Products(
            flops=2 * length * table * has_head * sets, read=length * inner * has_head * sets,
            written_part=length * vocabulary * has_head * sets, weights=table * has_head,
        )  # fmt: skip
        of_layers = counted.forward - 2 * length * table * has_head
        ahead = counted.prediction / 3 - (sets - 1) * 2 * length * table * has_head
        depth = max(self.layers, 1.0)
        parameters = Parameters(
            **self.parameters,
            embedding=table + architecture.positions * architecture.width,
            head=table * has_head * (not architecture.tied),
            prediction=float(architecture.parameters.prediction),
            matrix_share=self.matrices / max(sum(self.parameters.values()), 1.0),
        )
        return Workload(
            sequence_length=length,
            layers=depth,
            expert_layers=self.expert_layers,
            width=float(architecture.width),
            heads=float(min(self.heads, default=1)),
            key_heads=float(min(self.key_heads, default=min(self.heads, default=1))),
            experts=float(min(self.experts, default=1)),
            vocabulary=vocabulary,
            **{way: Products(**self.products[way]) for way in _WAYS},
            head=head,
            adapter=Products(**self.adapter),
            attention_flops=self.attention,
            head_width=self.heads_flops / self.attention if self.attention else 128.0,
            scores=self.scores,
            scan_flops=self.scan,
            residual=self.residual,
            normed=self.normed,
            reduced=self.reduced,
            routed=self.routed,
            key_values=self.key_values,
            prediction_share=ahead / (of_layers / depth) if of_layers else 0.0,
            parameters=parameters,
            model_flops=counted.training,
            recomputed_flops=counted.recompute,
        )


def _way(weight: Weight, grouped: Sequence[str]) -> str:
    if weight.role == "expert":
        return "expert"
    if weight.name in grouped:
        return "grouped"
    return "whole" if weight.split == "replicated" else "dense"
