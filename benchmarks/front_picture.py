"""Draw the picture of the README: `python benchmarks/front_picture.py`."""

from pathlib import Path

import matplotlib as mpl

import costmodel as cm
from costmodel.comparison.reestimation import reestimates

FILE = Path(__file__).resolve().parent.parent / "docs" / "_static" / "published_runs.svg"

if __name__ == "__main__":
    with mpl.rc_context({"svg.hashsalt": "costmodel"}):
        drawing = cm.plot.claimed_against_estimated(reestimates())
        drawing.figure.figure.savefig(FILE, metadata={"Date": None})
