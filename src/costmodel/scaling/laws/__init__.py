"""Scaling laws: one file per functional form, and the published coefficients."""
