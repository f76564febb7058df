"""Error of planned layouts on the time to train of MLPerf Training results, steps and evaluations apart."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.estimation.estimate import estimate
from costmodel.estimation.scenario import Scenario
from costmodel.foundation.errors import CostModelError, InputError
from costmodel.foundation.ranges import median
from costmodel.foundation.tables import table as shipped
from costmodel.hardware.accelerator import load_accelerator
from costmodel.hardware.cluster import Cluster
from costmodel.training.jobs.throughput import runs_in_eight_bits
from costmodel.training.recipes.finetuning import LoRA
from costmodel.training.recipes.pretraining import Pretraining
from costmodel.validation.scores import LEVELS, Case, report

if TYPE_CHECKING:
    from costmodel.foundation.tables import Row, Table
    from costmodel.training.recipes.registry import AnyRecipe
    from costmodel.training.step.numerics import Precision

WORKLOADS = "facts/mlperf_workloads"
SOFTWARE = "Megatron-LM"
"""Software of the predictions: submissions run Megatron-LM, or software tuned as much."""
NEEDED = ("round", "org", "system", "bench", "n_accel", "minutes", "params", "tokens_to_target_mean", "accelerator")
MINUTE = 60.0
"""[s]"""
ADAPTED = ("q_proj", "k_proj", "v_proj", "o_proj")
"""Matrices with adapters in the LoRA workload, as in its reference implementation."""
FORWARD_SHARE = {"pretraining": 1 / 3, "lora": 1 / 2}
"""FLOPs of a forward pass / FLOPs of a training step: frozen weights have no gradients of their own [1]."""


class _Prediction(NamedTuple):
    """Predicted times of a result [s]."""

    training: float
    evaluation: float
    intervals: dict[float, tuple[float, float]]
    basis: str


def validate_mlperf(table: Table) -> dict[str, Any]:
    """Score the planner on the time to train of MLPerf Training results [s].

    The prediction is the time of the tokens to the target in the planned layout, at its modeled speed and without
    interruptions, plus forward passes of the evaluations. The clock of a result starts after the start-up. Hopper,
    Blackwell and Gaudi run in fp8. Where no step-time model applies, the speed is that of the generation. Workloads
    without tokens to the target are skipped. Families are a workload on an accelerator.

    Parameters
    ----------
    table : Table
        Results with the columns of `NEEDED`; `params` is JSON with `global_batch_size` and, for LoRA, `lora_rank`.

    Returns
    -------
    dict
        In the format of `report`; `ratios` has the median of predicted / measured by family, by machine for NVIDIA
        pretraining ("pretraining on H100-SXM"), and each row its `training` and `evaluation` [s].
    """
    if missing := [column for column in NEEDED if column not in table.columns]:
        raise InputError([f"{table.name}: the column {column!r} is missing" for column in missing])
    workloads = {row["workload"]: row for row in shipped(WORKLOADS).rows}
    scored = [_scored(row, workloads) for row in table.rows]
    result = report("mlperf", [case for case, _ in scored])
    ratios: dict[str, list[float]] = {}
    for (case, predicted), row in zip(scored, table.rows, strict=True):
        if predicted is not None and case.predicted is not None and case.measured is not None:
            names = [case.family]
            method = workloads[row["bench"]]["method"]
            if method == "pretraining" and predicted.basis == "planned":
                names.append(f"{method} on {row['accelerator']}")
            for name in names:
                ratios.setdefault(name, []).append(case.predicted / case.measured)
    extra = [
        {"training": None, "evaluation": None}
        if predicted is None
        else {"training": predicted.training, "evaluation": predicted.evaluation}
        for _, predicted in scored
    ]
    return {
        **result,
        "ratios": {name: median(values) for name, values in sorted(ratios.items())},
        "rows": [row | more for row, more in zip(result["rows"], extra, strict=True)],
    }


def _scored(row: Row, workloads: dict[str, Row]) -> tuple[Case, _Prediction | None]:
    identity = " ".join(row[name] for name in ("round", "org", "system", "bench"))
    family = f"{row['bench']} on {row['accelerator'] or 'another accelerator'}"
    try:
        predicted = _predicted(row, workloads)
        measured = float(row["minutes"]) * MINUTE
    except (CostModelError, ValueError) as error:
        return Case(identity, family, skipped=str(error)), None
    total = predicted.training + predicted.evaluation
    return Case(identity, family, total, measured, predicted.intervals), predicted


def _predicted(row: Row, workloads: dict[str, Row]) -> _Prediction:
    """Return the predicted times of a result."""
    workload = workloads.get(row["bench"])
    if workload is None or not row["tokens_to_target_mean"]:
        raise InputError(f"{row['bench']}: the tokens to the target are not known")
    if not row["accelerator"]:
        raise InputError("accelerator is not known")
    tokens = float(row["tokens_to_target_mean"])
    result = estimate(_scenario(row, workload, tokens))
    training = result.known_value("wall_time")
    evaluations = tokens / (int(workload["sequence_length"]) * int(workload["evaluated_every"]))
    share = FORWARD_SHARE[workload["method"]] * int(workload["evaluation_sequences"]) / int(workload["evaluated_every"])
    evaluation = training * share * max(evaluations, 1.0) / evaluations
    factor = (training + evaluation) / training
    intervals = {}
    for level in LEVELS:
        low, high = result.bounds("wall_time", level)
        intervals[level] = (low * factor, high * factor)
    return _Prediction(training, evaluation, intervals, result.basis)


def _scenario(row: Row, workload: Row, tokens: float) -> Scenario:
    """Return the scenario of a result: uninterrupted, at the modeled speed where a layout is planned."""
    settings = json.loads(row["params"])
    needed = ("global_batch_size", "lora_rank") if workload["method"] == "lora" else ("global_batch_size",)
    if missing := [name for name in needed if name not in settings]:
        raise InputError([f"params: {name} is missing" for name in missing])
    accelerator, length = load_accelerator(row["accelerator"]), int(workload["sequence_length"])
    batch = int(settings["global_batch_size"])
    precision: Precision = "fp8" if runs_in_eight_bits(accelerator, "fp8") else "bf16"
    recipe: AnyRecipe = Pretraining(
        tokens=tokens, sequence_length=length, batch_size=batch, precision=precision, software=SOFTWARE
    )
    if workload["method"] == "lora":
        rank = int(settings["lora_rank"])
        recipe = LoRA(
            tokens=tokens,
            sequence_length=length,
            batch_size=batch,
            rank=rank,
            targets=ADAPTED,
            precision=precision,
            software=SOFTWARE,
        )
    cluster = Cluster(accelerator, round(float(row["n_accel"])))
    return Scenario(workload["architecture"], recipe, cluster, goodput=1.0, realized_efficiency=1.0)
