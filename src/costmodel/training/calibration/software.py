"""Defaults of training software: what a measured row leaves open that its software and its date decide."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from costmodel.foundation.errors import InputError
from costmodel.training.step.efficiency import NEWEST_SOFTWARE
from costmodel.training.step.layout import Kernel, Loss


class Software(NamedTuple):
    """What a training framework does unless a row says otherwise."""

    dates: Mapping[str, float] = {}
    """Year of the measurements by generation of the accelerator, where a row has no date; "" for all others."""
    precision: str = "bf16"
    attention: Kernel | None = None
    """The kernel; that of the year unless given."""
    loss: Loss = "fused"
    overlap_tensor: bool = False
    accumulates: bool = True
    """Whether gradients are accumulated, so that the micro-batch does not follow from the batch."""
    recomputes_before: float = 0.0
    """Year before which every layer was recomputed in full."""


SOFTWARE: dict[str, Software] = {
    "megatron-bridge": Software(precision="fp8", overlap_tensor=True),  # the recipes of its performance summary
    # FlashAttention came to Megatron-LM in 2023, selective recomputation in 2022 (arXiv 2205.05198)
    "megatron-lm": Software({"volta": 2022.5, "ampere": 2022.5, "": 2024.5}, recomputes_before=2022.0),
    "llm-foundry": Software({"": 2023.5}),  # its benchmarks were published in 2023
    "torchtitan": Software({"": 2025.0}, attention="flash-2", loss="whole", accumulates=False),  # arXiv 2410.06511
}
"""Defaults by software, in lower case; other software has those of `Software()`."""


def defaults_of(software: str) -> Software:
    """Return the defaults of a software."""
    return SOFTWARE.get(software.strip().lower(), Software())


def year_of(date: str, software: str, generation: str) -> float:
    """Return when the software of a row was current, in years.

    Parameters
    ----------
    date : str
        A year, "2025-09" or "2025-09-30"; empty where the row has none.
    software : str
        Name of the software, for its default.
    generation : str
        Generation of the accelerator, for the default of the software.

    Returns
    -------
    float
        The middle of the year or month; the newest software of the measurements where nothing tells.

    Raises
    ------
    InputError
        If the date is in another form.

    Examples
    --------
    >>> year_of("2021", "Megatron-LM", "ampere")
    2021.5
    """
    if not date:
        dates = defaults_of(software).dates
        return dates.get(generation, dates.get("", NEWEST_SOFTWARE))
    stated = re.fullmatch(r"(20\d\d)(?:-(0[1-9]|1[0-2])(?:-[0-3]\d)?)?", date)
    if stated is None:
        raise InputError(f"software_date must be a date such as 2025, 2025-09 or 2025-09-30; got {date!r}")
    return int(stated[1]) + (0.5 if stated[2] is None else (int(stated[2]) - 0.5) / 12)
