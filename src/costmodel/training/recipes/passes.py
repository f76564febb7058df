"""Passes of a recipe: training passes, scoring (forward) passes and generation passes, and their FLOPs.

Time, energy and cost of a recipe follow from its passes.
"""

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from costmodel.architecture.flops import count_flops
from costmodel.architecture.specification import Architecture
from costmodel.foundation.errors import InputError
from costmodel.training.step.adapters import Adapters, adapter_parameters
from costmodel.training.step.numerics import Numerics
from costmodel.training.step.workload import workload

if TYPE_CHECKING:
    from costmodel.training.recipes.recipe import Recipe

KIND = "Kind of recipe: its name in scenario files."
"""Description of the field `kind` of every recipe."""
MIXED = Numerics()
"""Mixed-precision training."""
PassKind = Literal["train", "forward", "generate"]


class Pass(NamedTuple):
    """Tokens that a model processes in one way."""

    kind: PassKind
    """"train" (training pass), "forward" (scoring pass) or "generate" (generation pass)."""
    architecture: Architecture
    tokens: float
    """Processed tokens; generated tokens of a generation pass [token]."""
    sequence_length: int
    """Tokens per sequence; mean generated tokens per answer of a generation pass [token]."""
    name: str = "train"
    """Name of the pass in results."""
    numerics: Numerics = MIXED
    """Number formats, and which parameters are trained."""
    adapters: Adapters | None = None
    """Trained low-rank adapters."""
    document_length: float | None = None
    """Tokens per packed document, without attention between documents; None: one document per sequence [token]."""
    slowdown: float = 1.0
    """Factor on the time of the step-time model [1]."""
    prompt_length: float = 0.0
    """Prompt tokens per answer of a generation pass [token]."""
    lengths: tuple[float, ...] = ()
    """Quantiles of the generated tokens per answer, if steps wait for stragglers [token]. The weights are copied to the
    generation engine before each of these steps."""


def passes_of(recipe: "Recipe", architecture: Architecture) -> list[Pass]:
    """Return the passes of a recipe.

    Parameters
    ----------
    recipe : recipe
    architecture : Architecture
        Architecture of the trained model.

    Raises
    ------
    InputError
        If no pass is a training pass, a kind is unknown, a number of tokens is not positive, or the model cannot
        process sequences of the given length.
    """
    return list(_passes_of(recipe, architecture))


@lru_cache(maxsize=1024)
def _passes_of(recipe: "Recipe", architecture: Architecture) -> tuple[Pass, ...]:
    passes = list(recipe.passes(architecture))
    name, kinds = type(recipe).__name__, get_args(PassKind)
    problems = [
        f"{name}.passes: kind of pass {step.name!r} must be one of {', '.join(kinds)}; got {step.kind!r}"
        for step in passes
        if step.kind not in kinds
    ]
    passes = [_extended(step) if getattr(recipe, "extend_positions", False) else step for step in passes]
    models = {step.architecture: step for step in reversed(passes)}  # one problem per model
    problems += [problem for step in reversed(models.values()) if (problem := _length_problem(step))]
    problems += [
        f"{name}.passes: tokens of pass {step.name!r} must be a positive number; got {step.tokens!r}"
        for step in passes
        if not (isinstance(step.tokens, (int, float)) and step.tokens > 0)
    ]
    if not any(step.kind == "train" for step in passes):
        problems.append(f"{name}.passes: one pass must be of kind 'train'; got {len(passes)} other passes")
    if problems:
        raise InputError(problems)
    return tuple(passes)


def longest_of(model_pass: Pass) -> float:
    """Return the tokens of the longest sequence of a pass, with its prompt [token].

    Parameters
    ----------
    model_pass : Pass
    """
    return model_pass.prompt_length + max(model_pass.sequence_length, *model_pass.lengths, 0.0)


def _length_problem(model_pass: Pass) -> str:
    """Return why a model cannot process the sequences of a pass, or ""."""
    architecture, length = model_pass.architecture, longest_of(model_pass)
    model, fixed, most = architecture.name, architecture.tokens, architecture.most_positions
    if fixed is not None:
        if length == fixed:
            return ""
        unit = "an image and a text" if architecture.vocabulary else "one image"
        return (
            f"recipe.sequence_length: a sequence of {model} is {unit}, {fixed:,} tokens; got {length:,.0f}; "
            f"give sequence_length = {fixed}, or the config of another image size"
        )
    if most is None or length <= most:
        return ""
    return (
        f"recipe.sequence_length: must be at most {most:,}, the learned positions of {model}; got {length:,.0f}; "
        "extend_positions = true trains further positions"
    )


@lru_cache(maxsize=256)
def _with_positions(architecture: Architecture, length: int) -> Architecture:
    return architecture.replace(positions=length, context_length=length)


def _extended(model_pass: Pass) -> Pass:
    """Return a pass whose model has as many learned positions as its sequences have tokens."""
    length, most = longest_of(model_pass), model_pass.architecture.most_positions
    if most is None or length <= most or model_pass.architecture.tokens is not None:
        return model_pass
    return model_pass._replace(architecture=_with_positions(model_pass.architecture, math.ceil(length)))


def pass_flops(model_pass: Pass) -> float:
    """Return the model FLOPs of a pass, core attention causal [FLOP].

    Parameters
    ----------
    model_pass : Pass
    """
    if model_pass.kind == "generate":
        return (
            generation_flops(model_pass.architecture, model_pass.prompt_length, model_pass.sequence_length)
            * model_pass.tokens
        )
    length = model_pass.document_length or model_pass.sequence_length
    return (
        sequence_flops(model_pass.architecture, length, model_pass.numerics, model_pass.adapters)
        * model_pass.tokens
        / length
    )


def sequence_flops(
    architecture: Architecture, length: float, numerics: Numerics = MIXED, adapters: Adapters | None = None
) -> float:
    """Return the model FLOPs of one sequence, forward and backward [FLOP], core attention causal.

    A matmul with frozen weights has no weight gradient: 4 FLOPs per parameter and token instead of 6. Core attention
    has no weights, so it always takes three forward passes. Adapters add 6 FLOPs per parameter and token.

    Parameters
    ----------
    architecture : Architecture
    length : float
        Tokens of the sequence [token].
    numerics : Numerics
        Which parameters are trained.
    adapters : Adapters, optional
        Trained low-rank adapters.

    References
    ----------
    Kaplan et al. 2020, section 2.1 (arXiv 2001.08361); Hu et al. 2021, "LoRA", section 4 (arXiv 2106.09685).
    """
    counted = count_flops(architecture, length)
    if numerics.backward == 2 and numerics.embedding_trained == 1:
        flops = counted.training
    elif numerics.backward == 0 and numerics.embedding_trained == 0:
        flops = counted.forward
    else:
        work = workload(architecture, length)
        in_chunks = counted.forward - count_flops(architecture, length, scan="plain").forward
        attention, head = work.attention_flops + work.scan_flops + in_chunks, work.head.flops
        of_head = (min(numerics.backward, 1.0) + numerics.embedding_trained) * head
        of_layers = numerics.backward * (counted.forward - attention - head) + 2 * numerics.saved * attention
        flops = counted.forward + of_layers + of_head
    of_adapters = 0.0 if adapters is None else 6.0 * adapter_parameters(architecture, adapters) * length
    return float(flops + of_adapters)


def generation_flops(architecture: Architecture, prompt_length: float, output_length: float) -> float:
    """Return the model FLOPs per generated token, prefill of the prompt included [FLOP/token].

    Each token of prompt and output passes through the model once.

    Parameters
    ----------
    architecture : Architecture
    prompt_length : float
        Prompt tokens [token].
    output_length : float
        Generated tokens [token].
    """
    return float(count_flops(architecture, prompt_length + output_length).forward) / output_length
