"""Work of one sequence: FLOPs, elements read and written, and parameters, grouped by how they are sharded.

A `Workload` is a small set of sums for one architecture and sequence length. Memory and step time of any layout follow
from it. All values are for one model replica and one sequence; a layout divides them by its degrees.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, NamedTuple

from costmodel.architecture.blocks.block import Sharding
from costmodel.architecture.blocks.pieces import Linear
from costmodel.architecture.counting import pairs
from costmodel.architecture.structure import distinct_layers
from costmodel.foundation.arrays import Array, Value_co
from costmodel.training.step.adapters import virtual_parameters

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from costmodel.architecture.blocks.block import Block, Operation, Weight
    from costmodel.architecture.specification import Architecture
    from costmodel.architecture.structure import Layer
    from costmodel.training.step.adapters import Adapters


class Matmuls(NamedTuple, Generic[Value_co]):
    """Sums over the matmuls of one sharding group, forward pass of one sequence."""

    flops: float | Value_co = 0.0
    """FLOPs [FLOP]."""
    read: float | Value_co = 0.0
    """Input elements that every tensor-parallel rank reads in full [1]."""
    read_sharded: float | Value_co = 0.0
    """Input elements that are sharded over tensor-parallel ranks [1]."""
    written: float | Value_co = 0.0
    """Output elements that every tensor-parallel rank writes in full [1]."""
    written_sharded: float | Value_co = 0.0
    """Output elements that are sharded over tensor-parallel ranks [1]."""
    weights: float | Value_co = 0.0
    """Elements of the weight matrices [1]."""


class Parameters(NamedTuple, Generic[Value_co]):
    """Number of parameters by sharding group [1]."""

    dense: Value_co
    """Sharded by tensor parallelism."""
    grouped: Value_co
    """Key and value projections with fewer KV heads than heads: sharded at most by the number of KV heads."""
    replicated: Value_co
    """Replicated on all tensor-parallel ranks: norms, routers."""
    expert: Value_co
    """Routed experts."""
    embedding: Value_co
    """Input embedding and learned positions."""
    head: Value_co
    """LM head; 0 if tied to the embedding."""
    prediction: Value_co
    """Layers of multi-token prediction, all groups together."""
    matrix_share: Value_co
    """Share of the parameters of the layers that are in matrices [1]."""


class Workload(NamedTuple, Generic[Value_co]):
    """Work of an architecture for one sequence; numbers, or arrays of shape (workloads,)."""

    sequence_length: Value_co
    """Tokens of the sequence [token]."""
    layers: Value_co
    """Number of layers [1]."""
    expert_layers: Value_co
    """Number of MoE layers [1]."""
    width: Value_co
    """Hidden size [1]."""
    heads: Value_co
    """Attention heads: the fewest of all layers [1]."""
    key_heads: Value_co
    """KV heads: the fewest of all layers [1]."""
    experts: Value_co
    """Routed experts of an MoE layer; 1 without [1]."""
    top_k: Value_co
    """Routed experts of a token; 1 without [1]."""
    expert_groups: Value_co
    """Groups of routed experts [1]."""
    top_groups: Value_co
    """Groups to which a token may be routed [1]."""
    vocabulary: Value_co
    """Vocabulary size [1]."""
    dense: Matmuls[Value_co]
    """Matmuls that tensor parallelism shards."""
    grouped: Matmuls[Value_co]
    """Key and value projections that are sharded at most by the number of KV heads."""
    replicated: Matmuls[Value_co]
    """Matmuls that are replicated on all tensor-parallel ranks."""
    expert: Matmuls[Value_co]
    """Matmuls of the routed experts."""
    head: Matmuls[Value_co]
    """LM head, once per set of logits."""
    adapter: Matmuls[Value_co]
    """Low-rank adapters; `weights` is their number of parameters."""
    attention_flops: Value_co
    """Forward FLOPs of core attention, causal [FLOP]."""
    head_width: Value_co
    """Mean head width, weighted by FLOPs [1]."""
    scores: Value_co
    """Elements of all attention score matrices, without the causal mask [1]."""
    scan_flops: Value_co
    """Forward FLOPs of state-space scans as plain recurrences, to which their rate is fitted [FLOP]."""
    residual: Value_co
    """Elements of the hidden state at the inputs of all blocks [1]."""
    normalized: Value_co
    """Elements that norms process [1]."""
    root_mean_square: Value_co
    """Elements that norms without a mean (RMSNorm) process [1]."""
    gated: Value_co
    """Output elements of the gates of gated feed-forward blocks [1]."""
    unsaved: Value_co
    """Elements of `residual` that no backward pass reads: inputs of frozen matrices without adapters [1]."""
    unsaved_sharded: Value_co
    """Elements of `read_sharded` that no backward pass reads, for the same reason [1]."""
    feed_forward: Value_co
    """Elements that dense feed-forward blocks save for the backward pass, their input apart [1]."""
    feed_forward_flops: Value_co
    """Forward FLOPs of dense feed-forward blocks [FLOP]."""
    projected: Value_co
    """Inputs of the output projections of attention [1]."""
    unsaved_projected: Value_co
    """Elements of `projected` that no backward pass reads, for the same reason [1]."""
    all_reduced: Value_co
    """Elements summed over tensor-parallel ranks in the forward pass, experts apart [1]."""
    routed: Value_co
    """Elements sent to the experts in the forward pass; as many return [1]."""
    key_values: Value_co
    """Elements of keys and values [1]."""
    up_projected: Value_co
    """Outputs of the up-projections of latent attention [1]."""
    prediction_share: Value_co
    """Work of the multi-token-prediction layers, in units of the mean layer [1]."""
    parameters: Parameters[Value_co]
    model_flops: Value_co
    """Model FLOPs of a training pass, core attention causal [FLOP]."""
    recomputed_flops: Value_co
    """FLOPs of one more forward pass through the layers (full recomputation) [FLOP]."""


@lru_cache(maxsize=256)
def workload(architecture: Architecture, sequence_length: float, adapters: Adapters | None = None) -> Workload:
    """Return the work of one sequence.

    Parameters
    ----------
    architecture : Architecture
    sequence_length : float
        Tokens of the sequence [token]; ignored by architectures with a fixed number of tokens.
    adapters : Adapters, optional
        Low-rank adapters on its matrices.

    Returns
    -------
    Workload
        Each field a number.
    """
    return _Sums(architecture, float(architecture.tokens or sequence_length), adapters).workload()


def stacked(workloads: Sequence[Workload]) -> Workload[Array]:
    """Return several workloads as one, with arrays of shape (len(workloads),).

    Parameters
    ----------
    workloads : sequence of Workload
    """
    import numpy as np

    def joined(values: Sequence[Any]) -> Any:
        if isinstance(values[0], tuple):
            return type(values[0])(*(joined(column) for column in zip(*values, strict=True)))
        return np.array(values, dtype=float)

    together: Workload[Array] = joined(workloads)
    return together


_GROUPS = ("dense", "grouped", "replicated", "expert")
"""Sharding groups of weights and matmuls."""


class _Sums:
    """Adds up the weights and operations that the blocks of an architecture list."""

    def __init__(self, architecture: Architecture, length: float, adapters: Adapters | None) -> None:
        self.architecture, self.length, self.adapters = architecture, length, adapters
        self.adapter = dict.fromkeys(Matmuls._fields, 0.0)
        self.matmuls = {group: dict.fromkeys(Matmuls._fields, 0.0) for group in _GROUPS}
        self.parameters = dict.fromkeys(_GROUPS, 0.0)
        self.matrices = self.attention = self.heads_flops = self.scores = self.scan = 0.0
        self.root_mean_square = self.gated = self.unsaved = self.unsaved_sharded = 0.0
        self.feed_forward = self.feed_forward_flops = self.projected = self.unsaved_projected = 0.0
        self.residual = self.normalized = self.all_reduced = self.routed = self.key_values = 0.0
        self.layers = self.expert_layers = self.up_projected = 0.0
        self.heads: list[int] = []
        self.key_heads: list[int] = []
        self.routings: list[Sharding] = []
        self.add_layers(architecture.layers, architecture.width, length)
        for stack in architecture.stacks:
            self.add_layers(stack.layers, stack.width, float(stack.tokens or length))
            for block in stack.extras:
                self.add_block(block, 1, stack.width, float(stack.tokens or length))
        for block in architecture.extras:
            self.add_block(block, 1, architecture.width, length)
        inner, width = architecture.embedding_width or architecture.width, architecture.width
        if architecture.projects_embedding:
            for projection in (Linear(inputs=inner, outputs=width), Linear(inputs=width, outputs=inner)):
                self.add_block(projection, 1, width, length)

    def add_layers(self, layers: Iterable[Layer], width: int, tokens: float) -> None:
        """Add a stack of layers that process `tokens` tokens."""
        for layer, copies in distinct_layers(tuple(layers)).items():
            self.layers += copies
            self.normalized += copies * layer.norms * width * tokens
            self.root_mean_square += copies * layer.norms * width * tokens * (not layer.norm_bias)
            self.add_weights(layer.norm_weights(width), copies)
            for block in layer.blocks():
                self.residual += copies * width * tokens
                self.add_block(block, copies, width, tokens)
                self.expert_layers += copies if block.sharding().experts else 0

    def add_weights(self, weights: Iterable[Weight], copies: int, grouped: Sequence[str] = ()) -> None:
        """Add parameters; `grouped` names the weights that are sharded by KV heads."""
        for weight in weights:
            self.parameters[_sharding_group(weight, grouped)] += copies * weight.size
            self.matrices += copies * weight.size * (len(weight.shape) > 1)

    def add_block(self, block: Block, copies: int, width: int, tokens: float) -> None:
        """Add the weights and operations of a block."""
        weights = block.weights(width)
        sharding = block.sharding()
        grouped = sharding.kv_weights
        self.heads += [sharding.heads] if sharding.heads else []
        self.key_heads += [sharding.kv_heads] if sharding.kv_heads else []
        self.routings += [sharding] if sharding.experts else []
        self.add_weights(weights, copies, grouped)
        operations = block.operations(width, tokens, tokens)
        if self.adapters is not None:
            self.add_adapters(operations, weights, copies, self.adapters)
            self.add_unsaved(operations, weights, copies, width * tokens, self.adapters)
        by_name = {weight.name: weight for weight in weights}
        if block.attends:
            self.key_values += copies * block.cache(int(tokens))
        attends = any(operation.kind == "score" for operation in operations)
        for operation in operations:
            if operation.kind == "matmul":
                weight = by_name.get(operation.name)
                projects = attends and weight is not None and weight.split == "rows"
                self.projected += copies * operation.copies * operation.m * operation.k * projects
                group = "replicated" if weight is None else _sharding_group(weight, grouped)
                self.add_matmul(operation, copies, weight, group)
                if block.part == "feed_forward":
                    self.add_feed_forward(operation, copies, weight)
                is_up = operation.name in {"query_up", "kv_up"}
                self.up_projected += copies * operation.copies * operation.m * operation.n * is_up
                self.gated += copies * operation.copies * operation.m * operation.n * (operation.name == "gate")
            elif operation.kind == "scan":
                self.scan += 2 * copies * operation.copies * operation.m * operation.n * operation.k
            else:
                self.add_attention(operation, copies)

    def add_adapters(
        self, operations: Iterable[Operation], weights: Iterable[Weight], copies: int, adapters: Adapters
    ) -> None:
        """Add the low-rank adapters of the targeted matrices."""
        rows = {operation.name: operation.m for operation in operations if operation.kind == "matmul"}
        for weight in weights:
            if not adapters.targets_weight(weight):
                continue
            inputs, outputs = weight.shape
            tokens = copies * weight.copies * rows.get(weight.name, 0.0)
            self.adapter["weights"] += copies * adapters.size(weight)
            self.adapter["flops"] += 2 * tokens * adapters.rank * (inputs + outputs)
            self.adapter["read"] += tokens * inputs
            self.adapter["written"] += tokens * outputs * (1 + adapters.magnitude)

    def add_feed_forward(self, operation: Operation, copies: int, weight: Weight | None) -> None:
        """Add a matmul of a dense feed-forward block: the inner elements that it reads or writes, and its FLOPs."""
        times, by_rows = copies * operation.copies, weight is not None and weight.split == "rows"
        self.feed_forward += times * operation.m * (operation.k if by_rows else operation.n)
        self.feed_forward_flops += 2 * times * operation.m * operation.n * operation.k

    def add_unsaved(
        self,
        operations: Sequence[Operation],
        weights: Sequence[Weight],
        copies: int,
        hidden: float,
        adapters: Adapters,
    ) -> None:
        """Add the inputs that frozen matrices do not save; `hidden` is the size of the input of the block.

        The attention kernel saves its output, which the output projection reads.
        """
        adapted = {weight.name for weight in weights if adapters.targets_weight(weight)}
        rows = {weight.name for weight in weights if weight.split == "rows"}
        attends = any(operation.kind == "score" for operation in operations)
        for operation in operations:
            if operation.kind == "matmul" and operation.name in rows - adapted:
                inputs = copies * operation.copies * operation.m * operation.k
                self.unsaved_projected += inputs if attends else 0.0
                self.unsaved_sharded += 0.0 if attends else inputs
        if not adapted - rows:
            self.unsaved += copies * hidden

    def add_matmul(self, operation: Operation, copies: int, weight: Weight | None, group: str) -> None:
        """Add a matmul of shape (m, k) × (k, n); a weight split by rows is followed by an all-reduce."""
        times = copies * operation.copies
        inputs, outputs = times * operation.m * operation.k, times * operation.m * operation.n
        split = "replicated" if weight is None else weight.split
        sums = self.matmuls[group]
        sums["flops"] += 2 * inputs * operation.n
        sums["weights"] += times * operation.n * operation.k
        sums["read_sharded" if split == "rows" else "read"] += inputs
        sums["written_sharded" if split in {"columns", "heads"} else "written"] += outputs
        if split == "rows":
            if group == "expert":
                self.routed += outputs
            else:
                self.all_reduced += outputs

    def add_attention(self, operation: Operation, copies: int) -> None:
        """Add one of the two batched matmuls of core attention."""
        scores = operation.m * operation.n
        self.scores += copies * operation.copies * scores * (operation.kind == "score")
        if operation.causal or operation.window:
            window, chunk = operation.window, operation.chunk
            scores = pairs(operation.m, "causal", operation.causal, window, chunk) * operation.n / operation.m
        flops = 2 * copies * operation.copies * operation.k * scores
        self.attention += flops
        self.heads_flops += flops * operation.k

    def workload(self) -> Workload:
        """Return the sums as a `Workload`."""
        from costmodel.architecture.flops import count_flops

        architecture, length = self.architecture, self.length
        counted = count_flops(architecture, int(length))
        inner = architecture.embedding_width or architecture.width
        vocabulary = float(architecture.vocabulary or 0)
        embedding = vocabulary * inner
        if self.adapters is not None:
            self.adapter["weights"] += virtual_parameters(architecture, self.adapters)
        has_head = float(architecture.head) * (embedding > 0)
        logit_sets = 1.0 + architecture.prediction_layers
        head_flops = 2 * length * embedding * has_head
        head = Matmuls(
            flops=head_flops * logit_sets,
            read=length * inner * has_head * logit_sets,
            written_sharded=length * vocabulary * has_head * logit_sets,
            weights=embedding * has_head,
        )
        layer_flops = counted.forward - head_flops
        prediction_flops = counted.prediction / 3 - (logit_sets - 1) * head_flops
        layers = max(self.layers, 1.0)
        routing = min(self.routings, key=lambda block: block.experts, default=Sharding(experts=1, top_k=1))
        parameters = Parameters(
            **self.parameters,
            embedding=embedding + architecture.positions * architecture.width,
            head=embedding * has_head * (not architecture.tied),
            prediction=float(architecture.parameters.prediction),
            matrix_share=self.matrices / max(sum(self.parameters.values()), 1.0),
        )
        return Workload(
            sequence_length=length,
            layers=layers,
            expert_layers=self.expert_layers,
            width=float(architecture.width),
            heads=float(min(self.heads, default=1)),
            key_heads=float(min(self.key_heads, default=min(self.heads, default=1))),
            experts=float(routing.experts),
            top_k=float(routing.top_k),
            expert_groups=float(routing.groups),
            top_groups=float(routing.top_groups),
            vocabulary=vocabulary,
            **{group: Matmuls(**self.matmuls[group]) for group in _GROUPS},
            head=head,
            adapter=Matmuls(**self.adapter),
            attention_flops=self.attention,
            head_width=self.heads_flops / self.attention if self.attention else 128.0,
            scores=self.scores,
            scan_flops=self.scan,
            residual=self.residual,
            normalized=self.normalized,
            root_mean_square=self.root_mean_square,
            gated=self.gated,
            unsaved=self.unsaved,
            unsaved_sharded=self.unsaved_sharded,
            feed_forward=self.feed_forward,
            feed_forward_flops=self.feed_forward_flops,
            projected=self.projected,
            unsaved_projected=self.unsaved_projected,
            all_reduced=self.all_reduced,
            routed=self.routed,
            key_values=self.key_values,
            up_projected=self.up_projected,
            prediction_share=prediction_flops / (layer_flops / layers) if layer_flops else 0.0,
            parameters=parameters,
            model_flops=counted.training,
            recomputed_flops=counted.recompute,
        )


def _sharding_group(weight: Weight, grouped: Sequence[str]) -> str:
    """Return the sharding group of a weight, one of `_GROUPS`."""
    if weight.role == "expert":
        return "expert"
    if weight.name in grouped:
        return "grouped"
    return "replicated" if weight.split == "replicated" else "dense"
