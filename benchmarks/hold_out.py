"""Holdout error of fitted laws at ten times the compute: error, bias and coverage per data set of a folder.

Run: python benchmarks/hold_out.py FOLDER (CSV files with columns of parameters, tokens and loss; a column `dataset` or
`experiment` divides a file into sets).
"""

from __future__ import annotations

import sys
from pathlib import Path

from costmodel.foundation.errors import InputError
from costmodel.foundation.rendering import text
from costmodel.foundation.tables import read_csv
from costmodel.scaling.fitting.fit import fit_scaling_law


def main() -> None:
    """Print the table."""
    shown = []
    for path in sorted(Path(sys.argv[1]).glob("*.csv")):
        try:
            table = read_csv(path)
        except InputError as error:
            print(f"{path.name}: {error}")
            continue
        divided = next((name for name in ("dataset", "experiment") if name in table.columns), None)
        for name in dict.fromkeys(row[divided] if divided else "" for row in table.rows):
            rows = [row for row in table.rows if not divided or row[divided] == name]
            columns = {column: [row[column] for row in rows] for column in table.columns}
            try:
                fit = fit_scaling_law(columns, holdout=10)
            except InputError as error:
                print(f"{path.name} {name}: {error}")
                continue
            out, law = fit.holdout, fit.law
            shown.append(
                {
                    "runs": f"{path.stem} {name}",
                    "points": str(len(fit.residuals)),
                    "E": f"{law.E:.3g}",
                    "alpha": f"{law.alpha:.3f}",
                    "beta": f"{law.beta:.3f}",
                    "holdout": str(out.points) if out else "-",
                    "mean error": f"{out.mape:.2%}" if out else "-",
                    "bias": f"{out.bias:+.2%}" if out else "-",
                    "in 80 % interval": f"{out.coverage:.0%}" if out else "-",
                    "warnings": str(len(fit.warnings)),
                }
            )
    print(text(shown))


if __name__ == "__main__":
    main()
