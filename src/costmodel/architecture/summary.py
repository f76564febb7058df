"""Table of the parts of a model, with their parameters and FLOPs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from costmodel.architecture.counting import flops_by_part
from costmodel.architecture.listing import weights_by_part
from costmodel.architecture.structure import Structure
from costmodel.foundation import rendering


@dataclass(frozen=True, repr=False)
class PartsTable(rendering.Shown):
    """Parts of a model, as text, HTML and rows; see `Architecture.table`."""

    title: str
    parts: tuple[dict[str, Any], ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per part and one for the total: part, parameters, active, forward FLOPs per token."""
        return [dict(row) for row in self.parts]

    def _title(self) -> str:
        return self.title

    def _cells(self) -> list[dict[str, str]]:
        return [
            {
                "part": row["part"],
                "parameters": f"{row['parameters']:,}",
                "active": f"{row['active']:,}",
                "forward FLOPs per token": rendering.amount(row["flops_per_token"], "FLOP"),
            }
            for row in self.parts
        ]


def parts_table(architecture: Structure, sequence_length: int) -> PartsTable:
    """Return the parts of an architecture.

    Parameters
    ----------
    architecture : Architecture
        Model to list.
    sequence_length : int
        Tokens of a sequence, for the FLOPs [token].
    """
    counts: dict[str, list[int]] = {}
    for part, copies, weights in weights_by_part(architecture):
        count = counts.setdefault(part, [0, 0])
        count[0] += copies * sum(weight.size for weight in weights)
        count[1] += copies * sum(round(weight.size * weight.active) for weight in weights)
    flops = flops_by_part(architecture, float(sequence_length))
    rows: list[dict[str, Any]] = []
    for part in dict.fromkeys([*counts, *flops]):
        parameters, active = counts.get(part, [0, 0])
        if parameters or flops.get(part):
            per_token = float(flops.get(part, 0.0)) / sequence_length
            rows.append({"part": part, "parameters": parameters, "active": active, "flops_per_token": per_token})
    summed = [row for row in rows if row["part"] != "prediction"]
    total: dict[str, Any] = {"part": "total, without prediction" if len(summed) < len(rows) else "total"}
    total |= {key: sum(row[key] for row in summed) for key in ("parameters", "active", "flops_per_token")}
    title = f"{architecture.name}, at {sequence_length:,} tokens, core attention causal"
    return PartsTable(title, (*rows, total))
