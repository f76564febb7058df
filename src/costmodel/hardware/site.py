"""Sites: power, cooling, water and grid, given or looked up by region."""

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from costmodel.foundation.errors import MissingFactError, UnknownNameError, nearest
from costmodel.foundation.fields import (
    ElectricityPrice,
    GridIntensity,
    IdleEnergy,
    Power,
    PowerUsageEffectiveness,
    Share,
    WaterIntensity,
)
from costmodel.foundation.names import Names
from costmodel.foundation.specs import Spec
from costmodel.foundation.tables import Figure, Provenance, Row, table

if TYPE_CHECKING:
    from costmodel.foundation.fields import RangeLike


class Site(Spec):
    """A data center. Fields that are not given are looked up by region, or assumed with an uncertainty.

    Examples
    --------
    >>> Site(region="us-virginia", pue=1.1).pue
    1.1
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            region: str | None = ...,
            *,
            year: int | None = ...,
            pue: RangeLike | None = ...,
            grid_intensity: RangeLike | None = ...,
            water_usage_effectiveness: RangeLike | None = ...,
            water_intensity: RangeLike | None = ...,
            electricity: RangeLike | None = ...,
            power_per_gpu: RangeLike | None = ...,
            idle_energy: RangeLike | None = ...,
            market_intensity: RangeLike | None = ...,
            hourly_matched: RangeLike | None = ...,
            yearly_matched: RangeLike | None = ...,
            residual_intensity: RangeLike | None = ...,
        ) -> None: ...

    region: str | None = Field(
        default=None,
        description='Country ("FR", "France"), US state ("US-VA", "us-virginia"), cloud region ("gcp:us-central1", '
        '"us-east-1") or city of a data center ("Frankfurt").',
    )
    year: int | None = Field(default=None, description="Year of the grid intensity. Default: the newest in the table.")
    pue: PowerUsageEffectiveness | None = Field(
        default=None, description="Power usage effectiveness (PUE) [1]: energy of the facility / energy of the servers."
    )
    grid_intensity: GridIntensity | None = Field(
        default=None, description="Greenhouse gas emissions of the electricity, location-based [kg/kWh]."
    )
    water_usage_effectiveness: WaterIntensity | None = Field(
        default=None,
        description="Water usage effectiveness (WUE): water evaporated on site / energy of the servers [liter/kWh].",
    )
    water_intensity: WaterIntensity | None = Field(
        default=None, description="Water consumed to generate the electricity [liter/kWh]."
    )
    electricity: ElectricityPrice | None = Field(default=None, description="Price of electricity [USD/kWh].")
    power_per_gpu: Power | None = Field(
        default=None,
        description="Wall power per accelerator with its share of the server [W]. Default: from the TDP, the "
        "utilization of the job and the design power of the server.",
    )
    idle_energy: IdleEnergy | None = Field(
        default=None,
        description="Energy of idle and reserved servers that the job has to bear, over the energy of its own servers "
        "[1]; 0.59 of BLOOM. Default: none.",
    )
    market_intensity: GridIntensity | None = Field(
        default=None,
        description="Greenhouse gas emissions of the electricity, market-based: of the supplier or the contracts, for "
        "all of it [kg/kWh].",
    )
    hourly_matched: Share | None = Field(
        default=None,
        description="Share of the electricity that contracts match with carbon-free electricity in each hour [1].",
    )
    yearly_matched: Share | None = Field(
        default=None,
        description="Share of the electricity that contracts or certificates match with carbon-free electricity over a "
        "year [1].",
    )
    residual_intensity: GridIntensity | None = Field(
        default=None,
        description="Greenhouse gas emissions of electricity that no contract covers, those of the residual mix "
        "[kg/kWh]. Default: those of the grid.",
    )

    @model_validator(mode="after")
    def _one_account_of_contracts(self) -> Self:
        """Refuse fields that state the contracts twice, or in contradiction."""
        problems = []
        parts = [
            name
            for name in ("hourly_matched", "yearly_matched", "residual_intensity")
            if getattr(self, name) is not None
        ]
        if self.market_intensity is not None and parts:
            problems.append(f"market_intensity: is for all of the electricity; give it or {', '.join(parts)}, not both")
        hourly, yearly = self.hourly_matched, self.yearly_matched
        if isinstance(hourly, float) and isinstance(yearly, float) and yearly < hourly:
            problems.append(
                f"yearly_matched: must be at least hourly_matched ({hourly:g}), since what is matched in each hour is "
                f"matched over the year; got {yearly:g}"
            )
        if problems:
            raise ValueError("; ".join(problems))
        return self


def grid_intensity(region: str, year: int | None = None) -> Figure:
    """Return the greenhouse gas emissions of the electricity of a region [kg/kWh], location-based.

    Parameters
    ----------
    region : str
        Country, US state or cloud region, as in `Site.region`.
    year : int, optional
        The newest figure of this year or before is used. Default: the newest of all.

    Raises
    ------
    UnknownNameError
        If the region is not known.
    MissingFactError
        If the table has no figure of that year or before.
    """
    row = _grid_row(region, year)
    note = f"{row['name'] or row['region']}, {row['boundary']}"
    return Figure(float(row["kg_per_kwh"]), None, Provenance("looked up", row["source"], row["year"], note))


def grid_boundary(region: str, year: int | None = None) -> str:
    """Return what the grid intensity of a region counts: direct emissions of generation, or the life cycle.

    Parameters
    ----------
    region, year : str, int, optional
        As for `grid_intensity`.
    """
    return _grid_row(region, year)["boundary"]


def grid_name(region: str) -> str:
    """Return the name of the grid of a region, such as "Germany"; of an unknown region, the region itself.

    Parameters
    ----------
    region : str
        Country, US state, cloud region or city, as in `Site.region`.
    """
    key = _proper(region)
    return region if key is None else _grid()[key][0]["name"] or key


def electricity_price(region: str) -> Figure:
    """Return the price of electricity of a region [USD/kWh], of the newest year.

    Parameters
    ----------
    region : str
        Country, US state or cloud region, as in `Site.region`.
    """
    key = resolve_region(region)
    prices = table("prices/electricity").rows
    rows = [row for row in prices if row["region"] == key] or [row for row in prices if row["region"] == country(key)]
    if not rows:
        raise MissingFactError(f"no electricity price of {key} is known; give cluster.site.electricity")
    row = max(rows, key=lambda row: row["year"])
    return Figure(float(row["usd_per_kwh"]), None, Provenance("looked up", row["source"], row["year"], row["scope"]))


def water_intensity(region: str) -> Figure:
    """Return the water consumed to generate the electricity of a country [liter/kWh].

    Parameters
    ----------
    region : str
        Country, US state or cloud region, as in `Site.region`.
    """
    key = country(resolve_region(region))
    rows = [row for row in table("facts/grid_water").rows if row["region"] == key]
    if not rows:
        raise MissingFactError(f"no water intensity of {key} is known; give cluster.site.water_intensity")
    note = "world average; no figure of the country" if rows[0]["world_default"] == "true" else key
    return Figure(float(rows[0]["liters_per_kwh"]), None, Provenance("looked up", rows[0]["source"], note=note))


def resolve_region(region: str) -> str:
    """Return the key of a region in the grid table, or raise `UnknownNameError`.

    Parameters
    ----------
    region : str
        Country ("DE", "Germany"), US state, cloud region ("us-east-1") or city of a data center ("Frankfurt").
    """
    key = _proper(region)
    if key is not None:
        return key
    hint = "A country, a US state, a cloud region or a city; 'costmodel regions' lists them."
    close = [name for known in (_grid(), _written_names()) for name in nearest(region[:80], known)[:2]]
    if close:
        raise UnknownNameError(f"unknown region {region!r}; did you mean {' or '.join(map(repr, close))}? {hint}")
    raise UnknownNameError.of("region", region, _grid(), hint)


def find_region(region: str) -> str | None:
    """Return the key of a region in the grid table; None if the region is not known.

    Unlike `resolve_region` it takes full names only, because a provider may use a short name for another place.

    Parameters
    ----------
    region : str
        Country, US state or region with its cloud ("aws:us-east-1").
    """
    return _regions().proper(region)


def find_place(region: str) -> str | None:
    """Return the key of a region as people write it, as `resolve_region`; None if the region is not known.

    Parameters
    ----------
    region : str
        Country, US state, cloud region or city.
    """
    return _proper(region)


def country(key: str) -> str:
    """Return the ISO code of the country of a key of the grid table."""
    if key.startswith("US-"):
        return "USA"
    if key.startswith("gcp:"):
        name = _grid()[key][0]["name"].split("/", 1)[0].strip()
        return _regions().things.get(_regions().proper(name) or "", key)
    return key


@lru_cache(maxsize=1)
def _members() -> dict[str, set[str]]:
    """Return the members of regions that have several: countries of the EU, and regions of Google in US states."""
    found: dict[str, set[str]] = {}
    for row in table("facts/region_members").rows:
        found.setdefault(row["region"], set()).add(row["member"])
    return found


def is_within(key: str, region: str) -> bool:
    """Return whether a key of the grid table lies in another, larger one: a country, a US state, or the EU.

    Parameters
    ----------
    key, region : str
        Keys of the grid table.

    Examples
    --------
    >>> is_within("gcp:europe-west4", "NLD"), is_within("FIN", "EU"), is_within("CHE", "EU")
    (True, True, False)
    >>> is_within("gcp:us-central1", "US-IA")
    True
    """
    place = country(key)
    return place == region or not _members().get(region, set()).isdisjoint((place, key))


def _grid_row(region: str, year: int | None) -> Row:
    """Return the newest row of a region of that year or before."""
    key = resolve_region(region)
    rows = [row for row in _grid()[key] if year is None or int(row["year"]) <= year]
    if not rows:
        raise MissingFactError(f"no grid intensity of {key} is known for {year} or before")
    return max(rows, key=lambda row: int(row["year"]))


@lru_cache(maxsize=1)
def _grid() -> dict[str, list[Row]]:
    by_region: dict[str, list[Row]] = {}
    for row in table("facts/grid_intensity").rows:
        by_region.setdefault(row["region"], []).append(row)
    return by_region


@lru_cache(maxsize=1)
def _regions() -> Names[str]:
    """Return the keys of the grid table by key, name ("France", "us-virginia") and cloud region."""
    keys = {key: key for key in _grid()}
    aliases: dict[str, list[str]] = {}
    for key, rows in _grid().items():
        name = rows[0]["name"]
        state = name.removeprefix("United States (").removesuffix(")")
        if key.startswith("US-"):
            aliases[key] = [f"us-{state}", f"usa-{state}", name]
        elif not key.startswith("gcp:") and name:
            aliases[key] = [name]
    aliases.setdefault("KOR", []).append("Korea")  # as Google names the country of its region
    for row in table("facts/cloud_regions").rows:
        if row["grid_region"] in keys:
            aliases.setdefault(row["grid_region"], []).append(f"{row['cloud']}:{row['region']}")
    return Names("region", keys, aliases)


@lru_cache(maxsize=1)
def _spelled() -> dict[str, str]:
    """Return the keys by name of a cloud region without its cloud, in lower case: AWS us-east-1 is not GCP us-east1."""
    rows = table("facts/cloud_regions").rows
    own = {key.removeprefix("gcp:"): key for key in _grid() if key.startswith("gcp:")}
    return _agreed([(row["region"].lower(), row["grid_region"]) for row in rows]) | own


@lru_cache(maxsize=1)
def _written_names() -> tuple[str, ...]:
    """Return the names of countries, US states and regions of clouds."""
    names = [rows[0]["name"].removeprefix("United States (").removesuffix(")") for rows in _grid().values()]
    clouds = [row["region"] for row in table("facts/cloud_regions").rows]
    return tuple(dict.fromkeys([*names, *clouds]))


@lru_cache(maxsize=1)
def _further() -> Names[str]:
    """Return the keys by codes of two letters, other names of countries, US states, and cities of data centers."""
    aliases = {row["region"]: row["names"].split("|") for row in table("facts/region_names").rows}
    codes = {name for names in aliases.values() for name in names}
    for key, rows in _grid().items():
        if key.startswith("US-"):
            state, code = rows[0]["name"].removeprefix("United States (").removesuffix(")"), key.removeprefix("US-")
            aliases.setdefault(key, []).extend([state] if code in codes else [state, code])
    clouds = table("facts/cloud_regions").rows
    for city, key in _agreed([(row["place"].partition(",")[0], row["grid_region"]) for row in clouds]).items():
        if city:
            aliases.setdefault(key, []).append(city)
    return Names("region", {key: key for key in _grid()}, aliases)


def _proper(region: str) -> str | None:
    """Return the key of a region as people write it, or None."""
    named, spelled = _regions().proper(region), _spelled()
    written = region.strip().lower()
    return named or spelled.get(written) or spelled.get(written.replace(" ", "")) or _further().proper(region)


def _agreed(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    listed: dict[str, set[str]] = {}
    for name, key in pairs:
        listed.setdefault(name, set()).add(key)
    return {name: min(keys) for name, keys in listed.items() if len(keys) == 1}


def resolve_country(written: str) -> str:
    """Return the ISO code of three letters of a country, given as a code, a name or a place in it.

    Parameters
    ----------
    written : str
        Country, or a region in it.

    Examples
    --------
    >>> resolve_country("DE"), resolve_country("UK"), resolve_country("us-virginia")
    ('DEU', 'GBR', 'USA')
    """
    return _country_of(resolve_region(written))


def regions() -> list[dict[str, Any]]:
    """Return the regions: region, name, country, newest grid intensity [kg/kWh], its year, cloud regions, source."""
    clouds: dict[str, list[str]] = {}
    for row in table("facts/cloud_regions").rows:
        clouds.setdefault(row["grid_region"], []).append(f"{row['cloud']}:{row['region']}")
    listed = []
    for key in _grid():
        row = _grid_row(key, None)
        places = [*clouds.get(key, []), *([key] if key.startswith("gcp:") else [])]
        listed.append(
            {
                "region": key,
                "name": row["name"],
                "country": _country_of(key),
                "grid_intensity": float(row["kg_per_kwh"]),
                "year": int(row["year"]),
                "cloud_regions": places,
                "source": row["source"],
            }
        )
    return listed


def _country_of(key: str) -> str:
    """Return the ISO code of the country of a key, also of provinces ("CN-BJ") and bidding zones ("SE1")."""
    found = country(key)
    if found in _codes().values():
        return found
    return _codes().get(found[:2], found)


@lru_cache(maxsize=1)
def _codes() -> dict[str, str]:
    """Return the ISO codes of three letters by those of two."""
    rows = table("facts/region_names").rows
    return {row["names"].partition("|")[0]: row["region"] for row in rows if len(row["region"]) == 3}
