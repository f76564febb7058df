"""Every path that is printed can be given to `--set`: by explanations, notes, sensitivities and messages."""

import re
import shlex
from runpy import run_path

import pytest

import costmodel as cm
from costmodel.estimation.files import parse_change
from costmodel.estimation.paths import field_of, is_settable

write_files = run_path(f"{__file__.rpartition('/')[0]}/invocations.py")["write_files"]
TUNING = """
architecture = "llama-3.1-8b"
recipe = { kind = "dpo", tokens = "20M" }
cluster = { accelerator = "A100", count = 16, site = { region = "DE" } }
prices = { kind = "owned" }
"""
LORA = """
architecture = "qwen3-8b"
recipe = { kind = "lora", examples = "20k", lengths = "200 to 900" }
cluster = { accelerator = "RTX-4090", count = 2 }
prices = { provider = "market", purchase_model = "spot" }
"""


@pytest.fixture
def files(tmp_path, monkeypatch):
    write_files(tmp_path)
    (tmp_path / "tuning.toml").write_text(TUNING, encoding="utf-8")
    (tmp_path / "lora.toml").write_text(LORA, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["run", "lora", "tuning"])
def test_paths_of_inputs_and_sensitivities(costmodel, files, name):
    run = cm.Scenario.load(f"{name}.toml")
    result = cm.estimate(run)
    assumed = next(note for note in result.notes() if note.startswith("assumed (set with --set): "))
    paths = set(assumed.partition(": ")[2].split(", "))
    paths |= {field_of(row["input"]) for row in result.sensitivity("cost") if is_settable(row["input"])}
    by_field = {field_of(path): entry for path, entry in result.inputs.items() if is_settable(path)}
    assert len(paths) > 5
    for path in sorted(paths):
        value, unit = by_field[path].shown()
        if path == "prices.price":  # it replaces the provider of the file
            outcome = costmodel("estimate", f"{name}.toml", "-q", "--set", f"{path}={value:.12g} {unit}")
            assert outcome.code == 0, outcome.err
            continue
        changed = cm.Scenario.load(f"{name}.toml", dict([parse_change(f"{path}={value:.12g}")]))
        given = next(entry for key, entry in cm.estimate(changed).inputs.items() if field_of(key) == path)
        assert given.provenance.kind == "given", (path, unit)
        assert given.shown()[0] == pytest.approx(value, rel=1e-6), path


def test_paths_of_messages(costmodel, files):
    shown = costmodel(*shlex.split("estimate run.toml --set cluster.cuont=8 --set recipe.tokns=1B --set gpus=8")).err
    suggested = re.findall(r"did you mean '([a-z_.]+)'", shown)
    assert len(suggested) == 3
    outcome = costmodel("estimate", "run.toml", "-q", "--set", "cluster.count=8", "--set", "recipe.tokens=1B")
    assert outcome.code == 0


def test_paths_of_a_served_model(costmodel, files):
    shown = costmodel("serve", "serving.toml", "--explain", "output_cost", "--csv").out.splitlines()
    header = shown[0].split(",")
    rows = [dict(zip(header, line.split(","), strict=False)) for line in shown[1:]]
    paths = [row for row in rows if row.get("settable") == "True"]
    assert paths
    for row in paths:
        outcome = costmodel("serve", "serving.toml", "-q", "--set", f"{row['path']}={row['value']}")
        assert outcome.code == 0, (row["path"], outcome.err)
