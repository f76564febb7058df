"""Learn the layouts of the types of Hugging Face transformers that no reader reads, and write them to the data.

Run: python benchmarks/learn_layouts.py [TYPE ...] [--seconds S] [--mutants N]
Needs the extra `audit`. All types without a reader are learned if none is named; types that are in the data already
are learned again. A layout is written only if the default config and N configs with one key changed are counted
exactly or refused. All types take about an hour on one core.
"""

from __future__ import annotations

import argparse
import json
import signal
from typing import Any

import audit_configs
from audit import layouts, reference
from costmodel.architecture import families
from costmodel.architecture.sources import keys
from costmodel.architecture.sources import layouts as stored
from costmodel.foundation.tables import folder

TARGET = folder() / "facts" / "layouts.json"


class TimeLimitError(BaseException):
    """The limit of one type; no Exception, since builds of impossible configs are expected to fail."""


def learned(model_type: str, seconds: float) -> dict[str, Any] | str:
    """Return the layout of a type, or why there is none."""

    def stop(*_: object) -> None:
        raise TimeLimitError

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        return layouts.learn(model_type)
    except TimeLimitError:
        return f"takes more than {seconds:g} s"
    except Exception as error:  # of a class that cannot be built, or a layout that is not a sum of products
        return f"{type(error).__name__}: {str(error)[:100]}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def tidy(layout: dict[str, Any]) -> dict[str, Any]:
    """Return a layout whose fixed keys are only those that may change a count of some type."""
    fixed = {key: value for key, value in layout["fixed"].items() if not keys.is_inert(key.rpartition(".")[2])}
    inert = sorted({*layout["inert"], *(layout["fixed"].keys() - fixed.keys())})
    layout = {**layout, "tensors": layouts.joined(layout["tensors"])}
    layout |= {"fixed": fixed, "inert": inert, "source": reference.SOURCE}
    read: dict[str, Any] = json.loads(json.dumps(layout, default=str))
    return read


def write(rows: dict[str, dict[str, Any]]) -> None:
    """Write the layouts, one type per line, and have them read again."""
    entries = ",\n".join(f"{json.dumps(name)}: {json.dumps(rows[name])}" for name in sorted(rows))
    TARGET.write_text(f"{{\n{entries}\n}}\n", encoding="utf-8")
    stored.forget()


def main() -> None:
    """Learn the types, write those that pass the audit, and say why the others are left out."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("types", nargs="*")
    parser.add_argument("--seconds", type=float, default=40, help="limit of processor time per type")
    parser.add_argument("--mutants", type=int, default=25, help="configs per type in which one key is changed")
    options = parser.parse_args()
    rows = {name: json.loads(entry) for name, entry in stored.lines().items() if name not in families.FAMILIES}
    for name in options.types or reference.model_types():
        if name in families.FAMILIES:
            continue
        layout = learned(name, options.seconds)
        if isinstance(layout, str):
            print(f"{name}: {layout}", flush=True)
            continue
        before = rows.get(name)
        write({**rows, name: tidy(layout)})
        row = audit_configs.audit(name, options.mutants)
        if row is not None and row.main.status == "exact" and not row.wrong:
            rows[name] = tidy(layout)
            print(f"{name}: learned, {dict(row.mutants)}", flush=True)
        else:
            rows = {**rows, name: before} if before is not None else rows
            print(f"{name}: left out, {row and (row.main.detail or row.wrong[0])}", flush=True)
        write(rows)


if __name__ == "__main__":
    main()
