"""Learn the layout of a type: names, numbers and shapes of its tensors as sums of products of keys.

Sums are fitted on one part of the sampled models and must be exact on the other part. Where no sum is found, a key
that the tensor depends on is fixed at its default, the one that changes the fewest tensors first, and the rest is
learned without it.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import defaultdict
from typing import Any

from audit.fitting import fit, names_of, text_of, total_of, value_of
from audit.keys import recorded
from audit.reference import build, count, default_config, main_class
from audit.sampling import Sample, Sampler, features

SAMPLES, TRIES, ASIDE = 30, 130, 10
"""Random models of a type, builds tried for them, and how many of them are kept aside for the check."""
FEWEST = 12
"""Fewest random models that a layout is learned from."""
_NUMBER = re.compile(r"(?<=\.)\d+(?=[.#]|$)|^\d+(?=\.)")
_MAIN = re.compile(r"(hidden_size|vocab_size|num_hidden_layers|intermediate_size|num_attention_heads|d_model|_layers)$")
_STACKED = re.compile(r"layer|depth|block|stage")
_FIRST = re.compile(r"(?:^|\.)0(?:\.|#|$)")

Grouped = list[dict[str, list[tuple[int, ...]]]]
"""Shapes of the tensors of each sample by name, with {} for numbers that count layers."""


class NotLearnedError(Exception):
    """A tensor that no sum of products describes; `names` are the numbers that it depends on."""

    def __init__(self, reason: str, names: set[str]) -> None:
        super().__init__(reason)
        self.names = names


def learn(model_type: str) -> dict[str, Any]:
    """Return the layout of a type as an entry of `data/facts/layouts.json`.

    Raises
    ------
    NotLearnedError
        If its tensors are not described by sums of products of keys.
    """
    config = default_config(model_type)
    model_class = main_class(config)
    if model_class is None:
        raise NotLearnedError("no model class", set())
    reads: set[tuple[str, str]] = set()
    with recorded(reads):
        return Learner(Sampler(config, model_class), reads).layout()


class Learner:
    """The samples of a type and what is learned from them.

    Parameters
    ----------
    sampler : Sampler
        Builder of models of the type.
    reads : set
        Class and name of each attribute of a config that a model read; grows with each build.
    """

    def __init__(self, sampler: Sampler, reads: set[tuple[str, str]]) -> None:
        self.sampler, self.reads = sampler, reads
        reads.clear()
        sampler.build({})
        read = {key for key in sampler.numeric if self._is_read(key)}
        sampler.make_shallow(read)
        tried = {key: sampler.single(key) for key in sorted(read)}
        self.singles = {key: made for key, made in tried.items() if made is not None}
        self.free = [
            key
            for key, made in self.singles.items()
            if made.shapes != sampler.base.shapes or sampler.changed(made) - _own(key, made)
        ]
        self.frozen: set[str] = set()
        self.joint: list[Sample] = []

    def layout(self) -> dict[str, Any]:
        """Return the layout, with as many free keys as are understood."""
        while True:
            self._sample()
            if len(self.joint) < FEWEST and len(self.free) > 2:
                self._freeze(self.free)
                continue
            try:
                lines = self._lines()
                break
            except NotLearnedError as reason:
                owners = [key for key in self.free if reason.names & (self._follow(key) | {key})]
                if not self.free:
                    raise
                self._freeze(owners or self.free)
        return self._result(lines)

    def _sample(self) -> None:
        self.joint = [made for made in self.joint if not made.given & self.frozen]
        for _ in range(TRIES):
            if len(self.joint) >= SAMPLES or not self.free:
                return
            if (made := self.sampler.joint(self.free, 0.4)) is not None:
                self.joint.append(made)

    def _freeze(self, keys: list[str]) -> None:
        """Fix the key at its default that is worth least: the one that changes the fewest tensors."""
        base = self.sampler.base.shapes

        def worth(key: str) -> tuple[bool, int]:
            shapes = self.singles[key].shapes
            differing = sum(shapes.get(name) != shape for name, shape in base.items())
            return _MAIN.search(key) is not None, differing + len(shapes.keys() - base.keys())

        least = min(keys, key=worth)
        name, listed, _ = least.partition("[")
        self.frozen |= {key for key in self.free if key.startswith(f"{name}[")} if listed else {least}
        self.free = [key for key in self.free if key not in self.frozen]

    @property
    def _alone(self) -> list[Sample]:
        return [self.singles[key] for key in self.free]

    @property
    def _samples(self) -> list[Sample]:
        return [self.sampler.base, *self._alone, *self.joint]

    def _follow(self, key: str) -> set[str]:
        return self.sampler.changed(self.singles[key])

    def _is_read(self, key: str) -> bool:
        """Tell whether a model read a key of a config."""
        config: Any = self.sampler.config
        *path, name = key.partition("[")[0].split(".")
        for part in path:
            config = getattr(config, part)
        names = {read for owner, read in self.reads if owner == type(config).__name__}
        return name in {(type(config).attribute_map or {}).get(read, read) for read in names}

    def _lines(self) -> list[list[str]]:
        """Return name, number and extents of the tensors."""
        samples = self._samples
        grouped = group([made.shapes for made in samples])
        related = [changed for made in self._alone if len(changed := self.sampler.changed(made)) > 1]
        known: dict[tuple[float | None, ...], str] = {}

        def sum_of(what: str, targets: list[float | None]) -> str:
            key = tuple(targets)
            if key not in known:
                known[key] = self._sum(what, samples, targets, related)
            return known[key]

        lines = []
        for name in dict.fromkeys(name for shapes in grouped for name in shapes):
            shapes = [set(here.get(name, ())) for here in grouped]
            count = sum_of(name, [float(len(here.get(name, ()))) for here in grouped])
            if any(len(each) > 1 for each in shapes):
                layers = {key for key in self.free if _STACKED.search(key)}
                raise NotLearnedError(f"{name}: different shapes in one model", layers)
            single = [next(iter(each), None) for each in shapes]
            ranks = {len(shape) for shape in single if shape is not None}
            if len(ranks) != 1:
                raise NotLearnedError(f"{name}: different numbers of dimensions", set(self.free))
            extents = [
                sum_of(f"{name}[{axis}]", [None if shape is None else float(shape[axis]) for shape in single])
                for axis in range(ranks.pop())
            ]
            lines.append([name, count, *extents])
        return lines

    def _sum(self, what: str, samples: list[Sample], targets: list[float | None], related: list[set[str]]) -> str:
        """Return the sum of products that equals the targets, where there is a target."""
        present = [(made, target) for made, target in zip(samples, targets, strict=True) if target is not None]
        aims = [target for _, target in present]
        if len(set(aims)) == 1:
            return f"{aims[0]:.0f}"
        names = self._causes(present, targets[0])
        for changed in related:
            names |= changed if names & changed else set()
        usable = set.intersection(*(set(made.values) for made, _ in present))
        names &= usable
        split = sum(1 for made, _ in present if made not in self.joint[-ASIDE:])
        values = [made.values for made, _ in present]
        for chosen in self._choices(names, usable, few=targets[0] is not None):
            terms = fit(chosen, values[:split], aims[:split])
            if terms is not None and _fits(terms, values[split:], aims[split:]):
                return text_of(terms)
        raise NotLearnedError(f"{what}: no sum of products of {sorted(names)[:8]}", names)

    def _causes(self, present: list[tuple[Sample, float]], reference: float | None) -> set[str]:
        """Return the numbers that differ where the target does."""
        alone = {id(made) for made in self._alone}
        singles = [(made, target) for made, target in present if id(made) in alone]
        names = {name for made, target in singles if target != reference for name in self.sampler.changed(made)}
        if reference is None or not names:
            first = present[0][1]
            names |= {name for made, target in present if target != first for name in self.sampler.changed(made)}
        return names

    def _choices(self, names: set[str], usable: set[str], *, few: bool) -> list[list[str]]:
        """Return the sets of numbers that a sum is tried with."""
        others = {name for made in self._alone for name in self.sampler.changed(made)} & usable - names
        ranked = sorted(others, key=lambda name: (not re.search(r"layer|depth|head|hidden", name), name))
        tries = [sorted(names), *(sorted({*names, other}) for other in ranked[:25])]
        if few and len(names) <= 6:
            return tries
        by_heads = sorted(names, key=lambda name: (not re.search(r"hidden|head|layer", name), name))[:14]
        small = [list(chosen) for size in (1, 2) for chosen in itertools.combinations(by_heads, size)]
        return [*small, tries[0]]

    def _result(self, lines: list[list[str]]) -> dict[str, Any]:
        defaults, model_type = self.sampler.defaults, self.sampler.config.model_type
        whole = {
            key
            for key in defaults
            if key in self.free
            or (any(name.startswith(f"{key}[") for name in self.free) and not _has_element(key, self.frozen))
        }
        self.free = [key for key in self.free if key.partition("[")[0] in whole]
        parents = self._parents()
        derived = self._derived(parents)
        known = set(features({key: defaults[key] for key in whole})) | {name for name, rule in derived.items() if rule}
        texts = [*(text for line in lines for text in line[1:]), *(rule for rule in derived.values() if rule)]
        if unknown := set().union(*map(names_of, texts)) - known:
            raise NotLearnedError(f"{model_type}: {sorted(unknown)} follow from keys in no known way", unknown)
        fixed = {key: value for key, value in defaults.items() if key not in whole}
        inert = self._inert(fixed, parents, lines)
        return {
            "class": self.sampler.model_class.__name__,
            "free": {key: value for key, value in defaults.items() if key in whole},
            "derived": derived,
            "fixed": {key: value for key, value in fixed.items() if key not in inert},
            "inert": sorted(inert),
            "counts": list(count(build(self.sampler.config, self.sampler.model_class))),
            "tensors": lines,
        }

    def _parents(self) -> dict[str, set[str]]:
        """Return the numbers that follow from other keys, and these keys."""
        parents: dict[str, set[str]] = defaultdict(set)
        for key in self.free:
            for name in self._follow(key) - _own(key, self.singles[key]):
                parents[name].add(key)
        return dict(parents)

    def _derived(self, parents: dict[str, set[str]]) -> dict[str, str | None]:
        """Return the numbers that follow from others where a config leaves them out, as sums of products."""
        derived: dict[str, str | None] = {}
        for name, sources in parents.items():
            own = name.partition("=")[0]
            left_out = [made for made in self._samples if own not in made.given and name in made.values]
            names = {other for made in left_out for other in self.sampler.changed(made)} - {name}
            names = {other for other in names if other.partition("=")[0] in sources}
            usable = sorted(other for other in names if all(other in made.values for made in left_out))
            targets = [made.values[name] for made in left_out]
            terms = fit(usable, [made.values for made in left_out], targets) if left_out else None
            derived[name] = text_of(terms) if terms is not None else None
        return derived

    def _inert(self, fixed: dict[str, Any], parents: dict[str, set[str]], lines: list[list[str]]) -> set[str]:
        """Return the fixed keys that change no tensor: not read, or without effect also beside other changes."""
        followed = {name for key in self.free for name in self._follow(key)} | parents.keys()
        inert = {key for key in fixed if not key.endswith("model_type") and not self._is_read(key)} - followed
        inert |= {key for key, value in fixed.items() if isinstance(value, str) and self._is_activation(key)}
        quiet = [key for key in self.singles if key in fixed and key not in self.frozen]
        if self._are_quiet(quiet, lines, builds=8):
            return inert | set(quiet)
        return inert | {key for key in quiet if self._are_quiet([key], lines, builds=2)}

    def _are_quiet(self, keys: list[str], lines: list[list[str]], builds: int) -> bool:
        """Tell whether keys change no tensor beside changes of free keys, in so many models."""
        checked = 0
        for _ in range(4 * builds):
            made = self.sampler.joint(self.free, 0.35, always=keys)
            if made is None:
                continue
            total = sum(math.prod(_value(text, made.values) for text in line[1:]) for line in lines)
            if abs(total - sum(map(math.prod, made.shapes.values()))) > 0.5:
                return False
            checked += 1
            if checked == builds:
                break
        return checked * 2 >= builds

    def _is_activation(self, key: str) -> bool:
        if "act" not in key:
            return False
        made = [self.sampler.tried({key: name}) for name in ("relu", "silu")]
        return all(each is not None and each.shapes == self.sampler.base.shapes for each in made)


def _own(key: str, made: Sample) -> set[str]:
    return {name for name in made.values if name == key or name.startswith(f"{key}=")}


def _has_element(key: str, names: set[str]) -> bool:
    return any(name.startswith(f"{key}[") for name in names)


def _fits(terms: Any, values: list[dict[str, float]], targets: list[float]) -> bool:
    return all(abs(total_of(terms, each) - target) < 1e-6 for each, target in zip(values, targets, strict=True))


def _value(text: str, values: dict[str, float]) -> float:
    """Return the value of a sum of products that is given as text."""
    total = 0.0
    for term in text.split(" + "):
        product, *divisor = re.split(r"(?<!/)/(?!/)", term)
        factors = [float(f) if re.fullmatch(r"-?\d+", f) else value_of(f, values) for f in product.split("*")]
        total += math.prod(factors) / (float(divisor[0]) if divisor else 1)
    return total


def group(models: list[dict[str, tuple[int, ...]]]) -> Grouped:
    """Return the shapes of each model by name, with {} for numbers that count a varying number of layers.

    Numbers of a constant range stay, since the layers of such a range may differ. Where the first of equal layers has
    other shapes than the rest, it keeps its number too.
    """
    ranges: dict[tuple[str, int], list[frozenset[str]]] = defaultdict(list)
    for shapes in models:
        here: dict[tuple[str, int], set[str]] = defaultdict(set)
        for name in shapes:
            for place, number in enumerate(_NUMBER.findall(name)):
                here[_NUMBER.sub("{}", name), place].add(number)
        for key, numbers in here.items():
            ranges[key].append(frozenset(numbers))
    varying = {key for key, seen in ranges.items() if len(set(seen)) > 1}

    def pattern(name: str) -> str:
        places, skeleton = itertools.count(), _NUMBER.sub("{}", name)
        return _NUMBER.sub(lambda match: "{}" if (skeleton, next(places)) in varying else match[0], name)

    named = {name: pattern(name) for shapes in models for name in shapes}
    uneven = {
        name
        for shapes in models
        for name, equal in itertools.groupby(sorted(shapes, key=named.__getitem__), key=named.__getitem__)
        if len({shapes[each] for each in equal}) > 1
    }
    grouped: Grouped = []
    for shapes in models:
        here_by_name: dict[str, list[tuple[int, ...]]] = {}
        for name, shape in shapes.items():
            chosen = named[name]
            if chosen in uneven and _FIRST.search(name):
                chosen = chosen.replace("{}", "0", 1)
            here_by_name.setdefault(chosen, []).append(shape)
        grouped.append(here_by_name)
    return grouped


def joined(lines: list[list[str]]) -> list[list[str]]:
    """Return the lines with names that differ in one number joined: "layers.{0-3}.norm.weight" for four lines."""
    for place in range(max(len(_NUMBER.findall(line[0])) for line in lines)):
        runs: dict[tuple[str, ...], list[int]] = {}
        for name, *rest in lines:
            found = list(_NUMBER.finditer(name))
            number = found[-1 - place] if place < len(found) else None
            if number is None:
                runs[(name, *rest)] = []
            else:
                runs.setdefault((f"{name[: number.start()]}{{}}*{name[number.end() :]}", *rest), []).append(
                    int(number[0])
                )
        lines = []
        for (name, *rest), numbers in runs.items():
            if not numbers:
                lines.append([name, *rest])
                continue
            first, last = min(numbers), max(numbers)
            whole = len(numbers) == last - first + 1 > 1
            texts = [f"{{{first}-{last}}}"] if whole else [str(number) for number in numbers]
            lines += [[name.replace("{}*", text), *rest] for text in texts]
    return lines
