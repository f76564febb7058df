"""The command `costmodel fit`: fit a scaling law, and allocate compute or dollars with one."""

from __future__ import annotations

import inspect
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from costmodel.cli.changes import whole
from costmodel.cli.money import given_sum, in_currency, is_converted
from costmodel.cli.output import emit
from costmodel.foundation.errors import InputError
from costmodel.foundation.rendering import WIDTH, cells, text

if TYPE_CHECKING:
    from costmodel.scaling.fitting.fit import ScalingFit
    from costmodel.scaling.laws.law import Law


def fit(
    runs: Annotated[Path | None, typer.Argument(help="CSV with the columns parameters, tokens and loss.")] = None,
    law: Annotated[str, typer.Option(help="Published law, used if no runs are given.")] = "besiroglu-2024",
    bootstrap: Annotated[
        int, typer.Option(parser=whole, metavar="INTEGER", help="Bootstrap replicates for the intervals.")
    ] = 1000,
    holdout: Annotated[float | None, typer.Option(help="Hold out the runs with this factor more compute: 10.")] = None,
    compute: Annotated[str | None, typer.Option(help="Print the compute-optimal model for these FLOPs: 1e24.")] = None,
    allocate: Annotated[
        str | None, typer.Option(help="Print the best model for this budget in the currency of --currency: 1M.")
    ] = None,
    gpu: Annotated[str, typer.Option(help="Accelerator for --allocate.")] = "H100-SXM",
    gpus: Annotated[
        int, typer.Option(parser=whole, metavar="INTEGER", help="Number of accelerators for --allocate.")
    ] = 256,
) -> None:
    """Fit a scaling law, or size a model for a budget.

    The budget is compute (--compute) or dollars (--allocate).
    """
    from costmodel.planning.allocation import allocate as allocated
    from costmodel.scaling.fitting.fit import fit_scaling_law
    from costmodel.scaling.laws.presets import scaling_law

    if runs is None and compute is None and allocate is None:
        raise InputError("give RUNS.csv to fit a law, or --compute or --allocate to use a published law")
    if allocate is None and is_converted():
        raise InputError("--currency: only the cost of --allocate is an amount; leave it out")
    fitted = None if runs is None else fit_scaling_law(runs, bootstrap=bootstrap, holdout=holdout)
    found: Any = fitted or scaling_law(law)
    out: dict[str, Any] = {}
    if fitted is not None:
        out["fit"] = {"coefficients": fitted.rows(), "objective": fitted.objective, "warnings": fitted.warnings}
        out["fit"] |= {} if fitted.holdout is None else {"holdout": asdict(fitted.holdout)}
    if compute is not None:
        out["optimum"] = _optimum(found, compute)
        if fitted is not None and bootstrap:
            out["optimum_interval"] = _interval(fitted, out["optimum"]["compute [FLOP]"])
    bought = None
    if allocate is not None:
        bought = in_currency(allocated(found, _training_on(gpu, gpus), given_sum("--allocate", allocate).usd))
        out["bought"] = bought.to_dict()
    parts: list[Any] = [] if fitted is None else [str(fitted)]
    title = "" if fitted is not None else _described(found)
    parts += [_optimum_text(out, title)] if compute is not None else []
    parts += [] if bought is None else [bought.to_text(WIDTH)]
    emit("fit", *parts, data=lambda: out, rows=lambda: _rows(out))


def _rows(out: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the coefficients of a fit, the optimum or the allocation as rows, the first that there is."""
    if "fit" in out:
        return list(out["fit"]["coefficients"])
    return [out.get("optimum") or out["bought"]]


def _described(law: Law) -> str:
    """Return the name of a published law and the first line of its docstring, which gives the equation."""
    return f"{law.name}: {(inspect.getdoc(type(law)) or '').partition(chr(10))[0]}"


def _optimum(law: Any, compute: str) -> dict[str, Any]:
    """Return the compute-optimal model of a law, or of a fitted law, as a row."""
    try:
        flops = float(compute)
    except ValueError:
        raise InputError(f"--compute must be a number of FLOPs such as 1e24; got {compute!r}") from None
    fitted = getattr(law, "law", law)
    if not hasattr(fitted, "allocate"):
        raise InputError(
            f"--compute: {law.name} gives no best model for a compute budget; use --allocate, or another law"
        )
    best = fitted.allocate(flops)
    return {"compute [FLOP]": flops, "parameters": best.parameters, "tokens": best.tokens,
            "tokens per parameter": best.tokens_per_parameter, "loss [nat/token]": best.loss}  # fmt: skip


def _interval(fitted: ScalingFit, flops: float) -> dict[str, Any]:
    """Return the 80 % interval of the optimum of a fit: the low and the high end of each column."""
    found = fitted.allocate(flops)
    names = {"parameters": "parameters", "tokens": "tokens", "tokens_per_parameter": "tokens per parameter",
             "loss": "loss [nat/token]"}  # fmt: skip
    ends = {
        key: {column: found[name][end] for name, column in names.items()} for end, key in enumerate(("low", "high"), 1)
    }
    return {"level": 0.8, **ends}


def _optimum_text(out: dict[str, Any], title: str) -> str:
    """Return the optimum as a table, with the interval of a fit in two further rows."""
    if "optimum_interval" not in out:
        return text([cells(out["optimum"])], title)
    flops = {"compute [FLOP]": out["optimum"]["compute [FLOP]"]}
    listed = [("best", out["optimum"]), *((end, {**flops, **out["optimum_interval"][end]}) for end in ("low", "high"))]
    return text([{"": name, **cells(row)} for name, row in listed], title, "low, high: 80 % interval of each column")


def _training_on(gpu: str, gpus: int) -> Any:
    from costmodel.estimation.scenario import Scenario
    from costmodel.hardware.cluster import Cluster
    from costmodel.training.recipes.pretraining import Pretraining

    return Scenario(architecture={"total": "1B"}, recipe=Pretraining(tokens=1e12), cluster=Cluster(gpu, gpus))
