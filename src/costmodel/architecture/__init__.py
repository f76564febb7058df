"""What is trained: a frozen description of stacks of blocks, and what it counts to.

A block lists its weights and operations; parameters and FLOPs are totaled once, in `counting`.
"""
