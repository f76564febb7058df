"""Runs under way: their logs, and forecasts of what is left."""
