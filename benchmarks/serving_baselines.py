"""Compare the serving model with simpler ones on the measured times per token: python benchmarks/serving_baselines.py

The roofline has no constants. The log-linear regression predicts the logarithm of the time per token from logarithms of
bytes, FLOPs, batch, layers and accelerators, and from the recipe; models of one shape are left out together, as for the
serving model.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from costmodel.foundation.fitted import leave_one_group_out
from costmodel.refit.serving import RECENT, fit_all, known_stacks, scored_rows
from costmodel.serving.step.timing import roofline
from costmodel.serving.step.work import coverage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from costmodel.serving.calibration.measured import Measured

    Array = NDArray[np.float64]


def features(rows: Sequence[Measured]) -> Array:
    """Return the features of a regression, shape (rows, features)."""
    recipes = sorted({row.stack.recipe.name + row.stack.vendor for row in rows})
    listed = []
    for row in rows:
        work = row.work
        read = work.dense_bytes + work.expert_bytes * coverage(work.expert_share, row.batch / work.pipeline)
        prompt = work.prompt_dense_flops + work.prompt_expert_flops + work.prompt_score_flops
        known = row.stack.recipe.name + row.stack.vendor
        listed.append(
            [
                1.0,
                math.log(read / row.hardware.bandwidth),
                math.log(max(row.batch * (work.cache_bytes + work.state_bytes), 1.0) / row.hardware.bandwidth),
                math.log(row.batch * (work.dense_flops + work.expert_flops) / (work.accelerators * row.hardware.peak)),
                math.log(row.batch * prompt / work.output_tokens / (work.accelerators * row.hardware.peak)),
                math.log(row.batch),
                math.log(work.layers),
                math.log(work.accelerators),
                float(row.moe),
                *(float(known == recipe) for recipe in recipes),
            ]
        )
    return np.array(listed)


def regression(rows: Sequence[Measured]) -> Array:
    """Return ln(predicted / measured) with models of one shape left out, shape (rows,)."""
    table, target = features(rows), np.log([row.seconds for row in rows])
    ridge = 1e-3 * np.eye(table.shape[1])

    def fit(kept: NDArray[np.bool_]) -> Array:
        weights = np.linalg.solve(table[kept].T @ table[kept] + ridge, table[kept].T @ target[kept])
        return np.asarray(weights, dtype=np.float64)

    shapes = np.array([row.shape for row in rows])
    return leave_one_group_out(shapes, fit, lambda weights: table @ weights - target)[1]


def main() -> None:
    """Print the geometric mean error of each model, by period and kind."""
    rows = scored_rows()
    fitted = fit_all(rows)
    lower = np.log([float(roofline(row.work, row.hardware, row.batch)) / row.seconds for row in rows])
    recent, moe = np.array([row.year >= RECENT for row in rows]), np.array([row.moe for row in rows])
    stack = known_stacks(rows, fitted.prepared.shapes)
    columns = {
        "roofline": lower,
        "regression, model out": regression(rows),
        "in sample": fitted.inside,
        "model out": fitted.without_model,
        "accelerator out": fitted.without_accelerator,
    }
    groups = {"2025+": recent, "2025+ dense": recent & ~moe, "2025+ moe": recent & moe, "2024": ~recent,
              "2025+, stack with rows": recent & stack, "2025+, new stack": recent & ~stack}  # fmt: skip
    print("rows".ljust(26), *(name.rjust(22) for name in columns))
    for name, some in groups.items():
        errors = [np.expm1(np.abs(logs[some]).mean()) for logs in columns.values()]
        print(f"{name} ({some.sum()})".ljust(26), *(f"{error:.1%}".rjust(22) for error in errors))


if __name__ == "__main__":
    main()
