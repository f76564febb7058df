"""Time, memory and power of a decode step and of a prompt: pure functions over numbers or arrays of batches."""
