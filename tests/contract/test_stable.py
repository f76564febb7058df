"""Public names and their parameters stay: `python tests/contract/test_stable.py` adds new ones to the list.

`public_names.json` has the parameters of each public function and class, and of the public methods of classes, in
order. A release may add names and parameters with a default at the end; it may not remove, rename or reorder them.
"""

import inspect
import json
from pathlib import Path

import costmodel as cm

FILE = Path(__file__).parent / "public_names.json"


def present():
    """Return the parameters by public name; None for what is not called."""
    found = {}
    for name in cm.__all__:
        value = getattr(cm, name)
        found[name] = parameters(value)
        if inspect.isclass(value):
            members = {each: getattr(value, each) for each in dir(value) if not each.startswith(("_", "model_"))}
            found.update({f"{name}.{each}": parameters(member) for each, member in members.items() if ours(member)})
    return dict(sorted(found.items()))


def ours(member):
    """Return whether a member of a class is a property, or defined in the library."""
    return isinstance(member, property) or str(getattr(member, "__module__", "")).startswith("costmodel")


def recorded():
    """Return the stored list, in the form of `present`."""
    stored = json.loads(FILE.read_text(encoding="utf-8"))
    return {name: text if text is None else text.split() for name, text in stored.items()}


def parameters(value):
    """Return the parameters: "*" before those by name, "=" after those with a default; None without a signature."""
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return None
    listed, by_name = [], False
    for each in signature.parameters.values():
        if each.kind is each.KEYWORD_ONLY and not by_name:
            listed.append("*")
            by_name = True
        stars = {each.VAR_POSITIONAL: "*", each.VAR_KEYWORD: "**"}.get(each.kind, "")
        listed.append(f"{stars}{each.name}" + ("=" if each.default is not each.empty else ""))
        by_name = by_name or each.kind is each.VAR_POSITIONAL
    return listed


def split(listed):
    """Return the parameters by position and those by name."""
    place = listed.index("*") if "*" in listed else len(listed)
    return listed[:place], set(listed[place + 1 :])


def broken(before, now):
    """Return whether calls that were valid with the parameters `before` are not valid `now`."""
    if before is None or now is None:
        return before is not None
    (positions, names), (new_positions, new_names) = split(before), split(now)
    if [each.rstrip("=") for each in new_positions[: len(positions)]] != [each.rstrip("=") for each in positions]:
        return True
    accepted = {each.rstrip("=") for each in (*new_names, *new_positions[len(positions) :])}
    required = {each for each in (*new_positions, *new_names) if not each.endswith("=") and not each.startswith("*")}
    optional = {each.rstrip("=") for each in (*positions, *names) if each.endswith("=")}
    known = {each.rstrip("=") for each in (*positions, *names)}
    return not {each.rstrip("=") for each in names} <= accepted or bool(required - known or required & optional)


def test_no_public_name_or_parameter_is_gone():
    before, now = recorded(), present()
    assert not before.keys() - now.keys(), "removed names; see docs/concepts/stability.md"
    assert not [name for name, listed in before.items() if broken(listed, now[name])]


def test_the_list_is_complete():
    assert recorded().keys() == present().keys(), "python tests/contract/test_stable.py"


def test_what_breaks_a_call():
    assert broken(["a", "b"], ["b", "a"]) and broken(["a", "b="], ["a"]) and broken(["a="], ["a"])
    assert broken(["a", "*", "b="], ["a", "*", "c="]) and broken(["a"], ["a", "b"]) and broken(["a"], None)
    assert not broken(["a"], ["a", "b="]) and not broken(["a", "*", "b"], ["a", "b"]) and not broken(["a"], ["a="])
    assert not broken(["a"], ["a", "*", "b="]) and not broken(None, ["a"])


if __name__ == "__main__":
    lines = {name: listed if listed is None else " ".join(listed) for name, listed in present().items()}
    FILE.write_text(json.dumps(lines, indent=1) + "\n", encoding="utf-8")
