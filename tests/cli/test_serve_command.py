"""`costmodel serve`: a model with options, a file, sizes, and what it says of bad input."""

import json

import pytest

FILE = """
architecture = "llama-3.1-8b"
input_tokens = 500
output_tokens = "100 to 900"
requests_per_second = 5
target_ttft = "500 ms"

[cluster]
accelerator = "H100-SXM"
count = 1

[prices]
price = "2 USD/hour"
"""
CHAT = ("llama-3.1-70b", "--precision", "fp8", "--price", "2")
NODE = ("--gpu", "H100-SXM", "--gpus", "8")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "serving.toml"
    path.write_text(FILE, encoding="utf-8")
    return path


def test_a_model_with_options(costmodel):
    printed = costmodel("serve", *CHAT, *NODE, "--concurrency", 64).out
    assert printed.startswith("llama-3.1-70b, 1,000 input and 500 output tokens, 64 requests at a time, 8 ×")
    assert "output throughput" in printed and "$/Mtok" in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_json_holds_all_figures(costmodel):
    found = json.loads(costmodel("serve", *CHAT, *NODE, "--concurrency", 64, "--input", "2000", "--json").out)
    figures = found["figures"]
    assert figures["input_tokens_per_second"]["value"] == pytest.approx(
        4 * figures["output_tokens_per_second"]["value"]
    )
    assert figures["cost_per_hour"]["value"] == 16 and found["layout"]["tensor"] == 2


def test_users_and_their_rate(costmodel):
    found = json.loads(costmodel("serve", *CHAT, *NODE, "--users", 200, "--rate", 20, "--json").out)
    assert found["figures"]["tokens_per_second_per_user"]["value"] > 20
    assert found["figures"]["gpus_needed"]["value"] == 4


def test_a_file_with_changes(costmodel, file):
    found = json.loads(costmodel("serve", file, "--set", "requests_per_second=6", "--tpot", "30 ms", "--json").out)
    assert found["figures"]["requests_per_second"]["value"] == pytest.approx(6)
    assert found["scenario"]["target_tpot"] == pytest.approx(0.03)


def test_sizes_over_accelerators(costmodel):
    printed = costmodel("serve", "llama-3.1-70b", "--users", 200, "--rate", 20, "--size").out
    assert len(printed.splitlines()) > 35 and max(map(len, printed.splitlines())) <= 80
    options = ("--gpu", "B200,H100-SXM", "--precision", "fp8", "--json")
    found = json.loads(costmodel("serve", "llama-3.1-70b", "--users", 200, "--rate", 20, "--size", *options).out)
    assert [option["accelerator"] for option in found["options"]] == ["B200", "H100-SXM"]


def test_sizes_of_a_file(costmodel, file):
    found = json.loads(costmodel("serve", file, "--size", "--gpu", "H100-SXM", "--json").out)
    assert {option["precision"] for option in found["options"]} == {"bf16", "fp8", "nvfp4", "int4"}
    assert all(option["usd_per_hour"] == 2 for option in found["options"])


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((*NODE, "--concurrency", 4, "--probability", 0.9), "--probability: has no effect without --size"),
        (("--concurrency", 4), "--gpu: is required"),
        ((*NODE,), "give exactly one of concurrency, requests_per_second, users; got none"),
        ((*NODE, "--users", 4), "give both"),
        (("--users", 4, "--rate", 20, "--size", "--gpus", 8), "--gpus: --size finds the number"),
        (("--users", 4, "--rate", 20, "--size", "--utilization", 0.5), "utilization: has no effect with --size"),
        ((*NODE, "--concurrency", 4, "--engine", "vlm"), "did you mean 'vllm'"),
        ((*NODE, "--concurrency", 4, "--set", "tensors=2"), "did you mean 'tensor'"),
    ],
)
def test_problems(refused, arguments, problem):
    assert any(problem in line for line in refused("serve", "llama-3.1-8b", *arguments))


WORKLOAD = """
[workload]
requests_per_month = "3M"
input_tokens = 1000
output_tokens = 500
peak_to_mean = 2

[[options]]
kind = "hosted"
model = "deepseek-chat"

[[options]]
kind = "self_hosted"
name = "rented H100"
usd_per_gpu_hour = 2.5
[options.serving]
architecture = "llama-3.1-8b"
cluster = { accelerator = "H100-SXM", count = 1 }
"""


@pytest.fixture
def workload(tmp_path):
    path = tmp_path / "workload.toml"
    path.write_text(WORKLOAD, encoding="utf-8")
    return path


def test_compare_prints_hosted_and_self_hosted_options(costmodel, workload):
    printed = costmodel("serve", "compare", workload).out
    assert "deepseek-chat" in printed and "rented H100" in printed and "pays against" in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_compare_takes_changes_and_prints_json(costmodel, workload):
    found = json.loads(costmodel("serve", "compare", workload, "--set", "workload.peak_to_mean=1", "--json").out)
    assert found["workload"]["peak_to_mean"] == 1 and found["baseline"] == "deepseek-chat"
    assert [option["gpus"] for option in found["options"]] == [None, 1]


def test_compare_has_its_own_help(costmodel):
    printed = costmodel("serve", "compare", "--help").out
    assert "FILE" in printed and "--set" in printed and "break-even" in printed
    assert "--gpu" not in printed and "--users" not in printed
    assert "FILE" not in costmodel("serve", "--help").out.split("Options:")[0].split("Arguments:")[1]


def test_compare_refuses_options_and_missing_files(costmodel, refused, workload):
    outcome = costmodel("serve", "compare", workload, "--gpu", "B200")
    assert outcome.code == 2 and "No such option" in outcome.err and "--gpu" in outcome.err
    (problem,) = refused("serve", "compare")
    assert "costmodel serve compare workload.toml" in problem
    (problem,) = refused("serve", "compare", workload, "--set", "workload.peak_to_mean=0.5")
    assert "peak_to_mean" in problem and "at least 1" in problem


def test_explain_prints_the_steps_of_a_figure(costmodel):
    printed = costmodel("serve", *CHAT, *NODE, "--concurrency", 64, "--explain", "output_cost").out
    assert "output_cost: calculation" in printed and "time_factor" in printed
    found = json.loads(costmodel("serve", *CHAT, *NODE, "--concurrency", 64, "--explain", "tpot", "--json").out)
    assert (found["schema"], found["figure"]) == ("costmodel/explanation/1", "tpot") and found["inputs"]
