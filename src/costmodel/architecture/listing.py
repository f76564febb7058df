"""Weights and operations of an architecture, listed by part of the model."""

from collections.abc import Iterator
from typing import Any

from costmodel.architecture.blocks.block import Block, Operation, Weight, linear, norm, product
from costmodel.architecture.structure import Stack, Structure, distinct_layers


def weights_by_part(architecture: Structure) -> Iterator[tuple[str, int, list[Weight]]]:
    """Yield (name of the part, copies, weights of one copy); multi-token-prediction layers come last.

    Parameters
    ----------
    architecture : Architecture
        Model to list.
    """
    width, inner = architecture.width, architecture.embedding_width or architecture.width
    if architecture.vocabulary is not None:
        table = Weight("embedding", (architecture.vocabulary, inner), "embedding", split="vocabulary")
        yield "embedding", 1, [table]
    if architecture.positions:
        yield "embedding", 1, [Weight("positions", (architecture.positions, width), "embedding")]
    if architecture.projects_embedding:
        projections = linear("project_in", inner, width, split="replicated")
        projections += linear("project_out", width, inner, split="replicated")
        yield "projections", 1, projections
    for layer, copies in distinct_layers(architecture.layers).items():
        for block in layer.blocks():
            yield block.part, copies, block.weights(width)
        yield "norms", copies, layer.norm_weights(width)
    for block in architecture.extras:
        yield block.part, 1, block.weights(width)
    for stack in architecture.stacks:
        yield from _stack_weights(stack)
    if architecture.final_norm:
        yield "norms", 1, norm("final_norm", width, bias=architecture.norm_bias)
    if architecture.vocabulary is not None and architecture.head:
        head = [] if architecture.tied else [Weight("head", (inner, architecture.vocabulary), split="vocabulary")]
        bias = [Weight("head_bias", (architecture.vocabulary,), "bias", split="vocabulary")]
        yield "head", 1, head + (bias if architecture.head_bias else [])
    if architecture.prediction_layer is not None:
        layer = architecture.prediction_layer
        listed = linear("prediction_join", 2 * width, width, split="replicated")
        listed += [weight for index in range(3) for weight in norm(f"prediction_norm_{index}", width)]
        listed += [weight for block in layer.blocks() for weight in block.weights(width)]
        yield "prediction", architecture.prediction_layers, [*listed, *layer.norm_weights(width)]


def operations_by_part(
    architecture: Structure, tokens: Any, context: Any, source: Any = None, decoding: bool = False
) -> Iterator[tuple[str, int, list[Operation]]]:
    """Yield (name of the part, copies, operations of one copy) of a forward pass.

    Parameters
    ----------
    architecture : Architecture
        Model to list.
    tokens : float or array
        Tokens of the sequence; ignored by a model with a fixed number of tokens [token].
    context : float or array
        Largest number of tokens that a token attends to [token].
    source : float or array, optional
        Tokens of an encoder without a fixed number of tokens; equal to `tokens` by default [token].
    decoding : bool
        Whether to list a decode step of one token that attends to `context` tokens; encoders do not run in it.
    """
    width, inner = architecture.width, architecture.embedding_width or architecture.width
    if architecture.tokens is not None:
        tokens = context = float(architecture.tokens)
    if architecture.projects_embedding:
        projections = [product("project_in", tokens, inner, width), product("project_out", tokens, width, inner)]
        yield "projections", 1, projections
    for layer, copies in distinct_layers(architecture.layers).items():
        for block in layer.blocks():
            keys = source if source is not None and block.reads_source else context
            decoded = block.decode(width, keys) if decoding else None
            yield block.part, copies, decoded or block.operations(width, tokens, keys)
    if not decoding:
        for block in architecture.extras:
            yield block.part, 1, block.operations(width, tokens, context)
        for stack in architecture.stacks:
            yield from _stack_operations(stack, *((tokens, context) if source is None else (source, source)))
    head: list[Operation] = []
    if architecture.vocabulary is not None and architecture.head:
        head = [product("head", tokens, inner, architecture.vocabulary)]
        yield "head", 1, head
    if architecture.prediction_layer is not None and not decoding:
        listed = [product("prediction_join", tokens, 2 * width, width), *head]
        for block in architecture.prediction_layer.blocks():
            listed += block.operations(width, tokens, context)
        yield "prediction", architecture.prediction_layers, listed


def _stack_weights(stack: Stack) -> Iterator[tuple[str, int, list[Weight]]]:
    for layer, copies in distinct_layers(stack.layers).items():
        for block in layer.blocks():
            yield stack.name, copies, block.weights(stack.width)
        yield stack.name, copies, layer.norm_weights(stack.width)
    for block in stack.extras:
        yield _part_of(block, stack), 1, block.weights(stack.width)


def _part_of(block: Block, stack: Stack) -> str:
    """Return the part of the model that a block outside the layers of a stack is counted in."""
    return block.part if block.part in {"embedding", "projector"} else stack.name


def _stack_operations(stack: Stack, tokens: Any, context: Any) -> Iterator[tuple[str, int, list[Operation]]]:
    if stack.tokens is not None:
        tokens = context = float(stack.tokens)
    for layer, copies in distinct_layers(stack.layers).items():
        for block in layer.blocks():
            yield stack.name, copies, block.operations(stack.width, tokens, context)
    for block in stack.extras:
        yield _part_of(block, stack), 1, block.operations(stack.width, tokens, context)
