"""One training step: workload, layout, memory and time, as pure functions of floats or arrays."""
