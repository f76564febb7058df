"""Serving a model: the scenario, its estimate, and curves over load and batch."""
