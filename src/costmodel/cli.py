"""The command line: `costmodel estimate ...`; every problem of an input in one list, exit code 2."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from costmodel.foundation.errors import CostModelError, InputError, MissingFactError
from costmodel.foundation.rendering import cells, text

app = typer.Typer(
    help="What it costs to train a foundation model.", no_args_is_help=True, add_completion=False,
    pretty_exceptions_enable=False, rich_markup_mode=None,
)  # fmt: skip
prices = typer.Typer(help="The table of rental prices.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(prices, name="prices")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Table = Annotated[Path | None, typer.Option("--table", help="A price CSV; the library's unless given.")]


def main() -> None:
    """Run the command line; bad input prints its problems and exits with code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        app()
    except CostModelError as error:
        problems = error.problems if isinstance(error, InputError) else (str(error),)
        for problem in problems:
            print(f"costmodel: {problem}", file=sys.stderr)
        sys.exit(2)


def _version(asked: bool) -> None:
    if asked:
        from costmodel._version import __version__

        print(f"costmodel {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """What it costs to train a foundation model."""


@app.command()
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
    mfu: Annotated[str | None, typer.Option(help="Utilisation, such as 0.42 or '0.35 to 0.45'.")] = None,
    goodput: Annotated[str | None, typer.Option(help="Share of the time in useful steps.")] = None,
    gpu_hours: Annotated[str | None, typer.Option(help="GPU-hours, where they are known.")] = None,
    region: Annotated[str | None, typer.Option(help="Country, US state or cloud region.")] = None,
    pue: Annotated[str | None, typer.Option(help="Power usage effectiveness.")] = None,
    changes: Annotated[list[str] | None, typer.Option("--set", help="path=value, such as cluster.count=512.")] = None,
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
    from costmodel.estimation.files import parse_change

    given: dict[str, Any] = {path: value for path, value in values.items() if value is not None}
    if price is not None and provider is None:  # a price on the command line wins over the file's provider
        given["prices"] = {"price": given.pop("prices.price")}
    given |= dict(parse_change(change) for change in changes or [])
    result = run_estimate(_scenario(what, given))
    if as_json:
        print(json.dumps(result.to_dict(), indent=2, allow_nan=False))
    else:
        print(result.explain(explain) if explain else result)


@app.command()
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


@app.command()
def schema() -> None:
    """Print the JSON schema of a scenario file."""
    from costmodel.estimation.scenario import Scenario

    print(json.dumps(Scenario.model_json_schema(), indent=2))


@app.command()
def models(
    name: Annotated[str | None, typer.Argument(help="Show this one in full.")] = None, as_json: Json = False
) -> None:
    """List the architectures of the catalogue, or show one."""
    from costmodel.architecture.counting import CONVENTIONS, flops_per_token
    from costmodel.architecture.loading import architectures, load_architecture

    if name is None:
        _print_rows(architectures(), as_json)
        return
    architecture = load_architecture(name)
    counts = architecture.parameters._asdict()
    flops = {f"FLOP/token, {each}": flops_per_token(architecture, 4096, each) for each in CONVENTIONS}
    shown = {"name": architecture.name, **counts, **flops, "source": architecture.source}
    if as_json:
        print(json.dumps({**shown, "parts": architecture.table().rows()}, indent=2))
        return
    print(text([{"": key, "value": value} for key, value in cells(shown).items()], footer="FLOPs at 4,096 tokens"))
    print(f"\n{architecture.table()}")


@app.command()
def gpus(
    name: Annotated[str | None, typer.Argument(help="Show this one in full.")] = None, as_json: Json = False
) -> None:
    """List the accelerators of the catalogue, or show one."""
    from costmodel.hardware.accelerator import accelerators, load_accelerator

    if name is None:
        _print_rows(accelerators(), as_json)
        return
    data = load_accelerator(name).to_data()
    if as_json:
        print(json.dumps(data, indent=2))
    else:
        print(text([{"": key, "value": value} for key, value in cells(data).items()], footer="peaks in TFLOP/s, dense"))


@app.command()
def layouts(
    model: Annotated[str, typer.Argument(help="A catalogue name or the path of a config.json.")],
    gpu: Annotated[str, typer.Option(help="Accelerator.")],
    gpus: Annotated[str, typer.Option(help="Their number, or several: 64,128,256.")],
    batch_size: Annotated[int | None, typer.Option(help="Sequences of a step; by rule unless given.")] = None,
    sequence_length: Annotated[int, typer.Option(help="Tokens of a sequence.")] = 4096,
    precision: Annotated[str, typer.Option(help="Number format of the matrix products.")] = "bf16",
    fixed: Annotated[list[str] | None, typer.Option("--set", help="A field of the layout: tensor=8, zero=1,3.")] = None,
    top: Annotated[int, typer.Option(help="Layouts to show.")] = 10,
    as_json: Json = False,
) -> None:
    """Search the fastest layouts of a training step."""
    from costmodel.hardware.cluster import Cluster
    from costmodel.training.recipes import Pretraining
    from costmodel.training.search import search_layouts

    try:
        counts = [int(number) for number in gpus.split(",")]
    except ValueError:
        raise InputError(f"--gpus is a number, or several with commas between; got {gpus!r}") from None
    recipe = Pretraining(
        tokens=1e12, sequence_length=sequence_length, batch_size=batch_size, precision=precision
    )  # the tokens only bound the batch
    constraints: dict[str, Any] = dict(_constraint(one) for one in fixed or [])
    found = search_layouts(model, Cluster(gpu, counts[0]), recipe, counts=counts, **constraints)
    rows = found.rows(top) if len(counts) == 1 else found.curve()
    if as_json:
        summary = {"considered": found.considered, "evaluated": found.evaluated, "rejected": found.rejected}
        print(json.dumps({"layouts": rows, **summary}, indent=2, default=float))
        return
    low, high = found.best.interval()
    footer = [f"{found.considered:,} layouts considered, {found.evaluated:,} evaluated; the best takes "
              f"{low:.3g} to {high:.3g} s a step (80 %)"]  # fmt: skip
    footer += [f"  {number:,}: {reason}" for reason, number in found.rejected.items()]
    print(text([cells(row) for row in rows], footer="\n".join(footer)))


def _constraint(written: str) -> tuple[str, list[Any]]:
    """Return the field and the values of a constraint such as `recompute=none,full`."""
    name, separator, values = written.partition("=")
    if not separator or not values:
        raise InputError(f"--set is FIELD=VALUE, or several values with commas between; got {written!r}")
    words = {"true": True, "false": False}
    return name, [int(one) if one.isdigit() else words.get(one, one) for one in values.split(",")]


@app.command()
def fit(
    runs: Annotated[Path | None, typer.Argument(help="A CSV with columns of parameters, tokens and loss.")] = None,
    law: Annotated[str, typer.Option(help="The law to allocate by, where no runs are given.")] = "besiroglu-2024",
    bootstrap: Annotated[int, typer.Option(help="Replicates behind the intervals.")] = 1000,
    holdout: Annotated[float | None, typer.Option(help="Report errors beyond a share of the compute: 10.")] = None,
    compute: Annotated[str | None, typer.Option(help="Print the optimum of this compute: 1e24.")] = None,
    allocate: Annotated[str | None, typer.Option(help="Print what a budget buys: '1 MUSD'.")] = None,
    gpu: Annotated[str, typer.Option(help="Accelerator of the allocation.")] = "H100-SXM",
    gpus: Annotated[int, typer.Option(help="Their number.")] = 256,
    as_json: Json = False,
) -> None:
    """Fit a scaling law to measured losses, and allocate compute or dollars by it."""
    from costmodel.planning.allocation import allocate as allocated
    from costmodel.scaling.fitting import fit_scaling_law
    from costmodel.scaling.presets import scaling_law

    if runs is None and compute is None and allocate is None:
        raise InputError("give RUNS.csv to fit, or --compute or --allocate to use a known law")
    fitted = None if runs is None else fit_scaling_law(runs, bootstrap=bootstrap, holdout=holdout)
    found: Any = fitted or scaling_law(law)
    out: dict[str, Any] = {}
    if fitted is not None:
        out["fit"] = {"coefficients": fitted.rows(), "objective": fitted.objective, "warnings": fitted.warnings}
        out["fit"] |= {} if fitted.holdout is None else {"holdout": asdict(fitted.holdout)}
    if compute is not None:
        out["optimum"] = _optimum(found, compute)
    bought = None
    if allocate is not None:
        bought = allocated(found, _training_on(gpu, gpus), allocate)
        out["bought"] = {"parameters": bought.parameters, "tokens": bought.tokens, "loss": bought.loss,
                         "interval": bought.interval()}  # fmt: skip
    if as_json:
        print(json.dumps(out, indent=2, default=float))
        return
    parts = [] if fitted is None else [str(fitted)]
    parts += [text([cells(out["optimum"])])] if compute is not None else []
    parts += [] if bought is None else [str(bought)]
    print("\n\n".join(parts))


def _optimum(law: Any, compute: str) -> dict[str, Any]:
    """Return the optimum of a compute budget by a law, or by that of a fit, as a row."""
    try:
        flops = float(compute)
    except ValueError:
        raise InputError(f"--compute is a number of FLOPs such as 1e24; got {compute!r}") from None
    best = getattr(law, "law", law).allocate(flops)
    return {"compute [FLOP]": flops, "parameters": best.parameters, "tokens": best.tokens,
            "tokens per parameter": best.tokens_per_parameter, "loss [nat/token]": best.loss}  # fmt: skip


def _training_on(gpu: str, gpus: int) -> Any:
    from costmodel.estimation.scenario import Scenario
    from costmodel.hardware.cluster import Cluster
    from costmodel.training.recipes import Pretraining

    return Scenario(architecture={"total": "1B"}, recipe=Pretraining(tokens=1e12), cluster=Cluster(gpu, gpus))


_SCORED = {"published_runs": "GPU-hours", "step_times": "step times"}
"""Kinds of cases that are scored, and what is predicted of them."""


@app.command()
def validate(
    kind: Annotated[str, typer.Argument(help="What is predicted: published_runs, step_times, or configs (counted).")],
    file: Annotated[
        Path | None,
        typer.Argument(help="A table like data/KIND.csv (that unless given), or a folder of configs."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Score the predictions of the library on published cases."""
    from costmodel.foundation.errors import unknown
    from costmodel.foundation.tables import read_csv
    from costmodel.foundation.tables import table as shipped
    from costmodel.validation.scores import summary_rows

    if kind == "configs":
        _validate_configs(file, as_json)
        return
    if kind not in _SCORED:
        raise InputError(unknown("kind of cases", kind, [*_SCORED, "configs"]))
    scorer = getattr(import_module(f"costmodel.validation.{kind}"), f"validate_{kind}")
    scored = scorer(shipped(kind) if file is None else read_csv(file))
    if as_json:
        print(json.dumps(scored, indent=2, allow_nan=False))
    else:
        footer = (
            f"{scored['scored']} of {scored['cases']} cases scored; error of {_SCORED[kind]}, bias as mean ln ratio"
        )
        print(text(summary_rows(scored), footer=footer))


def _validate_configs(folder: Path | None, as_json: bool) -> None:
    from costmodel.validation.configs import summary, validate_configs

    if folder is None:
        raise InputError("configs: give a folder with params.csv and a NAME.json for each of its rows")
    scored = validate_configs(folder)
    if as_json:
        print(json.dumps(scored, indent=2, allow_nan=False))
    else:
        footer = f"{scored['equal']} equal, {scored['wrong']} wrong, {scored['refused']} refused of {scored['cases']}"
        print(text(summary(scored), footer=footer))


@prices.command("list")
def list_prices(
    gpu: Annotated[str | None, typer.Option(help="Only this accelerator.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only this provider.")] = None,
    table: Table = None,
    as_json: Json = False,
) -> None:
    """List the rental prices, newest last."""
    from costmodel.hardware.accelerator import accelerator_names
    from costmodel.market.price_table import check_columns

    wanted = None if gpu is None else accelerator_names().get(gpu)["name"]
    facts = _prices(table)
    if wrong := check_columns(facts):
        raise InputError(wrong)
    rows = [row for row in facts.rows if wanted in (None, row["accelerator"])]
    rows = [row for row in rows if provider is None or provider.lower() == row["provider"]]
    if not rows:
        raise MissingFactError("no price fits; 'costmodel prices list' shows all")
    shown = ("accelerator", "provider", "purchase_model", "region", "instance_type", "usd_per_gpu_hour", "as_of")
    ordered = sorted(rows, key=lambda row: (row["accelerator"], row["as_of"]))
    _print_rows([{key: row[key] for key in (*shown, *(["source_url"] * as_json))} for row in ordered], as_json)


@prices.command("check")
def check_price_table(
    file: Annotated[Path | None, typer.Argument(help="A price CSV; the library's unless given.")] = None,
) -> None:
    """Check a price table: columns, names, dates, duplicates, order; without a network."""
    from costmodel.hardware.accelerator import accelerator_names
    from costmodel.market.gpu_prices import vintage
    from costmodel.market.price_table import check_prices, stale_offers

    facts = _prices(file)
    if problems := check_prices(facts, list(accelerator_names())):
        raise InputError(problems)
    stale = stale_offers(facts, vintage(facts))
    print(f"{facts.name}: {len(facts.rows)} facts are sound; newest {vintage(facts)}")
    print(f"{len(stale)} offers were last seen more than a year before:")
    print("\n".join(f"  {offer}" for offer in stale))


@prices.command("merge")
def merge_price_table(
    new: Annotated[Path, typer.Argument(help="A CSV with further facts, in the same columns.")],
    into: Annotated[Path | None, typer.Option(help="The table to append to; the library's unless given.")] = None,
) -> None:
    """Append new facts to a price table; contradictions are refused."""
    from costmodel.foundation.tables import folder
    from costmodel.hardware.accelerator import accelerator_names
    from costmodel.market.price_table import merge_prices

    target = into or folder() / "gpu_prices.csv"
    added = merge_prices(target, new, list(accelerator_names()))
    print(f"{added} facts added to {target}")


def _scenario(what: str, changes: dict[str, Any]) -> Any:
    """Return the scenario of a file with changes, or that of a model described by options alone."""
    from costmodel.estimation.files import read
    from costmodel.estimation.scenario import Scenario
    from costmodel.foundation.specs import changed

    path = Path(what)
    if path.suffix in {".toml", ".json"} and path.is_file():
        data = read(path, {})
        if path.suffix == ".toml" or "model_type" not in data:
            for place, value in changes.items():
                data = changed(data, place, value)
            return Scenario.from_data(data)
    data = {"architecture": what}
    for place, value in changes.items():
        data = changed(data, place, value)
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


def _prices(table: Path | None) -> Any:
    from costmodel.foundation.tables import read_csv
    from costmodel.foundation.tables import table as shipped

    return shipped("gpu_prices") if table is None else read_csv(table)


def _print_rows(rows: list[dict[str, Any]], as_json: bool) -> None:
    print(json.dumps(rows, indent=2, default=str) if as_json else text([cells(row) for row in rows]))


if __name__ == "__main__":
    main()
