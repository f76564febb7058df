"""`costmodel models`, `gpus`, `compare`, `schema` and `validate`."""

import json
from importlib.metadata import EntryPoint

import pytest

import costmodel as cm
from costmodel.cli.app import COMMANDS, app

OWN_COMMANDS = [
    [*group, command.name or command.callback.__name__]
    for group, commands in (([], app), *(([group.name], group.typer_instance) for group in app.registered_groups))
    for command in commands.registered_commands
]


def test_help_lists_the_commands(costmodel):
    outcome = costmodel("--help")
    assert outcome.code == 0
    for command in ("estimate", "finetune", "budget", "compare", "schema", "models", "gpus", "validate", "prices"):
        assert f"  {command} " in outcome.out


@pytest.mark.parametrize("command", [[], ["prices"], ["data"], *OWN_COMMANDS], ids=" ".join)
def test_every_command_takes_h_for_help(costmodel, command):
    outcome = costmodel(*command, "-h")
    assert outcome.code == 0
    assert outcome.out == costmodel(*command, "--help").out
    assert "-h, --help" in outcome.out


def test_an_unknown_command(costmodel):
    outcome = costmodel("estimat")
    assert outcome.code == 2 and "estimat" in outcome.err and outcome.out == ""


def test_models_as_text_and_json(costmodel):
    assert "llama-3.1-8b" in costmodel("models").out
    listed = json.loads(costmodel("models", "--json").out)["rows"]
    assert {row["name"] for row in listed} == {row["name"] for row in cm.architectures()}


def test_one_model(costmodel):
    assert "8,030,261,248" in costmodel("models", "llama-3.1-8b").out
    shown = json.loads(costmodel("models", "Llama 3.1 8B", "--json").out)
    assert (shown["name"], shown["total"]) == ("llama-3.1-8b", 8_030_261_248)
    assert shown["FLOP/token, causal"] == cm.flops_per_token(cm.load_architecture("llama-3.1-8b"), 4096)


def test_gpus_as_text_and_json(costmodel):
    assert "H100-SXM" in costmodel("gpus").out
    listed = json.loads(costmodel("gpus", "--json").out)["rows"]
    assert len(listed) == len(cm.accelerators())
    assert next(row for row in listed if row["name"] == "H100-SXM")["bf16"] == 989.4


def test_one_gpu(costmodel):
    assert "H100-SXM" in costmodel("gpus", "h100").out
    shown = json.loads(costmodel("gpus", "NVIDIA H100 80GB HBM3", "--json").out)
    assert (shown["name"], shown["memory"], shown["tdp"]) == ("H100-SXM", 80, 700)


@pytest.mark.parametrize("command", ["models", "gpus"])
def test_unknown_names(refused, command):
    (problem,) = refused(command, "H100SXM-8b")
    assert problem.startswith("unknown ")


def test_compare(costmodel, refused, root):
    files = [root / "examples" / name for name in ("pretraining.toml", "stages.toml")]
    outcome = costmodel("compare", *files)
    assert outcome.code == 0
    assert "pretraining" in outcome.out and "stages" in outcome.out and "772 ZFLOP" in outcome.out
    runs = {path.stem: cm.Scenario.load(path) for path in files}
    assert json.loads(costmodel("compare", *files, "--json").out)["rows"] == json.loads(
        json.dumps(cm.compare(runs).rows())
    )
    assert "must hold two or more" in refused("compare", files[0])[0]
    assert "none.toml cannot be read" in refused("compare", files[0], "none.toml")[0]


def test_compare_files_of_one_name(costmodel, root, tmp_path):
    file = root / "examples" / "pretraining.toml"
    (tmp_path / "pretraining.toml").write_bytes(file.read_bytes())
    outcome = costmodel("compare", file, tmp_path / "pretraining.toml")
    assert outcome.code == 0 and str(tmp_path / "pretraining.toml") in outcome.out


def fields_of(schema):
    """Return the schema of a file without the version that is not a field of the specification."""
    assert schema["properties"].pop("file_version")["const"] == 1
    return schema


def test_schema(costmodel):
    assert fields_of(json.loads(costmodel("schema").out)) == cm.Scenario.model_json_schema()
    assert costmodel("schema", "scenario").out == costmodel("schema").out


@pytest.mark.parametrize(("kind", "most"), [("scenario", 2500), ("project", 3000)])
def test_schema_is_short(costmodel, kind, most):
    assert len(costmodel("schema", kind).out.splitlines()) < most


def test_schemas_of_serving_files(costmodel):
    assert fields_of(json.loads(costmodel("schema", "serving").out)) == cm.Serving.model_json_schema()
    options = fields_of(json.loads(costmodel("schema", "serving_options").out))
    assert set(options["properties"]) == {"workload", "options", "baseline", "seed"}
    assert options["$defs"]["Serving"]["required"] == ["architecture", "cluster"]
    assert "input_tokens" in cm.Serving.model_json_schema()["required"]


def test_schema_of_a_project(costmodel):
    assert fields_of(json.loads(costmodel("schema", "project").out)) == cm.Project.model_json_schema()
    assert costmodel("schema", "projects").code == 2


def test_validate(costmodel, tmp_path, root):
    lines = (
        (root / "data" / "measurements" / "published_runs.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    )
    file = tmp_path / "runs.csv"
    file.write_text("".join(lines[:16]), encoding="utf-8")
    outcome = costmodel("validate", "published_runs", file, "--json")
    assert outcome.code == 0
    scored = json.loads(outcome.out)
    assert scored["kind"] == "published_runs" and scored["cases"] == len(scored["rows"])
    assert scored["scored"] == sum(row["skipped"] is None for row in scored["rows"]) > 0
    assert f"{scored['scored']} of {scored['cases']} cases scored" in costmodel("validate", "published_runs", file).out


def test_validate_finetune_scores_time_and_memory(costmodel):
    scored = json.loads(costmodel("validate", "finetune", "--json").out)
    assert scored["kind"] == "finetune" and scored["scored"] > 0 and scored["memory"]["scored"] > 0
    out = costmodel("validate", "finetune").out
    time, memory = out.split("\n\n")
    assert f"{scored['scored']} of {scored['cases']} cases scored; error of step times" in time
    assert f"{scored['memory']['scored']} of {scored['memory']['cases']} cases scored; error of peak memory" in memory


def test_validate_reports_names_the_reports_that_are_skipped(costmodel, tmp_path):
    (tmp_path / "run.toml").write_text(
        'architecture = "llama-3.1-8b"\nmfu = 0.4\nrecipe = { tokens = "10B" }\n'
        'cluster = { accelerator = "H100-SXM", count = 16 }\n',
        encoding="utf-8",
    )
    rows = ["id,scenario,figure,value,unit,source,note", "good,run.toml,mfu,0.4,,test,"]
    rows += ["slow run,run.toml,step_time,fast,s,test,"] + [f"lost-{i},gone.toml,mfu,0.4,,test," for i in range(10)]
    (tmp_path / "reports.csv").write_text("\n".join([*rows, ""]), encoding="utf-8")
    printed = costmodel("validate", "reports", tmp_path).out
    assert "skipped 1 (slow run): " in printed
    named = ", ".join(f"lost-{i}" for i in range(8))
    assert f"skipped 10 ({named} and 2 more): " in printed and "good" not in printed


def test_validate_serving_scores_the_shipped_rows_or_a_file(costmodel, tmp_path):
    assert json.loads(costmodel("validate", "serving", "--json").out)["scored"] > 2000
    file = tmp_path / "decodes.csv"
    file.write_text(
        "model,precision,task,accelerator,n_gpus,avg_batch,avg_output_len,output_tok_per_s,parallel\n"
        "meta-llama/Llama-3.1-8B-Instruct,bfloat16,lm-arena-chat,H100-SXM,1,127.62,404.6,7036.5,\n",
        encoding="utf-8",
    )
    assert json.loads(costmodel("validate", "serving", file, "--json").out)["scored"] == 1
    assert "1 of 1 cases scored; error of" in costmodel("validate", "serving", file).out


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("published_run", b"", "unknown kind of cases 'published_run'; did you mean 'published_runs'"),
        ("published_runs", b"a,b\n1,2\n", "unknown column"),
        ("published_runs", b"\xff\xfe\n", "is not a CSV file in UTF-8"),
        ("published_runs", b"", "it has no header"),
        ("published_runs", None, "cannot be read"),
    ],
)
def test_validate_on_what_is_no_table_of_cases(refused, tmp_path, kind, content, message):
    file = tmp_path / "cases.csv"
    if content is not None:
        file.write_bytes(content)
    assert message in refused("validate", kind, file)[0]


def test_a_broken_command_of_a_package_leaves_the_others(costmodel, monkeypatch):
    broken = EntryPoint("quote", "acme_without_code:quote", COMMANDS.group)
    monkeypatch.setitem(vars(COMMANDS), "added", {"quote": broken})
    outcome = costmodel("--help")
    assert outcome.code == 0 and "  estimate " in outcome.out and "quote" not in outcome.out
    assert "command 'quote' of an unknown package cannot be loaded" in outcome.err
    assert "ModuleNotFoundError: No module named 'acme_without_code'" in outcome.err
    assert costmodel("quote").code == 2
    assert costmodel("gpus", "h100").err == ""


@pytest.mark.parametrize(
    ("written", "family"), [("qwen", "qwen"), ("qwen 3", "qwen3"), ("llama-3", "llama"), ("Mistral", "mistral")]
)
def test_a_part_of_a_name_or_a_family_lists_the_models(costmodel, written, family):
    rows = json.loads(costmodel("models", written, "--json").out)["rows"]
    key = written.lower().replace(" ", "-")
    assert len(rows) > 2 and all(
        key.replace("-", "") in f"{row['name']} {row['family']}".replace("-", "") for row in rows
    )
    assert any(row["family"].startswith(family) for row in rows)


def test_a_part_of_a_name_lists_the_accelerators(costmodel, refused):
    listed = {row["name"] for row in json.loads(costmodel("gpus", "mi3", "--json").out)["rows"]}
    assert {"MI300X", "MI325X", "MI355X"} <= listed and all(name.startswith("MI3") for name in listed)
    assert "unknown accelerator 'warp-drive'" in refused("gpus", "warp-drive")[0]
    assert "unknown architecture 'nope.json'" in refused("models", "nope.json")[0]
    assert "unknown architecture 'qwen.json'" in refused("models", "qwen.json")[0]
    assert "unknown architecture 'qwen'" in refused("models", "qwen", "--family", "llama")[0]


def test_words_of_regions_are_whole(costmodel, refused):
    def names(text):
        return [row["region"] for row in json.loads(costmodel("regions", text, "--json").out)["rows"]]

    assert "US-CA" not in names("se-1") and "US-VA" in names("us-east")  # oci:us-sanjose-1
    assert names("us-iowa") == names("Iowa") == ["US-IA", "gcp:us-central1"]
    assert "US-DE" not in names("DE") and names("DE")[0] == "DEU"
    assert set(names("Georgia")) == {"GEO", "US-GA"}
    assert "SWE" in names("EU") and not {"CHE", "GBR"} & set(names("EU"))
    assert "did you mean 'Netherlands'" in refused("regions", "nowhereland")[0]
