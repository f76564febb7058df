"""Energy of requests with EcoLogits; reads models and tokens as JSON, prints JSON."""

import json
import sys
import time

from ecologits.tracers.utils import llm_impacts

REPEATS = 20

task = json.load(sys.stdin)


def mean(value: object) -> float:
    """Return a number, or the mean of a range."""
    low, high = getattr(value, "min", value), getattr(value, "max", value)
    return (float(low) + float(high)) / 2  # type: ignore[arg-type]


def energy(model: str) -> float:
    """Return the energy of a request [Wh]."""
    impacts = llm_impacts("huggingface_hub", model, task["tokens"], task["seconds"], "USA")
    return 1e3 * mean(impacts.energy.value)


figures = {model: energy(model) for model in task["models"]}
start = time.process_time()
for _ in range(REPEATS):
    for name in task["models"]:
        energy(name)
seconds = (time.process_time() - start) / REPEATS / len(task["models"])
print(json.dumps({"seconds": seconds, "figures": figures}))
