"""The probability of a claim under several sets of assumptions, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel._version import __version__
from costmodel.foundation import rendering
from costmodel.foundation.checks import checked
from costmodel.foundation.citations import Source
from costmodel.foundation.tables import fingerprint

if TYPE_CHECKING:
    from costmodel.claims.claim import Claim


class Answer(NamedTuple):
    """The probability of a claim under one set of assumptions."""

    assumptions: str
    """Name of the set of assumptions."""
    scope: str
    """"final_run" or "development" of a cost, or "quality"."""
    probability: float
    """Probability of the claim [1]."""
    note: str = ""
    """Further numbers."""


class Verdict(rendering.Shown):
    """Probability of a claim: `probability` by the best calibrated method, `answers` under all assumptions."""

    def __init__(self, claim: Claim, answers: tuple[Answer, ...], sources: tuple[str, ...]) -> None:
        self.claim, self.answers, self._named = claim, answers, sources

    @property
    def probability(self) -> float:
        """Probability of the first answer, which is from the best calibrated method [1]."""
        return self.answers[0].probability

    @property
    def hinges_on(self) -> list[tuple[str, float]]:
        """Other assumptions with their probabilities, the largest difference from `probability` first."""
        others = [(f"{row.assumptions}, {row.scope.replace('_', ' ')}", row.probability) for row in self.answers[1:]]
        return sorted(others, key=lambda pair: -abs(pair[1] - self.probability))

    def rows(self) -> list[dict[str, Any]]:
        """Return the answers as rows with `assumptions`, `scope`, `probability` [1] and `note`."""
        return [answer._asdict() for answer in self.answers]

    def to_dict(self) -> dict[str, Any]:
        """Return claim, answers, sources and versions as plain data."""
        return {
            "version": __version__,
            "data_hash": fingerprint(),
            "claim": self.claim.to_data(),
            "probability": self.probability,
            "answers": self.rows(),
            "sources": list(self._named),
        }

    def sources(self) -> set[Source]:
        """Return the sources of the figures that check the claim."""
        return {Source(source) for source in self._named}

    @checked("width")
    def to_text(self, width: int | None = None) -> str:
        """Return the table as plain text; the text of the claim is not wrapped, and notes that do not fit stand below.

        Parameters
        ----------
        width : int, optional
            Width of the table and of the notes; default: 80 [character].
        """
        width = rendering.WIDTH if width is None else width
        cells, notes = self._cells(), []
        if max(map(len, rendering.text(cells).splitlines())) > width:
            notes = [f"{row['assumptions']}: {row['note']}" for row in cells if row["note"]]
            cells = [{key: value for key, value in row.items() if key != "note"} for row in cells]
        footer = "\n".join([*dict.fromkeys(notes), self._footer()])
        return rendering.text(cells, self._title(), rendering.wrapped(footer, width))

    def _title(self) -> str:
        return f"“{self.claim.text}”"

    def _cells(self) -> list[dict[str, str]]:
        return [
            {
                "assumptions": answer.assumptions,
                "scope": answer.scope.replace("_", " "),
                "probability": f"{answer.probability:.2f}",
                "note": answer.note,
            }
            for answer in self.answers
        ]

    def _footer(self) -> str:
        lines = [*self._named, f"costmodel {__version__}, data {fingerprint()}"]
        if self.hinges_on:
            name, probability = self.hinges_on[0]
            lines.insert(0, f"assumption with the largest effect on the probability: {name} ({probability:.2f})")
        return "\n".join(lines)
