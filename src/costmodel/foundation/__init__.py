"""Numbers before they mean anything: units, ranges, fields, tables, rendering and errors.

Nothing here knows what a model or an accelerator is.
"""
