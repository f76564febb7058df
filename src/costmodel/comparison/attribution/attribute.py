"""Why one run costs less than another: the two runs, read and written as products of the same factors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from costmodel.comparison.attribution.estimated import side_of_estimate
from costmodel.comparison.attribution.published import side_of_run
from costmodel.comparison.attribution.result import Attribution
from costmodel.comparison.costs import FINAL_RUN, SCOPES
from costmodel.comparison.rates import check_convention
from costmodel.comparison.runs import PublishedRun, published_runs
from costmodel.estimation.estimate import Estimate, estimate
from costmodel.estimation.scenario import Scenario
from costmodel.foundation.checks import checked, seed_problems
from costmodel.foundation.errors import CostModelError, InputError, MissingFactError, UnknownNameError

if TYPE_CHECKING:
    from costmodel.estimation.scenario import Scope
    from costmodel.market.rental import PriceConvention

_FILES = (".toml", ".json")
"""Endings of scenario files."""
_OWN_RUN = "`costmodel runs` lists them; a run of your own is a scenario or its file (.toml, .json)."


@checked("scope", "scope_b", price=str)
def attribute(
    run_a: str | Path | PublishedRun | Scenario | Estimate,
    run_b: str | Path | PublishedRun | Scenario | Estimate,
    price: PriceConvention = "on_demand",
    scope: str = FINAL_RUN,
    scope_b: str | None = None,
    seed: int = 0,
) -> Attribution:
    """Explain why one run costs less than another: the ratio of the costs by factor.

    The cost of a run is the product of its factors: parameters, sparsity, tokens, FLOPs per parameter, precision,
    utilization, price-performance of the hardware, price convention and scope. The ratio of a factor of both runs is
    its share of the ratio of the costs; in dollars its part is its Shapley value, the mean over all orders in which
    the factors can change. Factors that are not known of both runs are merged, and `merged` says why.

    Parameters
    ----------
    run_a, run_b : str, Path, PublishedRun, Scenario or Estimate
        Name of a published run, a scenario file (.toml, .json), or what `published_runs` and `estimate` return. Runs of
        the same name are labeled by their files or as they are given, else by a number.
    price : str
        Price of published runs: "on_demand", "contract" (market price of a one-year commitment) or "published" (the
        published cost of the final run). Scenarios have prices of their own.
    scope : str
        Scope of both costs, "final_run" or "development". The latter is converted by `development_cost`; of a scenario
        it has the lines of its bill.
    scope_b : str, optional
        Scope of the second cost, if it differs.
    seed : int
        Seed of the draws of published runs. Scenarios have seeds of their own.

    Returns
    -------
    Attribution
        `.ratio`, `.parts`, `.rows()`, `.groups()`, `.summary()`, `.to_frame()`, `.to_dict()`; `cm.plot.attribution`
        draws it.

    Raises
    ------
    InputError
        If a run is not known, or an argument is not accepted; the message lists all problems.
    MissingFactError
        If a cost is not known.

    References
    ----------
    Shapley 1953, A value for n-person games.

    Examples
    --------
    >>> result = attribute("gpt-4", "deepseek-v3", price="published")
    >>> round(result.ratio, 4), round(result["sparsity"].factor, 2)
    (0.0709, 0.35)
    """
    problems: list[str] = []
    try:
        check_convention(price)
    except InputError as error:
        problems += error.problems
    scopes = (scope, scope if scope_b is None else scope_b)
    for name, value in zip(("scope", "scope_b"), scopes, strict=True):
        if value not in SCOPES and not (name == "scope_b" and scope_b is None):
            problems.append(f"{name}: must be {' or '.join(SCOPES)}; got {value!r}")
    problems += seed_problems(seed)
    runs = []
    for name, run in (("run_a", run_a), ("run_b", run_b)):
        try:
            runs.append(_loaded(run))
        except CostModelError as error:
            problems += [f"{name}: {problem}" for problem in getattr(error, "problems", [str(error)])]
    if problems:
        raise InputError(problems)
    sides, missing = [], []
    for run, run_scope in zip(runs, scopes, strict=True):
        try:
            sides.append(
                side_of_run(run, price, run_scope, seed)
                if isinstance(run, PublishedRun)
                else side_of_estimate(run, cast("Scope", run_scope))
            )
        except MissingFactError as error:
            missing.append(str(error))
    if missing:
        raise MissingFactError("\n".join(dict.fromkeys(missing)))
    if sides[0].name == sides[1].name:
        labels = _labels(run_a, run_b, sides[0].name)
        sides = [replace(side, name=label) for side, label in zip(sides, labels, strict=True)]
    return Attribution(sides[0], sides[1], seed)


def _labels(run_a: Any, run_b: Any, name: str) -> tuple[str, str]:
    """Return labels of two runs of the same name: their files without folder and ending, else as they are given."""
    for whole in (False, True):
        a, b = (_label(run, name, whole) for run in (run_a, run_b))
        if a != b:
            return a, b
    return f"{name} (1)", f"{name} (2)"


def _label(run: Any, name: str, whole: bool) -> str:
    if isinstance(run, PublishedRun):
        return run.id
    if not isinstance(run, (str, Path)):
        return name
    return str(run) if whole or not str(run).endswith(_FILES) else Path(run).stem


def _loaded(run: Any) -> PublishedRun | Estimate:
    """Return a published run, or the estimate of a scenario."""
    if isinstance(run, (PublishedRun, Estimate)):
        return run
    if isinstance(run, Path) or (isinstance(run, str) and run.endswith(_FILES)):
        run = Scenario.load(run)
    if isinstance(run, Scenario):
        return estimate(run)
    if isinstance(run, str):
        try:
            return published_runs()[run]
        except UnknownNameError as error:
            raise UnknownNameError(f"{error} {_OWN_RUN}") from None
    raise InputError(
        "must be the name of a published run, a scenario file, a PublishedRun, a Scenario or an Estimate; "
        f"got {type(run).__name__}"
    )
