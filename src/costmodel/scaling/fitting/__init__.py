"""Fits of scaling laws to measured losses."""
