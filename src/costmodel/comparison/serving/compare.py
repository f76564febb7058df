"""Options for serving a workload side by side: cost per month, break-even volume and load, and cost by volume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.comparison.serving.arithmetic import Reserved
from costmodel.comparison.serving.options import HostedAPI, SelfHosted
from costmodel.comparison.serving.replicas import Replicas, drawn, replicas_of
from costmodel.comparison.serving.result import Ends, OptionCost, ServingComparison
from costmodel.comparison.serving.workload import SECONDS_PER_MONTH, ServingWorkload
from costmodel.foundation.checks import checked
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.ranges import middle

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


class Priced(NamedTuple):
    """An option with its prices: of a request, or of replicas, each at its middle and as draws."""

    option: HostedAPI | SelfHosted
    usd_per_request: float | None
    """Price of a request of an API [USD]."""
    replicas: Replicas | None
    """Throughput and price of self-hosted replicas."""
    reserved: Reserved | None
    """Replicas at the medians."""
    drawn: Reserved | None
    """Replicas as draws."""
    note: str
    missing: str
    """Reason why there is no price."""

    def cost(self, requests: Any, sampled: bool = False) -> Any:
        """Return the cost per month [USD], or None if there is no price.

        Parameters
        ----------
        requests : float or NDArray
            Requests per month [1].
        sampled : bool
            Whether to return draws instead of the median.
        """
        if self.usd_per_request is not None:
            return self.usd_per_request * requests
        replicas = self.drawn if sampled else self.reserved
        return None if replicas is None else replicas.cost(requests)


@checked("baseline", "seed")
def compare_serving(
    workload: ServingWorkload,
    options: Sequence[HostedAPI | SelfHosted],
    *,
    baseline: str | None = None,
    seed: int = 0,
) -> ServingComparison:
    """Compare what it costs per month to serve a workload, hosted by the token and on one's own accelerators.

    An API bills usage: a request costs the same at any volume. Accelerators are reserved: replicas are sized for the
    peak, and are paid for whether they serve or not. An option without a price, or whose model does not fit, keeps its
    row with the reason.

    Parameters
    ----------
    workload : ServingWorkload
        Requests per month, their tokens, and their peak.
    options : sequence of HostedAPI or SelfHosted
        The options, with distinct names.
    baseline : str, optional
        Name of the hosted option for the break-even; default: the cheapest hosted option.
    seed : int
        Seed of the random draws.

    Returns
    -------
    ServingComparison
        `.rows()`, `.to_frame()`, `.curve(requests)`, `.by_month(months)`; it prints as a table.

    Raises
    ------
    InputError
        If there is no option, two have the same name, or the baseline is not a hosted option with a price.

    References
    ----------
    Break-even of reserved capacity against a bill by the token: `costmodel.comparison.serving.arithmetic`.

    Examples
    --------
    >>> from costmodel.comparison.serving.options import HostedAPI, SelfHosted
    >>> workload = ServingWorkload(requests_per_month=3e6, input_tokens=1000, output_tokens=1000, peak_to_mean=2)
    >>> api = HostedAPI(name="API", usd_per_million_input=0.2, usd_per_million_output=0.2)
    >>> own = SelfHosted(name="H100", gpus_per_replica=1, requests_per_second=6.938, usd_per_gpu_hour=2.5)
    >>> result = compare_serving(workload, [api, own])
    >>> round(result["API"].usd_per_month), round(result["H100"].usd_per_month)
    (1200, 1826)
    """
    _check(workload, options)
    listed = [priced(option, workload, seed) for option in options]
    base = _baseline(listed, baseline)
    volume = middle(workload.requests_per_month)
    requests = drawn("serving.requests_per_month", workload.requests_per_month, seed)
    costs = {each.option.title: _cost(each, base, workload, volume, requests) for each in listed}
    functions = {each.option.title: each.cost for each in listed}
    return ServingComparison(workload, costs, functions, None if base is None else base.option.title, seed)


def read_comparison(path: Path | str, changes: Mapping[str, Any] | None = None) -> ServingComparison:
    """Return the comparison that a TOML or JSON file describes.

    Parameters
    ----------
    path : Path or str
        File with the table `workload`, the list `options`, whose entries have the fields of `HostedAPI` or of
        `SelfHosted`, and optionally `baseline` and `seed`.
    changes : Mapping, optional
        Values by dotted path that override the file: `{"workload.peak_to_mean": 2}`.

    Raises
    ------
    InputError
        If the file cannot be read, or a field is wrong.
    """
    from costmodel.comparison.serving.request import ComparisonRequest
    from costmodel.estimation.files import read

    request = ComparisonRequest(**read(Path(path), changes or {}))
    return compare_serving(request.workload, request.options, baseline=request.baseline, seed=request.seed)


def _check(workload: object, options: object) -> None:
    problems = []
    if not isinstance(workload, ServingWorkload):
        problems.append(f"workload: must be a ServingWorkload; got {type(workload).__name__}")
    listed = list(options) if isinstance(options, Sequence) and not isinstance(options, str) else [options]
    given = [option for option in listed if isinstance(option, (HostedAPI, SelfHosted))]
    if len(given) < len(listed):
        problems.append(f"options: must be a list of HostedAPI and SelfHosted; got {type(options).__name__}")
    elif not given:
        problems.append("options: must hold one or more; got none")
    else:
        names = [option.title for option in given]
        twice = sorted({name for name in names if names.count(name) > 1})
        problems += [f"options: two are named {name!r}; give each a name" for name in twice]
    if problems:
        raise InputError(problems)


def priced(option: HostedAPI | SelfHosted, workload: ServingWorkload, seed: int = 0) -> Priced:
    """Return the prices of an option, or the reason why there is none.

    Parameters
    ----------
    option : HostedAPI or SelfHosted
    workload : ServingWorkload
        Requests per month, and their tokens.
    seed : int
        Seed of the random draws.
    """
    return _hosted(option, workload) if isinstance(option, HostedAPI) else _self_hosted(option, workload, seed)


def _hosted(option: HostedAPI, workload: ServingWorkload) -> Priced:
    try:
        bill = option.bill(workload)
    except MissingFactError as error:
        return Priced(option, None, None, None, None, "", str(error))
    return Priced(option, bill.usd_per_request, None, None, None, bill.note, "")


def _self_hosted(option: SelfHosted, workload: ServingWorkload, seed: int) -> Priced:
    try:
        replicas = replicas_of(option, workload, seed)
    except (InputError, MissingFactError) as error:  # such as a model that does not fit
        return Priced(option, None, None, None, None, "", str(error))
    at, draws = (replicas.reserved(option, workload, drawn=each) for each in (False, True))
    return Priced(option, None, replicas, at, draws, replicas.note, "")


def _baseline(priced: list[Priced], name: str | None) -> Priced | None:
    """Return the hosted option for the break-even."""
    hosted = {each.option.title: each for each in priced if each.usd_per_request is not None}
    if name is not None and name not in hosted:
        listed = ", ".join(hosted) or "none"
        raise InputError(f"baseline: must be a hosted option with a price ({listed}); got {name!r}")
    if name is not None:
        return hosted[name]
    return min(hosted.values(), key=lambda each: each.usd_per_request or 0.0, default=None)


def _cost(each: Priced, base: Priced | None, workload: ServingWorkload, volume: float, requests: Array) -> OptionCost:
    """Return the figures of an option at the volume of the workload."""
    option = each.option
    basis = "usage" if isinstance(option, HostedAPI) else "owned" if option.is_owned else "rented"
    blank = OptionCost(option.title, option.kind, basis, note=each.note, missing=each.missing)
    if each.missing:
        return blank
    monthly = float(each.cost(volume))
    blank = blank._replace(
        usd_per_month=monthly,
        usd_per_month_interval=_ends(each.cost(requests, sampled=True)),
        usd_per_million_tokens=monthly / (volume * workload.tokens) * 1e6,
        usd_per_request=monthly / volume,
    )
    if each.replicas is None or each.reserved is None:
        return blank._replace(usage_usd=monthly, reserved_usd=0.0)
    replicas = float(each.reserved.replicas(volume))
    capacity = each.replicas.capacity * SECONDS_PER_MONTH
    found = blank._replace(
        usage_usd=0.0,
        reserved_usd=monthly,
        replicas=int(replicas),
        gpus=int(replicas) * each.replicas.gpus,
        utilization=volume / (replicas * capacity),
    )
    return found if base is None else _with_break_even(found, each, base, capacity, requests)


def _with_break_even(found: OptionCost, each: Priced, base: Priced, capacity: float, requests: Array) -> OptionCost:
    """Return the figures with the volume and the load from which the replicas cost less than the baseline."""
    import numpy as np

    usd, at, sampled = base.usd_per_request, each.reserved, each.drawn
    if not usd or at is None or sampled is None or each.replicas is None:
        return found
    own = sampled.cost(requests)
    loads = own / (usd * sampled.replicas(requests) * capacity / each.replicas.slowness_draws)
    return found._replace(
        break_even_requests=float(at.break_even(usd)),
        break_even_interval=_ends(sampled.break_even(usd)),
        always_below_requests=float(at.always_below(usd)),
        break_even_utilization=(found.usd_per_month or 0.0) / (usd * (found.replicas or 1) * capacity),
        break_even_utilization_interval=_ends(loads),
        probability_cheaper=float(np.mean(own < usd * requests)),
    )


def _ends(values: Array) -> Ends:
    """Return the 10 % and 90 % quantiles; infinite values stay infinite."""
    import numpy as np

    low, high = np.quantile(values, [0.1, 0.9], method="inverted_cdf")
    return float(low), float(high)
