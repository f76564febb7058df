"""Where does each input of the chain come from? Given, looked up, fitted or assumed: settled once, here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from costmodel.estimation.chain import Missing, Stage, Timing
from costmodel.foundation.errors import InputError, MissingFactError, UnknownNameError
from costmodel.foundation.ranges import Range, middle
from costmodel.foundation.tables import Figure, Provenance, default
from costmodel.foundation.units import SI_FACTOR
from costmodel.hardware.power import training_power
from costmodel.hardware.site import electricity_price, grid_intensity, water_intensity
from costmodel.training.passes import pass_flops
from costmodel.training.utilisation import default_mfu

if TYPE_CHECKING:
    from costmodel.estimation.scenario import Scenario
    from costmodel.hardware.accelerator import Accelerator
    from costmodel.hardware.site import Site

GIVEN = Provenance("given")


class Input(NamedTuple):
    """A number that enters the chain: SI value, SI range or None, the unit it is shown in, and its origin."""

    value: float
    spread: Range | None
    unit: str
    provenance: Provenance

    def interval(self) -> list[float] | None:
        """Return the 10 % and the 90 % quantile in the unit in which the field is written."""
        if self.spread is None:
            return None
        return [self.spread.quantile(probability) / SI_FACTOR[self.unit] for probability in (0.1, 0.9)]

    def shown(self) -> tuple[float, str]:
        """Return the value in the unit in which the field is written, and that unit."""
        return self.value / SI_FACTOR[self.unit], "" if self.unit == "1" else self.unit


def stages(scenario: Scenario) -> tuple[Stage, ...]:
    """Return what the chain needs to know of the recipes."""
    listed = []
    for recipe in scenario.recipes:
        timing: Timing = "utilisation"
        if scenario.gpu_hours is not None:
            timing = "total given"
        elif recipe.gpu_hours is not None:
            timing = "given"
        listed.append(Stage(timing, recipe.batch_size is not None and timing == "utilisation"))
    return tuple(listed)


def resolve(scenario: Scenario) -> tuple[dict[str, Input], dict[str, Missing]]:
    """Return the inputs of a scenario by path, and why others cannot be had."""
    inputs: dict[str, Input] = {}
    missing: dict[str, Missing] = {}

    def put(path: str, unit: str, figure: Figure | Callable[[], Figure]) -> None:
        try:
            found = figure if isinstance(figure, Figure) else figure()
        except MissingFactError as error:
            missing[path] = Missing(f"{path}: {error}")
        except UnknownNameError as error:
            raise UnknownNameError(f"{path}: {error}") from None
        else:
            factor = SI_FACTOR[unit]
            spread = None if found.spread is None else found.spread.scaled(factor, "")
            inputs[path] = Input(found.value * factor, spread, unit, found.provenance)

    accelerator = scenario.cluster.accelerator
    put("cluster.count", "1", Figure(float(scenario.cluster.count), None, GIVEN))
    put("cluster.peak", "TFLOP/s", lambda: _peak(accelerator))
    _put_recipes(scenario, put)
    _put_utilisation(scenario, put)
    _put_site(scenario.cluster.site, accelerator, put)
    price = scenario.prices.figure
    put("prices.price", "USD/hour", lambda: price(accelerator.name, scenario.cluster.count, scenario.cluster.node_size))
    return inputs, missing


Put = Callable[[str, str, Figure | Callable[[], Figure]], None]


def _put_recipes(scenario: Scenario, put: Put) -> None:
    single = len(scenario.recipes) == 1
    for index, recipe in enumerate(scenario.recipes):
        prefix = "recipe." if single else f"recipe.{index}."
        put(f"{prefix}tokens", "token", _given(recipe.tokens))
        flops = sum(pass_flops(one) for one in recipe.passes(scenario.architecture))
        put(f"{prefix}flops_per_token", "FLOP/token", Figure(flops / middle(recipe.tokens), None, _counted(scenario)))
        if recipe.batch_size is not None:
            tokens = float(recipe.batch_size * recipe.sequence_length)
            put(f"{prefix}batch_tokens", "token", Figure(tokens, None, GIVEN))
        if recipe.gpu_hours is not None:
            put(f"{prefix}gpu_time", "hour", _given(recipe.gpu_hours))
    if scenario.gpu_hours is not None:
        put("gpu_time", "hour", _given(scenario.gpu_hours))


def _put_utilisation(scenario: Scenario, put: Put) -> None:
    if all(stage.timing != "utilisation" for stage in stages(scenario)):
        return
    accelerator, mixture = scenario.cluster.accelerator, scenario.architecture.kind == "moe"
    share = _of_bf16(scenario)
    put("mfu", "1", _given(scenario.mfu) if scenario.mfu is not None else default_mfu(mixture, accelerator, share))
    typical = default("goodput")
    if scenario.goodput is not None:
        put("goodput", "1", _given(scenario.goodput))
    elif scenario.mfu is not None:
        put("goodput", "1", typical)
    else:  # the spread of whole jobs, goodput included, is in the default mfu already
        note = f"{typical.provenance.note}; its spread is part of that of mfu"
        put("goodput", "1", Figure(typical.value, None, typical.provenance._replace(note=note)))


def _put_site(site: Site, accelerator: Accelerator, put: Put) -> None:
    region, year = site.region, site.year
    power, pue, grid = site.power_per_gpu, site.pue, site.grid_intensity
    on_site, water, electricity = site.water_usage_effectiveness, site.water_intensity, site.electricity
    put("site.power_per_gpu", "W", _given(power) if power is not None else lambda: training_power(accelerator))
    put("site.pue", "1", _given(pue) if pue is not None else default("pue"))
    put("site.water_usage_effectiveness", "liter/kWh",
        _given(on_site) if on_site is not None else default("water_usage_effectiveness"))  # fmt: skip
    for path, unit, given, look_up in (
        ("grid_intensity", "kg/kWh", grid, lambda: grid_intensity(str(region), year)),
        ("water_intensity", "liter/kWh", water, lambda: water_intensity(str(region))),
        ("electricity", "USD/kWh", electricity, lambda: electricity_price(str(region))),
    ):
        if given is not None:
            put(f"site.{path}", unit, _given(given))
        else:
            put(f"site.{path}", unit, default(path) if region is None else look_up)


def _of_bf16(scenario: Scenario) -> float:
    """Return the peak of the slowest precision of the recipes as a share of that of bf16, at most 1.

    A default is fitted on 16-bit and 8-bit runs: slower formats are scaled down, faster ones not up.
    """
    accelerator = scenario.cluster.accelerator
    shares = [1.0]
    for index, recipe in enumerate(scenario.recipes):
        try:
            shares.append(accelerator.peak(recipe.precision) / accelerator.peak())
        except MissingFactError as error:
            if recipe.precision != "bf16":
                place = "recipe" if len(scenario.recipes) == 1 else f"recipe.{index}"
                raise InputError(f"{place}.precision: {error}") from None
    return min(shares)


def _given(value: float | Range) -> Figure:
    return Figure(middle(value), value if isinstance(value, Range) else None, GIVEN)


def _peak(accelerator: Accelerator) -> Figure:
    note = f"dense {'bf16' if accelerator.bf16 is not None else 'fp16'} peak of {accelerator.name}"
    known = Provenance("looked up", accelerator.source, note=note) if accelerator.source else GIVEN
    return Figure(accelerator.peak() / 1e12, None, known)


def _counted(scenario: Scenario) -> Provenance:
    architecture = scenario.architecture
    if not architecture.is_aggregate:
        return Provenance(
            "looked up", architecture.source or "config", note=f"counted from {architecture.name}, causal"
        )
    caution = "" if architecture.depth else "core attention is left out of the FLOPs: only counts are known"
    return Provenance("given", note="from counts of parameters", caution=caution)
