"""Choosing between models: scores with errors, and price per solved task."""
