"""One result of every public class, by name, with the names of the plots that draw it."""

import tempfile
from functools import cache
from pathlib import Path

import numpy as np

import costmodel as cm
from costmodel.budget.partial import PartialBudget
from costmodel.comparison.reestimation import reestimate, reestimates
from costmodel.projection.backtests.declines import compare_models
from costmodel.projection.backtests.rents import backtest_rental

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PRICE = cm.Rental(price="2.50 USD/hour")
SCORES = [cm.Score(name, "tickets", value, n=300) for name, value in (("gpt-4.1", 0.88), ("gpt-4.1-mini", 0.74))]
TASKS = cm.TaskWorkload(input_tokens=3000, output_tokens=400, wrong_answer_usd="0.05 to 0.2 USD")
RECIPE = cm.Pretraining(tokens="10B", sequence_length=8192, batch_size=64)
LOG = "step,timestamp,loss\n" + "".join(f"{step},{10 * step},2.5\n" for step in range(100, 2100, 100))


@cache
def run(name="llama-3.1-8b"):
    site = cm.Site(region="us-virginia", yearly_matched=0.5)
    return cm.estimate(cm.Scenario(name, RECIPE, cm.Cluster("H100-SXM", 64, site=site), prices=PRICE))


@cache
def serving():
    return cm.estimate(
        cm.Serving(
            "llama-3.1-8b",
            cm.Cluster("H100-SXM", 1),
            input_tokens=1000,
            output_tokens=500,
            concurrency=32,
            prices=PRICE,
        )
    )


@cache
def search():
    return cm.search_layouts("llama-3.1-8b", cm.Cluster("H100-SXM", 8), RECIPE, tensor=(1, 2), pipeline=1, zero=(1, 3))


def steps(*layouts):
    return cm.step_time("llama-3.1-8b", cm.Cluster("H100-SXM", 8), RECIPE, layouts[0] if len(layouts) == 1 else layouts)


@cache
def fit():
    compute, ratio = (each.ravel() for each in np.meshgrid(np.geomspace(1e18, 1e21, 4), np.geomspace(2, 200, 9)))
    parameters = np.sqrt(compute / 6 / ratio)
    law = cm.scaling_law("chinchilla")
    return cm.fit_scaling_law(parameters, parameters * ratio, law.loss(parameters, parameters * ratio), bootstrap=40)


@cache
def budget():
    return cm.Project.load(EXAMPLES / "support-ticket-classifier.toml").budget()


def forecast():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.csv"
        path.write_text(LOG, encoding="utf-8")
        return cm.forecast(run().scenario, path)


def compared():
    workload = cm.ServingWorkload(requests_per_month="1M", input_tokens=1000, output_tokens=500, peak_to_mean=2)
    own = cm.SelfHosted(name="own", serving=serving().scenario)
    return cm.compare_serving(workload, [cm.HostedAPI(model="gpt-4.1-mini"), own])


def routes():
    workload = cm.ServingWorkload(requests_per_month="1M", input_tokens=1000, output_tokens=500, peak_to_mean=2)
    large = cm.Route("large", serving=cm.HostedAPI(model="gpt-4.1"), quality="0.85 to 0.9")
    small = cm.Route("small", serving=cm.HostedAPI(model="gpt-4.1-mini"), quality="0.7 to 0.8", setup_usd="30k")
    return cm.choose_route(workload, [large, small], months=12)


def cascade():
    return cm.cascade(TASKS, ["gpt-4.1-mini", "gpt-4.1"], SCORES, cm.Detector(recall=0.8, precision=0.7))


@cache
def portfolio():
    chat = cm.PortfolioWorkload(
        name="chat", requests_per_month="2M", input_tokens=1500, output_tokens=300, quality_floor=0.8
    )
    options = [
        cm.PortfolioOption(serving=cm.HostedAPI(model=model, provider=provider), quality={"chat": quality})
        for model, provider, quality in (("gpt-5-mini", "openai", 0.84), ("claude-haiku-4-5", "anthropic", 0.86))
    ]
    capped = cm.PortfolioConstraints(provider_cap=0.6)
    return cm.portfolio([chat], options, capped, shocks=cm.PortfolioShocks(scenarios=50))


def fitting_changes():
    one = cm.Scenario("yi-34b", cm.QLoRA(tokens="10M"), cm.Cluster("RTX-4090", 1), prices=PRICE)
    return cm.what_would_fit(one.replace(layout="micro_batch 8, recompute full"))


def rent_or_own():
    return cm.rent_or_own(cm.Cluster("H100-SXM", 512), rent=PRICE, own=cm.Ownership(purchase_price=30_000))


def sizes():
    return cm.size_serving(
        "llama-3.1-8b", users=50, tokens_per_second_per_user=20, input_tokens=1000, output_tokens=500
    )


def performance():
    return cm.performance_per_dollar(TASKS, ["gpt-4.1", "gpt-4.1-mini"], SCORES)


def generation():
    return cm.generation("llama-3.1-8b", cm.Cluster("H100-SXM", 8), prompt_length=500, output_length=500)


def outlook():
    return cm.rental_outlook("H100-SXM", ["2025-12-01", "2027-12-01"], provider="lambda", count=8)


def published():
    return reestimates([cm.published_runs()[name] for name in ("bloom-176b", "opt-175b")])


RESULTS = {
    "Estimate": (run, "sensitivity"),
    "Total": (lambda: run() + run("llama-2-7b"), "intervals"),
    "Bill": (lambda: run().bill(), "cost_lines"),
    "GHGReport": (lambda: run().ghg(), "emissions"),
    "Explanation": (lambda: run().explain("cost"), "explanation"),
    "Converted": (lambda: run().in_currency("EUR"), None),
    "sensitivity": (lambda: run().sensitivity("cost"), None),
    "Comparison": (lambda: cm.compare({"8B": run(), "7B": run("llama-2-7b")}), "intervals"),
    "Solution": (lambda: cm.solve(run().scenario, "recipe.tokens", cost="10k"), None),
    "Allocation": (lambda: cm.allocate(cm.scaling_law("chinchilla"), run().scenario, "100k"), None),
    "Sweep": (lambda: cm.sweep(run().scenario, {"cluster.count": [32, 64]}), "sweep"),
    "Fits": (lambda: cm.what_fits("llama-3.1-8b", cm.QLoRA(tokens="10M"), accelerator="L4", count=1), "fits"),
    "FittingChanges": (fitting_changes, None),
    "PriceTable": (lambda: cm.price_everywhere(run().scenario, on="2026-10-01", providers=["aws", "lambda"]), "prices"),
    "RentOrOwn": (rent_or_own, "rent_or_own"),
    "Levelized": (lambda: cm.Ownership().levelized("H100-SXM"), "cost_lines"),
    "HostedPrices": (cm.hosted_prices, None),
    "hosted_offers": (lambda: cm.hosted_offers("llama-3.1-8b", cm.LoRA(tokens="10M")), None),
    "Forecast": (forecast, "forecast"),
    "BudgetForecast": (lambda: cm.forecast(budget(), actuals={"fine-tune": {"spent": 2, "done": 0.5}}), "forecast"),
    "Budget": (budget, "budget"),
    "PartialBudget": (lambda: PartialBudget(budget().project), None),
    "ServingEstimate": (serving, "serving_curve"),
    "serving sensitivity": (lambda: serving().sensitivity(), None),
    "serving Explanation": (lambda: serving().explain(), "explanation"),
    "ServingComparison": (compared, "serving_costs"),
    "ServingSizes": (sizes, "serving_sizes"),
    "PerformanceComparison": (performance, "performance_per_dollar"),
    "CascadeComparison": (cascade, "cascade"),
    "RouteComparison": (routes, "routes"),
    "Portfolio": (portfolio, "portfolio"),
    "IndependenceCurve": (lambda: portfolio().independence(values=[1, 0.6], scenarios=20), "portfolio"),
    "PriceRegression": (lambda: cm.price_regression(bootstrap=100), None),
    "Scores": (lambda: cm.scores("Aider polyglot"), None),
    "StepTime": (lambda: steps(cm.Layout(data=8)), "breakdown"),
    "several StepTimes": (lambda: steps(cm.Layout(data=8), cm.Layout(data=4, tensor=2)), None),
    "LayoutSearch": (search, "layouts"),
    "Generation": (generation, None),
    "PartsTable": (lambda: cm.load_architecture("mixtral-8x7b").table(4096), None),
    "architectures": (cm.architectures, None),
    "accelerators": (cm.accelerators, None),
    "Law": (lambda: cm.scaling_law("chinchilla"), None),
    "scaling_laws": (cm.scaling_laws, None),
    "ScalingFit": (fit, "scaling_fit"),
    "Trend": (lambda: cm.Trend.published("accelerator price-performance"), "trend"),
    "FittedTrend": (lambda: cm.fit_trend([2020.0, 2021.0, 2022.0, 2023.0], [8.0, 4.0, 2.5, 1.0]), "trend"),
    "Projection": (lambda: cm.project_cost("GPT-4 class", range(2024, 2029), paths=300), "projection"),
    "Projection of a run": (lambda: cm.project_cost(run().scenario, range(2024, 2029), paths=300), "projection"),
    "Backtest": (cm.backtest, None),
    "ModelTable": (compare_models, None),
    "RentalBacktest": (backtest_rental, None),
    "RentalOutlook": (outlook, "rental_prices"),
    "PublishedRuns": (cm.published_runs, "runs"),
    "Reestimates": (published, "claimed_against_estimated"),
    "Reestimate": (lambda: reestimate("bloom-176b"), None),
    "FrontierTable": (cm.frontier_against_low_cost, None),
    "Attribution": (lambda: cm.attribute("gpt-4", "deepseek-v3", price="published"), "attribution"),
    "DevelopmentCost": (lambda: cm.development_cost(run()), "cost_lines"),
    "Verdict": (lambda: cm.check_claim(cm.load_claims(EXAMPLES / "claims.toml")[0], paths=300), "verdict"),
}  # fmt: skip
"""How to make a result of each class, and the plot in `cm.plot` that draws it; None only with a reason below."""
WITHOUT_PLOT = {
    "Converted": "the amounts of another result, which has the plot",
    "sensitivity": "the rows that `cm.plot.sensitivity` draws, from the estimate",
    "serving sensitivity": "rows of at most three inputs; their intervals are in the plot of the explanation",
    "Solution": "one value of one field; `cm.plot.intervals` draws the estimate with it",
    "Allocation": "one model and its tokens; `cm.plot.isoflops` draws the best models over compute",
    "FittingChanges": "changes of different kinds, each with a factor near 1 and a probability near 1",
    "HostedPrices": "list prices of many models, methods and size classes",
    "hosted_offers": "list prices without an interval, a handful of rows",
    "PartialBudget": "no total and no draws, as a price is missing; `cm.plot.budget` draws the whole budget",
    "PriceRegression": "coefficients of several regressions in different units",
    "Scores": "rows of many benchmarks with scales of their own; `cm.plot.performance_per_dollar` draws chosen ones",
    "several StepTimes": "`cm.plot.breakdown` and `cm.plot.memory` draw step times one by one, by label",
    "Generation": "figures in different units, one value each",
    "PartsTable": "a list of the parts of a model, without a figure to compare",
    "architectures": "a list of the catalog",
    "accelerators": "a list of the catalog",
    "Law": "a formula and its coefficients; `cm.plot.scaling_fit` draws a fitted one",
    "scaling_laws": "a list of the catalog",
    "Backtest": "scores of a model, one row per subset",
    "ModelTable": "scores of models, each with a unit of its own",
    "RentalBacktest": "scores of models, each with a unit of its own",
    "Reestimate": "one run; `cm.plot.claimed_against_estimated` draws many",
    "FrontierTable": "published runs in two groups; `cm.plot.runs` draws them by year",
}
"""Why a result has no plot."""
RECORDS = {
    "api_price": "APIPrice: one row of a table of prices with its source; `performance_per_dollar` compares them",
    "beta": "a range, which is an input",
    "between": "a range, which is an input",
    "calibrate_serving": "Correction: a factor with its spread, which is an input of an engine",
    "count_decode_flops": "a number, or an array of them",
    "count_flops": "Flops: numbers or arrays to compute with, each in FLOP",
    "exchange_rate": "ExchangeRate: one number with its month and source",
    "flops_per_token": "a number, or an array of them",
    "gpu_price": "GPUPrice: one row of a table of prices with its source; `price_everywhere` is the table",
    "hosted_cost": "a number, or an array of them",
    "image_tokens": "a number",
    "largest_micro_batch": "a number",
    "largest_model": "names of models",
    "load_claims": "claims as they stand in a file: inputs, whose result `check_claim` gives",
    "longest_sequence": "a number",
    "read_trainer_file": "TrainerFile: a scenario and what became of the keys of a file; `estimate` gives the result",
    "samples": "a range, which is an input",
    "scaling_law": "a law, which has a case of its own; typed as Any, because its class depends on the form",
    "trainable_parameters": "a number",
    "triangular": "a range, which is an input",
}
"""Why a public function returns no result that prints as a table, by its name."""


@cache
def result(name):
    """Return the result of a name, made once."""
    return RESULTS[name][0]()
