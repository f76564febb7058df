"""One good call of every public function, class and method of a result, and wrong values for their parameters."""

import datetime as dt
import inspect
import os
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np

import costmodel as cm


def neighbor(name):
    """Return the module of this folder of a name."""
    spec = spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


results, pickled = neighbor("results"), neighbor("test_pickling")

CLUSTER = cm.Cluster("H100-SXM", 8)
RUN = cm.Scenario("llama-3.1-8b", results.RECIPE, CLUSTER, prices=results.PRICE, mfu=0.4)
LORA = cm.LoRA(tokens="10M")
WORKLOAD = cm.ServingWorkload(requests_per_month="1M", input_tokens=1000, output_tokens=500, peak_to_mean=2)
ROUTES = [cm.Route("small", serving=cm.HostedAPI(model="gpt-4.1-mini"), quality=0.8)]
CHAT = cm.PortfolioWorkload(
    name="chat", requests_per_month="2M", input_tokens=1500, output_tokens=300, quality_floor=0.8
)
OPTIONS = [cm.PortfolioOption(serving=cm.HostedAPI(model="gpt-5-mini"), quality={"chat": 0.84})]
STEPS = [{"model": "llama-2-7b", "sequence_length": 4096, "batch_size": 64, "accelerator": "H100-SXM", "count": 8,
          "tensor": 1, "pipeline": 1, "step_time": 2.0}]  # fmt: skip
SERVED = [{"model": "llama-3.1-8b", "precision": "bf16", "accelerator": "H100-SXM", "count": 1, "concurrency": 64,
           "prompt_length": 1000, "output_length": 500, "tokens_per_second": 3000}]  # fmt: skip
TRAINER = results.EXAMPLES.parent / "tests" / "estimation" / "trainers" / "llama_factory_lora.yaml"
POINTS = [{"capability": "it", "date": f"{2015 + i}-01-01", "cost_usd": 100 * 0.6**i} for i in range(12)]
SIZES, TOKENS = [1e8, 2e8, 4e8, 8e8, 1e9, 2e9] * 2, [2e9, 4e9, 8e9, 2e10, 4e10, 8e10] * 2

FUNCTIONS = {
    "accelerators": {},
    "allocate": {"law": cm.scaling_law("chinchilla"), "scenario": RUN, "budget": "100k"},
    "api_price": {"model": "gpt-4.1", "on": "2026-09-01"},
    "architectures": {},
    "attribute": {"run_a": "gpt-4", "run_b": "deepseek-v3", "price": "published"},
    "backtest": {"points": POINTS, "model": "constant rate"},
    "beta": {"alpha": 2, "beta": 3},
    "between": {"low": 1, "high": 2},
    "calibrate": {"rows": STEPS},
    "calibrate_serving": {"rows": SERVED},
    "cascade": {"workload": results.TASKS, "models": ["gpt-4.1-mini", "gpt-4.1"], "scores": results.SCORES,
                "detectors": cm.Detector(recall=0.8, precision=0.7)},
    "check_claim": {"claim": cm.DeclineClaim("training costs fall by half each year"), "paths": 100},
    "choose_route": {"workload": WORKLOAD, "routes": ROUTES, "months": 12},
    "compare": {"scenarios": {"first": RUN, "second": results.run()}},
    "compare_serving": {"workload": WORKLOAD, "options": [cm.HostedAPI(model="gpt-4.1-mini")]},
    "count_decode_flops": {"architecture": "llama-2-7b", "context": 100},
    "count_flops": {"architecture": "llama-2-7b", "sequence_length": 100},
    "development_cost": {"final_run_cost": "1 MUSD"},
    "estimate": {"scenario": RUN},
    "exchange_rate": {"currency": "EUR"},
    "fit_scaling_law": {"parameters": SIZES, "tokens": TOKENS,
                        "loss": [float(each) for each in cm.scaling_law("chinchilla").loss(SIZES, TOKENS)]},
    "fit_trend": {"dates": [2020.0, 2021.0, 2022.0, 2023.0], "values": [8.0, 4.0, 2.5, 1.0]},
    "flops_per_token": {"architecture": "llama-2-7b", "sequence_length": 100},
    "forecast": {"run": RUN, "step_time": 10, "done": 100, "now": "2026-09-01"},
    "frontier_against_low_cost": {},
    "generation": {"architecture": "llama-2-7b", "cluster": CLUSTER, "prompt_length": 500, "output_length": 500},
    "gpu_price": {"accelerator": "H100-SXM", "on": "2026-09-01"},
    "hosted_cost": {"tokens": 1e7, "provider": "openai", "model": "gpt-4.1"},
    "hosted_offers": {"architecture": "llama-3.1-8b", "recipe": LORA},
    "hosted_prices": {},
    "image_tokens": {"architecture": "llava-1.5-7b", "width": 640, "height": 480},
    "largest_micro_batch": {"architecture": "llama-2-7b", "recipe": LORA, "cluster": CLUSTER},
    "largest_model": {"recipe": LORA, "cluster": CLUSTER, "architectures": ["llama-2-7b"]},
    "load_accelerator": {"source": "H100-SXM"},
    "load_architecture": {"source": "llama-2-7b"},
    "load_claims": {"path": results.EXAMPLES / "claims.toml"},
    "longest_sequence": {"architecture": "llama-2-7b", "recipe": LORA, "cluster": CLUSTER},
    "performance_per_dollar": {"workload": results.TASKS, "models": ["gpt-4.1"], "scores": results.SCORES},
    "portfolio": {"workloads": [CHAT], "options": OPTIONS, "shocks": cm.PortfolioShocks(scenarios=20)},
    "price_everywhere": {"run": RUN, "on": "2026-10-01", "providers": ["lambda"]},
    "price_regression": {"bootstrap": 100},
    "project_cost": {"of": "GPT-4 class", "years": [2026], "paths": 200},
    "published_runs": {},
    "read_trainer_file": {"path": TRAINER, "accelerator": "RTX-4090", "count": 1, "examples": 5000, "lengths": 500},
    "rent_or_own": {"of": CLUSTER, "rent": results.PRICE, "own": cm.Ownership(purchase_price=30_000)},
    "rental_outlook": {"accelerator": "H100-SXM", "days": ["2025-12-01"], "provider": "lambda", "count": 8},
    "samples": {"values": [1, 2, 3]},
    "scaling_law": {"name": "chinchilla"},
    "scaling_laws": {},
    "scores": {"benchmark": "Aider polyglot"},
    "search_layouts": {"architecture": "llama-3.1-8b", "cluster": CLUSTER, "recipe": results.RECIPE, "tensor": 1,
                       "pipeline": 1, "zero": 3},
    "size_serving": {"architecture": "llama-3.1-8b", "input_tokens": 1000, "output_tokens": 500, "concurrency": 4,
                     "accelerators": ["H100-SXM"], "precisions": ["fp8"]},
    "solve": {"scenario": RUN, "path": "recipe.tokens", "cost": "10k"},
    "step_time": {"architecture": "llama-3.1-8b", "cluster": CLUSTER, "recipe": results.RECIPE,
                  "layout": cm.Layout(data=8)},
    "sweep": {"scenario": RUN, "values": {"cluster.count": [8, 16]}, "draws": 100},
    "trainable_parameters": {"architecture": "llama-2-7b", "recipe": LORA},
    "triangular": {"low": 1, "mode": 2, "high": 3},
    "what_fits": {"architecture": "llama-3.1-8b", "recipe": cm.QLoRA(tokens="10M"), "accelerator": "L4", "count": 1},
    "what_would_fit": {"scenario": cm.Scenario("yi-34b", cm.QLoRA(tokens="10M"), cm.Cluster("RTX-4090", 1))},
}  # fmt: skip
"""Arguments of one good call of every public function."""


ARGUMENTS = {
    "accelerator": "H100-SXM", "amount": "1 MUSD", "by": 2026, "claim": "cost < 1 MUSD", "compute": 1e20,
    "contamination": 0.1, "count": 100, "currency": "EUR", "data": {}, "figure": "usd_per_solved_task",
    "format": "text", "generator": np.random.default_rng(0), "keep": lambda origin: True, "level": 0.8,
    "measure": lambda score: score.crps, "months": 12, "name": "cost", "on": dt.date(2026, 1, 1), "p": 0.5,
    "parameters": 1e9, "path": os.devnull, "precision": "bf16", "price_class": "hyperscaler", "probability": 0.5,
    "requests_per_month": [1e6], "row": 0, "seed": 0, "sequence_length": 100, "text": "data=8", "tokens": 1e10,
    "total": "7B", "usd": 1.0, "volumes": [1e6], "year": 2026, "years": [1.0, 2.0],
    "Attribution.draws.name": "tokens", "BudgetFigures.value.name": "total", "BudgetForecast.value.name": "spent",
    "BudgetResult.line_draws.name": "fine-tune", "Comparison.ratio.over": "8B", "Comparison.ratio.under": "7B",
    "Cost.ratio.other": cm.development_cost("1 MUSD"), "PerformanceComparison.draws.name": "gpt-4.1",
    "PerformanceComparison.probability_cheaper.name": "gpt-4.1",
    "PerformanceComparison.probability_cheaper.other": "gpt-4.1-mini", "RentOrOwn.draws.name": "owned",
    "RentOrOwn.interval.name": "owned", "RentOrOwn.value.name": "owned", "RouteComparison.break_even.name": "large",
    "RouteComparison.break_even.other": "small", "ServingEstimate.bounds.name": "output_cost",
    "ServingEstimate.draws.name": "output_cost", "ServingEstimate.interval.name": "output_cost",
    "ServingEstimate.quantity.name": "output_cost", "ServingEstimate.value.name": "output_cost",
}  # fmt: skip
"""Arguments of methods without defaults, by the name of the parameter, or of the method and the parameter."""
MODELS = {
    "Levelized.drawn", "Levelized.lines_of", "PriceRegression.fit", "Spec.model_json_schema", "Spec.model_post_init",
    "Spec.replace",
}  # fmt: skip
"""Methods that the models call, and one of which the arguments have no names."""


@cache
def methods():
    """Return the methods with parameters of all results: the name of a result, and a good call, by qualified name."""
    calls = {}
    for name in results.RESULTS:
        kind = type(results.result(name))
        for attribute, method in inspect.getmembers(kind, inspect.isroutine):
            own = str(getattr(method, "__module__", "")).startswith("costmodel") and not attribute.startswith("_")
            if own and len(parameters(method)) > 1 and method.__qualname__ not in MODELS:
                calls.setdefault(method.__qualname__, (name, attribute, good_arguments(method)))
    return calls


def parameters(function):
    """Return the parameters of a function by name, without `*args` and `**options`."""
    named = inspect.signature(function).parameters
    return {name: each for name, each in named.items() if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)}


def good_arguments(method):
    """Return arguments for the parameters of a method that have no default."""
    required = [name for name, each in parameters(method).items() if each.default is each.empty and name != "self"]
    return {name: ARGUMENTS.get(f"{method.__qualname__}.{name}", ARGUMENTS.get(name)) for name in required}


SPECIFICATIONS = {
    **pickled.FIELDS,
    "Cluster": {"accelerator": "H100-SXM", "count": 8},
    "Project": {"name": "it", "other": [{"name": "a", "unit_price": 3}]},
    "Scenario": {"architecture": "llama-3.1-8b", "recipe": LORA, "cluster": CLUSTER},
    "Serving": {"architecture": "llama-3.1-8b", "cluster": CLUSTER, "input_tokens": 1000, "output_tokens": 500,
                "concurrency": 32},
}  # fmt: skip
"""Fields of one specification of every public class."""
SPEC_METHODS = {
    "Accelerator.peak": (lambda: CLUSTER.accelerator, {"precision": "bf16"}),
    "Accelerator.supports": (lambda: CLUSTER.accelerator, {"precision": "bf16"}),
    "Architecture.from_counts": (lambda: cm.Architecture, {"total": "7B"}),
    "Architecture.sized": (lambda: cm.Architecture, {"parameters": "7B"}),
    "Architecture.table": (lambda: cm.load_architecture("llama-2-7b"), {"sequence_length": 100}),
    "Capability.draws": (lambda: cm.Capability(name="it", cost="1 to 2 MUSD", date="2023-03-30"),
                         {"count": 100, "seed": 0}),
    "Layout.parse": (lambda: cm.Layout, {"text": "data=8"}),
    "Ownership.levelized": (cm.Ownership, {"accelerator": "H100-SXM"}),
    "Project.load": (lambda: cm.Project, {"path": results.EXAMPLES / "support-ticket-classifier.toml"}),
    "Project.save": (lambda: results.budget().project, {"path": "project.toml"}),
    "Reliability.goodput": (cm.Reliability, {"count": 1024, "parameters": 7e9}),
    "Rental.lookup": (lambda: cm.Rental(on="2026-09-01"), {"accelerator": "H100-SXM"}),
    "Scenario.load": (lambda: cm.Scenario, {"path": results.EXAMPLES / "pretraining.toml"}),
    "Scenario.save": (lambda: RUN, {"path": "scenario.toml"}),
    "Serving.save": (lambda: results.serving().scenario, {"path": "serving.toml"}),
    "Trend.published": (lambda: cm.Trend, {"name": "accelerator price-performance"}),
}  # fmt: skip
"""Owner, and arguments of one good call, of the methods of specifications that users call."""
