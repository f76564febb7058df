"""Mixing of several residual streams, in the layers and before the head."""

from costmodel.architecture.blocks.hyper_connection import HyperConnection


def mixing_of(streams: int, outputs: int, scales: int) -> HyperConnection:
    """Return the mixing of the two blocks of a layer."""
    return HyperConnection(streams=streams, outputs=outputs, scales=scales, copies=2)


def final_mixing(streams: int) -> HyperConnection:
    """Return the mixing after the last layer."""
    return HyperConnection(streams=streams, outputs=streams, scales=1)
