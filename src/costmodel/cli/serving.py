"""The command `costmodel serve`: throughput, latency, cost and energy of a served model, and its size."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from costmodel.cli.changes import Changes, built, parsed_changes, whole, with_changes
from costmodel.cli.output import emit, emit_explanation, with_output
from costmodel.cli.paying import Own, PurchasePrice, owned_prices
from costmodel.foundation.errors import InputError

if TYPE_CHECKING:
    from costmodel.estimation.serving.scenario import Serving
    from costmodel.planning.serving_sizes import ServingSizes

_DEFAULTS = {"input_tokens": 1000, "output_tokens": 500}
"""Lengths of requests that are not given [token]."""
_SIZED = (
    *("input_tokens", "output_tokens", "users", "tokens_per_second_per_user", "concurrency", "requests_per_second"),
    *("cached_share", "target_ttft", "target_tpot", "cache_precision", "engine", "prices", "probability"),
)
"""Fields of a serving scenario, and arguments, that a size takes as they are."""


def serve(
    what: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="Model name, config.json, or a serving file (.toml)."),
    ],
    gpu: Annotated[str | None, typer.Option(help="Accelerator; with --size several: H100-SXM,B200.")] = None,
    gpus: Annotated[int | None, typer.Option(parser=whole, metavar="INTEGER", help="Number of accelerators.")] = None,
    input_tokens: Annotated[
        str | None, typer.Option("--input", help="Tokens of a prompt: 1000, '200 to 4000'.")
    ] = None,
    output_tokens: Annotated[str | None, typer.Option("--output", help="Output tokens of a request.")] = None,
    cached_share: Annotated[str | None, typer.Option("--cached", help="Share of the prompt that is cached.")] = None,
    concurrency: Annotated[str | None, typer.Option(help="Requests at a time.")] = None,
    requests_per_second: Annotated[str | None, typer.Option(help="Requests that arrive per second.")] = None,
    users: Annotated[str | None, typer.Option(help="Users who read answers at the same time; needs --rate.")] = None,
    rate: Annotated[str | None, typer.Option(help="Output tokens per second of each user.")] = None,
    ttft: Annotated[str | None, typer.Option(help="Target of the time to first token, such as '500 ms'.")] = None,
    tpot: Annotated[str | None, typer.Option(help="Target of the time per output token, such as '30 ms'.")] = None,
    utilization: Annotated[str | None, typer.Option(help="Mean load over the given load, such as 0.3.")] = None,
    precision: Annotated[
        str | None, typer.Option(help="Precision of the weights; with --size several: fp8,nvfp4.")
    ] = None,
    engine: Annotated[str | None, typer.Option(help="Inference engine, such as sglang, or unknown.")] = None,
    provider: Annotated[str | None, typer.Option(help="Cloud provider, or 'market' for the median price.")] = None,
    price: Annotated[str | None, typer.Option(help="Price per GPU-hour, such as '$2.50/h'.")] = None,
    own: Own = False,
    purchase_price: PurchasePrice = None,
    purchase_model: Annotated[str | None, typer.Option(help="on_demand, spot, reserved_1y, ...")] = None,
    on: Annotated[str | None, typer.Option(help="Date of the price, such as 2026-09-01.")] = None,
    region: Annotated[str | None, typer.Option(help="Country, US state or cloud region.")] = None,
    pue: Annotated[str | None, typer.Option(help="Power usage effectiveness of the data center.")] = None,
    size: Annotated[bool, typer.Option("--size", help="Find the fewest accelerators, over kinds and layouts.")] = False,
    probability: Annotated[
        float | None, typer.Option(help="With --size: probability of meeting each target, such as 0.9.")
    ] = None,
    explain: Annotated[
        str | None, typer.Option(help="Show the steps and sources of this figure, such as output_cost.")
    ] = None,
    changes: Changes = None,
) -> None:
    """Estimate throughput, latency, dollars per million tokens and energy of a served model.

    Without lengths, a request has 1,000 input and 500 output tokens. With --size it lists the accelerators that can
    serve the load, the cheapest first. `serve compare FILE` compares hosted and self-hosted options for a workload
    (`serve compare --help`).
    """
    given = {
        "input_tokens": input_tokens, "output_tokens": output_tokens, "cached_share": cached_share,
        "concurrency": concurrency, "requests_per_second": requests_per_second, "users": users,
        "tokens_per_second_per_user": rate, "target_ttft": ttft, "target_tpot": tpot, "utilization": utilization,
        "engine": engine, "prices.provider": provider, "prices.price": price,
        "prices.purchase_model": purchase_model, "prices.on": on,
    }  # fmt: skip
    values: dict[str, Any] = {path: value for path, value in given.items() if value is not None}
    values = owned_prices(values, own, purchase_price)
    more, problems = parsed_changes(changes)
    values |= more
    if explain and size:
        problems.append(f"--explain: has no effect with --size; leave it out; got {explain}")
    place = {"cluster.site.region": region, "cluster.site.pue": pue}
    place = {path: value for path, value in place.items() if value is not None}
    if size:
        problems += [f"--{path.rpartition('.')[2]}: has no effect with --size; leave it out" for path in place]
        margin = {} if probability is None else {"probability": probability}
        result = built(problems, lambda: _size(what, values | margin, gpu, gpus, precision))
        emit("serve-size", result)
        return
    if probability is not None:
        problems.append(f"--probability: has no effect without --size; leave it out; got {probability:g}")
    values |= place
    single = {"cluster.accelerator": gpu, "cluster.count": gpus, "precision": precision}
    values |= {path: value for path, value in single.items() if value is not None}
    scenario = built(problems, lambda: _scenario(what, values))
    from costmodel.estimation.estimate import estimate

    estimated = estimate(scenario)
    if explain:
        emit_explanation(estimated.explain(explain))
    else:
        emit("serve", estimated)


def compare(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="File of a workload and options (.toml or .json).")
    ] = None,
    changes: Changes = None,
) -> None:
    """Compare hosted and self-hosted options for a workload: cost per month, break-even volume and utilization.

    The file has a table `workload` and a list `options`; `costmodel schema serving_options` describes them.
    """
    from costmodel.comparison.serving.compare import read_comparison

    if file is None:
        raise InputError("FILE: is needed: costmodel serve compare workload.toml; got none")
    values, problems = parsed_changes(changes)
    result = built(problems, lambda: read_comparison(file, values))
    emit("serve-compare", result)


class ServeCommand(TyperCommand):
    """The command `serve`, whose first word may be `compare`, which has its own options and help."""

    def make_context(self, info_name: str | None, args: list[str], *others: Any, **more: Any) -> Any:
        """Return the context of `serve`, or of `serve compare`.

        Parameters
        ----------
        info_name : str or None
            Name of the command.
        args : list of str
            Words after it.
        others, more
            As in click.
        """
        if args[:1] != ["compare"]:
            return super().make_context(info_name, args, *others, **more)
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command("compare", epilog="\b\nExamples:\n  costmodel serve compare workload.toml")(
            with_output(compare, priced=True)
        )
        return typer.main.get_command(single).make_context(f"{info_name} compare", args[1:], *others, **more)


def _scenario(what: str, values: dict[str, Any]) -> Serving:
    """Return the scenario of a file, or of a model and options."""
    from costmodel.estimation.serving.scenario import Serving

    if _is_file(what):
        return Serving.load(Path(what), values)
    if not {"cluster", "cluster.accelerator"} & set(values):
        raise InputError("--gpu: is required, unless a file or --size is given")
    return Serving.from_data(with_changes({"architecture": what}, {"cluster.count": 1, **_DEFAULTS, **values}))


def _size(what: str, values: dict[str, Any], gpu: str | None, gpus: int | None, precision: str | None) -> ServingSizes:
    """Return the accelerators that can serve a load."""
    from costmodel.estimation.files import read
    from costmodel.planning.serving_size import ACCELERATORS, PRECISIONS, size_serving

    if gpus is not None:
        raise InputError(f"--gpus: --size finds the number of accelerators; leave it out; got {gpus}")
    data = read(Path(what), values) if _is_file(what) else with_changes({"architecture": what}, {**_DEFAULTS, **values})
    data.pop("cluster", None)
    weights = data.pop("precision", None) if precision is None else precision
    architecture = data.pop("architecture")
    if unused := [name for name in data if name not in _SIZED]:
        raise InputError([f"{name}: has no effect with --size; leave it out" for name in unused])
    return size_serving(
        architecture,
        accelerators=ACCELERATORS if gpu is None else gpu.split(","),
        precisions=PRECISIONS if weights is None else weights.split(","),
        **data,
    )


def _is_file(what: str) -> bool:
    """Return whether an argument names a serving file: a .toml file, or a .json file with requests."""
    path = Path(what)
    if path.suffix == ".toml":
        return True
    if path.suffix != ".json" or not path.is_file():
        return False
    from costmodel.foundation.plain_files import parsed

    return "input_tokens" in parsed(path)
