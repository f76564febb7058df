"""Fits of laws with a third variable: number of experts, or unique tokens (data-constrained scaling)."""

from __future__ import annotations

from typing import Any, NamedTuple

from costmodel.foundation.errors import InputError
from costmodel.scaling.fitting.fit import fit_scaling_law
from costmodel.scaling.fitting.measurements import read_measurements
from costmodel.scaling.laws.data_constrained import MuennighoffLaw
from costmodel.scaling.laws.experts import ClarkLaw
from costmodel.scaling.laws.hoffmann import HoffmannLaw

LEAST_SINGLE = 8
"""Least number of runs without repetition, for the law of unrepeated tokens."""
FRESH = 1.001
"""Largest ratio of tokens to unique tokens of a run without repetition [1]."""


class ThreeVariableFit(NamedTuple):
    """A law with a third variable, the standard errors of its coefficients, and ln(predicted / measured)."""

    law: Any
    standard_errors: dict[str, float]
    residuals: Any


def fit_experts(parameters: Any, experts: Any, loss: Any, start: float, most: float) -> ThreeVariableFit:
    """Fit the law of Clark et al. by least squares on the logarithm.

    Parameters
    ----------
    parameters : sequence of float
        Parameters of the dense base model of each run [1], shape (runs,).
    experts : sequence of float
        Number of experts of each run, 1 for a dense model [1], shape (runs,).
    loss : sequence of float
        Loss of each run [nat/token], shape (runs,).
    start : float
        Effective number of experts of a model with one expert, `ClarkLaw.E_start` [1].
    most : float
        Effective number of experts in the limit of infinitely many, `ClarkLaw.E_max` [1].

    Returns
    -------
    ThreeVariableFit
        With a `ClarkLaw` as `law`.

    Raises
    ------
    InputError
        If the runs are not positive numbers, there are too few, or all have one size or one number of experts.

    References
    ----------
    Clark et al. 2022, equation 1 and table 3 (arXiv 2202.01169).
    """
    import numpy as np

    runs = read_measurements(parameters, experts, loss, least=5)
    shape = ClarkLaw(0.0, 0.0, 0.0, 0.0, start, most)
    size, number = np.log10(runs.parameters), np.log10(shape.saturated(runs.tokens))
    design = np.column_stack([size, number, size * number, np.ones_like(size)])
    solved, _, rank, _ = np.linalg.lstsq(design, np.log10(runs.loss), rcond=None)
    if rank < design.shape[1]:
        raise InputError(
            "the runs do not determine the four coefficients: several sizes with several numbers of experts are needed"
        )
    left = design @ solved - np.log10(runs.loss)
    free = max(len(left) - len(solved), 1)
    errors = np.sqrt(np.diagonal(np.linalg.inv(design.T @ design)) * (left**2).sum() / free)
    a, b, c, d = (float(value) for value in solved)
    law = ClarkLaw(a, b, c, d, E_start=start, E_max=most, name="fitted")
    return ThreeVariableFit(law, dict(zip("abcd", map(float, errors), strict=True)), left * np.log(10))


def fit_repeated(
    parameters: Any, tokens: Any, loss: Any, unique_tokens: Any, fresh: HoffmannLaw | None = None
) -> ThreeVariableFit:
    """Fit the decay constants of repeated tokens and of excess parameters.

    Parameters
    ----------
    parameters, tokens, loss : sequence of float
        Parameters N [1], training tokens D with repetitions [token] and loss [nat/token] of each run, shape (runs,).
    unique_tokens : sequence of float
        Distinct tokens U of each run [token], shape (runs,).
    fresh : HoffmannLaw, optional
        Law without repeated tokens; by default it is fitted on the runs without repetition.

    Returns
    -------
    ThreeVariableFit
        With a `MuennighoffLaw` as `law`.

    Raises
    ------
    InputError
        If the runs are invalid, no run repeats tokens, or `fresh` is not given and too few runs are without
        repetition.

    References
    ----------
    Muennighoff et al. 2023, section 6 and appendix A (arXiv 2305.16264).
    """
    import numpy as np
    from scipy.optimize import least_squares

    runs = read_measurements(parameters, tokens, loss, least=4)
    unique = np.asarray(unique_tokens, dtype=float)
    if unique.shape != runs.tokens.shape or not (np.isfinite(unique) & (unique > 0)).all():
        raise InputError("unique_tokens must be above 0 and finite, one for each run")
    unique = np.minimum(unique, runs.tokens)
    single = runs.tokens <= FRESH * unique
    if single.all():
        raise InputError("unique_tokens: no run repeats its tokens")
    if fresh is None:
        if single.sum() < LEAST_SINGLE:
            raise InputError(
                f"at least {LEAST_SINGLE} runs that repeat no token are needed, or a law; got {single.sum()}"
            )
        once = runs.chosen(single)
        fresh = fit_scaling_law(once.parameters, once.tokens, once.loss).law
    base = fresh

    def law(logs: Any) -> MuennighoffLaw:
        worth, excess = np.exp(logs).tolist()
        return MuennighoffLaw(base.E, base.A, base.B, base.alpha, base.beta, worth, excess, name="fitted")

    def residuals(logs: Any) -> Any:
        return np.log(law(logs).loss(runs.parameters, runs.tokens, unique_tokens=unique) / runs.loss)

    solved = least_squares(residuals, np.log([15.0, 5.0]), loss="soft_l1", f_scale=0.01, bounds=(-3.0, 9.0))
    left = residuals(solved.x)
    slopes = np.asarray(solved.jac)
    curvature = np.linalg.pinv(slopes.T @ slopes) * float(np.mean(left**2))
    spread = np.sqrt(np.diagonal(curvature)) * np.exp(solved.x)
    errors = dict(zip(("repeated_tokens", "excess_parameters"), map(float, spread), strict=True))
    return ThreeVariableFit(law(solved.x), errors, left)
