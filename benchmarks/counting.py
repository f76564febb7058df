"""Speed of counting: warm times of one config, and of a folder of configs.

Run: python benchmarks/counting.py [FOLDER OF CONFIGS]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from costmodel.architecture.loading import catalog, from_config, read_config
from costmodel.foundation.errors import CostModelError

REPEATS = 50


def main() -> None:
    """Print the time per config of the catalog, and of a folder."""
    configs = {name: entry["config"] for name, entry in catalog().things.items()}
    if len(sys.argv) > 1:
        configs = {path.stem: read_config(path) for path in sorted(Path(sys.argv[1]).glob("*.json"))}
    slowest, slowest_name = 0.0, ""
    start = time.process_time()
    for config in configs.values():
        try:
            count(config)
        except CostModelError:
            continue
    print(f"{len(configs)} configs, once each: {time.process_time() - start:.2f} s CPU (below 1)")
    for name, config in configs.items():
        start = time.process_time()
        try:
            for _ in range(REPEATS):
                count(config)
        except CostModelError:
            continue
        seconds = (time.process_time() - start) / REPEATS
        slowest, slowest_name = max((slowest, slowest_name), (seconds, name))
    print(f"slowest config warm: {slowest * 1e3:.2f} ms CPU ({slowest_name}; below 2)")


def count(config: dict[str, object]) -> int:
    """Return the total of a config that is read again."""
    return from_config(config).parameters.total


if __name__ == "__main__":
    main()
