"""Layouts of a step: its time in one layout, the search space, the full search and the planner."""
