"""Model size and tokens of least loss for a training budget in dollars, from a scaling law and an estimate."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeAlias

from pydantic import Field

from costmodel.architecture.specification import Architecture
from costmodel.estimation.estimate import Estimate, estimate
from costmodel.estimation.speed import plan_together
from costmodel.foundation import rendering
from costmodel.foundation.checks import checked
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.fields import MOST, Dollars, Measure
from costmodel.foundation.limits import shown
from costmodel.foundation.ranges import middle
from costmodel.foundation.specs import Spec
from costmodel.foundation.tables import constant
from costmodel.market.dated import MILLION
from costmodel.planning.allocation_result import COST_TOLERANCE, LOSS_TOLERANCE, Allocation, SizeLimit, loss_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from costmodel.estimation.scenario import Scenario
    from costmodel.estimation.serving.scenario import Serving
    from costmodel.foundation.fields import NumberLike

SIZES = (1e7, 2e12)
"""Smallest and largest model of the search [1]."""
CANDIDATES = 60
"""Sizes whose cost may be estimated, in geometric steps [1]."""
COARSE = 6
"""Every so many candidates are estimated first, to find where the loss is least [1]."""
SPAN = 2.5
"""Distance from the least loss within which all candidates are estimated, in ln(parameters) [1]."""
BANDWIDTH = constant("allocation_bandwidth")
"""Width of the kernel that smooths ln(cost per token) over ln(parameters) [1].

The cost of neighboring sizes differs by some percent, because their shapes divide differently over the accelerators.
The loss is flat around its minimum, so that these differences would select the size.
"""
POINTS = 1000
"""Sizes at which the loss is compared on the smoothed cost [1]."""
FLOPS_SERVED = 2.0
"""FLOPs per active parameter and token of a forward pass (arXiv 2401.00448, equation 6) [FLOP]."""
PROBE = 1e9
"""Tokens of the first run, which gives the cost per token: it depends on the tokens by the batch size only [token]."""


ServedTokens: TypeAlias = Annotated[float, Measure("token", 0.0, MOST, uncertain=False)]


class _Budget(Spec):
    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(self, *, budget: NumberLike, served_tokens: NumberLike = ...) -> None: ...

    budget: Dollars = Field(description="Limit of the cost of training, and of serving if tokens are served [USD].")
    served_tokens: ServedTokens = Field(default=0.0, description="Tokens that the budget must also serve [token].")


class _Serving(NamedTuple):
    """Tokens to serve, and how they are priced: by the serving model, or by an MFU."""

    tokens: float
    scenario: Serving | None
    mfu: float | None

    def cost(self, result: Estimate) -> float:
        """Return the cost of serving the model of an estimate [USD]."""
        architecture = result.scenario.architecture
        if not self.tokens:
            return 0.0
        if self.scenario is not None:
            served = estimate(self.scenario.replace({"architecture": architecture}))
            busy = 1.0 if self.scenario.utilization is None else middle(self.scenario.utilization)
            served.value("cost_per_hour")  # raises MissingFactError if the price is not known
            try:
                return self.tokens * served.value("full_load_cost") / busy / MILLION
            except MissingFactError as error:
                raise InputError(f"serving: {error}") from None
        per_second = result.known_value("cost") / result.known_value("gpu_hours")
        flops = FLOPS_SERVED * architecture.parameters.active * self.tokens / (self.mfu or 1.0)
        return float(flops / result.scenario.cluster.accelerator.peak() * per_second)


@checked("scenario", "parameters", "most_tokens", "tokens_per_parameter", "serving_mfu", "serving")
def allocate(
    law: Any,
    scenario: Scenario,
    budget: Any,
    *,
    parameters: float | None = None,
    most_tokens: float | None = None,
    tokens_per_parameter: float | None = None,
    served_tokens: float | str = 0.0,
    serving_mfu: float | None = None,
    serving: Serving | None = None,
) -> Allocation:
    """Return the model size and the tokens of least loss for a training budget.

    Each candidate has a usual shape (`Architecture.sized`), the recipe, cluster and prices of a scenario, and as many
    tokens as the budget pays for. The size minimizes the loss on a cost per token that is smoothed over the sizes; the
    tokens are those that the budget pays for with that size. `size_limit` says whether the law limits the size, or an
    end of the search, the cluster or an argument. Sizes of almost the same loss are in `sizes_within_loss` and
    `sizes_within_cost`.

    Parameters
    ----------
    law : Law or ScalingFit
        A preset, an object with `loss(parameters, tokens)`, or a fit, whose errors count in the interval.
    scenario : Scenario
        Recipe, cluster and prices; its architecture and tokens are replaced.
    budget : float or str
        Budget of the cost, a number or text such as "1 M$" [USD].
    parameters : float, optional
        Fixed number of parameters; default: the best [1].
    most_tokens : float, optional
        Available tokens; default: no limit [token].
    tokens_per_parameter : float, optional
        Least ratio, for models trained beyond the compute optimum [1].
    served_tokens : float or str
        Input and output tokens over the life of the model, which the budget must also serve [token].
    serving_mfu : float, optional
        MFU of serving on the same accelerators at their price, with 2 FLOPs per parameter and token [1]. Needed with
        `served_tokens`, or `serving`.
    serving : Serving, optional
        Scenario that prices the served tokens, instead of `serving_mfu`: its architecture is replaced by each size. The
        price is that of replicas at full load within the targets, over the `utilization`. A size that does not fit on
        its cluster, or misses the targets, is infeasible.

    Raises
    ------
    InputError
        If the budget is too small for every size on the cluster.
    MissingFactError
        If the cost is unknown.

    Examples
    --------
    >>> import costmodel as cm
    >>> from costmodel.scaling.laws.hoffmann import HoffmannLaw
    >>> law = HoffmannLaw(E=1.8172, A=482.01, B=2085.43, alpha=0.3478, beta=0.3658)
    >>> run = cm.Scenario(architecture={"total": "1B"}, recipe=cm.Pretraining(tokens="1T", batch_size=1024),
    ...                   cluster=cm.Cluster("H100-SXM", 256), prices=cm.Rental(price=2.5))
    >>> best = allocate(law, run, "1 MUSD")
    >>> 3e10 < best.parameters < 1e11, 10 < best.tokens_per_parameter < 30
    (True, True)
    """
    if not callable(getattr(getattr(law, "law", law), "loss", None)):
        raise InputError(f"law: must have loss(parameters, tokens), as a law or a fit; got {shown(law)}")
    limits = {"parameters": parameters, "most_tokens": most_tokens, "tokens_per_parameter": tokens_per_parameter}
    wrong = {name: value for name, value in limits.items() if value is not None and not 0 <= value <= MOST}
    if wrong:
        raise InputError([f"{name}: must be from 0 to {MOST:g}; got {value!r}" for name, value in wrong.items()])
    if len(scenario.recipes) > 1:
        raise InputError(f"scenario: allocate needs one recipe; got {len(scenario.recipes)}")
    given = _Budget(budget=budget, served_tokens=served_tokens)
    dollars, served = float(given.budget), _Serving(float(given.served_tokens), serving, serving_mfu)
    _check_serving(served)
    reasons: list[str] = []
    best = None
    if parameters is not None:
        (paid,) = _paid(scenario, dollars, [parameters], served)
        reasons += [paid] if isinstance(paid, str) else []
        best = None if isinstance(paid, str) else _allocation(law, paid, most_tokens)
        if best is not None and best.tokens_per_parameter < (tokens_per_parameter or 0.0):
            best = None
        if best is not None:
            best = replace(best, size_limit="given", size_reason="parameters are given")
    else:
        best = _best(law, scenario, dollars, served, (most_tokens, tokens_per_parameter), reasons)
    if best is None:
        why = f": {reasons[0]}" if reasons else ""
        raise InputError(f"budget: {rendering.amount(dollars, 'USD')} is too small for every model size{why}")
    return best


class _Paid(NamedTuple):
    """A model size and the tokens that the budget pays for."""

    parameters: float
    """Number of parameters of the shape [1]."""
    tokens: float
    """Training tokens [token]."""
    cost_per_token: float
    """Training cost of a token [USD]."""
    serving: float
    """Cost of serving [USD]."""
    scenario: Scenario
    """Scenario of the run."""


def _best(
    law: Any,
    scenario: Scenario,
    dollars: float,
    served: _Serving,
    limits: tuple[float | None, float | None],
    reasons: list[str],
) -> Allocation | None:
    """Return the allocation of least loss on the smoothed cost; None if no size is feasible.

    `limits` are the most tokens and the least tokens per parameter.
    """
    tried = _tried(law, scenario, dollars, served, limits)
    reasons += [each for each in tried if isinstance(each, str)]
    curve = _curve(tried)
    loss = _losses(law, curve, dollars, limits)
    if curve is None or loss.min() == math.inf:
        return None
    least, place, sizes = float(loss.min()), int(loss.argmin()), curve.sizes
    best = _near(law, scenario, dollars, float(sizes[place]), served, limits)
    if best is None:
        return None
    size_limit, size_reason = _size_limit(loss, place, tried, curve.affordable(dollars), limits)
    within_loss = sizes[loss <= least * (1 + LOSS_TOLERANCE)]
    within_cost = sizes[_losses(law, curve, dollars * (1 + COST_TOLERANCE), limits) <= least]
    ranges = [(float(ends.min()), float(ends.max())) for ends in (within_loss, within_cost)]
    return replace(
        best,
        sizes_within_loss=ranges[0],
        sizes_within_cost=ranges[1],
        size_limit=size_limit,
        size_reason=size_reason,
    )


def _size_limit(
    loss: NDArray[np.float64],
    place: int,
    tried: list[_Paid | str],
    affordable: NDArray[np.float64],
    limits: tuple[float | None, float | None],
) -> tuple[SizeLimit, str]:
    """Return what limits the size, and why.

    `loss` has the loss by size, infinite where `limits` are not met, and its least value at `place`. `tried` has the
    candidates in ascending order, or the reasons why they are infeasible; `affordable` has the tokens that the budget
    pays for, by size [token].
    """
    most_tokens, least_ratio = limits
    if place == 0:
        before = tried[: next(index for index, each in enumerate(tried) if isinstance(each, _Paid))]
        if before:
            return "feasible sizes", f"smaller models cannot run: {before[-1]}"
        return "smallest size", f"the loss is least at the smallest size tried, {SIZES[0]:.3g} parameters"
    if place == len(loss) - 1:
        last = max(index for index, each in enumerate(tried) if isinstance(each, _Paid))
        if last < len(tried) - 1:
            return "feasible sizes", f"larger models cannot run: {tried[last + 1]}"
        return "largest size", f"the loss is least at the largest size tried, {SIZES[1]:.3g} parameters"
    if least_ratio is not None and loss[place + 1] == math.inf:
        return "tokens_per_parameter", f"larger models have less than {least_ratio:g} tokens per parameter"
    if most_tokens is not None and affordable[place - 1] >= most_tokens:
        available = rendering.amount(most_tokens, "token")
        return "most_tokens", f"the budget ends where only {available} are available"
    return "loss", ""


class _Curve(NamedTuple):
    """Costs smoothed over the sizes."""

    sizes: NDArray[np.float64]
    """Numbers of parameters [1]."""
    cost_per_token: NDArray[np.float64]
    """Training cost of a token, by size [USD]."""
    serving: NDArray[np.float64]
    """Cost of serving, by size [USD]."""

    def affordable(self, dollars: float) -> NDArray[np.float64]:
        """Return the tokens that a budget pays for, by size [token]."""
        return (dollars - self.serving) / self.cost_per_token


def _tried(
    law: Any, scenario: Scenario, dollars: float, served: _Serving, limits: tuple[float | None, float | None]
) -> list[_Paid | str]:
    """Return the candidates whose cost was estimated, in ascending order, or the reasons why they are infeasible.

    They are some over the whole range, and all around the least loss on the curve through those. If none of the first
    is feasible, all candidates are tried.
    """
    step = (SIZES[1] / SIZES[0]) ** (1 / (CANDIDATES - 1))
    candidates = [SIZES[0] * step**index for index in range(CANDIDATES)]
    known, wanted, curve = dict[float, _Paid | str](), candidates[::COARSE], None
    while wanted:
        known.update(zip(wanted, _paid(scenario, dollars, wanted, served, curve), strict=True))
        curve = _curve([known[size] for size in sorted(known)])
        loss = _losses(law, curve, dollars, limits)
        wanted = [size for size in candidates if size not in known]
        if curve is not None and loss.min() < math.inf:
            best = float(curve.sizes[loss.argmin()])
            wanted = [size for size in wanted if abs(math.log(size / best)) < SPAN]
    return [known[size] for size in sorted(known)]


def _curve(tried: Sequence[_Paid | str]) -> _Curve | None:
    """Return the costs by size, smoothed by local linear fits of the logarithm; None if no candidate is feasible."""
    import numpy as np

    paid = list({each.parameters: each for each in tried if isinstance(each, _Paid)}.values())
    if not paid:
        return None
    known = np.log([each.parameters for each in paid])
    wanted = np.linspace(known[0], known[-1], POINTS)
    distance = known[None, :] - wanted[:, None]
    weight = np.exp(-0.5 * (distance / BANDWIDTH) ** 2)
    moments = [(weight * distance**power).sum(axis=1) for power in range(3)]
    rates = np.log([each.cost_per_token for each in paid])
    straight = (moments[2][:, None] - moments[1][:, None] * distance) * weight
    total = straight.sum(axis=1)
    flat = total <= 1e-12 * moments[0] * moments[2]  # a single size has no slope
    fitted = np.where(flat, weight @ rates / moments[0], straight @ rates / np.where(flat, 1.0, total))
    return _Curve(np.exp(wanted), np.exp(fitted), np.interp(wanted, known, [each.serving for each in paid]))


def _losses(
    law: Any, curve: _Curve | None, dollars: float, limits: tuple[float | None, float | None]
) -> NDArray[np.float64]:
    """Return the loss by size at the tokens that a budget pays for; infinite where `limits` are not met."""
    import numpy as np

    if curve is None:
        return np.full(1, math.inf)
    most_tokens, least_ratio = limits
    tokens = np.minimum(curve.affordable(dollars), math.inf if most_tokens is None else most_tokens)
    possible = (tokens > 0) & (tokens >= (least_ratio or 0.0) * curve.sizes)
    pairs = zip(curve.sizes, tokens, possible, strict=True)
    return np.array([loss_of(law, float(size), float(count)) if fits else math.inf for size, count, fits in pairs])


def _near(
    law: Any,
    scenario: Scenario,
    dollars: float,
    size: float,
    served: _Serving,
    limits: tuple[float | None, float | None],
) -> Allocation | None:
    """Return the allocation of the feasible shape nearest below a size, then above it; None if there is none."""
    most_tokens, least_ratio = limits
    for distance in (*range(0, -12, -1), *range(1, 12)):
        (paid,) = _paid(scenario, dollars, [size * math.exp(0.03 * distance)], served)
        best = None if isinstance(paid, str) else _allocation(law, paid, most_tokens)
        if best is not None and best.tokens_per_parameter >= (least_ratio or 0.0):
            return best
    return None


def _paid(
    scenario: Scenario, dollars: float, sizes: Sequence[float], served: _Serving, curve: _Curve | None = None
) -> list[_Paid | str]:
    """Return the tokens that a budget pays for with each size, or the reason why the size is infeasible.

    The default batch size depends on the tokens. They are first taken from a `curve` through other sizes, or from a
    probe and then once more.
    """
    import numpy as np

    guesses = [PROBE] * len(sizes)
    if curve is not None:
        guesses = np.interp(sizes, curve.sizes, np.maximum(curve.affordable(dollars), PROBE)).tolist()
    paid: list[_Paid | str] = []
    for size, tokens in zip(sizes, guesses, strict=True):
        try:
            run = scenario.replace({"architecture": Architecture.sized(size), "recipe.tokens": tokens})
        except InputError as error:
            paid.append(str(error))
        else:
            paid.append(_Paid(float(run.architecture.parameters.total), tokens, 0.0, 0.0, run))
    passes = 1 if scenario.recipes[0].batch_size is not None or curve is not None else 2
    for _ in range(passes):
        plan_together([each.scenario for each in paid if isinstance(each, _Paid)])
        paid = [each if isinstance(each, str) else _settled(each, dollars, served) for each in paid]
    return paid


def _settled(paid: _Paid, dollars: float, served: _Serving) -> _Paid | str:
    """Return a size with the tokens that a budget pays for at its cost of a token."""
    try:
        trial = estimate(paid.scenario)
        serving = served.cost(trial)
        if dollars <= serving:
            raise InputError(f"serving {paid.parameters:.3g} parameters costs more than the budget")
        rate = trial.known_value("cost") / paid.tokens
        tokens = (dollars - serving) / rate
        run = paid.scenario.replace({"recipe.tokens": tokens})
    except InputError as error:
        return str(error)
    return _Paid(paid.parameters, tokens, rate, serving, run)


def _allocation(law: Any, paid: _Paid, most_tokens: float | None) -> Allocation:
    """Return the allocation of one model size, with the tokens that the budget pays for or that are available."""
    tokens, run, limit = paid.tokens, paid.scenario, "budget"
    if most_tokens is not None and tokens > most_tokens:
        tokens, limit = most_tokens, "tokens"
        run = run.replace({"recipe.tokens": tokens})
    loss = loss_of(law, paid.parameters, tokens)
    return Allocation(run.architecture, paid.parameters, tokens, loss, run, law, limit, serving_usd=paid.serving)


def _check_serving(served: _Serving) -> None:
    """Raise `InputError` if served tokens have no price, or two."""
    if served.scenario is not None and served.mfu is not None:
        raise InputError("`serving_mfu` and `serving` exclude each other; leave one out")
    if served.tokens and served.scenario is None and not 0 < (served.mfu or 0.0) <= 1:
        raise InputError(
            "`served_tokens` needs a `serving` scenario, or a `serving_mfu` above 0 and at most 1; "
            f"got {served.tokens:g} tokens and {served.mfu!r}"
        )
