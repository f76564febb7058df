"""Inverse questions: what fits on which accelerators, and which input brings a figure to a target."""
