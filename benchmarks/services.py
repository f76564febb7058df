"""Memory of a process that makes 20,000 estimates of different scenarios, as a service does.

Prints the resident memory after every tenth of them. It grows by some megabytes while the caches fill, the last of them
with 1,024 plans, and not after that: 80,000 estimates show it.
Run: `python benchmarks/services.py [estimates]`.
"""

import sys
from pathlib import Path

import costmodel as cm

ESTIMATES = 20_000
MODELS = ("llama-3.2-1b", "llama-3.1-8b", "qwen3-30b-a3b", "llama-3.1-70b")
ACCELERATORS = ("H100-SXM", "A100-80GB-SXM", "H200-SXM", "B200")


def resident() -> float:
    """Return the resident memory of this process [MiB]."""
    fields = Path("/proc/self/statm").read_text(encoding="utf-8").split()
    return int(fields[1]) * 4096 / 2**20


def scenario(number: int) -> cm.Scenario:
    """Return a scenario of its own for each number: model, tokens, length, batch, count, price and speed differ."""
    planned = number % 20 == 0
    return cm.Scenario(
        MODELS[number % 4],
        cm.Pretraining(tokens=1e11 + number * 1e6, sequence_length=1024 + number % 4096, batch_size=512 + number % 64),
        cm.Cluster(ACCELERATORS[number // 4 % 4], 64 + 8 * (number % 97)),
        prices=cm.Rental(price=1 + number / 1e4),
        mfu=None if planned else 0.2 + number / 1e5,
    )


def main(count: int) -> None:
    for number in range(count):
        estimate = cm.estimate(scenario(number))
        if number % 100 == 0:
            estimate.bounds("cost")
        if (number + 1) % max(count // 10, 1) == 0:
            print(f"{number + 1:,} estimates: {resident():.1f} MiB", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ESTIMATES)
