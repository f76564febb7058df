"""Basics for all other packages: units, ranges, fields, specifications, tables, printing and errors.

Nothing here depends on models or accelerators.
"""
