"""Where do the constants of the decode model come from? A fit on measured throughputs, with what was known before.

`python -m costmodel.serving.calibration --data DIR` fits the rows of `DIR/serving.csv` and writes
`data/fitted/decode.csv` and `data/fitted/folds/decode.csv`.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.foundation.fitted import soft
from costmodel.foundation.tables import folder, read_csv, write_rows
from costmodel.serving.decode import Machine, Work, time_per_token
from costmodel.serving.efficiency import OTHER, PRIORS, Efficiency
from costmodel.serving.measured import MeasuredDecode, read_decodes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

BASE = "hopper"
"""The generation of the constants; those of others are factors on them."""
NOISE = 0.1
"""Residual on the logarithm beyond which a row counts less than by its square [1]."""


class Prepared(NamedTuple):
    """Throughputs of one generation as arrays over rows."""

    generation: str
    work: Work
    machine: Machine
    seconds: np.ndarray
    models: np.ndarray


def prepare(steps: Sequence[MeasuredDecode], generation: str) -> Prepared:
    """Return the rows of a generation as arrays."""
    import numpy as np

    chosen = [step for step in steps if step.generation == generation]
    return Prepared(
        generation,
        Work(*np.array([step.work for step in chosen], dtype=float).T),
        Machine(*np.array([step.machine for step in chosen], dtype=float).T),
        np.array([step.seconds for step in chosen]),
        np.array([step.model for step in chosen]),
    )


def residuals(prepared: Prepared, values: Mapping[str, float]) -> np.ndarray:
    """Return ln(predicted / measured) of the time between tokens, by row."""
    import numpy as np

    constants = Efficiency(values, {}).constants(prepared.generation)
    logs: np.ndarray = np.log(time_per_token(prepared.work, prepared.machine, constants) / prepared.seconds)
    return logs


def fit(rows: Sequence[Prepared], left_out: str | None = None) -> dict[str, float]:
    """Return the constants: first those of H100, then the factors of each other generation on them.

    Parameters
    ----------
    rows : of each generation; the base is among them
    left_out : a model whose rows are not fitted on
    """
    values = {name: prior.value for name, prior in PRIORS.items()}
    for prepared in sorted(rows, key=lambda one: one.generation != BASE):
        suffix = "" if prepared.generation == BASE else f":{prepared.generation}"
        names = [name for name, prior in PRIORS.items() if prior.spread > 0 and
                 name.partition(":")[2] == suffix[1:]]  # fmt: skip
        values = _fitted(prepared, prepared.models != left_out, names, values)
    return values


def _fitted(prepared: Prepared, rows: np.ndarray, names: list[str], values: dict[str, float]) -> dict[str, float]:
    """Fit some of the constants: soft-L1 on the logarithm, with the priors."""
    import numpy as np
    from scipy.optimize import least_squares

    middle = np.log([PRIORS[name].value for name in names])
    spread = np.array([PRIORS[name].spread for name in names])

    def merged(logs: np.ndarray) -> dict[str, float]:
        return {**values, **dict(zip(names, np.exp(logs).tolist(), strict=True))}

    def errors(logs: np.ndarray) -> np.ndarray:
        scaled = residuals(prepared, merged(logs))[rows] / NOISE
        return np.concatenate([soft(scaled), (logs - middle) / spread])

    return merged(least_squares(errors, middle, xtol=1e-10, ftol=1e-10).x)


class Fitted(NamedTuple):
    """All constants, those without each model, the residuals by generation, and their spreads."""

    rows: list[Prepared]
    values: dict[str, float]
    folds: dict[str, dict[str, float]]
    inside: dict[str, np.ndarray]
    left_out: dict[str, np.ndarray]
    spreads: dict[str, float]


def fit_all(steps: Sequence[MeasuredDecode]) -> Fitted:
    """Fit the constants on all rows, and once more without each model."""
    generations = sorted({step.generation for step in steps})
    rows = [prepare(steps, generation) for generation in generations]
    whole = fit(rows)
    inside = {one.generation: residuals(one, whole) for one in rows}
    left_out = {generation: logs.copy() for generation, logs in inside.items()}
    folds = {}
    for model in sorted({step.model for step in steps}):
        folds[model] = fit(rows, model)
        for one in rows:
            chosen = one.models == model
            left_out[one.generation][chosen] = residuals(one, folds[model])[chosen]
    spreads = {generation: _spread(logs) for generation, logs in left_out.items()}
    base = {name: value for name, value in whole.items() if ":" not in name}
    new = [_spread(residuals(one, base)) for one in rows if one.generation != BASE]
    return Fitted(rows, whole, folds, inside, left_out, {**spreads, OTHER: max([*new, *spreads.values()])})


def _spread(logs: np.ndarray) -> float:
    """Return the spread of a normal distribution of which 80 % lie as near to 0 as of these."""
    import numpy as np

    from costmodel.foundation.ranges import normal_quantile

    return float(np.quantile(np.abs(logs), 0.8) / normal_quantile(0.9))


def decode_rows(fitted: Fitted) -> list[dict[str, str]]:
    """Return the rows of `data/fitted/decode.csv`."""
    counts = {one.generation: len(one.seconds) for one in fitted.rows}
    rows = []
    for name, prior in PRIORS.items():
        generation = name.partition(":")[2] or BASE
        free = prior.spread > 0
        source = (f"fitted on {counts.get(generation, 0)} measured decode throughputs (ML.ENERGY v3, vLLM) by "
                  f"costmodel.serving.calibration; before: {prior.value:g}, {prior.source}")  # fmt: skip
        rows.append({"kind": "fitted" if free else "fixed", "name": name, "value": f"{fitted.values[name]:.5g}",
                     "unit": prior.unit, "prior": f"{prior.value:g}", "prior_spread": f"{prior.spread:g}",
                     "source": source if free else prior.source})  # fmt: skip
    for name, value in fitted.spreads.items():
        note = "H100's constants on other generations" if name == OTHER else "the model left out"
        rows.append({"kind": "spread", "name": name, "value": f"{value:.4f}", "unit": "1", "prior": "",
                     "prior_spread": "", "source": f"residuals of ln(predicted / measured), {note}: 80 % lie within "
                     f"the 80 % interval ({counts.get(name, sum(counts.values()))} measured decode throughputs, "
                     "ML.ENERGY v3, vLLM)"})  # fmt: skip
    return rows


def fold_rows(fitted: Fitted) -> list[dict[str, str]]:
    """Return the rows of `data/fitted/folds/decode.csv`: the fitted constants without each model."""
    free = [name for name, prior in PRIORS.items() if prior.spread > 0]
    source = (
        "fitted on measured decode throughputs (ML.ENERGY v3, vLLM) without the model by costmodel.serving.calibration"
    )
    return [{"model": model, "source": source, **{name: f"{values[name]:.5g}" for name in free}}
            for model, values in fitted.folds.items()]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit the constants and write the tables."""
    import numpy as np

    parser = argparse.ArgumentParser(prog="python -m costmodel.serving.calibration", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with serving.csv")
    parser.add_argument("--to", type=Path, default=None, help="folder to write to; the data of the library")
    given = parser.parse_args(arguments)
    steps, skipped = read_decodes(read_csv(given.data / "serving.csv"))
    fitted = fit_all(steps)
    target = given.to or folder()
    write_rows(target / "fitted/decode.csv", decode_rows(fitted))
    write_rows(target / "fitted/folds/decode.csv", fold_rows(fitted))
    results: dict[str, dict[str, Any]] = {"in the fit": fitted.inside, "model left out": fitted.left_out}
    for generation in fitted.inside:
        for name, logs in results.items():
            error = math.expm1(float(np.abs(logs[generation]).mean()))
            print(f"{generation}, {name}: {len(logs[generation])} rows, geometric mean error {error:.1%}")
    print(f"{len(skipped)} rows skipped: {'; '.join(sorted(set(skipped.values())))}")


if __name__ == "__main__":
    main()
