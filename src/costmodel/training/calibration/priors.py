"""Priors of the constants of the step-time model: value and spread before any step was measured."""

from collections.abc import Mapping

from costmodel.foundation.fitted import read_priors

PRIORS = read_priors("step_times")
"""Priors of all constants of the step-time model; a spread of 0 fixes a constant at its value."""

TIED = {
    "attention_flash_1": "attention", "attention_flash_2": "attention",
    "attention_flash_1:hopper": "attention_flash_2:hopper", "attention:ada": "attention:ampere",
    "attention_flash_2:ampere": "attention:ampere", "attention_flash_2:ada": "attention:ampere",
}  # fmt: skip
"""Constants that equal another constant, because the rows do not identify them separately."""


OF_EXPERTS = ("launch_experts", "age_experts", "scan")
"""Constants that mixtures of experts decide; dense models decide all others."""
OF_ONE_MODEL = ("scan",)
"""Constants of an operation that only one model of the measurements has."""


def tied(values: Mapping[str, float]) -> dict[str, float]:
    """Return the constants that equal other constants."""
    return {name: values[other] for name, other in TIED.items() if other in values}


FINE_TUNING = read_priors("finetunes")
"""Priors of the further constants of fine-tunes."""
