"""Budget of a project: the result with its exports to CSV, XLSX, Markdown and HTML."""

from __future__ import annotations

from pathlib import Path

from costmodel.budget.result import BudgetResult
from costmodel.foundation.checks import checked
from costmodel.foundation.tables import written


class Budget(BudgetResult):
    """Cost of a project, line by line, with exports. `Project.budget` returns it.

    Money is in USD of the project's `currency_year`, rounded to the cent. `base` is the sum of the lines at the
    medians of their inputs, `contingency` a reserve on top, and `total` their sum. Amounts are pint quantities in the
    currency; those of rows and lines, and draws, are plain numbers. Quantiles, draws and probabilities are those of the
    lines without the contingency.

    Parameters
    ----------
    project : Project
        The project.
    rate : ExchangeRate, optional
        Rate at which all amounts are converted; default: US dollars.

    Examples
    --------
    >>> import costmodel as cm
    >>> engineer = {"role": "engineer", "weeks": 4, "usd_per_year": 104_000, "overhead": 1.3}
    >>> budget = cm.Project(name="labels", people=[engineer], contingency=0.1).budget()
    >>> f"{budget.base:.2f}, {budget.contingency:.2f}"
    '10400.00 USD, 1040.00 USD'
    """

    @checked("path")
    def to_csv(self, path: str | Path | None = None) -> str:
        """Return the lines as CSV, and write them to a file if a `path` is given.

        Parameters
        ----------
        path : str or pathlib.Path, optional
            File to write.
        """
        from costmodel.budget.export.document import csv_text

        return written(csv_text(self), path)

    @checked("path")
    def to_xlsx(self, path: str | Path) -> None:
        """Write a spreadsheet with formulas; needs the extra `xlsx`.

        Parameters
        ----------
        path : str or pathlib.Path
            File to write. Needs the extra `xlsx`.
        """
        from costmodel.budget.export.spreadsheet import write_xlsx

        write_xlsx(self, Path(path))

    @checked("path")
    def to_markdown(self, path: str | Path | None = None) -> str:
        """Return the budget as Markdown, and write it to a file if a `path` is given.

        Parameters
        ----------
        path : str or pathlib.Path, optional
            File to write.
        """
        from costmodel.budget.export.document import markdown

        return written(markdown(self), path)

    @checked("path")
    def to_html(self, path: str | Path | None = None) -> str:
        """Return the budget as an HTML page, and write it to a file if a `path` is given.

        Parameters
        ----------
        path : str or pathlib.Path, optional
            File to write.
        """
        from costmodel.budget.export.document import html_page

        return written(html_page(self), path)
