"""The command `costmodel validate`: errors of predictions against measured and published data."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from costmodel.cli.output import emit
from costmodel.foundation.errors import InputError
from costmodel.foundation.rendering import text

MOST_REASONS = 5
"""Reasons of skipped cases that are printed [1]."""
MOST_IDS = 8
"""Skipped cases that are named with their reason [1]."""


class _Kind(NamedTuple):
    """The predicted quantity of a kind of cases, and the table of the library with such cases, if any."""

    predicted: str
    shipped: str | None


_SCORED = {
    "published_runs": _Kind("GPU-hours", "measurements/published_runs"),
    "step_times": _Kind("step times", "measurements/step_times"),
    "finetune": _Kind("step times", "measurements/finetunes"),
    "memory": _Kind("peak memory", "measurements/finetune_memory"),
    "published_finetunes": _Kind("GPU-hours", "measurements/published_finetunes"),
    "cost_decline": _Kind("costs", "measurements/cost_decline"),
    "forecast": _Kind("total times", "measurements/run_log_steps"),
    "power": _Kind("wall power", "measurements/measured_power"),
    "energy": _Kind("energy", "measurements/energy"),
    "price_proxies": _Kind("prices per GPU-hour", "gpu_prices"),
    "throughput": _Kind("MFU, their source left out", "measurements/accelerator_throughput"),
    "evaluations": _Kind("prices per solved task", "facts/benchmark_scores"),
    "mlperf": _Kind("time to train", None),
    "serving": _Kind("times per output token", "measurements/serving"),
}
"""Kinds of cases with scores."""


def validate(
    kind: Annotated[
        str,
        typer.Argument(
            help=f"Kind of cases: {', '.join(_SCORED)}, reports (field reports), or configs (parameter counts)."
        ),
    ],
    file: Annotated[
        Path | None,
        typer.Argument(help="CSV of cases (default: the table of the library), or a folder of reports or configs."),
    ] = None,
    price: Annotated[
        str | None,
        typer.Option(help="Score dollars of published_runs too, said in: on_demand, contract or published."),
    ] = None,
) -> None:
    """Score predictions against measured or published data."""
    from costmodel.foundation.errors import unknown
    from costmodel.foundation.tables import FIT_INPUTS, folder, read_csv
    from costmodel.foundation.tables import table as shipped

    if price is not None and kind != "published_runs":
        raise InputError(f"--price: applies to published_runs; got {kind}")
    if kind == "configs":
        _validate_configs(file)
        return
    if kind == "reports":
        _validate_reports(file)
        return
    if kind not in _SCORED:
        raise InputError(unknown("kind of cases", kind, [*_SCORED, "reports", "configs"]))
    predicted, own = _SCORED[kind]
    if file is None and own is None:
        raise InputError(f"{kind}: the library has no table of these cases; give a CSV file")
    if file is None and own in FIT_INPUTS and not (folder() / f"{own}.csv").is_file():
        raise InputError(f"{kind}: its table is in the repository, not in the installed package; give a CSV file")
    scorer = getattr(import_module(f"costmodel.validation.{kind}"), f"validate_{kind}")
    further = {} if price is None else {"price": price}
    scored = scorer(read_csv(file) if file is not None else shipped(own), **further)
    parts = [_scores({**scored, "families": scored["families"] | scored.get("groups", {})}, predicted)]
    for key, of in (
        ("memory", "peak memory"),
        ("cost", "dollars"),
        ("other_workloads", "wall power, other workloads"),
        ("generation", "MFU, their generation left out"),
        ("uncached", "prices per solved task, all input billed as new"),
        ("list_prices", "prices per solved task, at the newest list prices"),
    ):
        if key in scored:
            parts.append(_scores(scored[key], of))
    if "left_out" in scored:
        parts.append(_left_out(scored))
    if "ranking" in scored:
        parts.append(_ranking(scored["ranking"]))
    if "ratios" in scored:
        ratios = [{"cases": name, "median ratio": f"{value:.2f}"} for name, value in scored["ratios"].items()]
        parts.append(text(ratios, footer="predicted / measured"))
    emit("validate", *parts, data=lambda: scored, rows=lambda: scored["rows"])


def _scores(scored: dict[str, Any], predicted: str) -> str:
    from costmodel.validation.scores import summary_rows

    footer = f"{scored['scored']} of {scored['cases']} cases scored; error of {predicted}, bias as mean ln ratio"
    reasons: dict[str, list[str]] = {}
    for row in scored["rows"]:
        if row.get("skipped"):
            reasons.setdefault(row["skipped"], []).append(str(row["id"]))
    common = sorted(reasons.items(), key=lambda item: -len(item[1]))[:MOST_REASONS]
    skipped = [f"skipped {len(ids)} ({_named(ids)}): {reason}" for reason, ids in common]
    if len(reasons) > MOST_REASONS:
        skipped.append(f"and {len(reasons) - MOST_REASONS} more reasons; --json lists them")
    return text(summary_rows(scored), footer="\n".join([footer, *skipped]))


def _ranking(found: dict[str, Any]) -> str:
    """Return how many pairs are ordered as published, as text."""
    if not found["pairs"]:
        return "ranking: no two runs of the same benchmark"
    certain = ""
    if found["certain_pairs"]:
        share = found["certain_as_published"]
        certain = f", and {share:.1%} of the {found['certain_pairs']:,} pairs whose order has a probability of 80 %"
    return f"ranking: {found['as_published']:.1%} of {found['pairs']:,} pairs ordered as published{certain}"


def _left_out(scored: dict[str, Any]) -> str:
    """Return the scores of a kind with several ways to leave rows out of the fit, and those of its groups, as text."""
    from costmodel.validation.scores import summary_rows

    parts = {
        f"{group}, {'in the fit' if name == 'none' else f'{name} left out'}": part
        for name, found in scored["left_out"].items()
        for group, part in (found["groups"] | found["figure"]).items()
    }
    parts |= {f"{key}: {name}": part for key, groups in scored["by"].items() for name, part in groups.items()}
    footer = "groups by figure, accelerator, engine, precision, kind and source: with the model left out of the fit"
    return text(summary_rows({"families": parts, "scored": 0}), footer=footer)


def _named(ids: list[str]) -> str:
    """Return the names of cases as text; of many, the first."""
    more = f" and {len(ids) - MOST_IDS} more" if len(ids) > MOST_IDS else ""
    return ", ".join(ids[:MOST_IDS]) + more


def _validate_reports(folder: Path | None) -> None:
    from costmodel.validation.reports import validate_reports

    scored = validate_reports(folder)
    fits = scored["figures"].get("fits", {"scored": 0})
    valued = {name: part for name, part in scored["figures"].items() if name != "fits"}
    lines = [_scores({**scored, "families": valued | scored["groups"]}, "figures")]
    if fits["scored"]:
        lines += [f"fits: {fits['scored']} cases, Brier score {fits['brier']:.3f}, {fits['contradicted']} contradicted"]
    emit("validate", "\n".join(lines), data=lambda: scored, rows=lambda: scored["rows"])


def _validate_configs(folder: Path | None) -> None:
    from costmodel.validation.configs import summary, validate_configs

    if folder is None:
        raise InputError("configs: give a folder with params.csv and one NAME.json per row")
    scored = validate_configs(folder)
    footer = f"{scored['equal']} equal, {scored['wrong']} wrong, {scored['refused']} refused of {scored['cases']}"
    emit("validate", text(summary(scored), footer=footer), data=lambda: scored, rows=lambda: scored["rows"])
