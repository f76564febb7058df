"""How does the page of a budget look? Writes it, opens it in headless Chromium without network, saves a PNG.

Run: python benchmarks/look_at_budget.py [FOLDER]
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from costmodel.budget.project import Project

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def example() -> Project:
    """Return a project with something in each group."""
    run = {"architecture": "llama-3.1-70b", "recipe": {"kind": "pretraining", "tokens": "4B", "sequence_length": 4096},
           "cluster": {"accelerator": "H100-SXM", "count": 64}, "mfu": "0.35 to 0.45", "goodput": 0.9}  # fmt: skip
    return Project(
        name="Customer support assistant, continued pretraining",
        start="2026-11-02",
        owner="platform",
        runs=[{"name": "final run", "scenario": run, "repeats": 2, "after": ["experiments"]}],
        experiments={"after": ["preference pairs"]},
        data=[
            {"name": "preference pairs", "quantity": "20k", "kind": "preference pair", "rework": "annotation overrun",
             "days": 21, "owner": "data"},
            {"name": "license of the corpus", "unit": "corpus", "unit_price": "10000 to 20000 USD", "source": "offer",
             "as_of": "2026-09-14", "owner": "data"},
        ],
        evaluation=[{"name": "judge", "quantity": "1M to 4M", "unit": "call", "unit_price": 0.0021, "days": 5,
                     "after": ["final run"], "owner": "research"}],
        people=[{"role": "engineer", "weeks": "10 to 16", "usd_per_year": 150_000, "overhead": 1.3}],
        storage=[{"name": "checkpoints", "terabytes": 40, "months": 6, "price": 23}],
        serving=[{"name": "first month", "quantity": 2_920, "unit": "GPU-hour", "unit_price": "2 to 4 USD", "days": 30,
                  "after": ["judge"]}],
        contingency="0.1 to 0.2",
        actuals={"preference pairs": 412_345.67, "license of the corpus": 14_000},
    )  # fmt: skip


def photograph(page: Path, picture: Path, width: int = 1100, height: int = 3600) -> None:
    """Save what a browser that reaches no host shows of a page, and the PDF that it prints."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise SystemExit(f"needs one of {', '.join(BROWSERS)} on the PATH")
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}",
                   "--host-resolver-rules=MAP * ~NOTFOUND", "--hide-scrollbars", page.resolve().as_uri()]  # fmt: skip
        for wanted in (f"--screenshot={picture}", f"--print-to-pdf={picture.with_suffix('.pdf')}"):
            subprocess.run([*command[:-1], f"--window-size={width},{height}", "--no-pdf-header-footer", wanted,
                            command[-1]], check=True, capture_output=True, timeout=120)  # fmt: skip


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "budget.html"
    page.write_text(example().budget().to_html(), encoding="utf-8")
    photograph(page, folder / "budget.png")
    print(folder / "budget.png")


if __name__ == "__main__":
    main()
