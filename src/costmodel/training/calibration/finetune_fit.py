"""Where do the constants of fine-tunes come from? A fit on measured ones, with those of pretraining as they are.

`python -m costmodel.training.calibration.finetune_fit` fits the rows of `data/measurements/finetunes.csv` and writes
`data/fitted/finetune_efficiency.csv`, `data/fitted/memory.csv` and `data/fitted/folds/finetune.csv`.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.fitted import Prior, soft
from costmodel.foundation.ranges import normal_quantile
from costmodel.foundation.tables import folder, table, write_rows
from costmodel.foundation.units import GIB
from costmodel.training.calibration.calibrate import fit
from costmodel.training.calibration.measured_finetunes import MeasuredFineTune, read_finetunes
from costmodel.training.calibration.predictions import Prepared, predict, prepare
from costmodel.training.calibration.priors import FINE_TUNING
from costmodel.training.step.efficiency import LAUNCH_BOUND, default_efficiency
from costmodel.training.step.memory import MemoryConstants

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

HELD: dict[str, Prior] = {
    "context": Prior(1.5 * GIB, 0.3, "byte", "a CUDA context with its kernels takes half a GiB, the allocator more"),
    "engine": Prior(1.0 * GIB, 0.5, "byte", "two flat buffers of some 500 MB (DeepSpeed allgather_bucket_size)"),
    "whole_logits": Prior(12.0, 0.2, "byte", "16-bit and 32-bit logits with their gradients"),
    "half_logits": Prior(8.0, 0.3, "byte", "16-bit logits and gradient beside a 32-bit softmax"),
    "chunked_logits": Prior(1.0, 0.5, "byte", "one of eight chunks at a time, in 32 bits with its gradient"),
    "eager_activations": Prior(1.2, 0.2, "1", "casts and norms keep copies that fused ones do not"),
    "foreach": Prior(4.0, 0.4, "byte", "an optimizer over lists of tensors keeps one 32-bit intermediate"),
    "sub_group": Prior(12.0, 0.3, "byte", "32-bit copies of parameter, gradient and update"),
}  # fmt: skip
"""What was known of `MemoryConstants` before the fit."""
NOISE = 0.05
"""Residual of a memory on the logarithm beyond which a row counts less than by its square [1]."""


class Fitted(NamedTuple):
    """Constants of time and memory, those without each model, residuals on the logarithm, and spreads."""

    time: dict[str, float]
    memory: dict[str, float]
    folds: dict[str, dict[str, float]]
    residuals: dict[str, np.ndarray]
    spreads: dict[str, float]


def fit_time(prepared: Prepared, rows: np.ndarray) -> dict[str, float]:
    """Return what fine-tunes add to the constants of the time model, fitted on chosen rows."""
    known = {name: Prior(value, 0.0, "", "") for name, value in default_efficiency().values.items()}
    return fit(prepared, rows, {**known, **FINE_TUNING})


def fit_memory(tunes: Sequence[MeasuredFineTune]) -> dict[str, float]:
    """Return the constants of the memory that fit fine-tunes best: soft-L1 on the logarithm, with the priors."""
    import numpy as np
    from scipy.optimize import least_squares

    middle = np.log([prior.value for prior in HELD.values()])
    spread = np.array([prior.spread for prior in HELD.values()])

    def residuals(logs: np.ndarray) -> np.ndarray:
        held = MemoryConstants(*np.exp(logs).tolist())
        return np.concatenate([soft(memory_residuals(tunes, held) / NOISE), (logs - middle) / spread])

    solved = least_squares(residuals, middle, xtol=1e-6, ftol=1e-6)
    return dict(zip(HELD, np.exp(solved.x).tolist(), strict=True))


def memory_residuals(tunes: Sequence[MeasuredFineTune], held: MemoryConstants) -> np.ndarray:
    """Return ln(predicted / measured) of the memory of fine-tunes, shape (tunes,)."""
    import numpy as np

    return np.array([math.log(tune.predicted_memory(held) / tune.memory) for tune in tunes if tune.memory])


def fit_all(tunes: Sequence[MeasuredFineTune]) -> Fitted:
    """Fit all constants, and again without each model."""
    import numpy as np

    timed, held = [one for one in tunes if one.seconds], [one for one in tunes if one.memory]
    prepared = prepare([one.step for one in timed])

    def time_residuals(values: Mapping[str, float]) -> np.ndarray:
        found: np.ndarray = np.log(predict(prepared, values) / prepared.seconds)
        return found

    everything = np.ones(len(timed), dtype=bool)
    time, memory = fit_time(prepared, everything), fit_memory(held)
    residuals = {"time": time_residuals(time), "memory": memory_residuals(held, MemoryConstants(**memory))}
    left_time, left_memory = residuals["time"].copy(), residuals["memory"].copy()
    models = np.array([one.model for one in held])
    folds = {}
    for model in dict.fromkeys([one.model for one in tunes]):
        out = prepared.families == model
        without = fit_time(prepared, ~out)
        left_time[out] = time_residuals(without)[out]
        held_without = fit_memory([one for one in held if one.model != model])
        out = models == model
        left_memory[out] = memory_residuals(held, MemoryConstants(**held_without))[out]
        folds[model] = {**{name: without[name] for name in FINE_TUNING}, **held_without}
    residuals |= {"time, model left out": left_time, "memory, model left out": left_memory}
    waiting = _waiting(prepared, time)
    spreads = {
        "finetune": _spread(left_time[~waiting]), "finetune_launch": _spread(left_time[waiting]),
        "memory": _spread(left_memory),
    }  # fmt: skip
    return Fitted({name: time[name] for name in FINE_TUNING}, memory, folds, residuals, spreads)


def _waiting(prepared: Prepared, values: Mapping[str, float]) -> np.ndarray:
    """Return which steps are bound by their host: without it they would be faster by more than a tenth."""
    quick = {**values, "launch": 1e-9, "launch_sharded": 1e-9, "launch_quantized": 1e-9}
    return predict(prepared, quick) < (1 - LAUNCH_BOUND) * predict(prepared, values)


def _spread(logs: np.ndarray) -> float:
    """Return the spread of a normal distribution with the same 80 % interval."""
    import numpy as np

    return float(np.quantile(np.abs(logs), 0.8) / normal_quantile(0.9))


_SPREAD_NOTES = {
    "finetune": "of fine-tunes, their model left out",
    "finetune_launch": "of fine-tunes that wait for the host, their model left out",
    "memory": "of the memory of fine-tunes, their model left out",
}


def efficiency_rows(fitted: Fitted, tunes: Sequence[MeasuredFineTune]) -> list[dict[str, str]]:
    """Return the rows of `data/fitted/finetune_efficiency.csv`."""
    timed = Counter(one.cluster.accelerator.name for one in tunes if one.seconds)
    count = timed.total()
    rows = [_row(name, fitted.time[name], prior, count) for name, prior in FINE_TUNING.items()]
    for name, value in fitted.spreads.items():
        source = f"residuals of ln(predicted / measured): {_SPREAD_NOTES[name]}"
        rows.append({"kind": "spread", "name": name, "value": f"{value:.4f}", "unit": "1", "prior": "",
                     "prior_spread": "", "source": source})  # fmt: skip
    measured = table("fitted/efficiency").rows
    for name, number in sorted(timed.items()):
        if not any(row["kind"] == "measured" and row["name"] == name for row in measured):
            rows.append({"kind": "measured", "name": name, "value": str(number), "unit": "rows", "prior": "",
                         "prior_spread": "", "source": "data/measurements/finetunes.csv"})  # fmt: skip
    return rows


def _row(name: str, value: float, prior: Prior, count: int) -> dict[str, str]:
    free = prior.spread > 0
    source = f"fitted on {count} measured fine-tunes; before: {prior.value:g}, {prior.source}" if free else prior.source
    return {
        "kind": "fitted" if free else "fixed", "name": name, "value": f"{value:.5g}", "unit": prior.unit,
        "prior": f"{prior.value:g}", "prior_spread": f"{prior.spread:g}", "source": source,
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit the constants and write the tables."""
    import numpy as np

    parser = argparse.ArgumentParser(prog="python -m costmodel.training.calibration.finetune_fit", description=__doc__)
    parser.add_argument("--to", type=Path, default=None, help="folder to write to; the data of the library")
    given = parser.parse_args(arguments)
    tunes, _ = read_finetunes(table("measurements/finetunes"))
    fitted = fit_all(tunes)
    target = given.to or folder()
    memories = len(fitted.residuals["memory"])
    held = [_row(name, fitted.memory[name], prior, memories) for name, prior in HELD.items()]
    write_rows(target / "fitted/finetune_efficiency.csv", efficiency_rows(fitted, tunes))
    write_rows(target / "fitted/memory.csv", held)
    source = (
        "fitted on data/measurements/finetunes.csv without the model by costmodel.training.calibration.finetune_fit"
    )
    write_rows(target / "fitted/folds/finetune.csv", [
        {"model": model, "source": source, **{name: f"{value:.5g}" for name, value in values.items()}}
        for model, values in fitted.folds.items()])  # fmt: skip
    for name, logs in fitted.residuals.items():
        errors = np.abs(np.expm1(logs))
        print(f"{name}: {len(errors)} rows, median {np.median(errors):.1%}, mean {errors.mean():.1%}, "
              f"{(errors < 0.25).mean():.0%} within 25 %")  # fmt: skip


if __name__ == "__main__":
    main()
