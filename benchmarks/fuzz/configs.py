"""Coverage-guided fuzzing of the reader of configs; needs the package atheris.

Run: python benchmarks/fuzz/configs.py -max_total_time=60
"""

from __future__ import annotations

import json
import math
import random
import sys
from typing import Any

import atheris

with atheris.instrument_imports(include=["costmodel.architecture"]):
    from costmodel.architecture.flops import count_flops
    from costmodel.architecture.loading import catalog, from_config
    from costmodel.foundation.errors import CostModelError

CONFIGS = [entry["config"] for entry in catalog().things.values()]
ODD: list[Any] = [None, True, False, 0, 1, 3, -1, 64, 10**9, 10**12, 1.5, math.nan, math.inf, 1e300, "x", [], [1], {}]


def one_input(data: bytes) -> None:
    """Mutate a config of the catalog by the bytes, and count it: positive finite counts or a clear error."""
    choices = random.Random(data)
    config = json.loads(json.dumps(choices.choice(CONFIGS)))
    for _ in range(choices.randint(1, 4)):
        place = config
        key = choices.choice(list(place))
        while isinstance(place[key], dict) and place[key]:
            place = place[key]
            key = choices.choice(list(place))
        if choices.random() < 0.25:
            del place[key]
        else:
            place[key] = choices.choice(ODD)
        if not config:
            return
    try:
        architecture = from_config(config)
        flops = count_flops(architecture, 128).training
    except CostModelError:
        return
    assert architecture.parameters.total > 0
    assert 0 < flops < math.inf


def main() -> None:
    """Fuzz for the given time."""
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
