"""Formulas of the cost of owned accelerators: parts of the purchase, loss of value, interest, and the lines of a bill.

All amounts are per accelerator, in SI units with USD: prices [USD], lives [s], rates per year [1].

References
----------
Cottier et al. 2024 (arXiv 2405.21015), appendix on amortized hardware costs.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Literal

from costmodel.foundation.arrays import N, exp, expm1, log, where
from costmodel.foundation.units import SI_FACTOR

if TYPE_CHECKING:
    from collections.abc import Callable

Part = Literal["accelerators", "servers", "network", "storage"]
Depreciation = Literal["straight_line", "price_performance"]
YEAR = SI_FACTOR["year"]
"""Seconds of a year of 365.25 days."""
_TINY = 1e-12


def part_price(part: Part, includes_server: bool, price: N, factor: N, network: N, storage: N) -> N:
    """Return the price of a part of the hardware of an accelerator [USD].

    Parameters
    ----------
    part : str
        "accelerators", "servers" (processors, memory, chassis), "network" or "storage".
    includes_server : bool
        Whether `price` is that of the server per accelerator, or of the accelerator alone.
    price : float or ndarray
        Purchase price per accelerator [USD].
    factor : float or ndarray
        Price of a server per accelerator over that of the accelerator [1].
    network, storage : float or ndarray
        Shares of the price of the cluster [1].
    """
    server = price if includes_server else price * factor
    if part == "accelerators":
        return server / factor
    if part == "servers":
        return server - server / factor
    return server / (1 - network - storage) * (network if part == "network" else storage)


def hardware_price(includes_server: bool, price: N, factor: N, network: N, storage: N) -> N:
    """Return the price of all hardware of an accelerator [USD], the parts of `part_price` together."""
    server = price if includes_server else price * factor
    return server / (1 - network - storage)


def straight_line(life: N, residual: N) -> N:
    """Return the loss of value per second as a share of the price, in equal amounts over the life."""
    return (1 - residual) / life


def price_performance(decline: N, age: N) -> N:
    """Return the loss of value per second as a share of the price, of hardware of an age [s].

    The value falls by the factor exp(-decline) a year, as newer accelerators offer more for the same price.
    """
    return decline / YEAR * exp(-decline * age / YEAR)


def interest_of_life(rate: N, life: N, residual: N) -> N:
    """Return the interest per second as a share of the price, mean over the life.

    A constant payment recovers the price less the present residual value with compound interest (the capital recovery
    factor with continuous payments); the loss of value in equal amounts is subtracted.

    Parameters
    ----------
    rate : float or ndarray
        Cost of capital per year [1].
    life : float or ndarray
        Years over which the price is written off [s].
    residual : float or ndarray
        Share of the price that is left [1].
    """
    growth = log(1 + rate) / YEAR
    total = growth * life
    small = total * total < _TINY * _TINY
    safe = where(small, 1.0, total)
    recovery = (1 - residual * exp(-safe)) / -expm1(-safe) * growth
    result: Any = where(small, 0.0, recovery - straight_line(life, residual))
    return result  # type: ignore[no-any-return]


def interest_of_value(rate: N, decline: N, age: N) -> N:
    """Return the interest per second as a share of the price, on the value of hardware of an age [s]."""
    return log(1 + rate) / YEAR * exp(-decline * age / YEAR)


def real_rate(rate: N, inflation: N) -> N:
    """Return the cost of capital per year above inflation [1], which may be below 0."""
    return (1 + rate) / (1 + inflation) - 1


@lru_cache(maxsize=64)
def depreciation_line(part: Part, includes_server: bool, kind: Depreciation) -> Callable[..., Any]:
    """Return the function of a line of the hardware: its loss of value in the time that a run owns it [USD].

    Its arguments are GPU time, utilization, purchase price, server factor, network share, storage share, and the two
    arguments of `straight_line` or `price_performance`.
    """
    loss = straight_line if kind == "straight_line" else price_performance
    return partial(_depreciation, part, includes_server, loss)


def _depreciation(
    part: Part, includes_server: bool, loss: Callable[..., Any], gpu_seconds: Any, utilization: Any, *rest: Any
) -> Any:
    *prices, first, second = rest
    return part_price(part, includes_server, *prices) * loss(first, second) * (gpu_seconds / utilization)


@lru_cache(maxsize=64)
def purchase_line(part: Part, includes_server: bool) -> Callable[..., Any]:
    """Return the function of a line of a purchase [USD].

    Its arguments are the accelerators, purchase price, server factor, network share and storage share.
    """
    return partial(_purchase, part, includes_server)


def _purchase(part: Part, includes_server: bool, count: Any, *prices: Any) -> Any:
    return part_price(part, includes_server, *prices) * count


@lru_cache(maxsize=64)
def capital_line(includes_server: bool, kind: Depreciation, building: bool, real: bool = False) -> Callable[..., Any]:
    """Return the function of the line of interest on the hardware and the building [USD].

    Its arguments are GPU time, utilization, cost of capital, with `real` the inflation, purchase price, server factor,
    network share, storage share, the two arguments of the loss of value, and with `building` the capital per watt of
    the data center, the design power per accelerator, and the life of the data center.
    """
    return partial(_capital, includes_server, kind, building, real)


def _capital(
    includes_server: bool,
    kind: Depreciation,
    building: bool,
    real: bool,
    gpu_seconds: Any,
    utilization: Any,
    rate: Any,
    *rest: Any,
) -> Any:
    if real:
        rate, rest = real_rate(rate, rest[0]), rest[1:]
    prices, (first, second), housing = rest[:4], rest[4:6], rest[6:]
    if kind == "straight_line":
        interest = interest_of_life(rate, first, second)
    else:
        interest = interest_of_value(rate, first, second)
    per_second = hardware_price(includes_server, *prices) * interest
    if building:
        per_watt, capacity, life = housing
        per_second = per_second + per_watt * capacity * interest_of_life(rate, life, 0.0)
    return per_second * (gpu_seconds / utilization)


def electricity_line(energy: N, price: N, utilization: N, idle_share: N) -> N:
    """Return the electricity of a run with its share of the idle hours [USD].

    Parameters
    ----------
    energy : float or ndarray
        Energy of the facility for the run [J].
    price : float or ndarray
        Price of electricity [USD/J].
    utilization : float or ndarray
        Share of the hours with a job [1].
    idle_share : float or ndarray
        Power without a job over that with one [1].
    """
    return energy * price * (1 + idle_share * (1 - utilization) / utilization)


def data_center_line(gpu_seconds: N, utilization: N, per_watt: N, capacity: N, life: N) -> N:
    """Return the loss of value of the data center [USD]; `capacity` is the design power per accelerator [W]."""
    return per_watt * capacity / life * (gpu_seconds / utilization)


def colocation_line(gpu_seconds: N, utilization: N, rate: N, capacity: N) -> N:
    """Return the colocation [USD]; `rate` is per watt and second of the design power `capacity` [W]."""
    return rate * capacity * (gpu_seconds / utilization)


def staff_line(gpu_seconds: N, utilization: N, staff: N) -> N:
    """Return the operations staff [USD]; `staff` is per accelerator and second."""
    return staff * (gpu_seconds / utilization)


@lru_cache(maxsize=64)
def support_line(includes_server: bool) -> Callable[..., Any]:
    """Return the function of the line of support and spare parts [USD].

    Its arguments are GPU time, utilization, the share of the price per year, and those of `hardware_price`.
    """
    return partial(_support, includes_server)


def _support(includes_server: bool, gpu_seconds: Any, utilization: Any, share: Any, *prices: Any) -> Any:
    return share / YEAR * hardware_price(includes_server, *prices) * (gpu_seconds / utilization)
