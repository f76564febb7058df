"""Kinds of block, one file each: the weights, operations and cache of each kind."""
