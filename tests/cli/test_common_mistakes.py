"""Typical mistakes: each message has the field or option, the value given, and what is accepted or nearest."""

import json
import shlex
from runpy import run_path

import pytest

write_files = run_path(f"{__file__.rpartition('/')[0]}/invocations.py")["write_files"]
RUN = "estimate llama-3.1-8b --tokens 15T --gpu H100 --gpus 8"
MISTAKES = {
    "estimate llama-3.1-8b --token 15T --gpu H100 --gpus 8": ["No such option", "--token", "--tokens"],
    "estimate llama-3.1-8b --tokens 15T --gpu 8xH100": ["cluster.count: is required", "'8xH100'", "count 8"],
    "estimate llama-3.1-8b --tokens 15T --gpu H100 --gpus 8xH100": ["--gpus", "whole number", "'8xH100'"],
    "estimate llama-3.1-8b --tokens 15T --gpus 8": ["cluster.accelerator: is required; give --gpu"],
    "estimate llama-3.1-8b --tokens 15,5B --gpu H100 --gpus 8": ["recipe.tokens: '15,5B' is ambiguous"],
    "estimate llama-3.1-8b --tokens -5B --gpu H100 --gpus 8": ["recipe.tokens: must be", "above 0", "'-5B'"],
    "estimate llama-3.1-8b --tokens 15GB --gpu H100 --gpus 8": ["recipe.tokens: '15GB' has the wrong dimension"],
    "estimate llama-3.1-8b --tokens many --gpu H100 --gpus 8": ["recipe.tokens: 'many' does not start with a number"],
    "estimate lama-3.1-8b --tokens 15T --gpu H100 --gpus 8": ["architecture", "'lama-3.1-8b'", "'llama-3.1-8b'"],
    "estimate run.tml": ["recipe.tokens: is required", "'run.tml'", "No file of that name"],
    "estimate nofile.toml": ["nofile.toml: the file does not exist"],
    "estimate config.json": ["recipe.tokens: is required; give --tokens"],
    "estimate project.toml": ["holds a project", "use costmodel budget project.toml"],
    "estimate serving.toml": ["holds a served model", "use costmodel serve serving.toml"],
    "estimate broken.toml": ["broken.toml is not a TOML file", "line 2"],
    "budget run.toml": ["holds the scenario of a run, not a project", "[[runs]]"],
    "budget config.json": ["holds the config of a model, not a project", "costmodel estimate config.json --tokens"],
    "budget axolotl.yml": ["holds the settings of a trainer", "use costmodel estimate axolotl.yml"],
    "finetune axolotl.yml --gpu H100": ["holds the settings of a trainer", "use costmodel estimate axolotl.yml"],
    "finetune run.toml": ["holds the scenario of a run, not the config of a model", "use costmodel estimate run.toml"],
    "serve run.toml": ["holds the scenario of a run, not a served model"],
    "estimate run.toml --set cluster.cuont=8": ["cluster.cuont: unknown field 'cuont'; did you mean 'count'?"],
    "estimate run.toml --set gpus=8": ["gpus: unknown field 'gpus'; did you mean 'cluster.count'"],
    "estimate run.toml --set gpu=B200": ["did you mean 'cluster.accelerator'"],
    "estimate run.toml --set cluster.count=8.5": ["cluster.count: must be a whole number; got 8.5"],
    "estimate run.toml --set cluster.count": ["must be path=value", "got 'cluster.count'"],
    "estimate run.toml --price '-2 USD/hour'": ["prices.price: must be", "at least 0", "'-2 USD/hour'"],
    "estimate run.toml --mfu 40": ["mfu: must be a number above 0 and at most 1; got '40'"],
    "estimate run.toml --provider awz": ["unknown provider 'awz'; did you mean 'aws'?"],
    "estimate run.toml --region Germny": ["unknown region 'Germny'; did you mean 'Germany'"],
    "regions germny": ["unknown region 'germny'; did you mean 'Germany'"],
    "estimate run.toml --purchase-model spott": ["prices.purchase_model", "'spot'", "got 'spott'"],
    "estimate run.toml --purchase-model committed": ["prices.purchase_model: 'committed' has no term"],
    "estimate run.toml --on 01/09/2026": ["prices.on: must be a date such as 2026-09-01; got '01/09/2026'"],
    "estimate run.toml --explain costs": ["unknown figure 'costs'; did you mean 'cost'"],
    "estimate run.toml --currency euro": ["unknown currency 'EURO'; did you mean 'EUR'?"],
    "estimate run.toml --sequence-length 8k": ["--sequence-length", "whole number", "'8k'"],
    "estimte run.toml": ["No such command 'estimte'. Did you mean 'estimate'?"],
    "finetune llama-3.1-8b --method lorra --tokens 20M": ["'lorra'; did you mean 'lora'"],
    "finetune llama-3.1-8b --tokens 20M --explain cost": ["--explain: needs --gpu"],
    "serve llama-3.1-8b --users 20 --rate 20 --size --region DE": ["--region: has no effect with --size"],
    "prices list --provider awz": ["unknown provider 'awz'; did you mean 'aws'?"],
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_named(costmodel, tmp_path, monkeypatch, line):
    write_files(tmp_path)
    config = {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
              "intermediate_size": 128, "vocab_size": 1000, "architectures": ["LlamaForCausalLM"]}  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "broken.toml").write_text('architecture = "llama-3.1-8b"\nrecipe = { tokens = "1B"\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    outcome = costmodel(*shlex.split(line))
    assert (outcome.code, outcome.out) == (2, "")
    assert [part for part in MISTAKES[line] if part not in outcome.err] == [], outcome.err
    assert len(outcome.err) < 1500


def test_several_values_of_a_field_name_the_command_that_takes_them(costmodel, refused, tmp_path):
    write_files(tmp_path)
    for command in (("estimate", tmp_path / "run.toml"), ("compare", tmp_path / "run.toml", tmp_path / "run.toml")):
        *_, hint = refused(*command, "--set", "recipe.batch_size=512,1024")
        assert hint == (
            "--set recipe.batch_size=512,1024: takes one value here; 'costmodel sweep FILE --set "
            "recipe.batch_size=512,1024' takes several"
        )
    other = refused("estimate", tmp_path / "run.toml", "--set", "recipe.batch_size=-1", "--set", "name=a, b")
    assert not any("sweep" in problem for problem in other)
    swept = costmodel("sweep", tmp_path / "run.toml", "--set", "recipe.batch_size=512,1024")
    assert swept.code == 0 and swept.err == ""


@pytest.mark.parametrize(("written", "doubtful"), [("64,128", True), ("1,024", False), ("64", False), ("2,000", False)])
def test_a_number_that_may_be_two_is_named(costmodel, tmp_path, written, doubtful):
    write_files(tmp_path)
    outcome = costmodel("estimate", tmp_path / "run.toml", "--set", f"recipe.batch_size={written}")
    named = f"--set recipe.batch_size={written}: is read as one number, {written.replace(',', '')}; 'costmodel sweep"
    assert outcome.code == 0 and (named in outcome.err) is doubtful


@pytest.mark.parametrize("written", ["32", '"32"', "475"])
def test_a_grid_intensity_in_grams_is_suggested_with_its_unit(costmodel, refused, tmp_path, written):
    write_files(tmp_path)
    (problem,) = refused("estimate", tmp_path / "run.toml", "--set", f"cluster.site.grid_intensity={written}")
    suggested = f"{written.strip(chr(34))} gCO2/kWh"
    assert problem.endswith(f"; if that is in gCO2/kWh, write '{suggested}'")
    outcome = costmodel("estimate", tmp_path / "run.toml", "--set", f"cluster.site.grid_intensity={suggested}")
    assert outcome.code == 0 and "carbon (CO2e)" in outcome.out
