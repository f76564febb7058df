"""Calibration of the step-time and memory models on measured steps."""
