"""Cautions of a scenario: fields without effect or in contradiction, and runs outside the measured range."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from costmodel.architecture.specification import Architecture
from costmodel.estimation.chain import GIVEN_UP
from costmodel.estimation.other_costs import OtherCosts
from costmodel.estimation.scenario import has_default_precision
from costmodel.estimation.speed import planned_time
from costmodel.foundation.ranges import middle
from costmodel.foundation.rendering import amount, number, percent
from costmodel.foundation.tables import constant
from costmodel.market.owned import Ownership
from costmodel.training.recipes.passes import longest_of, passes_of
from costmodel.training.step.software import UNKNOWN, Kernels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from costmodel.estimation.scenario import Scenario
    from costmodel.estimation.speed import Speed

MOST_MEASURED = constant("most_measured_accelerators")
"""Accelerators of the largest published run whose speed and layout are known [1]."""
LEAST_GOODPUT = constant("least_published_goodput")
"""Least goodput of a published job [1]."""
LEAST_TOKENS = constant("least_measured_tokens")
"""Tokens per step and accelerator below which no step was measured [token]."""

FEW_STEPS = 100
"""Optimizer steps below which a pretraining run says what its batch size counts [1]."""


def cautions(scenario: Scenario, speed: Speed, goodput: float | None = None) -> list[str]:
    """Return what limits the validity of an estimate, one line each.

    Parameters
    ----------
    scenario : Scenario
    speed : Speed
        Its speed, with the batch sizes of its recipes.
    goodput : float, optional
        Its goodput [1].
    """
    note = scenario.cluster.accelerator.name_note
    lines = [f"cluster.accelerator: {note}"] if note else []
    lines += [f"unverified: {reason}" for reason in unverified(scenario)]
    lines += [*_beyond_context(scenario), *_shorter_than_a_step(scenario, speed), *_software(scenario, speed)]
    lines += _native_precision(scenario, speed)
    lines += _other_costs(scenario)
    calibrated = scenario.efficiency is not None and scenario.efficiency.calibrated
    lines += _without_realized_efficiency(scenario, speed)
    unmeasured = [each.trainer.name for each in scenario.recipes if each.trainer.key == UNKNOWN]
    if speed.basis == "layout" and not calibrated and unmeasured:
        named = ", ".join(dict.fromkeys(name for name in unmeasured if name not in get_args(Kernels)))
        why = f": no steps of {named} were measured" if named else " (set recipe.software)"
        lines.append(f"speed with the interval of training software left out of the fit{why}")
    lines += _outside_measured_jobs(scenario, speed, goodput)
    if speed.basis not in {"planned", "layout"}:
        return lines
    count = scenario.cluster.count
    timed = [recipe for recipe in scenario.recipes if recipe.gpu_hours is None]
    least = min(
        (batch * recipe.sequence_length / count for recipe, batch in zip(timed, speed.batches, strict=False)),
        default=LEAST_TOKENS,
    )
    if least < LEAST_TOKENS:
        lines.append(
            f"outside the measured range: {least:,.3g} tokens per step and accelerator; measured steps have at least "
            f"{LEAST_TOKENS:,.0f}"
        )
    return lines


def _without_realized_efficiency(scenario: Scenario, speed: Speed) -> list[str]:
    """Return how much longer a job takes if its given layout is planned, where a plan has another efficiency."""
    factor = planned_time(scenario) if speed.basis == "layout" else None
    change = 0 if factor is None else round(100 * abs(factor - 1))
    if factor is None or not change:
        return []
    more = "more" if factor > 1 else "less"
    return [
        f"a given layout runs at its modeled speed; planned, it takes {change} % {more} time, with the realized "
        "efficiency of published jobs (realized_efficiency)"
    ]


def unfinished(goodputs: NDArray[np.float64]) -> list[str]:
    """Return a line where a run does not finish in some draws.

    Parameters
    ----------
    goodputs : array, shape (draws,)
        Draws of the goodput [1].
    """
    share = float((goodputs <= GIVEN_UP).mean())
    if not share:
        return []
    return [
        f"in {percent(share)} of the draws the run does not finish at their rates of failures and interruptions; "
        f"they count with a goodput of {GIVEN_UP:.0%}, at which a run is given up"
    ]


def unverified(scenario: Scenario) -> list[str]:
    """Return why the counts of the model, or of a model beside it, are unverified.

    Parameters
    ----------
    scenario : Scenario
    """
    fields = [value for recipe in scenario.recipes for value in recipe.given().values()]
    models = [scenario.architecture, *(value for value in fields if isinstance(value, Architecture))]
    return list(dict.fromkeys(reason for model in models for reason in model.unverified))


def _native_precision(scenario: Scenario, speed: Speed) -> list[str]:
    """Return a line where the model was trained in another precision than the default one."""
    own, accelerator = scenario.architecture.training_precision, scenario.cluster.accelerator
    stated = scenario.recipe if isinstance(scenario.recipe, tuple) else (scenario.recipe,)
    open_recipes = [recipe for recipe in stated if has_default_precision(recipe)]
    if own is None or speed.basis not in {"planned", "layout"} or not open_recipes:
        return []
    name = scenario.architecture.name
    if accelerator.supports(own):
        return [f"precision {own}, in which {name} was trained (set recipe.precision for another)"]
    return [
        f"{name} was trained in {own}, which {accelerator.name} has not; the estimate is in {open_recipes[0].precision}"
    ]


def _software(scenario: Scenario, speed: Speed) -> list[str]:
    """Return a line for software without effect on the speed, and for kernels of a layout that contradict it."""
    named = {recipe.trainer.name: recipe.trainer for recipe in scenario.recipes if getattr(recipe, "software", None)}
    lines = []
    if speed.basis == "class" and named:
        lines.append(
            f"recipe.software ({', '.join(named)}) has no effect: the default MFU of the class holds for all software"
        )
    if speed.basis == "layout" and scenario.layout is not None and scenario.layout.eager:
        lines += [
            f"layout.eager contradicts recipe.software: kernels of {name} are fused or compiled; the estimate launches "
            "them one by one"
            for name, software in named.items()
            if software.kernels == "fused"
        ]
    return lines


def _outside_measured_jobs(scenario: Scenario, speed: Speed, goodput: float | None) -> list[str]:
    """Return a line if a job has more accelerators, or less goodput, than any published one."""
    if speed.basis == "none":  # GPU-hours are given
        return []
    lines, count = [], scenario.cluster.count
    if count > MOST_MEASURED:
        lines.append(
            f"outside the measured range: {count:,} accelerators; the largest run with a known speed had "
            f"{MOST_MEASURED:,.0f}"
        )
    if scenario.goodput is None and goodput is not None and goodput < LEAST_GOODPUT:
        lines.append(
            f"outside the measured range: goodput {number(goodput)}; published jobs have at least {LEAST_GOODPUT:g} "
            "(set goodput or reliability)"
        )
    return lines


def _beyond_context(scenario: Scenario) -> list[str]:
    """Return a line for each model that runs sequences longer than its config states."""
    lines = []
    for each_pass in (step for recipe in scenario.recipes for step in passes_of(recipe, scenario.architecture)):
        length, stated = longest_of(each_pass), each_pass.architecture.context_length
        if stated is not None and length > stated and each_pass.architecture.tokens is None:
            lines.append(
                f"sequences of {length:,.0f} tokens exceed the {stated:,} positions that the config of "
                f"{each_pass.architecture.name} states"
            )
    return list(dict.fromkeys(lines))


def _shorter_than_a_step(scenario: Scenario, speed: Speed) -> list[str]:
    """Return a line for each recipe with fewer tokens than a step; its time is that of one step."""
    timed = [recipe for recipe in scenario.recipes if recipe.gpu_hours is None and scenario.gpu_hours is None]
    batches = speed.batches or tuple(recipe.sequences(scenario.cluster.count) for recipe in timed)
    lines = []
    for recipe, batch in zip(timed, batches, strict=True):
        tokens = middle(recipe.trained_tokens())
        passes = passes_of(recipe, scenario.architecture)
        whole = recipe.batch_tokens(batch, next(step for step in passes if step.kind == "train"))
        if tokens < whole:
            lines.append(
                f"the run is shorter than one step: {amount(tokens, 'token')} of a batch of {amount(whole, 'token')}; "
                "its time is that of one step"
            )
        elif recipe.kind == "pretraining" and recipe.batch_size is not None and tokens < FEW_STEPS * whole:
            lines.append(
                f"the run has {tokens / whole:,.0f} steps of {amount(whole, 'token')}: recipe.batch_size counts "
                f"sequences, not tokens; got {batch:,}"
            )
    return lines


def _other_costs(scenario: Scenario) -> list[str]:
    """Return what the figures of a run with other costs leave out."""
    costs, lines = scenario.other_costs or OtherCosts(), []
    shares = [costs.experiments, costs.failed_runs]
    named = {"evaluation": costs.evaluation, "experiments": costs.experiments, "failed runs": costs.failed_runs}
    compute = [name for name, part in named.items() if part is not None]
    if shares == [None, None] and (costs.rd_multiplier is not None or scenario.scope == "development"):
        compute += ["experiments", "failed runs"]
    if compute:
        *first, last = compute
        lines.append(
            f"{' and '.join([', '.join(first), last] if first else [last])} are in the cost only: GPU time, energy, "
            "carbon and water are those of the run"
        )
        if "experiments" in compute and any(getattr(recipe, "trials", 1) > 1 for recipe in scenario.recipes):
            lines.append("recipe.trials are part of the run; experiments are added to them")
        if costs.evaluation is not None and shares == [None, None] and "experiments" in compute:
            lines.append("other_costs.rd_multiplier may contain evaluation, which other_costs.evaluation adds")
    if isinstance(scenario.prices, Ownership) and not (costs.checkpoints is None and costs.data is None):
        lines.append("owned hardware has storage of its own (cost.storage); other_costs adds rented storage to it")
    if scenario.scope == "development" and shares.count(None) == 1:
        left = "experiments" if costs.experiments is None else "failed_runs"
        lines.append(f"other_costs.{left} is not given and counts as 0")
    return lines
