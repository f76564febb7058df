"""Whole jobs: goodput, utilization of published runs, and realized efficiency."""
