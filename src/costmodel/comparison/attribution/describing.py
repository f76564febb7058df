"""Terms of the factors of a cost, with their numbers and phrases; published runs and estimates share them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from costmodel.comparison.attribution.factors import Term, constant, share
from costmodel.comparison.costs import DEVELOPMENT
from costmodel.comparison.development import development_cost
from costmodel.foundation.rendering import amount, number

if TYPE_CHECKING:
    from costmodel.comparison.attribution.factors import Values
    from costmodel.hardware.accelerator import Accelerator


class Origin(NamedTuple):
    """Where a number is from."""

    sources: tuple[str, ...]
    """Documents, addresses or tables."""
    speculative: bool = False
    """Whether it is a guess of outsiders."""
    assumed: str = ""
    """What is estimated or assumed about it, or ""."""


class Rate(NamedTuple):
    """A price of a GPU-hour."""

    values: Values
    """Price [USD/hour]."""
    note: str
    """What the price is, with its day, such as "market on 2024-07-01"."""
    sources: tuple[str, ...]
    """Sources of the price."""
    assumed: str = ""
    """What the price was taken from, if it is a proxy; else ""."""


def model_terms(total: Values, active: Values, tokens: Values, compute: Values, origin: Origin) -> dict[str, Term]:
    """Return the terms of model and data.

    Parameters
    ----------
    total, active : array
        Parameters of the model, and those that a token uses [1].
    tokens : array
        Training tokens [token].
    compute : array
        Model FLOPs [FLOP].
    origin : Origin
        Origin of the numbers.
    """
    about = "about " if origin.speculative else ""
    sizes = {"total": _count(total), "active": _count(active), "tokens": _count(tokens)}
    per_parameter = compute / (active * tokens)
    flops = number(per_parameter[0], 3)
    activates = f"activates {about}{sizes['active']} of {sizes['total']} parameters ({share(active[0] / total[0])})"
    if active[0] == total[0]:
        activates = "uses all its parameters for each token"
    return {
        "total_parameters": Term(total, sizes["total"], f"has {about}{sizes['total']} parameters", *origin),
        "sparsity": Term(active / total, share(active[0] / total[0]), activates, *origin),
        "active_parameters": Term(
            active, sizes["active"], f"uses {about}{sizes['active']} parameters for each token", *origin
        ),
        "tokens": Term(tokens, sizes["tokens"], f"was trained on {about}{sizes['tokens']} tokens", *origin),
        "flops_per_parameter": Term(
            per_parameter, flops, f"takes {flops} FLOPs per active parameter and token", *origin
        ),
    }


def work_terms(
    compute: Values | None,
    hours: Values,
    accelerator: Accelerator,
    precision: str,
    compute_origin: Origin,
    hours_origin: Origin,
    precision_origin: Origin,
) -> dict[str, Term]:
    """Return the terms of compute, precision and utilization.

    Parameters
    ----------
    compute : array, optional
        Model FLOPs [FLOP]; None if they are not known.
    hours : array
        GPU-hours [hour].
    accelerator : Accelerator
        Accelerator of the run.
    precision : str
        Number format of the matmuls.
    compute_origin, hours_origin, precision_origin : Origin
        Origins of the numbers.
    """
    bf16_peak, peak = accelerator.peak(), accelerator.peak(precision)
    about = "about " if hours_origin.speculative else ""
    gpu_hours = f"{about}{amount(3600 * hours[0], 'GPU-s')}"
    at_peak = hours * 3600 * bf16_peak
    whole = f"takes {gpu_hours} of {accelerator.name}, {_flop(at_peak[0])} at the {accelerator.usual_precision} peak"
    terms = {"peak_compute": Term(at_peak, _flop(at_peak[0]), whole, *hours_origin)}
    if compute is None:
        return terms
    estimated = "about " if compute_origin.speculative else ""
    terms["compute"] = Term(compute, _flop(compute[0]), f"takes {estimated}{_flop(compute[0])}", *compute_origin)
    ratio = peak / bf16_peak
    how = "its 16-bit peak" if ratio == 1 else f"{number(ratio, 3)} × the 16-bit peak of {accelerator.name}"
    terms["precision"] = Term(constant(1 / ratio), precision, f"computes in {precision}, at {how}", *precision_origin)
    used = compute[0] / (hours[0] * 3600 * peak)
    speculative = compute_origin.speculative or hours_origin.speculative
    origin = Origin(hours_origin.sources, speculative, hours_origin.assumed)
    reaches = f"reaches {about}{share(used)} of its {precision} peak over {gpu_hours}"
    terms["utilization"] = Term(hours * 3600 * peak / compute, share(used), reaches, *origin)
    return terms


def price_terms(used: Rate, on_demand: Rate | None, accelerator: Accelerator) -> dict[str, Term]:
    """Return the terms of the price of a GPU-hour.

    Parameters
    ----------
    used : Rate
        Price that makes up the cost.
    on_demand : Rate, optional
        Price on demand of the same day; None if it is not known.
    accelerator : Accelerator
        Accelerator of the run.
    """
    peak = accelerator.peak() * 3600  # FLOP in an hour
    per_flop = used.values / peak
    shown = number(per_flop[0] * 1e18, 3)
    paid = f"{used.values[0]:.2f} USD/h"
    pays = f"pays {paid} for {accelerator.name} ({used.note}), {shown} USD per EFLOP at peak"
    terms = {"price": Term(per_flop, shown, pays, used.sources)}
    if on_demand is None:
        return terms
    per_flop = on_demand.values / peak
    shown = number(per_flop[0] * 1e18, 3)
    hour = f"{on_demand.values[0]:.2f} USD/h"
    rents = f"uses {accelerator.name} at {hour} on demand ({on_demand.note}), {shown} USD per EFLOP at peak"
    terms["hardware"] = Term(per_flop, shown, rents, on_demand.sources, assumed=on_demand.assumed)
    relative = used.values / on_demand.values
    pays = f"is priced at {paid} ({used.note}), {number(relative[0], 3)} of the price on demand"
    terms["price_convention"] = Term(relative, paid, pays, used.sources, assumed=on_demand.assumed)
    return terms


def scope_term(scope: str, seed: int) -> Term:
    """Return the term of the scope of the cost of a published run.

    Parameters
    ----------
    scope : str
        "final_run" or "development".
    seed : int
        Seed of the draws.
    """
    import numpy as np

    if scope != DEVELOPMENT:
        return Term(constant(1.0), "final run", "counts the final run alone", ("definition of the scope",))
    whole = development_cost(1.0, seed=seed)
    values = np.concatenate([[whole.usd], whole.draws()])
    phrase = f"counts the total development, {number(values[0], 3)} × the final run"
    return Term(values, "development", phrase, (whole.source,), assumed=whole.scope_reason)


def _count(values: Values) -> str:
    """Return a number of parameters or tokens, such as "671B"."""
    return amount(float(values[0]), "token").removesuffix(" tokens")


def _flop(value: float) -> str:
    return f"{value:.2e} FLOP".replace("e+", "e")
