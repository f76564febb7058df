"""From a scenario to an estimate: one ordered table of steps, on floats and on arrays."""
