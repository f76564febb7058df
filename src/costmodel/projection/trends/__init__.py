"""Trends: yearly rates that are given, published, or fitted."""
