"""The commands `costmodel estimate`, `compare` and `schema`: training runs from files or options."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from costmodel.cli.changes import Changes, Family, HeadOption, Strict, built, parsed_changes, whole, with_changes
from costmodel.cli.missing import AllowMissing, check_missing
from costmodel.cli.money import in_currency
from costmodel.cli.output import emit, emit_explanation, note, wants_text
from costmodel.cli.paying import Own, PurchasePrice, owned_prices
from costmodel.cli.printing import print_schema
from costmodel.foundation.errors import CostModelError, InputError

if TYPE_CHECKING:
    from costmodel.estimation.estimate import Estimate
    from costmodel.estimation.scenario import Scenario
    from costmodel.estimation.trainers.reading import TrainerFile

_SCHEMAS = {
    "scenario": ("estimation.scenario", "Scenario"),
    "project": ("budget.project", "Project"),
    "serving": ("estimation.serving.scenario", "Serving"),
    "serving_options": ("comparison.serving.request", "ComparisonRequest"),
    "portfolio": ("choosing.portfolio.question", "PortfolioRequest"),
    "route": ("choosing.requests", "RouteRequest"),
    "cascade": ("choosing.requests", "CascadeRequest"),
}
"""Module and class that describe each kind of file."""
_FILES = {".toml", ".json", ".yaml", ".yml", ".sh"}
"""Endings of files."""


def estimate(
    what: Annotated[
        str,
        typer.Argument(
            metavar="FILE|MODEL",
            help="Scenario file, trainer's file (.yml, .toml, .sh, ...), model name, or config.json.",
        ),
    ],
    tokens: Annotated[str | None, typer.Option(help="Tokens to train on, such as 15T.")] = None,
    sequence_length: Annotated[
        int | None, typer.Option(parser=whole, metavar="INTEGER", help="Sequence length [token].")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(parser=whole, metavar="INTEGER", help="Global batch size [sequence].")
    ] = None,
    gpu: Annotated[str | None, typer.Option(help="Accelerator; 'costmodel gpus' lists them.")] = None,
    gpus: Annotated[int | None, typer.Option(parser=whole, metavar="INTEGER", help="Number of accelerators.")] = None,
    provider: Annotated[str | None, typer.Option(help="Cloud provider, or 'market' for the median price.")] = None,
    purchase_model: Annotated[str | None, typer.Option(help="on_demand, spot, reserved_1y, ...")] = None,
    convention: Annotated[
        str | None, typer.Option(help="What the price is said in: on_demand, contract, published.")
    ] = None,
    price: Annotated[str | None, typer.Option(help="Price per GPU-hour, such as '$2.50/h'.")] = None,
    own: Own = False,
    purchase_price: PurchasePrice = None,
    on: Annotated[str | None, typer.Option(help="Date of the price, such as 2026-09-01.")] = None,
    mfu: Annotated[str | None, typer.Option(help="MFU in steady state: 0.42 or '0.35 to 0.45'.")] = None,
    step_time: Annotated[str | None, typer.Option(help="Measured step time, such as '9.5 s'.")] = None,
    tokens_per_second: Annotated[
        str | None, typer.Option(help="Measured tokens per second of all GPUs, such as 630k.")
    ] = None,
    goodput: Annotated[str | None, typer.Option(help="Share of the wall time in useful steps.")] = None,
    gpu_hours: Annotated[str | None, typer.Option(help="GPU-hours, if known, such as '2.8M hours'.")] = None,
    region: Annotated[str | None, typer.Option(help="Country, US state or cloud region.")] = None,
    pue: Annotated[str | None, typer.Option(help="Power usage effectiveness of the data center.")] = None,
    family: Family = None,
    strict: Strict = None,
    head: HeadOption = None,
    examples: Annotated[str | None, typer.Option(help="Examples of one epoch of a fine-tune.")] = None,
    lengths: Annotated[str | None, typer.Option(help="Tokens per example: 512 or '100 to 800'.")] = None,
    model: Annotated[str | None, typer.Option(help="Model, where a file names none of the catalog.")] = None,
    method: Annotated[str | None, typer.Option(help="Recipe of a trainer's file, such as dpo.")] = None,
    deepspeed: Annotated[Path | None, typer.Option(help="DeepSpeed file beside a trainer's file.")] = None,
    accelerate: Annotated[Path | None, typer.Option(help="accelerate file beside a trainer's file.")] = None,
    changes: Changes = None,
    explain: Annotated[
        str | None, typer.Option(help="Show the steps and sources of this figure, such as cost.")
    ] = None,
    bill: Annotated[bool, typer.Option("--bill", help="Show the lines that add up to the cost.")] = False,
    ghg: Annotated[bool, typer.Option("--ghg", help="Show the greenhouse gases by scope, with their factors.")] = False,
    cite: Annotated[
        Literal["text", "bibtex"] | None, typer.Option(help="Show the sources of the inputs: text or bibtex.")
    ] = None,
    what_would_fit: Annotated[
        bool, typer.Option("--what-would-fit", help="Show the changes that make the run fit in memory.")
    ] = False,
    save: Annotated[Path | None, typer.Option(help="Write the scenario to this .toml or .json file.")] = None,
    allow_missing: AllowMissing = False,
) -> None:
    """Estimate the cost of a training run.

    Takes a scenario, a model, or the file of a trainer: axolotl, LLaMA-Factory, TRL, unsloth, torchtune, torchtitan,
    Megatron-LM, PEFT. Prints FLOPs, step time, MFU, GPU-hours, days, energy, carbon and dollars, each with an 80 %
    interval. The exit code is 3 if the cost is not known.
    """
    from costmodel.estimation.estimate import estimate as run_estimate

    values = {
        "family": family, "strict": strict, "head": head, "architecture": model, "recipe.tokens": tokens,
        "recipe.sequence_length": sequence_length, "recipe.batch_size": batch_size, "recipe.examples": examples,
        "recipe.lengths": lengths, "cluster.accelerator": gpu, "cluster.count": gpus, "cluster.site.region": region,
        "cluster.site.pue": pue, "prices.provider": provider, "prices.purchase_model": purchase_model,
        "prices.convention": convention, "prices.price": price, "prices.on": on, "mfu": mfu, "step_time": step_time,
        "tokens_per_second": tokens_per_second, "goodput": goodput, "gpu_hours": gpu_hours,
    }  # fmt: skip
    options: dict[str, Any] = {path: value for path, value in values.items() if value is not None}
    if price is not None and provider is None:  # it replaces the provider of the file
        options["prices"] = {"price": options.pop("prices.price")}
    options = owned_prices(options, own, purchase_price)
    set_values, problems = parsed_changes(changes)
    beside = {"method": method, "deepspeed": deepspeed, "accelerate": accelerate}
    changed = _with_price(options, set_values)
    scenario, trainer_file = built(problems, lambda: _scenario(what, changed, beside))
    if save is not None:
        scenario.save(save)
    if what_would_fit:
        from costmodel.planning.what_would_fit import what_would_fit as fitting_changes

        emit("what-would-fit", fitting_changes(scenario))
        return
    result = run_estimate(scenario)
    if _printed(result, trainer_file, explain, bill, ghg, cite):
        check_missing([result.missing_cost] if result.missing_cost else [], allow_missing)


def _with_price(options: dict[str, Any], set_values: dict[str, Any]) -> dict[str, Any]:
    """Return the changes of a scenario; a price alone replaces the provider and the date by which it was looked up."""
    changes = options | set_values
    others = [path for path in changes if path.startswith("prices.") and path != "prices.price"]
    if "prices.price" not in set_values or others or "prices" in changes:
        return changes
    return {path: value for path, value in changes.items() if path != "prices.price"} | {
        "prices": {"price": set_values["prices.price"]}
    }


def _printed(
    result: Estimate,
    trainer_file: TrainerFile | None,
    explain: str | None,
    bill: bool,
    ghg: bool,
    cite: Literal["text", "bibtex"] | None,
) -> bool:
    """Print what was asked for; return whether that has the cost."""
    shown = in_currency(result)
    if cite == "bibtex" and wants_text():
        print(result.cite(cite))
    elif cite:
        named = [{"source": source.text, "as_of": source.as_of} for source in sorted(result.sources())]
        emit("sources", result.cite(), data=lambda: named, rows=lambda: named)
    elif ghg:
        emit("ghg", result.ghg())
    elif explain:
        emit_explanation(result.explain(explain))
    elif bill:
        emit("bill", result.bill())
        return True
    else:
        read = {} if trainer_file is None else {"trainer_file": trainer_file.to_dict()}
        emit("estimate", shown, data=lambda: {**shown.to_dict(), **read})
        if trainer_file is not None:
            note("\n".join(trainer_file.notes()))
        return True
    return False


def compare(
    scenarios: Annotated[list[Path], typer.Argument(help="Two or more scenario files (.toml, .json).")],
    changes: Changes = None,
    allow_missing: AllowMissing = False,
) -> None:
    """Compare the results of scenario files; `--set` changes a field of all of them.

    The exit code is 3 if a cost is not known.
    """
    from costmodel.estimation.comparison import compare as run_compare
    from costmodel.estimation.scenario import Scenario

    names = [path.stem for path in scenarios]
    labels = names if len(set(names)) == len(names) else [str(path) for path in scenarios]
    values, problems = parsed_changes(changes)
    loaded = built(problems, lambda: [Scenario.load(path, values) for path in scenarios])
    result = run_compare(dict(zip(labels, loaded, strict=True)))
    emit("compare", result, data=in_currency(result).rows)
    unknown = {name: each.missing_cost for name, each in result.estimates.items()}
    check_missing([f"{name}: {reason}" for name, reason in unknown.items() if reason], allow_missing)


def schema(
    kind: Annotated[
        Literal["scenario", "project", "serving", "serving_options", "portfolio", "route", "cascade"],
        typer.Argument(help="Kind of file."),
    ] = "scenario",
) -> None:
    """Print the JSON schema of a kind of file: scenario, project, serving, and those of the comparisons."""
    from costmodel.foundation.file_version import FILE_VERSION

    module, name = _SCHEMAS[kind]
    fields = getattr(import_module(f"costmodel.{module}"), name).model_json_schema()
    version = {"description": "Version of the fields of the file.", "type": "integer", "const": FILE_VERSION}
    print_schema({**fields, "properties": {"file_version": version, **fields["properties"]}})


def _scenario(what: str, changes: dict[str, Any], beside: dict[str, Any]) -> tuple[Scenario, TrainerFile | None]:
    """Return the scenario of a file with changes, or of a model name or config with the changes alone."""
    from costmodel.estimation.files import read
    from costmodel.estimation.scenario import Scenario
    from costmodel.estimation.trainers.reading import is_trainer_file, read_trainer_file

    file = Path(what)
    if is_trainer_file(file):
        trainer_file = read_trainer_file(file, **beside, changes=changes)
        return trainer_file.scenario, trainer_file
    if wrong := [f"--{name} is for trainers' files; {what} is none" for name, value in beside.items() if value]:
        raise InputError(wrong)
    if file.suffix in {".toml", ".json"} and file.is_file():
        data = read(file, {})
        if file.suffix == ".toml" or (set(data) & set(Scenario.model_fields) and "model_type" not in data):
            return Scenario.from_data(with_changes(data, changes)), None
    data = with_changes({"architecture": what}, changes)
    if file.suffix in _FILES and not file.is_file():
        raise InputError(f"{what}: the file does not exist")
    needed = {"recipe.tokens": "--tokens", "cluster.accelerator": "--gpu", "cluster.count": "--gpus"}
    missing = [
        f"{path}: is required; give {option}"
        for path, option in needed.items()
        if path not in changes and path.partition(".")[0] not in changes
    ]
    if missing:
        raise InputError([*missing, *_named_wrongly(what, changes)])
    return Scenario.from_data(data), None


def _named_wrongly(what: str, changes: dict[str, Any]) -> list[str]:
    """Return what is wrong with the names of the model and the accelerator of a command that is not complete."""
    from costmodel.architecture.loading import load_architecture
    from costmodel.hardware.accelerator import load_accelerator

    problems = []
    try:
        load_architecture(what, changes.get("family"), strict=changes.get("strict"), head=changes.get("head"))
    except CostModelError as error:
        problems.append(f"architecture: {error}")
    try:
        load_accelerator(changes.get("cluster.accelerator", "H100-SXM"))
    except CostModelError as error:
        problems.append(f"cluster.accelerator: {error}")
    return problems
