"""`costmodel finetune`: the estimate, its memory, the same job at providers, and what can do it."""

import json

import pytest

import costmodel as cm
from costmodel.planning.offers import hosted_offers
from costmodel.training.recipes.table import RECIPES

ON_4090 = ("finetune", "llama-3.1-8b", "--gpu", "RTX-4090")


def test_the_estimate_is_what_python_says(costmodel):
    outcome = costmodel(
        *ON_4090, "--method", "qlora", "--examples", "52000", "--lengths", "lognormal 200 to 1500", "--epochs", 3,
        "--sequence-length", 1024, "--batch", 32, "--rank", 8, "--software", "eager", "--no-packing",
        "--price", "$0.40/h", "--set", "recipe.optimizer=adamw-8bit", "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    recipe = cm.QLoRA(
        examples=52_000, lengths="200 to 1500", epochs=3, sequence_length=1024, batch_size=32, rank=8,
        software="eager", packing=False, optimizer="adamw-8bit",
    )  # fmt: skip
    run = cm.Scenario("llama-3.1-8b", recipe, cm.Cluster("RTX-4090", 1), cm.Rental(price=0.4))
    found = json.loads(outcome.out)
    assert found["estimate"]["figures"] == json.loads(json.dumps(cm.estimate(run).to_dict()["figures"]))
    assert sum(found["memory"].values()) == pytest.approx(cm.estimate(run).value("memory"))
    assert found["layout"] == cm.estimate(run).layout.to_data()


def test_a_place_and_the_terms_of_a_price_have_options(costmodel):
    outcome = costmodel(
        "finetune", "llama-3.1-8b", "--gpu", "H100-SXM", "--tokens", "20M", "--provider", "aws",
        "--purchase-model", "spot", "--on", "2026-10-01", "--region", "us-virginia", "--pue", 1.2, "--json",
    )  # fmt: skip
    scenario = json.loads(outcome.out)["estimate"]["scenario"]
    assert scenario["prices"] == {"provider": "aws", "purchase_model": "spot", "on": "2026-10-01"}
    assert scenario["cluster"]["site"] == {"region": "us-virginia", "pue": 1.2}


def test_the_same_job_at_providers(costmodel):
    outcome = costmodel(*ON_4090, "--method", "qlora", "--tokens", "20M", "--epochs", 3, "--price", 0.4, "--json")
    own, *hosted = json.loads(outcome.out)["jobs"]
    assert own["where"] == "1 × RTX-4090" and own["low"] < own["usd"] < own["high"]
    assert own["usd_per_million_tokens"] == pytest.approx(own["usd"] / 60)
    costs = {job["where"]: (job["method"], pytest.approx(job["usd"])) for job in hosted}
    assert costs == {"tinker": ("lora", 24.0), "together": ("lora-sft", 28.8), "fireworks": ("lora-sft", 30.0)}
    assert [job["where"] for job in hosted] == ["tinker", "together", "fireworks"]  # the cheapest first


def test_the_text_shows_figures_memory_and_providers(costmodel):
    out = costmodel(*ON_4090, "--method", "qlora", "--tokens", "20M", "--epochs", 3).out
    assert out.startswith("llama-3.1-8b, qlora on 60.0M tokens of 2,048, 1 × RTX-4090")
    assert "layout planned: " in out and "together" in out and "28.8 USD" in out and "rates rose on 2026-07-17" in out
    shares = [line.split()[-1] for line in out.splitlines() if line.startswith(("weights", "activations", "all "))]
    assert len(shares) == 3 and shares[-1] == "100%"


@pytest.mark.parametrize(
    ("method", "kind"), [("full", "full_fine_tuning"), ("qat", "quantization_aware_training"), ("DPO", "dpo"),
                         ("prompt-tuning", "prompt_tuning"), ("grpo", "grpo"), ("lora", "lora")]
)  # fmt: skip
def test_methods(costmodel, method, kind):
    outcome = costmodel("finetune", "llama-3.2-1b", "--method", method, "--tokens", "20M", "--gpu", "H100-SXM",
                        "--gpus", 2, "--json")  # fmt: skip
    assert outcome.code == 0, outcome.err
    scenario = json.loads(outcome.out)["estimate"]["scenario"]
    assert scenario["recipe"]["kind"] == kind and scenario["cluster"]["count"] == 2


def test_a_method_without_a_price_says_so(costmodel):
    out = costmodel("finetune", "llama-3.2-1b", "--method", "ppo", "--tokens", "2M", "--gpu", "H100-SXM").out
    assert "no price of a hosted service is known for this job" in out


def test_given_utilization_leaves_no_layout(costmodel):
    outcome = costmodel(*ON_4090, "--method", "full", "--tokens", "20M", "--set", "mfu=0.4", "--json")
    found = json.loads(outcome.out)
    assert (found["layout"], found["memory"]) == (None, {})


def test_without_a_gpu_those_that_can_do_it_are_listed(costmodel):
    arguments = ("finetune", "llama-3.1-70b", "--method", "full", "--tokens", "20M", "--gpus", 2)
    found = json.loads(costmodel(*arguments, "--json").out)
    fitting = [row for row in found["fits"] if row["fits"]]
    costs = [row["cost_usd"] for row in fitting if row["cost_usd"] is not None]
    assert costs == sorted(costs) and {row["count"] for row in found["fits"]} == {2}
    names = {row["accelerator"] for row in fitting}
    assert "B200" in names and "RTX-4090" not in names
    assert found["jobs"][0]["where"] == f"2 × {fitting[0]['accelerator']}"
    assert found["jobs"][0]["usd"] == pytest.approx(fitting[0]["cost_usd"])
    out = costmodel(*arguments).out
    assert f"2 × {fitting[0]['accelerator']}" in out and "memory" in out and "together" in out


def test_each_gpu_is_listed_once_with_the_fewest(costmodel):
    lines = costmodel("finetune", "llama-3.2-1b", "--tokens", "1M").out.splitlines()
    assert sum("× RTX-4090" in line for line in lines) <= 1
    assert any(line.startswith("1 × ") for line in lines) and not any(line.startswith("8 × ") for line in lines)


def test_where_nothing_fits_the_reason_and_the_providers_are_left(costmodel):
    outcome = costmodel("finetune", "llama-3.1-405b", "--tokens", "20M", "--gpus", 1)
    assert outcome.code == 0 and "by memory" in outcome.out and "fireworks" in outcome.out
    assert "200 USD" in outcome.out  # 20M tokens at 10 USD a million, above 300B


def test_what_does_not_fit_is_told(refused):
    (problem,) = refused("finetune", "llama-3.1-70b", "--gpu", "RTX-4090", "--method", "full", "--tokens", "20M")
    assert "fits on no layout" in problem and "without --gpu" in problem


def test_all_mistakes_at_once(refused):
    problems = refused(
        "finetune", "llama-3.1-9b", "--gpu", "RTX-4091", "--price", "2 EUR/hour", "--epochs", "x", "--rank", 0,
        "--software", "slow", "--examples", "3.5", "--lengths", "long", "--set", "count", "--set", "sedd=3",
    )  # fmt: skip
    places = {problem.split(":", 1)[0] for problem in problems}
    assert places >= {
        "architecture", "cluster.accelerator", "prices.price", "recipe.epochs", "recipe.rank", "recipe.software",
        "recipe.examples", "recipe.lengths", "sedd",
    }  # fmt: skip
    assert len(problems) == 10 and any("'count'" in problem for problem in problems)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--method", "loar", "--tokens", "1M", "--gpu", "H100"), "did you mean 'lora'"),
        (("--gpu", "H100"), "`tokens`, or `examples` with `lengths`"),
        ((), "`tokens`, or `examples` with `lengths`"),
        (("--tokens", "1M", "--set", "mfu=0.4"), "mfu: needs --gpu"),
        (("--tokens", "1M", "--provider", "lamda"), "did you mean 'lambda'"),
        (("--method", "full", "--tokens", "1M", "--gpu", "H100", "--set", "recipe.quantization=nf4"), "needs adapters"),
    ],
)
def test_bad_options(refused, arguments, message):
    (problem,) = refused("finetune", "llama-3.1-8b", *arguments)
    assert message in problem


def of_size(billions, name="own"):
    return cm.Architecture.from_counts(billions * 1e9, name=name)


@pytest.mark.parametrize(
    ("billions", "classes"),
    [
        (15.9, {"together": "up to 16B", "fireworks": "up to 16B"}),
        (16.1, {"together": "17B-69B", "fireworks": "16.1B-80B"}),
        (72, {"together": "70B-100B", "fireworks": "16.1B-80B"}),
        (120, {"fireworks": "80B-300B"}),
        (671, {"fireworks": "above 300B"}),
    ],
)
def test_size_classes(billions, classes):
    offers = hosted_offers(of_size(billions), cm.LoRA(tokens=1e6))
    assert {offer["provider"]: offer["model"] for offer in offers} == classes


def test_instruct_models_count_as_the_model():
    offers = hosted_offers(of_size(4, "qwen3-4b"), cm.LoRA(tokens=1e6))
    assert any(offer["model"] == "Qwen3-4B-Instruct-2507" for offer in offers)


def test_reinforcement_pays_what_is_read_and_written_too():
    recipe = cm.GRPO(examples=1000, lengths=500, prompt_length=100, group_size=8, rank=16)  # 4M answers, 0.8M prompts
    found = {offer["provider"]: offer["usd"] for offer in hosted_offers(of_size(8, "qwen3-8b"), recipe)}
    assert found == {"tinker": pytest.approx(4.8 * 0.44 + 0.8 * 0.195 + 4 * 0.6)}


@pytest.mark.parametrize("kind", [kind for kind in RECIPES if kind not in {"pretraining", "distillation"}])
def test_every_recipe_can_be_asked_for(kind):
    recipe = RECIPES[kind](tokens=1e6)
    assert all(offer["low"] <= offer["usd"] <= offer["high"] for offer in hosted_offers(of_size(8), recipe))


def test_hosted_offers_take_the_name_of_a_model():
    recipe = cm.LoRA(tokens=1e6)
    assert hosted_offers("llama-3.1-8b", recipe) == hosted_offers(cm.load_architecture("llama-3.1-8b"), recipe) != []
