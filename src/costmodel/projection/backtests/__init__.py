"""Backtests of projections: past series forecast from earlier data, and scored."""
