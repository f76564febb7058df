"""Energy, carbon and water of an estimate: their steps, from the GPU-hours and the inputs of site and hardware.

Carbon of the electricity is location-based (the grid of the place) and market-based (the contracts of the site).
Embodied carbon is the share of a job in the manufacturing of its hardware.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from costmodel.estimation.chain import Missing, Step, figure_step
from costmodel.foundation.arrays import N, largest
from costmodel.foundation.ranges import Range, middle
from costmodel.foundation.tables import Figure, Provenance, default
from costmodel.hardware.embodied import accelerator_emissions
from costmodel.hardware.site import electricity_price, grid_intensity, water_intensity
from costmodel.market.owned import Ownership

if TYPE_CHECKING:
    from costmodel.hardware.cluster import Cluster
    from costmodel.hardware.site import Site
    from costmodel.market.rental import Rental

Contract = Literal["market_intensity", "residual_intensity", "hourly_matched", "yearly_matched"]
CONTRACTS: tuple[Contract, ...] = ("market_intensity", "residual_intensity", "hourly_matched", "yearly_matched")
"""Fields of a site that state its contracts for electricity."""
NO_CONTRACT = Missing("no contract given (yearly_matched)")
"""Why there is no market-based intensity."""
_GIVEN = Provenance("given")
_RESIDUAL_CAUTION = (
    "market-based carbon: the part that no contract covers has the intensity of the grid; that of the residual mix is "
    "usually higher (cluster.site.residual_intensity)"
)
Put = Callable[[str, str, "Figure | Callable[[], Figure]"], None]


def machine_energy(gpu_seconds: N, power: N) -> N:
    """Return the energy of the servers [J].

    Parameters
    ----------
    gpu_seconds, power : float or ndarray
        GPU time [s] and wall power per accelerator [W].
    """
    return gpu_seconds * power


def machine_energy_with_idle(gpu_seconds: N, power: N, idle: N) -> N:
    """Return the energy of the servers, with that of idle ones that the job has to bear [J].

    Parameters
    ----------
    gpu_seconds, power, idle : float or ndarray
        GPU time [s], wall power per accelerator [W], and energy of idle servers over that of the job [1].
    """
    return gpu_seconds * power * (1 + idle)


def facility_energy(energy: N, pue: N) -> N:
    """Return the energy of the facility, with cooling and power distribution [J].

    Parameters
    ----------
    energy, pue : float or ndarray
        Energy of the servers [J] and power usage effectiveness [1].
    """
    return energy * pue


def emissions(energy: N, intensity: N) -> N:
    """Return the greenhouse gas emissions of electricity [kg CO2e].

    Parameters
    ----------
    energy, intensity : float or ndarray
        Energy of the facility [J] and emissions of the electricity [kg/J].
    """
    return energy * intensity


def unmatched_emissions(energy: N, intensity: N, *matched: N) -> N:
    """Return the greenhouse gas emissions of the electricity that no contract covers [kg CO2e].

    Electricity that is matched in each hour is matched over the year, so the larger share counts.

    Parameters
    ----------
    energy, intensity : float or ndarray
        Energy of the facility [J] and emissions of uncovered electricity [kg/J].
    matched : float or ndarray
        Shares of the electricity that are matched with carbon-free electricity [1].
    """
    covered = matched[0]
    for share in matched[1:]:
        covered = largest(covered, share)
    return energy * intensity * (1 - covered)


def embodied_emissions(gpu_seconds: N, life: N, utilization: N, accelerator: N, server: N) -> N:
    """Return the share of a job in the emissions of manufacturing its hardware [kg CO2e].

    Parameters
    ----------
    gpu_seconds, life, utilization, accelerator, server : float or ndarray
        GPU time [s], years of service [s], share of them in which the hardware is allocated [1], emissions of an
        accelerator and of its share of the server [kg].
    """
    return gpu_seconds / (life * utilization) * (accelerator + server)


def water_use(machine_energy: N, wue: N, pue: N, grid_water: N) -> N:
    """Return the water consumed on site and at the power stations [m³].

    On-site water is per energy of the servers, water of the grid per energy of the facility.

    Parameters
    ----------
    machine_energy, wue, pue, grid_water : float or ndarray
        Energy of the servers [J], water on site [m**3/J], power usage effectiveness [1], water of the grid [m**3/J].
    """
    return machine_energy * (wue + pue * grid_water)


def electricity_cost(energy: N, price: N) -> N:
    """Return the cost of the electricity [USD]; it is part of the rent and not added to it.

    Parameters
    ----------
    energy, price : float or ndarray
        Energy of the facility [J] and price of electricity [USD/J].
    """
    return energy * price


@lru_cache(maxsize=64)
def climate_steps(contracts: tuple[Contract, ...] = (), idle: bool = False) -> tuple[Step, ...]:
    """Return the steps of energy, carbon and water, in order.

    Parameters
    ----------
    contracts : tuple of str
        Fields of the site that state its contracts, as far as they are given.
    idle : bool
        Whether the energy of idle servers is given.
    """
    servers = Step("machine_energy", "J", machine_energy, ("gpu_hours", "site.power_per_gpu"), "GPU-hours × power")
    if idle:
        inputs = (*servers.inputs, "site.idle_energy")
        servers = Step("machine_energy", "J", machine_energy_with_idle, inputs, "GPU-hours × power × (1 + idle energy)")
    water = ("machine_energy", "site.water_usage_effectiveness", "site.pue", "site.water_intensity")
    life = ("cluster.embodied.life", "cluster.embodied.utilization")
    hardware = ("cluster.embodied.accelerator_emissions", "cluster.embodied.server_emissions")
    embodied = "GPU-hours / (life × utilization over life) × (accelerator + its share of the server)"
    return (
        servers,
        figure_step("energy", facility_energy, ("machine_energy", "site.pue"), "server energy × PUE"),
        figure_step("carbon", emissions, ("energy", "site.grid_intensity"), "energy × grid intensity"),
        *_market_steps(contracts),
        figure_step("embodied_carbon", embodied_emissions, ("gpu_hours", *life, *hardware), embodied),
        figure_step("water", water_use, water, "server energy × (WUE + PUE × water of the grid)"),
        figure_step("electricity_cost", electricity_cost, ("energy", "site.electricity"), "energy × electricity price"),
    )


def _market_steps(contracts: tuple[Contract, ...]) -> tuple[Step, ...]:
    """Return the steps of market-based carbon; without contracts it lacks its input."""
    shares = tuple(f"site.{name}" for name in ("hourly_matched", "yearly_matched") if name in contracts)
    if not shares and "residual_intensity" in contracts:
        inputs = ("energy", "site.residual_intensity")
        return (figure_step("market_carbon", emissions, inputs, "energy × intensity of the residual mix"),)
    if not shares:
        inputs = ("energy", "site.market_intensity")
        return (figure_step("market_carbon", emissions, inputs, "energy × market-based intensity"),)
    rest = "residual_intensity" if "residual_intensity" in contracts else "grid_intensity"
    inputs = ("energy", f"site.{rest}")
    words = "the residual mix" if rest == "residual_intensity" else "the grid"
    formula = f"energy × (1 - matched share) × intensity of {words}"
    listed = [figure_step("market_carbon", unmatched_emissions, (*inputs, *shares), formula)]
    if "hourly_matched" in contracts:
        formula = f"energy × (1 - share matched in each hour) × intensity of {words}"
        hourly = (*inputs, "site.hourly_matched")
        listed.append(Step("hourly_market_carbon", "kg", unmatched_emissions, hourly, formula))
    return tuple(listed)


def contracts_of(site: Site) -> tuple[Contract, ...]:
    """Return the fields of a site that state its contracts, as far as they are given.

    Parameters
    ----------
    site : Site
    """
    return tuple(name for name in CONTRACTS if getattr(site, name) is not None)


def put_climate(cluster: Cluster, prices: Rental | Ownership, power_of_job: Callable[[], Figure], put: Put) -> None:
    """Put the inputs of energy, carbon and water.

    Parameters
    ----------
    cluster : Cluster
    prices : Rental or Ownership
        Owned hardware has a life and a use, which hold for its emissions too.
    power_of_job : callable
        Returns the wall power per accelerator, if the site has none [W].
    put : callable
        Takes path, unit, and a figure or a function that returns it.
    """
    site, region, power = cluster.site, cluster.site.region, cluster.site.power_per_gpu
    put("site.power_per_gpu", "W", given_figure(power) if power is not None else power_of_job)
    if site.idle_energy is not None:
        put("site.idle_energy", "1", given_figure(site.idle_energy))
    look_ups: tuple[tuple[str, str, Callable[[], Figure] | None], ...] = (
        ("pue", "1", None),
        ("water_usage_effectiveness", "liter/kWh", None),
        ("grid_intensity", "kg/kWh", lambda: grid_intensity(str(region), site.year)),
        ("water_intensity", "liter/kWh", lambda: water_intensity(str(region))),
        ("electricity", "USD/kWh", lambda: electricity_price(str(region))),
    )
    for name, unit, look_up in look_ups:
        value = getattr(site, name)
        if value is not None:
            put(f"site.{name}", unit, given_figure(value))
        else:
            put(f"site.{name}", unit, default(name) if look_up is None or region is None else look_up)
    _put_contracts(site, put)
    _put_embodied(cluster, prices, put)


def _put_contracts(site: Site, put: Put) -> None:
    contracts = contracts_of(site)
    for name in contracts:
        unit, figure = "1" if name.endswith("matched") else "kg/kWh", given_figure(getattr(site, name))
        if unit == "1" and "residual_intensity" not in contracts and getattr(site, name) != 1.0:
            figure = figure._replace(provenance=_GIVEN._replace(caution=_RESIDUAL_CAUTION))
        put(f"site.{name}", unit, figure)


def _put_embodied(cluster: Cluster, prices: Rental | Ownership, put: Put) -> None:
    embodied, accelerator = cluster.embodied, cluster.accelerator
    owned = {"life": prices.life, "utilization": prices.utilization} if isinstance(prices, Ownership) else {}
    look_ups: tuple[tuple[str, str, Callable[[], Figure]], ...] = (
        ("accelerator_emissions", "kg", lambda: accelerator_emissions(accelerator)),
        ("server_emissions", "kg", lambda: default("embodied_server")),
        ("life", "year", lambda: default("embodied_life")),
        ("utilization", "1", lambda: default("embodied_utilization")),
    )
    for name, unit, look_up in look_ups:
        value = getattr(embodied, name)
        value = owned.get(name) if value is None else value
        put(f"cluster.embodied.{name}", unit, look_up if value is None else given_figure(value))


def given_figure(value: float | Range) -> Figure:
    """Return the figure of a value that the user gives.

    Parameters
    ----------
    value : float or Range
    """
    return Figure(middle(value), value if isinstance(value, Range) else None, _GIVEN)
