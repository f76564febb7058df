"""What does a run take? `costmodel estimate`, `compare` and `schema`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from costmodel.cli.changes import Changes, checked, parsed_changes, with_changes
from costmodel.cli.printing import Json
from costmodel.foundation.errors import InputError


def estimate(
    what: Annotated[str, typer.Argument(help="A scenario file (.toml, .json), a model's name, or its config.json.")],
    tokens: Annotated[str | None, typer.Option(help="Tokens trained on, such as 15T.")] = None,
    sequence_length: Annotated[int | None, typer.Option(help="Tokens of a sequence.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Sequences of a step.")] = None,
    gpu: Annotated[str | None, typer.Option(help="Accelerator; 'costmodel gpus' lists them.")] = None,
    gpus: Annotated[int | None, typer.Option(help="Number of accelerators.")] = None,
    provider: Annotated[str | None, typer.Option(help="Provider, or 'market'.")] = None,
    purchase_model: Annotated[str | None, typer.Option(help="on_demand, spot, reserved_1y, ...")] = None,
    price: Annotated[str | None, typer.Option(help="Price per GPU-hour, such as '$2.50/h'.")] = None,
    on: Annotated[str | None, typer.Option(help="Day of the price, such as 2026-09-01.")] = None,
    mfu: Annotated[str | None, typer.Option(help="Utilization, such as 0.42 or '0.35 to 0.45'.")] = None,
    goodput: Annotated[str | None, typer.Option(help="Share of the time in useful steps.")] = None,
    gpu_hours: Annotated[str | None, typer.Option(help="GPU-hours, where they are known.")] = None,
    region: Annotated[str | None, typer.Option(help="Country, US state or cloud region.")] = None,
    pue: Annotated[str | None, typer.Option(help="Power usage effectiveness.")] = None,
    changes: Changes = None,
    explain: Annotated[str | None, typer.Option(help="Show where this figure comes from.")] = None,
    as_json: Json = False,
) -> None:
    """Estimate what a training run takes."""
    from costmodel.estimation.estimate import estimate as run_estimate

    values = {
        "recipe.tokens": tokens, "recipe.sequence_length": sequence_length, "recipe.batch_size": batch_size,
        "cluster.accelerator": gpu, "cluster.count": gpus, "prices.provider": provider,
        "prices.purchase_model": purchase_model, "prices.price": price, "prices.on": on, "mfu": mfu,
        "goodput": goodput, "gpu_hours": gpu_hours, "cluster.site.region": region, "cluster.site.pue": pue,
    }  # fmt: skip
    given: dict[str, Any] = {path: value for path, value in values.items() if value is not None}
    if price is not None and provider is None:  # a price on the command line wins over the file's provider
        given["prices"] = {"price": given.pop("prices.price")}
    more, problems = parsed_changes(changes)
    result = run_estimate(checked(problems, lambda: _scenario(what, given | more)))
    if as_json:
        print(json.dumps(result.to_dict(), indent=2, allow_nan=False))
    else:
        print(result.explain(explain) if explain else result)


def compare(
    scenarios: Annotated[list[Path], typer.Argument(help="Two or more scenario files.")], as_json: Json = False
) -> None:
    """Compare scenario files, figure by figure."""
    from costmodel.estimation.comparison import compare as run_compare
    from costmodel.estimation.scenario import Scenario

    names = [path.stem for path in scenarios]
    labels = names if len(set(names)) == len(names) else [str(path) for path in scenarios]
    loaded = [Scenario.load(path) for path in scenarios]
    result = run_compare(dict(zip(labels, loaded, strict=True)))
    print(json.dumps(result.rows(), indent=2, allow_nan=False) if as_json else result)


def schema(
    of: Annotated[Literal["scenario", "project"], typer.Argument(help="Which kind of file.")] = "scenario",
) -> None:
    """Print the JSON schema of a scenario file, or of a project file."""
    if of == "project":
        from costmodel.budget.project import Project

        print(json.dumps(Project.model_json_schema(), indent=2))
        return
    from costmodel.estimation.scenario import Scenario

    print(json.dumps(Scenario.model_json_schema(), indent=2))


def _scenario(what: str, changes: dict[str, Any]) -> Any:
    """Return the scenario of a file with changes, or that of a model described by options alone."""
    from costmodel.estimation.files import read
    from costmodel.estimation.scenario import Scenario

    path = Path(what)
    if path.suffix in {".toml", ".json"} and path.is_file():
        data = read(path, {})
        if path.suffix == ".toml" or "model_type" not in data:
            return Scenario.from_data(with_changes(data, changes))
    data = with_changes({"architecture": what}, changes)
    if path.suffix in {".toml", ".json"} and not path.is_file():
        raise InputError(f"{what}: there is no such file")
    needed = {"recipe.tokens": "--tokens", "cluster.accelerator": "--gpu", "cluster.count": "--gpus"}
    missing = [
        f"{place}: is required; give {option}"
        for place, option in needed.items()
        if place not in changes and place.partition(".")[0] not in changes
    ]
    if missing:
        raise InputError(missing)
    return Scenario.from_data(data)
