"""Logs of runs: the names of columns that trainers write, formats of files, restarts, and what is refused."""

import datetime as dt
import json

import pytest

import costmodel as cm
from costmodel.forecasting.run_log import ROLES, read_log


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def csv(path, header, *lines):
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("header", "lines"),
    [
        ("step,dt,loss", ["10,2.0,3.1", "20,2.0,3.0"]),
        ("iter,loss,dt_ms", ["10,3.1,2000", "20,3.0,2000"]),
        ("step,train/loss,train/dt,train/tok_per_sec", ["10,3.1,2.0,1e6", "20,3.0,2.0,1e6"]),
        ("step,loss_metrics/global_avg_loss,time_metrics/end_to_end(s)", ["10,3.1,2", "20,3.0,2"]),
        ("iteration,lm loss,elapsed time per iteration (ms)", ["10,3.1,2000", "20,3.0,2000"]),
        ("iteration,lm-loss,iteration-time", ["10,3.1,2.0", "20,3.0,2.0"]),
        ("step,elapsed_time,loss", ["10,0:00:20,3.1", "20,0:00:40,3.0"]),
        ("step,train_time_ms,loss", ["10,20000,3.1", "20,40000,3.0"]),
        ("Step,_runtime,train/loss", ["10,20,3.1", "20,40,3.0"]),
        ("Step,my-run - _runtime,my-run - train/loss", ["10,20,3.1", "20,40,3.0"]),  # a chart of Weights & Biases
        ("step,time,loss", ["10,20,3.1", "20,40,3.0"]),
    ],
)
def test_names_of_trainers_are_recognized(tmp_path, header, lines):
    log = read_log(csv(tmp_path / "log.csv", header, *lines))
    assert (log.steps, log.times) == ((10, 20), (20.0, 40.0))
    assert log.losses == (3.1, 3.0) and log.from_start
    assert log.notes[0].startswith("read from log.csv: step from ")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("timestamp", ["2026-09-01T12:00:00", "2026-09-01T12:00:20"]),
        ("timestamp", ["2026-09-01 14:00:00+02:00", "2026-09-01 14:00:20+02:00"]),
        ("_timestamp", [1788264000, 1788264020]),
        ("time", [1788264000.0, 1788264020.0]),
        ("timestamp", [1788264000000, 1788264020000]),
    ],
)
def test_timestamps_give_the_time_of_the_last_row(name, values):
    log = read_log([{"step": step, name: value} for step, value in zip((10, 20), values, strict=True)])
    assert log.times == (0.0, 20.0) and not log.from_start
    assert log.end == dt.datetime(2026, 9, 1, 12, 0, 20, tzinfo=dt.UTC)


def test_an_export_of_wandb_has_the_step_of_the_trainer(tmp_path):
    path = csv(tmp_path / "wandb.csv", "_step,train/global_step,_runtime,train/loss", "1,100,50,3.0", "2,200,100,2.9")
    assert read_log(path).steps == (100, 200)


def test_a_trainer_state_with_the_time_of_a_step(tmp_path):
    state = {
        "max_steps": 40,
        "log_history": [
            {"step": 10, "loss": 3.1, "step_time": 2.0}, {"step": 10, "eval_loss": 3.0},
            {"step": 20, "loss": 2.9, "step_time": 2.0},
        ],
    }  # fmt: skip
    path = tmp_path / "trainer_state.json"
    path.write_text(json.dumps(state), encoding="utf-8")
    log = read_log(path)
    assert (log.steps, log.times, log.total_steps) == ((10, 20), (20.0, 40.0), 40)


def test_a_trainer_state_without_times_says_so(tmp_path):
    path = tmp_path / "trainer_state.json"
    path.write_text(json.dumps({"log_history": [{"step": 10, "loss": 3.1, "epoch": 0.1}]}), encoding="utf-8")
    with pytest.raises(
        cm.InputError, match=r"no column of times; found: step, loss, epoch. Give step_time or .* Accepted: timestamp: "
    ):
        read_log(path)


def test_a_finished_trainer_state_has_the_time_of_the_run(tmp_path):
    path = tmp_path / "trainer_state.json"
    entries = [{"step": 10, "loss": 3.1}, {"step": 20, "train_runtime": 40.0, "train_loss": 3.0}]
    path.write_text(json.dumps({"max_steps": 20, "log_history": entries}), encoding="utf-8")
    assert read_log(path).times == (40.0,)


def test_llama_factory_states_the_steps_of_the_run(tmp_path):
    rows = [
        {"current_steps": 5, "total_steps": 50, "loss": 2.0, "elapsed_time": "23:59:00", "remaining_time": "1 day"},
        {"current_steps": 10, "total_steps": 50, "loss": 1.9, "elapsed_time": "1 day, 23:58:00"},
    ]
    log = read_log(jsonl(tmp_path / "trainer_log.jsonl", rows))
    assert log.total_steps == 50
    assert log.times == (86340.0, 172680.0)


def test_tokens_give_the_tokens_of_a_step():
    rows = [{"step": step, "dt": 1.0, "tokens": 4000 * step} for step in (10, 20, 30)]
    assert read_log(rows).tokens_per_step == 4000


def test_a_step_that_goes_back_is_a_restart():
    rows = [(10, 100), (20, 200), (30, 300), (25, 1000), (30, 1050), (40, 1150)]
    log = read_log([{"step": step, "elapsed": time} for step, time in rows])
    assert log.restarts == (3,) and log.times[-1] == 1150


def test_a_time_that_begins_again_is_a_restart():
    rows = [(10, 100), (20, 200), (30, 50), (40, 150)]
    log = read_log([{"step": step, "elapsed": time} for step, time in rows])
    assert log.restarts == (2,) and log.times == (100, 200, 250, 350)


def test_half_a_last_line_is_that_of_a_run_under_way(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 10, "dt": 2}\n{"step": 20, "dt": 2}\n{"step": 30, "d', encoding="utf-8")
    assert read_log(path).steps == (10, 20)


def test_rows_of_a_data_frame():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"step": [10, 20], "dt": [2.0, 2.0], "loss": [3.0, float("nan")]})
    assert read_log(frame).losses == (3.0, None)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "the log has no rows"),
        ([{"loss": 3.0, "dt": 1.0}], "no column of steps; found: loss, dt; accepted: step"),
        ([{"step": 1, "loss": 3.0, "lr": 1e-4}], "no column of times; found: step, loss, lr. Give step_time"),
        ([{"loss": 3.0}], "2 problems"),
        ([{"step": 1.5, "dt": 1.0}], "row 1: step must be a whole number of at least 0; got 1.5"),
        ([{"step": -1, "dt": 1.0}], "row 1: step must be a whole number"),
        ([{"step": 1e15, "dt": 1.0}], "row 1: step must be a whole number"),
        ([{"step": 1, "dt": -1.0}], "row 1: dt must be above 0 and finite; got -1.0"),
        ([{"step": 1, "dt": float("inf")}], "row 1: dt must be above 0 and finite"),
        ([{"step": 1, "dt": "two"}], "row 1: could not convert string to float"),
        ([{"step": 1, "dt": float("nan")}], "no column of times"),
        ([{"step": s, "elapsed": t} for s, t in ((10, 300), (20, 200), (30, 100))], "the time falls from 200 to 100 s"),
        (
            [{"step": s, "time": t} for s, t in ((10, 3.0), (20, 2.0), (30, 3.0), (40, 2.0))],
            "name the column step_time",
        ),
        ([{"step": s, "seconds": 6.3} for s in (10, 20, 30)], "is 6.3 s in all rows; name the column step_time"),
        ([{"step": s, "seconds": 6.3 + s % 3} for s in range(9)], "or.* name the column step_time"),
        ([{"step": 10, "timestamp": "noon"}], "row 1: Invalid isoformat"),
        ([3], "each row must be a mapping"),
        ({"step": 1}, "must be the path of a log or its rows; got dict"),
        ("log.txt", r"log\.txt: a log must be a \.csv, \.jsonl or \.json file"),
        ("nowhere.csv", "cannot be read"),
    ],
)
def test_a_bad_log_is_refused_with_the_reason(rows, message):
    with pytest.raises(cm.InputError, match=message):
        read_log(rows)


def test_charts_of_several_runs_are_not_mixed(tmp_path):
    with pytest.raises(cm.InputError, match="no column of times; found: Step, a - _runtime, b - _runtime"):
        read_log(csv(tmp_path / "log.csv", "Step,a - _runtime,b - _runtime", "10,20,30"))


def test_many_bad_rows_are_counted():
    with pytest.raises(cm.InputError, match="and 88 more rows"):
        read_log([{"step": index, "dt": "x"} for index in range(100)])


def test_a_huge_log_is_refused(monkeypatch):
    monkeypatch.setattr("costmodel.forecasting.run_log.LOG_ROWS", 5)
    with pytest.raises(cm.InputError, match="at most 5 rows; got 6"):
        read_log([{"step": index, "dt": 1.0} for index in range(6)])


@pytest.mark.parametrize("content", ["{", '{"step": 1}\nx\ny\n', '"text"', "\xff"])
def test_a_file_that_is_no_log(tmp_path, content):
    path = tmp_path / "log.jsonl"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(cm.InputError, match=r"log\.jsonl"):
        read_log(path)


def test_no_name_has_two_meanings():
    names = [name for accepted in ROLES.values() for name in accepted]
    assert len(set(names)) == len(names)


ROWS = ['{"step": 10, "elapsed": 20}', '{"step": 20, "elapsed": 40}']


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("log.jsonl", ["", *ROWS]),
        ("log.jsonl", [*ROWS, '{"step": 30, "ela']),
        ("log.json", ["[", f"{ROWS[0]},", ROWS[1], "]"]),
        ("log.json", [f"[{', '.join(ROWS)}]"]),
    ],
)
def test_rows_on_lines_of_their_own_and_in_lists_are_read(tmp_path, name, lines):
    path = tmp_path / name
    path.write_text("\n".join(lines), encoding="utf-8")
    assert (read_log(path).steps, read_log(path).times) == ((10, 20), (20.0, 40.0))


def test_a_list_of_one_row_is_no_log_of_lines(tmp_path):
    path = tmp_path / "log.json"
    path.write_text(f"[\n{ROWS[0]}\n]\n", encoding="utf-8")
    assert read_log(path).steps == (10,)


def test_wrong_lines_are_named(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(["starting", *ROWS]), encoding="utf-8")
    with pytest.raises(cm.InputError, match=r"log\.jsonl: neither JSON nor JSON lines of objects; lines that .*: 1$"):
        read_log(path)
