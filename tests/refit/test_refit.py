"""`costmodel refit`: every shipped table is what its refit computes, and a changed constant is reported."""

import shutil

import pytest
from typer.testing import CliRunner

from costmodel.cli.app import app
from costmodel.foundation.errors import InputError, MissingFactError, UnknownNameError
from costmodel.foundation.schemas import load_schema, schema_names
from costmodel.foundation.tables import FIT_INPUTS, folder, read_csv, table
from costmodel.refit import registry, result, step_times
from costmodel.refit.registry import REFITS, check, chosen, write
from costmodel.refit.result import differences, fit_input
from costmodel.training.calibration.measured_steps import read_steps

FAST = [name for name, refit in REFITS.items() if not refit.slow]


def run(*arguments):
    return CliRunner().invoke(app, ["refit", *map(str, arguments)], env={"COLUMNS": "200"})


@pytest.mark.parametrize("name", FAST)
def test_shipped_tables_equal_their_refit(name):
    done = run(name, "--check")
    assert done.exit_code == 0, done.output
    assert "equal within a relative tolerance" in done.output


@pytest.mark.slow
def test_shipped_step_time_constants_equal_their_refit():
    assert check("step_times") == []


def test_every_fitted_table_has_one_refit():
    written = [name for refit in REFITS.values() for name in refit.tables]
    assert sorted(written) == sorted(name for name in schema_names() if name.startswith("fitted/"))
    for name, refit in REFITS.items():
        assert all(load_schema(written).refreshed_by == f"costmodel refit {name}" for written in refit.tables)
        assert all((folder() / f"{read}.csv").is_file() for read in refit.inputs)


@pytest.mark.parametrize(("name", "written"), [(name, each) for name, refit in REFITS.items() for each in refit.tables])
def test_fitted_rows_name_their_refit_and_its_input(name, written):
    for row in table(written).rows:
        if row.get("kind") not in {"fixed", "assumed", "measured", "measured_moe"}:
            assert f"fitted by costmodel refit {name} on data/" in row["source"]


def test_check_names_a_changed_constant(tmp_path):
    shutil.copytree(folder() / "fitted", tmp_path / "fitted")
    path = tmp_path / "fitted" / "power.csv"
    before = path.read_text(encoding="utf-8")
    row = next(row for row in table("fitted/power").rows if row["kind"] == "fitted")
    changed = f"fitted,{row['name']},{float(row['value']) * 1.01:.5g}"
    path.write_text(before.replace(f"fitted,{row['name']},{row['value']}", changed), encoding="utf-8")
    done = run("power", "--check", "--to", tmp_path)
    assert done.exit_code == 1
    assert f"fitted/power: fitted {row['name']}: value: computed " in done.output


def test_refit_writes_the_tables_to_a_folder(tmp_path):
    done = run("decline", "--to", tmp_path)
    assert done.exit_code == 0 and "7 series" in done.output
    for name in REFITS["decline"].tables:
        assert differences(name, read_csv(tmp_path / f"{name}.csv").rows, table(name), 1e-3) == []


def test_differences_name_row_column_and_both_values():
    shipped = table("fitted/rental_paths")
    rows = [dict(row) for row in shipped.rows]
    rows[1]["walk"] = str(float(rows[1]["walk"]) * 1.002)
    rows[2]["source"] = "elsewhere"
    first, second = differences("fitted/rental_paths", rows, shipped, 1e-3)
    assert "neocloud" in first and ": walk: computed " in first
    assert "marketplace" in second and "'elsewhere'" in second
    assert "rows: computed 1, shipped 3" in differences("x", rows[:1], shipped, 1e-3)[0]
    assert "columns: computed a" in differences("x", [{"a": "1"}], shipped, 1e-3)[0]


def test_step_times_are_fitted_on_a_few_families():
    kept = ("Narayanan", "Korthikanti", "torchtitan H")
    few = [step for step in read_steps(table(step_times.STEPS))[0] if step.family.startswith(kept)]
    grid = step_times.grid_steps(fit_input(step_times.GRID_STEPS))[::25]
    refitted = step_times.tables_of(step_times.fit_all(few, grid))
    assert {row["kind"] for row in refitted.tables["fitted/efficiency"]} == {"fitted", "fixed", "spread", "measured"}
    assert {row["family"] for row in refitted.tables["fitted/folds/efficiency"]} == {step.family for step in few}
    assert "family left out" in refitted.summary[-1]


def test_all_leaves_out_slow_refits_unless_asked():
    assert chosen("all", slow=False) == FAST
    assert chosen("all", slow=True) == list(REFITS)
    with pytest.raises(UnknownNameError, match="unknown refit 'decod'"):
        chosen("decod", slow=False)


def test_the_list_names_tables_inputs_and_speed():
    printed = run().output
    assert printed == run("--list").output
    for name, refit in REFITS.items():
        line = next(line for line in printed.splitlines() if line.strip().startswith(name + " "))
        assert refit.tables[0] in line and refit.inputs[0] in line and ("slow" in line) == refit.slow


def test_an_installed_package_writes_only_to_a_given_folder(tmp_path, monkeypatch):
    for module in (registry, result):
        monkeypatch.setattr(module, "folder", lambda: tmp_path)
    with pytest.raises(InputError, match="--to: give a folder"):
        write("decline")
    with pytest.raises(MissingFactError, match="in a checkout of the repository"):
        fit_input(FIT_INPUTS[0])


def test_fit_inputs_are_the_tables_outside_the_wheel():
    assert set(FIT_INPUTS) == {name for name in schema_names() if not load_schema(name).in_wheel}


def test_check_of_all_names_refits_without_inputs(monkeypatch):
    """An installed package has no measurements that only fits read."""
    absent = {name: ["measurements/serving"] for name in REFITS if name != "utilization"}
    monkeypatch.setattr(registry, "missing_inputs", lambda name: absent.get(name, []))
    lines = run("all", "--check").output.splitlines()
    assert "power: not checked, because the package is installed without measurements/serving" in lines
    assert any(line.startswith("utilization: equal within") for line in lines)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be written"):
        write("utilization", tmp_path / "file")
