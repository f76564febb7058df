"""Inference engines: their recipes, with the software overhead of each."""
