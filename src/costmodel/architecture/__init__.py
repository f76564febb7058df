"""Architectures: a frozen description of stacks of blocks, its parameters and its FLOPs.

A block lists its weights and operations; parameters and FLOPs are totaled once, in `counting`.
"""
