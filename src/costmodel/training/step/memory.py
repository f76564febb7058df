"""Peak memory per GPU of a training step, by component: weights, gradients, optimizer states, activations, logits.

`memory` is the entry point. Full fine-tuning, LoRA and QLoRA use the same formulas: `Numerics` holds the bytes per
frozen, trained and adapter parameter; each recipe sets it (for QLoRA: `FineTuning.numerics` in
`training/recipes/finetuning.py`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Generic, NamedTuple

from costmodel.foundation.arrays import N, N_co, equal, largest, rounded_up, smallest, where
from costmodel.foundation.tables import constant, table
from costmodel.foundation.units import GIB
from costmodel.training.step.layout import accumulation, recomputes
from costmodel.training.step.numerics import optimizer_bytes_per_parameter

if TYPE_CHECKING:
    from costmodel.training.step.layout import Layouts
    from costmodel.training.step.numerics import Numerics
    from costmodel.training.step.workload import Workload

TENSOR_PARALLEL_BUFFERS = constant("tensor_parallel_buffers")
"""Buffers of tensor-parallel communication per element of the hidden state [byte]: two 16-bit copies and their
gradients."""
UNFUSED_SCORE_BYTES = constant("unfused_score_bytes")
"""Bytes saved per attention score by an unfused kernel [byte]: softmax and dropout in 16 bits, and a mask
(arXiv 2205.05198)."""
SELECTIVE_SAVED_SHARE = constant("selective_saved_share")
"""Share of the saved activations that remain with selective recomputation and fused attention [1]."""
FUSED_LOGIT_BYTES = constant("fused_logit_bytes")
"""Bytes per logit of a fused loss [byte]: 16-bit logits and their gradient."""
CHUNK = constant("loss_chunk")
"""Tokens of a chunk of a chunked loss [token]."""
SUB_GROUP = constant("sub_group")
"""Parameters that DeepSpeed ZeRO-3 updates at a time: its default `sub_group_size` [1]."""
DEVICE_CONTEXT = constant("device_context") * GIB
"""CUDA context and kernels of a process [byte]."""
COMMUNICATION_MEMORY = constant("communication_memory") * GIB
"""Buffers of the communication library on one of several GPUs [byte]."""


class MemoryConstants(NamedTuple):
    """Fitted constants of the memory model: memory that does not follow from tensor shapes.

    Values and sources are in `data/fitted/memory.csv`.
    """

    context: float
    """CUDA context, kernels and free blocks of the allocator in readings of the driver [byte].

    The allocator gives free blocks back when memory is short, so a step that just fits needs less.
    """
    engine: float
    """Buffers of the DeepSpeed engine [byte]."""
    whole_logits: float
    """Bytes per logit if all logits are converted to fp32, gradients included [byte]."""
    half_logits: float
    """Bytes per logit if logits stay in 16 bits and only the softmax is in fp32 [byte]."""
    copied_logits: float
    """Further bytes per logit of general-purpose trainers that hold one more fp32 copy of all logits [byte]."""
    chunked_logits: float
    """Bytes per logit of the chunk of tokens whose loss is computed [byte]."""
    eager_norms: float
    """16-bit elements that a norm without a mean saves in eager mode, per element and beyond its input [1]."""
    foreach: float
    """Temporary bytes per trained parameter of a multi-tensor ("foreach") optimizer step in eager mode [byte]."""
    sub_group: float
    """Temporary bytes per parameter of a sub-group in the optimizer step of DeepSpeed ZeRO-3 [byte]."""


@lru_cache(maxsize=1)
def default_memory_constants() -> MemoryConstants:
    """Return the constants of `data/fitted/memory.csv`."""
    return MemoryConstants(**{row["name"]: float(row["value"]) for row in table("fitted/memory").rows})


class Memory(NamedTuple, Generic[N_co]):
    """Peak memory of the GPU with the highest use, by component [byte]; each has the broadcast shape."""

    weights: N_co
    gradients: N_co
    """Gradients, and temporary buffers of the optimizer step beyond the activations that it can reuse."""
    optimizer_states: N_co
    """Master weights and moments."""
    adapters: N_co
    """Weights, gradients and optimizer states of low-rank adapters."""
    activations: N_co
    """Activations saved for the backward pass, and those of the layer that is recomputed."""
    logits: N_co
    """Logits, their gradients and softmax."""
    buffers: N_co
    """Weights gathered by ZeRO-3 or from host memory, and buffers of tensor-parallel communication."""
    framework: N_co
    """CUDA context, kernels and communication library."""
    auxiliary_models: N_co
    """Other models in memory: reference, reward, critic, teacher. `memory` does not count them."""

    @property
    def total(self) -> N_co:
        """Sum of the components [byte]."""
        return sum(self[1:], self[0])


class StageParameters(NamedTuple, Generic[N_co]):
    """Number of parameters on one rank of the largest pipeline stage, before sharding over data-parallel ranks."""

    dense: N_co
    """Attention, dense MLP, norms and routers of the layers."""
    expert: N_co
    """Routed experts."""
    embeddings: N_co
    """Input embedding and LM head."""
    layer: N_co
    """Average layer of the model, experts included."""
    adapters: N_co
    """Low-rank adapters."""

    @property
    def total(self) -> N_co:
        """Parameters of the model on the rank, adapters apart."""
        return self.dense + self.expert + self.embeddings


def layers_of_largest_stage(work: Workload[float | N], layout: Layouts[N]) -> N:
    """Return the number of layers on the largest pipeline stage: ceil(layers / stages).

    Parameters
    ----------
    work : Workload
    layout : Layouts
    """
    return rounded_up(work.layers / layout.pipeline)


def stage_parameters(work: Workload[float | N], layout: Layouts[N]) -> StageParameters[N]:
    """Return the number of parameters on one rank of the largest pipeline stage.

    Tensor parallelism shards weight matrices; it shards key and value projections at most by the number of KV heads.
    Norms and routers are replicated. Expert parallelism and expert tensor parallelism shard the experts.
    The layers of multi-token prediction are on the last stage.

    Parameters
    ----------
    work : Workload
    layout : Layouts
        Each field of shape (...).

    Returns
    -------
    StageParameters
        Each count of the broadcast shape.

    References
    ----------
    Shoeybi et al. 2019, "Megatron-LM", section 3 (arXiv 1909.08053).
    """
    counts = work.parameters
    key_value = counts.grouped / smallest(layout.tensor, work.key_heads)
    dense = counts.dense / layout.tensor + key_value + counts.replicated
    expert = counts.expert / (layout.expert * layout.expert_tensor)
    layer = (dense + expert) / work.layers
    in_layers = counts.dense + counts.grouped + counts.replicated + counts.expert
    prediction_layers = counts.prediction * work.layers / largest(in_layers, 1.0)  # as a number of average layers
    last_stage = work.layers // layout.pipeline + prediction_layers
    share = largest(layers_of_largest_stage(work, layout), last_stage) / work.layers
    embeddings = where(
        equal(layout.pipeline, 1), counts.embedding + counts.head, largest(counts.embedding, counts.head)
    )
    return StageParameters(
        dense=dense * share,
        expert=expert * share,
        embeddings=embeddings / layout.tensor,
        layer=layer,
        adapters=work.adapter.weights / layout.tensor * share,
    )


def data_parallel_shard(stage: StageParameters[N], layout: Layouts[N]) -> tuple[N, N]:
    """Return the parameters per rank if data-parallel ranks shard them: (of the layers, of the embeddings) [1].

    Experts are sharded over fewer ranks: those that hold the same experts.

    Parameters
    ----------
    stage : StageParameters
    layout : Layouts

    References
    ----------
    Rajbhandari et al. 2020, "ZeRO", section 5 (arXiv 1910.02054).
    """
    expert_replicas = layout.data * layout.tensor * layout.context / (layout.expert * layout.expert_tensor)
    layers = stage.dense / layout.shard + stage.expert / smallest(layout.shard, expert_replicas)
    return layers, stage.embeddings / layout.shard


def sharded_from(level: int, stage: StageParameters[N], layout: Layouts[N]) -> tuple[N, N]:
    """Return the parameters per rank of a state that is sharded from a ZeRO level on: (layers, embeddings) [1].

    Parameters
    ----------
    level : int
        ZeRO level from which the state is sharded: 1 optimizer states, 2 gradients, 3 weights.
    stage : StageParameters
    layout : Layouts
    """
    layers, embeddings = data_parallel_shard(stage, layout)
    sharded = layout.zero >= level
    return where(sharded, layers, stage.dense + stage.expert), where(sharded, embeddings, stage.embeddings)


def optimizer_state_bytes(
    work: Workload[float | N], numerics: Numerics[float | N], stage: StageParameters[N], layout: Layouts[N]
) -> N:
    """Return the bytes of master weights and moments on one rank [byte].

    Parameters
    ----------
    work : Workload
    numerics : Numerics
    stage : StageParameters
    layout : Layouts
    """
    layers, embeddings = sharded_from(1, stage, layout)
    of_layers = numerics.trained * optimizer_bytes_per_parameter(numerics, work.parameters.matrix_share) * layers
    return of_layers + numerics.embedding_trained * optimizer_bytes_per_parameter(numerics, 0.0) * embeddings


def _weights_and_trained(numerics: Numerics[float | N], stage: StageParameters[N], layout: Layouts[N]) -> tuple[N, N]:
    """Return the bytes of the weights of one rank [byte], and its trained parameters, whose gradients it holds [1]."""
    weight_layers, weight_embeddings = sharded_from(3, stage, layout)
    gradient_layers, gradient_embeddings = sharded_from(2, stage, layout)
    return (
        numerics.weight * weight_layers + numerics.embedding_weight * weight_embeddings,
        numerics.trained * gradient_layers + numerics.embedding_trained * gradient_embeddings,
    )


def memory(
    work: Workload[float | N],
    numerics: Numerics[float | N],
    batch_size: float | N,
    layout: Layouts[N],
    constants: MemoryConstants | None = None,
) -> Memory[N]:
    """Return the peak memory of a training step, by component [byte].

    Gradients and temporary buffers of the optimizer step reuse the memory of the activations, which are free by then:
    only the excess counts.

    Parameters
    ----------
    work : Workload
    numerics : Numerics
    batch_size : float or ndarray
        Sequences per step (global batch size) [1].
    layout : Layouts
    constants : MemoryConstants, optional
        Fitted constants; default: those of `data/fitted/memory.csv`.

    References
    ----------
    Korthikanti et al. 2022, "Reducing Activation Recomputation in Large Transformer Models", section 4
    (arXiv 2205.05198); Rajbhandari et al. 2020, "ZeRO", section 3 (arXiv 1910.02054).
    """
    fitted = constants or default_memory_constants()
    stage = stage_parameters(work, layout)
    weights, trained = _weights_and_trained(numerics, stage, layout)
    whole_gradients = where(layout.step_in_backward + layout.offload_weights > 0, 0.0, 1.0)
    gradients = numerics.gradient * trained * whole_gradients
    states = optimizer_state_bytes(work, numerics, stage, layout)
    adapters = numerics.adapter * stage.adapters / where(layout.zero >= 1, layout.shard, 1.0)
    tokens = work.sequence_length * layout.micro_batch / layout.context
    hidden_shards = where(layout.sequence_parallel > 0, layout.tensor, 1.0)
    logits = _logits(layout, tokens, fitted) * work.vocabulary / layout.tensor
    gathered = where((layout.zero >= 3) | (layout.offload_weights > 0), _gathered_weights(stage, numerics, layout), 0.0)
    buffers = gathered + where(layout.tensor > 1, TENSOR_PARALLEL_BUFFERS * tokens * work.width, 0.0)
    activations = _activations(work, numerics, batch_size, layout, hidden_shards, fitted)
    persist = (accumulation(batch_size, layout) > 1) | (layout.accelerators > 1)  # accumulated, or in buffers
    during_forward = where(persist, gradients, 0.0)
    sub_group_bytes = fitted.sub_group * smallest(SUB_GROUP, trained)
    temporary = where(
        layout.eager > 0,
        where(layout.zero >= 3, sub_group_bytes, numerics.multi_tensor * fitted.foreach * trained),
        0.0,
    )
    during_step = gradients + temporary - (activations + logits)
    return Memory(
        weights=weights * (1 - layout.offload_weights),
        gradients=largest(during_forward, during_step),
        optimizer_states=states * (1 - layout.offload_optimizer),
        adapters=adapters,
        activations=activations,
        logits=logits,
        buffers=buffers,
        framework=DEVICE_CONTEXT + where(layout.accelerators > 1, COMMUNICATION_MEMORY, 0.0) + 0 * logits,
        auxiliary_models=0 * logits,
    )


def host_bytes(
    work: Workload[float | N], numerics: Numerics[float | N], batch_size: float | N, layout: Layouts[N]
) -> N:
    """Return the host memory per GPU that offloading needs [byte].

    Offloaded weights and optimizer states have their gradients beside them: the step of the optimizer runs on the host.

    Parameters
    ----------
    work : Workload
    numerics : Numerics
    batch_size : float or ndarray
        Sequences per step (global batch size) [1].
    layout : Layouts

    References
    ----------
    Rajbhandari et al. 2021, "ZeRO-Infinity", section 3 (arXiv 2104.07857).
    """
    stage = stage_parameters(work, layout)
    weights, trained = _weights_and_trained(numerics, stage, layout)
    gradients = numerics.gradient * trained
    states = optimizer_state_bytes(work, numerics, stage, layout)
    on_host = where(layout.offload_weights + layout.offload_optimizer > 0, 1.0, 0.0)
    hidden_shards = where(layout.sequence_parallel > 0, layout.tensor, 1.0)
    inputs = _layer_input(work, layout, hidden_shards) * in_flight_layers(work, batch_size, layout)
    return (
        weights * layout.offload_weights
        + gradients * on_host
        + states * layout.offload_optimizer
        + inputs * layout.offload_activations * where(equal(layout.recompute, 2), 1.0, 0.0)
    )


def _layer_input(work: Workload[float | N], layout: Layouts[N], hidden_shards: N) -> N:
    """Return the bytes of the input of a layer, in 16 bits [byte]."""
    return 2.0 * layout.micro_batch / layout.context * work.sequence_length * work.width / hidden_shards


def _logits(layout: Layouts[N], tokens: N, constants: MemoryConstants) -> N:
    """Return the bytes of all logits that an implementation of the loss holds, per word of the vocabulary [byte].

    A chunked loss holds the logits of one chunk, whatever the length of the sequence.
    """
    chunk = constants.chunked_logits * smallest(tokens, CHUNK)
    fused_or_chunked = where(equal(layout.loss, 2), FUSED_LOGIT_BYTES * tokens, chunk)
    half_or_less = where(equal(layout.loss, 1), constants.half_logits * tokens, fused_or_chunked)
    whole = constants.whole_logits + where(layout.eager > 0, constants.copied_logits, 0.0)
    return where(equal(layout.loss, 0), whole * tokens, half_or_less)


def _gathered_weights(stage: StageParameters[N], numerics: Numerics[float | N], layout: Layouts[N]) -> N:
    """Return the bytes of weights gathered for use [byte]: two layers, and embedding and LM head.

    With pipeline parallelism it is all weights and gradients of the stage: they are not resharded between
    micro-batches.
    """
    two_layers = 2 * numerics.weight * stage.layer + numerics.embedding_weight * stage.embeddings
    return where(layout.pipeline > 1, (numerics.weight + numerics.gradient) * stage.total, two_layers)


def _activations(
    work: Workload[float | N],
    numerics: Numerics[float | N],
    batch_size: float | N,
    layout: Layouts[N],
    hidden_shards: N,
    constants: MemoryConstants,
) -> N:
    """Return the bytes of activations saved for the backward pass on the first pipeline stage [byte].

    The first stage holds most activations. `hidden_shards` is the number of ranks that share the hidden state.

    References
    ----------
    Korthikanti et al. 2022, equations 1 to 6 (arXiv 2205.05198).
    """
    sequences = layout.micro_batch / layout.context
    tensor = layout.tensor
    narrow = smallest(numerics.operand / 2, 1.0)  # inputs of matmuls are saved as the operands that they are
    elements = (
        work.normalized / hidden_shards
        + narrow * work.residual / hidden_shards
        + (narrow * work.dense.read_sharded + work.dense.written_sharded) / tensor
        + work.grouped.written_sharded / smallest(tensor, work.key_heads)
        + work.replicated.written / hidden_shards
        + (narrow * work.expert.read_sharded + work.expert.written_sharded + narrow * work.routed) / tensor
        + where(layout.eager > 0, work.routed, 0.0) / tensor  # others weight the experts before their last matmul
    )
    elements = elements - _recomputed_elements(work, layout, hidden_shards, narrow)
    kept_inputs = where(layout.eager * numerics.quantized > 0, 0.0, 1.0)  # bitsandbytes saves inputs of frozen matrices
    elements = elements - kept_inputs * (work.unsaved / hidden_shards + work.unsaved_sharded / tensor)
    projected = work.projected - kept_inputs * work.unsaved_projected  # a copy of the output of the attention kernel
    eager = constants.eager_norms * work.root_mean_square / hidden_shards + (work.gated + projected) / tensor
    scores = where(layout.attention > 0, 0.0, UNFUSED_SCORE_BYTES / 2 * work.scores / tensor)
    inner = work.feed_forward - kept_inputs * work.unsaved_sharded
    tile = largest(1 - work.width * layout.context / (work.sequence_length * layout.micro_batch), 0.0)
    elements = elements - layout.tiled_feed_forward * tile * inner / tensor  # a tile has as many tokens as the width
    bytes_per_layer = 2.0 * sequences / work.layers  # 16-bit elements
    all_saved = bytes_per_layer * (elements + scores)
    selective = bytes_per_layer * elements * where(layout.attention > 0, SELECTIVE_SAVED_SHARE, 1.0)
    layer_input = _layer_input(work, layout, hidden_shards) * (1 - layout.offload_activations)
    saved = where(
        equal(layout.recompute, 0),
        all_saved + where(layout.eager > 0, bytes_per_layer * eager, 0.0),
        where(equal(layout.recompute, 1), selective, layer_input),
    )
    recomputed = largest(all_saved - saved, 0.0)  # of the one layer whose backward pass runs
    return numerics.saved * saved * in_flight_layers(work, batch_size, layout) + recomputed


def _recomputed_elements(work: Workload[float | N], layout: Layouts[N], hidden_shards: N, narrow: float | N) -> N:
    """Return the elements that the recomputation of modules does not save, of all layers [1].

    `narrow` is the size of a matmul operand over that of a 16-bit element. All of the experts has their activation
    function in it.
    """
    tensor, experts = layout.tensor, work.expert
    outputs = experts.written_sharded / tensor
    activation = narrow * experts.read_sharded / tensor
    before_activation = activation + (1 - narrow) * outputs  # its inputs are kept as 8-bit operands
    of_experts = activation + outputs + narrow * work.routed / tensor
    return (
        recomputes(layout, "core_attn") * narrow * work.projected / tensor
        + recomputes(layout, "layernorm") * narrow * work.residual / hidden_shards
        + recomputes(layout, "mla_up_proj") * work.up_projected / tensor
        + recomputes(layout, "mlp") * work.feed_forward / tensor
        + where(recomputes(layout, "moe") > 0, of_experts, recomputes(layout, "moe_act") * before_activation)
    )


def in_flight_layers(work: Workload[float | N], batch_size: float | N, layout: Layouts[N]) -> N:
    """Return the number of layers whose activations the first pipeline stage holds at once.

    With the 1F1B schedule the first stage holds as many micro-batches as there are stages. Interleaving with v chunks
    multiplies this by 1 + (p - 1) / (p v).

    Parameters
    ----------
    work : Workload
    batch_size : float or ndarray
        Sequences per step (global batch size) [1].
    layout : Layouts

    References
    ----------
    Narayanan et al. 2021, section 2.2 (arXiv 2104.04473); Korthikanti et al. 2022, section 4.2.3 (arXiv 2205.05198).
    """
    micro_batches = accumulation(batch_size, layout)
    in_flight = smallest(layout.pipeline, micro_batches)
    stages, chunks = layout.pipeline, layout.interleave
    factor = where(chunks > 1, 1 + (stages - 1) / (stages * chunks), 1.0)
    return layers_of_largest_stage(work, layout) * smallest(in_flight * factor, micro_batches)
