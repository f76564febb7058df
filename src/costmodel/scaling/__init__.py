"""Scaling laws: loss from parameters and tokens, fits with intervals, optima in FLOPs."""
