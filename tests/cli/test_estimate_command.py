"""`costmodel estimate`: a name, a config, a scenario file; its options; and what it says of bad input."""

import json
import os
import subprocess
import sys

import pytest

import costmodel as cm

CONFIG = {
    "model_type": "llama", "hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 22,
    "num_attention_heads": 32, "num_key_value_heads": 4, "vocab_size": 32000, "max_position_embeddings": 2048,
    "tie_word_embeddings": False,
}  # fmt: skip
SIX_MISTAKES = """
architecture = "llama-3.1-9b"
mfu = 1.5
sedd = 3

[recipe]
tokens = "15 W"

[cluster]
accelerator = "H100SXM9"
count = 0
"""
OPTIONS = ("--tokens", "15T", "--gpu", "H100-SXM", "--gpus", "1024")


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(CONFIG), encoding="utf-8")
    return path


def test_a_model_by_name(costmodel):
    outcome = costmodel("estimate", "llama-3.1-8b", *OPTIONS, "--sequence-length", "8192", "--provider", "lambda")
    assert outcome.code == 0 and outcome.err == ""
    assert outcome.out.startswith("llama-3.1-8b, pretraining on 15.0T tokens of 8,192, 1,024 × H100-SXM")
    assert "compute" in outcome.out and "772 ZFLOP" in outcome.out and "cost (final run)" in outcome.out


def as_json(kind, result):
    """Return what the command prints as JSON: the data of the result, and the name of its schema."""
    return json.loads(json.dumps({"schema": f"costmodel/{kind}/1", **result.to_dict()}))


def test_json_is_what_python_says(costmodel):
    outcome = costmodel("estimate", "llama-3.1-8b", *OPTIONS, "--price", "$2.50/h", "--mfu", "0.42", "--json")
    run = cm.Scenario(
        architecture="llama-3.1-8b", recipe=cm.Pretraining(tokens="15T"), cluster=cm.Cluster("H100-SXM", 1024),
        prices=cm.Rental(price=2.5), mfu=0.42,
    )  # fmt: skip
    assert json.loads(outcome.out) == as_json("estimate", cm.estimate(run))


def test_measured_speeds_are_options_and_changes(costmodel):
    arguments = ("estimate", "llama-3.1-8b", *OPTIONS, "--price", "2")
    run = cm.Scenario(
        architecture="llama-3.1-8b", recipe=cm.Pretraining(tokens="15T"), cluster=cm.Cluster("H100-SXM", 1024),
        prices=cm.Rental(price=2),
    )  # fmt: skip
    for name, option, value in (
        ("step_time", "--step-time", "9.5 s"),
        ("tokens_per_second", "--tokens-per-second", "9M token/s"),
    ):
        expected = cm.estimate(run.replace({name: value})).to_dict()["figures"]
        for further in ((option, value), ("--set", f"{name}={value}")):
            assert json.loads(costmodel(*arguments, *further, "--json").out)["figures"] == expected


def test_a_config_with_options(costmodel, config):
    outcome = costmodel(
        "estimate", config, "--tokens", "200B", "--gpu", "A100-80GB", "--gpus", 64, "--mfu", "0.42", "--json"
    )
    assert outcome.code == 0
    found = json.loads(outcome.out)
    expected = cm.estimate(
        cm.Scenario(
            architecture=str(config),
            recipe=cm.Pretraining(tokens="200B"),
            cluster=cm.Cluster("A100-80GB", 64),
            mfu=0.42,
        )
    )
    assert found == as_json("estimate", expected)


def test_a_scenario_file_with_changes(costmodel, root):
    file = root / "examples" / "pretraining.toml"
    outcome = costmodel("estimate", file, "--set", "cluster.count=2048", "--json")
    expected = cm.estimate(cm.Scenario.load(file, {"cluster.count": 2048}))
    assert json.loads(outcome.out) == as_json("estimate", expected)
    half = cm.estimate(cm.Scenario.load(file)).value("wall_time") / 2
    assert half < expected.value("wall_time") < 1.5 * half  # more communication for each accelerator


def test_costs_around_a_run_are_set_by_their_paths(costmodel, root, refused):
    file = root / "examples" / "pretraining.toml"
    changes = {"other_costs.failed_runs": 0.1, "other_costs.checkpoints.kept": 5, "scope": "development"}
    options = [text for path, value in changes.items() for text in ("--set", f"{path}={value}")]
    outcome = costmodel("estimate", file, *options, "--json")
    expected = cm.estimate(cm.Scenario.load(file, changes))
    assert json.loads(outcome.out) == as_json("estimate", expected)
    assert {"checkpoint_storage", "failed_runs", "rd_staff"} <= {each.name for each in expected.lines}
    (problem,) = refused("estimate", file, "--set", "other_costs.failed_run=0.1")
    assert problem == "other_costs.failed_run: unknown field 'failed_run'; did you mean 'failed_runs'?"


def test_the_bill_lists_the_lines_of_the_cost(costmodel, root):
    file = root / "examples" / "pretraining.toml"
    options = ("--bill", "--set", "other_costs.failed_runs=0.1")
    expected = cm.estimate(cm.Scenario.load(file, {"other_costs.failed_runs": 0.1})).bill()
    assert costmodel("estimate", file, *options).out.strip() == str(expected).strip()
    listed = json.loads(costmodel("estimate", file, *options, "--json").out)
    assert listed == as_json("bill", expected)
    assert [row["line"] for row in listed["lines"]] == ["rent", "failed_runs", "total"]
    unknown = costmodel("estimate", file, *options, "--set", 'prices={provider = "lambda", on = "2018-01-01"}')
    assert unknown.code == 3 and "not known" in unknown.out


def test_changes_of_many_kinds(costmodel, root):
    file = root / "examples" / "stages.toml"
    outcome = costmodel(
        "estimate", file, "--set", "recipe.0.tokens=1T", "--set", 'prices={price = "3 USD/hour"}',
        "--set", "cluster.site.pue=1.1 to 1.2", "--set", "name=two words", "--json",
    )  # fmt: skip
    assert outcome.code == 0
    changed = cm.Scenario.load(file).replace({
        "recipe.0.tokens": "1T", "prices": {"price": 3}, "cluster.site.pue": "1.1 to 1.2", "name": "two words",
    })  # fmt: skip
    assert json.loads(outcome.out) == as_json("estimate", cm.estimate(changed))


def test_options_change_a_scenario_file(costmodel, root):
    file = root / "examples" / "pretraining.toml"
    outcome = costmodel("estimate", file, "--gpus", 64, "--mfu", "0.35 to 0.45", "--region", "FRA", "--json")
    changed = cm.Scenario.load(file, {"cluster.count": 64, "mfu": "0.35 to 0.45", "cluster.site.region": "FRA"})
    assert json.loads(outcome.out) == as_json("estimate", cm.estimate(changed))


def test_explain_shows_sources(costmodel, root):
    outcome = costmodel("estimate", root / "examples" / "pretraining.toml", "--explain", "cost")
    assert outcome.code == 0
    assert "cost: calculation" in outcome.out and "inputs and their sources" in outcome.out
    for path in ("recipe.tokens", "cluster.peak", "mfu", "goodput", "prices.price"):
        assert path in outcome.out


def test_six_mistakes_are_told_at_once(refused, tmp_path):
    file = tmp_path / "run.toml"
    file.write_text(SIX_MISTAKES, encoding="utf-8")
    places = [problem.split(":", 1)[0] for problem in refused("estimate", file)]
    assert sorted(places) == ["architecture", "cluster.accelerator", "cluster.count", "mfu", "recipe.tokens", "sedd"]


def test_the_installed_command_exits_with_2(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text(SIX_MISTAKES, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "costmodel", "estimate", str(file)],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),  # readline sets COLUMNS behind it
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 6 and "Traceback" not in done.stderr


def test_what_a_name_alone_leaves_open(refused):
    assert refused("estimate", "llama-3.1-8b") == [
        "recipe.tokens: is required; give --tokens",
        "cluster.accelerator: is required; give --gpu",
        "cluster.count: is required; give --gpus",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("llama-3.1-9b", *OPTIONS), "unknown architecture 'llama-3.1-9b'; did you mean"),
        (("llama-3.1-8b", "--tokens", "15T", "--gpu", "H100SXN", "--gpus", "8"), "unknown accelerator 'H100SXN'"),
        (("llama-3.1-8b", *OPTIONS, "--tokens", "15 W"), "recipe.tokens: '15 W' has the wrong dimension"),
        (("llama-3.1-8b", *OPTIONS, "--mfu", "1.5"), "mfu: must be a number above 0 and at most 1"),
        (("llama-3.1-8b", *OPTIONS, "--price", "2 EUR/hour"), "prices.price: '2 EUR/hour' is in EUR"),
        (("llama-3.1-8b", *OPTIONS, "--price", "2", "--provider", "lambda"), "provider has no effect"),
        (("llama-3.1-8b", *OPTIONS, "--provider", "lamda"), "unknown provider 'lamda'; did you mean 'lambda'"),
        (("llama-3.1-8b", *OPTIONS, "--region", "Franse"), "unknown region 'Franse'; did you mean 'FRA'"),
        (("llama-3.1-8b", *OPTIONS, "--on", "soon"), "prices.on: must be a date"),
        (("llama-3.1-8b", *OPTIONS, "--purchase-model", "spots"), "prices.purchase_model: "),
        (("llama-3.1-8b", *OPTIONS, "--gpu-hours", "5m"), "gpu_hours: '5m' is ambiguous"),
        (("llama-3.1-8b", *OPTIONS, "--set", "cluster.cuont=5"), "did you mean 'count'"),
        (("llama-3.1-8b", *OPTIONS, "--set", "cluster.count"), "a change must be path=value"),
        (("llama-3.1-8b", *OPTIONS, "--set", "=5"), "a change must be path=value"),
        (("llama-3.1-8b", *OPTIONS, "--set", "..=5"), "got '..=5'"),
        (("llama-3.1-8b", *OPTIONS, "--explain", "csot"), "unknown figure 'csot'; did you mean 'cost'"),
    ],
)
def test_bad_options(refused, arguments, message):
    (problem,) = refused("estimate", *arguments)
    assert message in problem


def test_a_missing_price_leaves_the_rest_of_the_estimate(costmodel):
    outcome = costmodel("estimate", "llama-3.1-8b", *OPTIONS, "--provider", "lambda", "--on", "2019-01-01")
    assert outcome.code == 3
    assert (
        "724 ZFLOP" in outcome.out and "no on_demand price of H100-SXM at lambda is known on 2019-01-01" in outcome.out
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("run.toml", b"architecture = ", "is not a TOML file"),
        ("run.toml", b"\xff\xfe", "is not a TOML file"),
        ("run.json", b"{", "is not a JSON file"),
        ("run.json", b"[1, 2]", "must hold a table of fields; got a list"),
        ("run.json", b"[" * 100_000, "is not a JSON file"),
        ("run.toml", b'extends = "run.toml"', "extends itself"),
        ("run.toml", b'extends = "none.toml"', "none.toml cannot be read"),
        ("run.toml", b"extends = 5", "extends must be the path of a file"),
        ("config.json", b'{"model_type": "lama"}', "model_type"),
    ],
)
def test_files_that_hold_no_scenario(refused, tmp_path, name, content, message):
    file = tmp_path / name
    file.write_bytes(content)
    problems = refused("estimate", file, *(OPTIONS if name == "config.json" else ()))
    assert any(message in problem for problem in problems)


def test_a_huge_file_is_not_read(refused, tmp_path):
    file = tmp_path / "run.toml"
    with file.open("wb") as opened:
        opened.truncate(6_000_000)
    (problem,) = refused("estimate", file)
    assert "is larger than 5 MB" in problem


@pytest.mark.parametrize("name", ["none.toml", "none.json"])
def test_a_scenario_file_that_is_not_there_is_named(refused, tmp_path, name):
    problems = refused("estimate", tmp_path / name)
    assert any(name in problem for problem in problems)


def test_a_folder_in_place_of_a_scenario_file_is_named(refused, tmp_path):
    (tmp_path / "run.toml").mkdir()
    problems = refused("estimate", tmp_path / "run.toml")
    assert any("run.toml" in problem for problem in problems)


def test_a_count_that_is_no_number(costmodel):
    outcome = costmodel("estimate", "llama-3.1-8b", "--gpus", "many")
    assert outcome.code == 2 and "--gpus" in outcome.err and outcome.out == ""


@pytest.mark.parametrize("width", [80, 120])
def test_notes_are_wrapped_to_the_width_of_a_terminal(costmodel, monkeypatch, width):
    options = ("estimate", "llama-3.1-8b", "--tokens", "15T", "--gpu", "H100-SXM", "--gpus", "17000")
    whole = costmodel(*options).out
    assert max(map(len, whole.splitlines())) > 120
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    wrapped = costmodel(*options).out
    assert max(map(len, wrapped.splitlines())) <= width
    assert wrapped.split() == whole.split() and wrapped.splitlines()[:10] == whole.splitlines()[:10]


def test_options_of_reading_a_config(costmodel, refused, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(
        json.dumps(CONFIG | {"model_type": "ours", "num_loops": 2, "architectures": ["OursHead"]}), encoding="utf-8"
    )
    options = ("--family", "llama", "--no-strict", "--head", "none")
    [problem] = refused("estimate", path, *OPTIONS)
    assert "no reader is known for 'ours'" in problem and "family=TYPE" in problem
    outcome = costmodel("estimate", path, *OPTIONS, "--family", "llama")
    assert outcome.code == 2
    assert "architectures: the head of" in outcome.err and "num_loops: is not understood" in outcome.err
    doubts = cm.load_architecture(path, "llama", strict=False, head="none").unverified
    assert len(doubts) == 3
    estimated = costmodel("estimate", path, *OPTIONS, "--mfu", "0.4", *options)
    assert all(f"unverified: {doubt}" in estimated.out for doubt in doubts)
    shown = json.loads(costmodel("models", path, *options, "--json").out)
    assert shown["unverified"] == list(doubts)
    fits = costmodel("finetune", path, "--tokens", "1M", *options).out
    assert "counts unverified" in fits
    file = tmp_path / "run.toml"
    file.write_text(
        'architecture = "config.json"\nfamily = "llama"\nstrict = false\nhead = "none"\nmfu = 0.4\n'
        '[recipe]\ntokens = "1T"\n[cluster]\naccelerator = "H100-SXM"\ncount = 64\n',
        encoding="utf-8",
    )
    assert json.loads(costmodel("estimate", file, "--json").out)["unverified"] == list(doubts)


GASES = ("estimate", "llama-3.1-8b", "--tokens", "1T", "--gpu", "H100-SXM", "--gpus", "64", "--mfu", "0.4")


def test_greenhouse_gases_by_scope(costmodel):
    site = ("--region", "FRA", "--set", "cluster.site.yearly_matched=1")
    shown = costmodel(*GASES, *site, "--ghg")
    assert shown.code == 0 and "electricity, market-based" in shown.out and "0 kg" in shown.out
    assert "cost (final run)" not in shown.out
    data = json.loads(costmodel(*GASES, *site, "--ghg", "--json").out)
    rows = {row["emission"]: row for row in data["emissions"]}
    assert rows["electricity_market"]["kg"] == 0 and rows["hardware"]["kg"] > 0
    assert data["sentence"] in shown.out.replace("\n  ", " ")


def test_sources_as_bibtex(costmodel):
    shown = costmodel(*GASES, "--region", "FRA", "--cite", "bibtex")
    assert shown.code == 0 and shown.out.startswith("@misc{costmodel_")
    assert costmodel(*GASES, "--region", "FRA", "--cite", "text").out.startswith("costmodel ")
    outcome = costmodel(*GASES, "--cite", "ris")
    assert outcome.code == 2 and "--cite" in outcome.err
