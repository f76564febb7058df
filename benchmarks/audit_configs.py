"""Compare the counts of configs with those of Hugging Face transformers, for all its types of models.

Run: python benchmarks/audit_configs.py [TYPE ...] [--sample N] [--mutants N] [--write]
Needs the extra `audit` (transformers and torch, whose models are built on the meta device: nothing is downloaded).

Each type is counted from its default config as transformers writes it, with all keys and with the changed ones only,
for its main class and its classes with other heads; and, with --mutants, from configs in which one key is changed, at
most N changes per type. A count is exact, refused (an error that says why), or wrong. The exit code is 1 if one is
wrong. --write stores the table in docs/model-types.md.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import costmodel as cm
from audit import reference
from audit.keys import mutants, own_keys, source_of

TARGET = Path(__file__).parent.parent / "docs" / "model-types.md"
HEADS = ("Model", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")
"""Endings of the classes that are compared beside the main class."""


CHANGES: dict[str, dict[str, Any]] = {"longcat_flash": {"zero_expert_num": 0}}
"""Keys of the compared config of types whose default the reference builds with more parameters than are published: the
experts without weights of LongCat-Flash have matrices there."""


class Outcome(NamedTuple):
    """Result of a comparison."""

    status: str
    """"exact", "refused" or "wrong"."""
    detail: str = ""


class Row(NamedTuple):
    """Results of a type."""

    model_type: str
    model_class: str
    causal: bool
    main: Outcome
    heads: dict[str, Outcome]
    mutants: Counter[str]
    wrong: tuple[str, ...]


def plain(config: Any, model_class: type, changes: dict[str, Any], *, full: bool) -> dict[str, Any]:
    """Return a config as a file has it, with all keys or with those that differ from the defaults."""
    data = config.to_dict() if full else {**config.to_diff_dict(), **changes}
    written = {**data, "model_type": config.model_type, "architectures": [model_class.__name__]}
    read: dict[str, Any] = json.loads(json.dumps(written, default=str))
    return read


def compared(data: dict[str, Any], expected: reference.Counts) -> Outcome:
    """Count a config and compare it with the reference."""
    try:
        counts = cm.load_architecture(data).parameters
    except cm.CostModelError as error:
        return Outcome("refused", str(error).splitlines()[0][:160])
    same = counts[:3] == tuple(expected)
    return Outcome("exact") if same else Outcome("wrong", f"{tuple(counts[:3])} instead of {tuple(expected)}")


def worst(outcomes: list[Outcome]) -> Outcome:
    """Return the worst of some outcomes: a wrong one, else a refused one, else an exact one."""
    order = ("wrong", "refused", "exact")
    return min(outcomes, key=lambda outcome: order.index(outcome.status))


def audit(model_type: str, most_mutants: int) -> Row | None:
    """Compare one type; None if transformers builds no model of its default config."""
    try:
        config = reference.default_config(model_type, **CHANGES.get(model_type, {}))
        model_class = reference.main_class(config)
        expected = reference.count(reference.build(config, model_class)) if model_class else None
    except Exception:  # a default config that is incomplete, or a package that is missing
        return None
    if model_class is None or expected is None:
        return None
    forms = [plain(config, model_class, {}, full=full) for full in (True, False)]
    main = worst([compared(form, expected) for form in forms])
    heads: dict[str, Outcome] = {}
    if main.status == "exact":
        for other in reference.classes_of(config):
            ending = next((end for end in HEADS if other.__name__.endswith(end)), None)
            if other is model_class or ending is None or (ending == "Model" and not is_main_body(other, model_class)):
                continue
            try:
                counts = reference.count(reference.build(config, other))
            except Exception:
                continue
            heads[other.__name__] = compared(plain(config, other, {}, full=False), counts)
    counted: Counter[str] = Counter()
    wrong = []
    if most_mutants and main.status == "exact":
        for key, value, outcome in mutated(config, model_class, most_mutants):
            counted[outcome.status] += 1
            if outcome.status == "wrong":
                wrong.append(f"{key}={value!r}: {outcome.detail}")
    wrong += [f"{name}: {outcome.detail}" for name, outcome in heads.items() if outcome.status == "wrong"]
    wrong += [main.detail] if main.status == "wrong" else []
    return Row(model_type, model_class.__name__, reference.is_causal(config), main, heads, counted, tuple(wrong))


def is_main_body(body: type, model_class: type) -> bool:
    """Tell whether a class is the body of the main class: the same name before the ending."""
    return model_class.__name__.startswith(body.__name__[: -len("Model")] + "For")


def mutated(config: Any, model_class: type, most: int) -> list[tuple[str, Any, Outcome]]:
    """Compare configs in which one key is changed."""
    source, model_type = source_of(config), config.model_type
    options = [(key, value) for key, default in own_keys(config).items() for value in mutants(key, default, source)]
    random.Random(model_type).shuffle(options)
    results: list[tuple[str, Any, Outcome]] = []
    for key, value in options:
        if len(results) >= most:
            break
        try:
            changed = reference.default_config(model_type, **CHANGES.get(model_type, {}) | {key: value})
            counts = reference.count(reference.build(changed, model_class))
        except Exception:
            continue
        results.append((key, value, compared(plain(changed, model_class, {key: value}, full=False), counts)))
    return results


def document(rows: list[Row]) -> str:
    """Return the coverage table as a page."""
    import transformers

    causal = [row for row in rows if row.causal]
    heads = [outcome.status for row in rows for outcome in row.heads.values()]
    changed = sum((row.mutants for row in rows), Counter())
    lines = [
        "# Types of models whose config.json is counted",
        "",
        f"Compared with Hugging Face transformers {transformers.__version__} by `python benchmarks/audit_configs.py`:",
        "default configs with all keys and with the changed keys only. Exact means equal totals, active parameters and",
        "embeddings.",
        "",
        "| configs | compared | exact | refused | wrong |",
        "|---|---|---|---|---|",
    ]
    for name, statuses in (
        ("causal language models", [row.main.status for row in causal]),
        ("all types", [row.main.status for row in rows]),
        ("classes with other heads, of the exact types", heads),
        ("one key changed, of the exact types", list(changed.elements())),
    ):
        counts = Counter(statuses)
        lines.append(
            f"| {name} | {len(statuses):,} | {counts['exact']:,} | {counts['refused']:,} | {counts['wrong']:,} |"
        )
    for status in ("exact", "refused", "wrong"):
        listed = sorted(row.model_type for row in rows if row.main.status == status)
        if listed:
            names = textwrap.fill(", ".join(f"`{name}`" for name in listed), 120, break_on_hyphens=False)
            lines += ["", f"## {status.capitalize()} ({len(listed)})", "", names]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Compare types, print the table and what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("types", nargs="*", help="types to compare; default: all")
    parser.add_argument("--sample", type=int, help="compare so many types, chosen by a fixed seed")
    parser.add_argument("--mutants", type=int, default=0, help="most configs per type in which one key is changed")
    parser.add_argument("--write", action="store_true", help=f"store the table in {TARGET.name}")
    options = parser.parse_args()
    types = options.types or reference.model_types()
    if options.sample:
        types = random.Random(0).sample(types, options.sample)
    rows = [row for row in (audit(name, options.mutants) for name in types) if row is not None]
    text = document(rows)
    print(
        text
        if len(types) > 40
        else "\n".join(f"{row.model_type}: {row.main.status} {row.main.detail} {dict(row.mutants)}" for row in rows)
    )
    for row in rows:
        for problem in row.wrong:
            print(f"wrong: {row.model_type} ({row.model_class}): {problem}")
    if options.write:
        TARGET.write_text(text, encoding="utf-8")
    sys.exit(any(row.wrong for row in rows))


if __name__ == "__main__":
    main()
