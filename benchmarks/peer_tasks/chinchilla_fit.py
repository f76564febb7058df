"""Fit the law of Hoffmann et al. 2022 to runs with the package `chinchilla`; reads the runs as JSON, prints JSON."""

import json
import math
import sys
import tempfile
import time
from functools import partial

import numpy as np
from chinchilla import Chinchilla
from chinchilla._metrics import log_huber

RANGES = {"E": (1, 2), "a": (1, 10), "b": (1, 10), "alpha": (0.1, 0.7), "beta": (0.1, 0.7)}
STARTS = 3
"""Starting points of each coefficient: 243 in all; the publication has 4,500."""

runs = json.load(sys.stdin)
grid = {name: np.linspace(low, high, STARTS) for name, (low, high) in RANGES.items()}
with tempfile.TemporaryDirectory() as folder:
    law = Chinchilla(folder, param_grid=grid, loss_fn=partial(log_huber, delta=1e-3), log_level=40)
    for n, d, loss in zip(runs["parameters"], runs["tokens"], runs["loss"], strict=True):
        law.database.append(C=6 * n * d, N=n, D=d, loss=loss)
    start = time.process_time()
    law.fit(parallel=False)
    seconds = time.process_time() - start
figures = {name: float(getattr(law, name)) for name in ("E", "A", "B", "alpha", "beta")}
assert all(map(math.isfinite, figures.values()))
print(json.dumps({"seconds": seconds, "figures": figures}))
