"""Estimates: from a scenario to FLOPs, GPU-hours, duration, energy, carbon and cost."""
