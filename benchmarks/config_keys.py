"""Write `data/facts/config_keys.json`: what each key of a config does to the parameters of each type of model.

Run: python benchmarks/config_keys.py EFFECTS.jsonl ...
     python benchmarks/config_keys.py --measure EFFECTS.jsonl [TYPE ...], with the extra `audit`: half an hour
A line of EFFECTS is an object of one type, as the audit of configs writes it: `type`, `defaults` (by key), `inert`
(keys whose changes change no tensor), `shapes` (keys some change of which does), `aliases` (the key by its other
name, the `attribute_map` of the class), and `source` (program and version). Lines without `shapes` are ignored.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from costmodel.architecture.sources.keys import WORK_WORDS

MANY = 20
"""A key is inert in general if it is so in this many times more types than it shapes."""
TARGET = Path(__file__).parent.parent / "data" / "facts" / "config_keys.json"


def measure(path: Path, types: list[str]) -> None:
    """Append the effects of the keys of some types, or of all, to a file; types that are in it are left out."""
    from audit import keys, reference

    path.touch()
    done = {json.loads(line)["type"] for line in path.read_text(encoding="utf-8").splitlines()}
    with path.open("a", encoding="utf-8") as file:
        for name in types or reference.model_types():
            if name in done:
                continue
            try:
                row = {"type": name, "source": reference.SOURCE, **(keys.effects(name) or {})}
            except Exception as error:  # a default config that is incomplete, or a package that is missing
                row = {"type": name, "why": repr(error)[:200]}
            file.write(json.dumps(row, default=str) + "\n")
            file.flush()


def main() -> None:
    """Measure the effects, or read them and write the table."""
    if sys.argv[1] == "--measure":
        measure(Path(sys.argv[2]), sys.argv[3:])
        return
    rows = [json.loads(line) for path in sys.argv[1:] for line in Path(path).read_text(encoding="utf-8").splitlines()]
    effects = {row["type"]: row for row in rows if "shapes" in row}
    table = table_of(effects)
    lines = [f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in table.items()]
    TARGET.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"{len(effects)} types, {len(table['*']['inert'])} keys that are inert in general")


def table_of(effects: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the table of keys from the effects by type."""
    shapes = Counter(key for row in effects.values() for key in row["shapes"])
    inert = Counter(key for row in effects.values() for key in row["inert"])
    general = {key for key, count in inert.items() if count >= MANY * shapes[key]}
    sources = "; ".join(sorted({row["source"] for row in effects.values()}))
    table: dict[str, Any] = {"*": {"defaults": {}, "inert": sorted(general), "shapes": [], "source": sources}}
    for name, row in sorted(effects.items()):
        own = general - set(row["shapes"])
        table[name] = {
            "defaults": {
                key: finite(value)
                for key, value in row["defaults"].items()
                if key not in own or not WORK_WORDS.isdisjoint(key.split("_"))
            },
            "inert": sorted(set(row["inert"]) - general),
            "shapes": row["shapes"],
            "source": row["source"],
        }
        if aliases := row.get("aliases"):
            table[name]["aliases"] = aliases
    return table


def finite(value: Any) -> Any:
    """Return a default value without infinities, which JSON has no word for."""
    return json.loads(json.dumps(value), parse_constant=str)


if __name__ == "__main__":
    main()
