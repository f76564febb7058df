"""Architectures of models whose weights lie beside the config: the reader is checked against the tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from costmodel.architecture.listing import weights_by_part
from costmodel.architecture.sources.counted import architecture_of_tensors
from costmodel.architecture.sources.tensors import Tensor, balancing_size
from costmodel.architecture.sources.weights import Weights
from costmodel.architecture.specification import Architecture
from costmodel.foundation.errors import InputError
from costmodel.foundation.limits import shown


def architecture_of_weights(
    weights: Weights, config: Mapping[str, Any], read: Callable[[], Architecture] | None
) -> Architecture:
    """Return the architecture of weights, by the reader of their config where there is one.

    Parameters
    ----------
    weights : Weights
        Tensors, and the hyperparameters of their file.
    config : Mapping
        Config beside the weights; empty if there is none.
    read : callable or None
        Reads the config; None if its family is not known.

    Raises
    ------
    InputError
        If the reader and the tensors differ in their number of parameters, with the first that differ.
    """
    stated = {**weights.config, **config}
    if read is None:
        return architecture_of_tensors(weights.tensors, stated)
    try:
        architecture = read()
    except InputError as error:
        counted = architecture_of_tensors(weights.tensors, stated)
        return counted.replace(source=f"{counted.source}; the config was not read: {error.problems[0][:300]}")
    origin = weights.tensors.origin
    stored = weights.tensors.stored_bytes or architecture.stored_bytes
    tied = {"tie_word_embeddings": architecture.tied} if architecture.vocabulary is not None else {}
    try:
        counted = architecture_of_tensors(weights.tensors, stated | tied)
    except InputError as error:
        doubt = f"the config was not compared with the tensors of {origin}: {error.problems[0][:300]}"
        return architecture.replace(unverified=(*architecture.unverified, doubt), stored_bytes=stored)
    difference = architecture.parameters.total - counted.parameters.total
    if difference in {0, balancing_size(weights.tensors)}:
        source = f"counted from the config; the total is that of the tensors of {origin}"
        return architecture.replace(source=source, stored_bytes=stored, unverified=())
    if architecture.unverified:
        return counted.replace(source=f"{counted.source}; the config was not understood: {architecture.unverified[0]}")
    raise InputError(_differences(architecture, counted, weights))


def _differences(read: Architecture, counted: Architecture, weights: Weights) -> list[str]:
    """Return what differs between the config and the tensors: the totals, the parts, and the first layer."""
    origin = weights.tensors.origin
    problems = [
        f"{origin}: the config gives {read.parameters.total:,} parameters, the tensors {counted.parameters.total:,}"
    ]
    ours, theirs = _outside(read), _outside(counted)
    problems += [
        f"{part}: {ours.get(part, 0):,} by the config, {theirs.get(part, 0):,} by the tensors"
        for part in sorted({*ours, *theirs})
        if ours.get(part, 0) != theirs.get(part, 0)
    ]
    if read.depth != counted.depth:
        problems.append(f"layers: {read.depth} by the config, {counted.depth} by the tensors")
    for index, (ours_here, theirs_here) in enumerate(zip(_layers(read), _layers(counted), strict=False)):
        if ours_here != theirs_here:
            tensors = ", ".join(f"{shown(t.name)} {list(t.shape)}" for t in _of_layer(weights, index)[:8])
            problems.append(
                f"layer {index}: {ours_here:,} by the config, {theirs_here:,} by the tensors: {tensors or 'none'}"
            )
            break
    return problems


def _outside(architecture: Architecture) -> dict[str, int]:
    """Return the parameters of embedding, head and the stacks beside the main one, by part."""
    names = {"embedding", "head", *(stack.name for stack in architecture.stacks)}
    sizes: dict[str, int] = {}
    for part, copies, weights in weights_by_part(architecture):
        if part in names:
            sizes[part] = sizes.get(part, 0) + copies * sum(weight.size for weight in weights)
    return sizes


def _layers(architecture: Architecture) -> Iterator[int]:
    """Yield the parameters of each layer of the main stack."""
    for layer in architecture.layers:
        size = sum(weight.size for block in layer.blocks() for weight in block.weights(architecture.width))
        size += sum(weight.size for weight in layer.norm_weights(architecture.width))
        for _ in range(layer.count):
            yield size


def _of_layer(weights: Weights, index: int) -> list[Tensor]:
    """Return the tensors with the number of a layer in their name."""
    return [tensor for tensor in weights.tensors.tensors if f".{index}." in f".{tensor.name}"]
