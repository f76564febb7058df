"""Estimate what it costs to train a foundation model: FLOPs, GPU-hours, days, energy, carbon and dollars.

>>> import costmodel as cm
>>> run = cm.Scenario(
...     architecture="llama-3.1-8b",
...     recipe=cm.Pretraining(tokens="15T", sequence_length=8192),
...     cluster=cm.Cluster("H100-SXM", 1024),
...     prices=cm.Rental(provider="lambda", on="2026-09-01"),
... )
>>> print(f"{cm.estimate(run).flops:.3g~P}")
7.72×10²³ FLOP
"""

from __future__ import annotations

from costmodel._version import __version__

TYPE_CHECKING = False  # as that of typing, whose import takes as long as the rest
if TYPE_CHECKING:
    from typing import Any

    from costmodel.architecture.flops import count_decode_flops, count_flops, flops_per_token
    from costmodel.architecture.images import image_tokens
    from costmodel.architecture.loading import architectures, load_architecture
    from costmodel.architecture.specification import Architecture
    from costmodel.budget.budget import Budget
    from costmodel.budget.project import Project
    from costmodel.choosing.cascade import Detector, cascade
    from costmodel.choosing.performance import performance_per_dollar
    from costmodel.choosing.portfolio.conflicts import InfeasiblePortfolioError
    from costmodel.choosing.portfolio.portfolio import portfolio
    from costmodel.choosing.portfolio.question import (
        PortfolioConstraints,
        PortfolioOption,
        PortfolioShocks,
        PortfolioWorkload,
    )
    from costmodel.choosing.price_regression import price_regression
    from costmodel.choosing.route import HostedTuning, Route, Teacher
    from costmodel.choosing.routes import choose_route
    from costmodel.choosing.scores import Score, scores
    from costmodel.choosing.workload import TaskWorkload, Verifier
    from costmodel.claims.check import check_claim
    from costmodel.claims.claim import CostClaim, DeclineClaim, GroupClaim, QualityClaim, load_claims
    from costmodel.comparison.attribution.attribute import attribute
    from costmodel.comparison.development import development_cost
    from costmodel.comparison.frontier import frontier_against_low_cost
    from costmodel.comparison.runs import published_runs
    from costmodel.comparison.serving.compare import compare_serving
    from costmodel.comparison.serving.options import HostedAPI, OwnedGPU, SelfHosted
    from costmodel.comparison.serving.workload import ServingWorkload
    from costmodel.estimation.comparison import compare
    from costmodel.estimation.estimate import Estimate, estimate
    from costmodel.estimation.other_costs import CheckpointStorage, DataStorage, Egress, Evaluation, OtherCosts
    from costmodel.estimation.scenario import Scenario
    from costmodel.estimation.serving.estimate import ServingEstimate
    from costmodel.estimation.serving.scenario import Serving
    from costmodel.estimation.trainers.reading import read_trainer_file
    from costmodel.forecasting.forecast import forecast
    from costmodel.foundation.errors import CostModelError, InputError, MissingFactError, UnknownNameError
    from costmodel.foundation.exchange_rates import exchange_rate
    from costmodel.foundation.ranges import beta, between, samples, triangular
    from costmodel.hardware.accelerator import Accelerator, accelerators, load_accelerator
    from costmodel.hardware.cluster import Cluster
    from costmodel.hardware.embodied import Embodied
    from costmodel.hardware.site import Site
    from costmodel.market.api_prices import api_price
    from costmodel.market.gpu_prices import gpu_price
    from costmodel.market.hosted import hosted_cost, hosted_prices
    from costmodel.market.owned import Ownership
    from costmodel.market.rental import Rental
    from costmodel.planning.allocation import allocate
    from costmodel.planning.limits import largest_micro_batch, largest_model, longest_sequence
    from costmodel.planning.offers import hosted_offers
    from costmodel.planning.price_everywhere import price_everywhere
    from costmodel.planning.rent_or_own import rent_or_own
    from costmodel.planning.serving_size import size_serving
    from costmodel.planning.solving import solve
    from costmodel.planning.sweep import sweep
    from costmodel.planning.what_fits import what_fits
    from costmodel.planning.what_would_fit import what_would_fit
    from costmodel.projection.backtests.declines import backtest
    from costmodel.projection.capability import Capability
    from costmodel.projection.project import project_cost
    from costmodel.projection.rents.outlook import rental_outlook
    from costmodel.projection.trends.fit import fit_trend
    from costmodel.projection.trends.trend import Trend
    from costmodel.report import plot
    from costmodel.scaling.fitting.fit import fit_scaling_law
    from costmodel.scaling.laws.presets import scaling_law, scaling_laws
    from costmodel.serving.calibration.own_rows import calibrate_serving
    from costmodel.serving.generation import generation
    from costmodel.training.calibration.calibrate import calibrate
    from costmodel.training.jobs.goodput import Reliability
    from costmodel.training.layouts.search import search_layouts
    from costmodel.training.layouts.step_time import step_time
    from costmodel.training.recipes.distillation import Distillation
    from costmodel.training.recipes.finetuning import (
        FullFineTuning,
        LoRA,
        PromptTuning,
        QLoRA,
        QuantizationAwareTraining,
    )
    from costmodel.training.recipes.preference import DPO, KTO, ORPO, RewardModel, SimPO
    from costmodel.training.recipes.pretraining import Pretraining
    from costmodel.training.recipes.reinforcement import GRPO, PPO
    from costmodel.training.recipes.trained import trainable_parameters
    from costmodel.training.step.efficiency import Efficiency
    from costmodel.training.step.layout import Layout

_HOMES = {
    "Accelerator": "hardware.accelerator",
    "Architecture": "architecture.specification",
    "Budget": "budget.budget",
    "Capability": "projection.capability",
    "CheckpointStorage": "estimation.other_costs",
    "Cluster": "hardware.cluster",
    "CostClaim": "claims.claim",
    "CostModelError": "foundation.errors",
    "DPO": "training.recipes.preference",
    "DataStorage": "estimation.other_costs",
    "DeclineClaim": "claims.claim",
    "Detector": "choosing.cascade",
    "Distillation": "training.recipes.distillation",
    "Efficiency": "training.step.efficiency",
    "Egress": "estimation.other_costs",
    "Embodied": "hardware.embodied",
    "Estimate": "estimation.estimate",
    "Evaluation": "estimation.other_costs",
    "FullFineTuning": "training.recipes.finetuning",
    "GRPO": "training.recipes.reinforcement",
    "GroupClaim": "claims.claim",
    "HostedAPI": "comparison.serving.options",
    "HostedTuning": "choosing.route",
    "InfeasiblePortfolioError": "choosing.portfolio.conflicts",
    "InputError": "foundation.errors",
    "KTO": "training.recipes.preference",
    "Layout": "training.step.layout",
    "LoRA": "training.recipes.finetuning",
    "MissingFactError": "foundation.errors",
    "ORPO": "training.recipes.preference",
    "OtherCosts": "estimation.other_costs",
    "OwnedGPU": "comparison.serving.options",
    "Ownership": "market.owned",
    "PPO": "training.recipes.reinforcement",
    "PortfolioConstraints": "choosing.portfolio.question",
    "PortfolioOption": "choosing.portfolio.question",
    "PortfolioShocks": "choosing.portfolio.question",
    "PortfolioWorkload": "choosing.portfolio.question",
    "Pretraining": "training.recipes.pretraining",
    "Project": "budget.project",
    "PromptTuning": "training.recipes.finetuning",
    "QLoRA": "training.recipes.finetuning",
    "QualityClaim": "claims.claim",
    "QuantizationAwareTraining": "training.recipes.finetuning",
    "Reliability": "training.jobs.goodput",
    "Rental": "market.rental",
    "RewardModel": "training.recipes.preference",
    "Route": "choosing.route",
    "Scenario": "estimation.scenario",
    "Score": "choosing.scores",
    "SelfHosted": "comparison.serving.options",
    "Serving": "estimation.serving.scenario",
    "ServingEstimate": "estimation.serving.estimate",
    "ServingWorkload": "comparison.serving.workload",
    "SimPO": "training.recipes.preference",
    "Site": "hardware.site",
    "TaskWorkload": "choosing.workload",
    "Teacher": "choosing.route",
    "Trend": "projection.trends.trend",
    "UnknownNameError": "foundation.errors",
    "Verifier": "choosing.workload",
    "accelerators": "hardware.accelerator",
    "allocate": "planning.allocation",
    "api_price": "market.api_prices",
    "architectures": "architecture.loading",
    "attribute": "comparison.attribution.attribute",
    "backtest": "projection.backtests.declines",
    "beta": "foundation.ranges",
    "between": "foundation.ranges",
    "calibrate": "training.calibration.calibrate",
    "calibrate_serving": "serving.calibration.own_rows",
    "cascade": "choosing.cascade",
    "check_claim": "claims.check",
    "choose_route": "choosing.routes",
    "compare": "estimation.comparison",
    "compare_serving": "comparison.serving.compare",
    "count_decode_flops": "architecture.flops",
    "count_flops": "architecture.flops",
    "development_cost": "comparison.development",
    "estimate": "estimation.estimate",
    "exchange_rate": "foundation.exchange_rates",
    "fit_scaling_law": "scaling.fitting.fit",
    "fit_trend": "projection.trends.fit",
    "flops_per_token": "architecture.flops",
    "forecast": "forecasting.forecast",
    "frontier_against_low_cost": "comparison.frontier",
    "generation": "serving.generation",
    "gpu_price": "market.gpu_prices",
    "hosted_cost": "market.hosted",
    "hosted_offers": "planning.offers",
    "hosted_prices": "market.hosted",
    "image_tokens": "architecture.images",
    "largest_micro_batch": "planning.limits",
    "largest_model": "planning.limits",
    "load_accelerator": "hardware.accelerator",
    "load_architecture": "architecture.loading",
    "load_claims": "claims.claim",
    "longest_sequence": "planning.limits",
    "performance_per_dollar": "choosing.performance",
    "plot": "report",
    "portfolio": "choosing.portfolio.portfolio",
    "project_cost": "projection.project",
    "price_everywhere": "planning.price_everywhere",
    "price_regression": "choosing.price_regression",
    "published_runs": "comparison.runs",
    "read_trainer_file": "estimation.trainers.reading",
    "rent_or_own": "planning.rent_or_own",
    "rental_outlook": "projection.rents.outlook",
    "samples": "foundation.ranges",
    "scaling_law": "scaling.laws.presets",
    "scaling_laws": "scaling.laws.presets",
    "scores": "choosing.scores",
    "search_layouts": "training.layouts.search",
    "size_serving": "planning.serving_size",
    "solve": "planning.solving",
    "step_time": "training.layouts.step_time",
    "sweep": "planning.sweep",
    "triangular": "foundation.ranges",
    "trainable_parameters": "training.recipes.trained",
    "what_fits": "planning.what_fits",
    "what_would_fit": "planning.what_would_fit",
}
"""Where each public name lives: loaded when it is first asked for."""

__all__ = [
    "DPO",
    "GRPO",
    "KTO",
    "ORPO",
    "PPO",
    "Accelerator",
    "Architecture",
    "Budget",
    "Capability",
    "CheckpointStorage",
    "Cluster",
    "CostClaim",
    "CostModelError",
    "DataStorage",
    "DeclineClaim",
    "Detector",
    "Distillation",
    "Efficiency",
    "Egress",
    "Embodied",
    "Estimate",
    "Evaluation",
    "FullFineTuning",
    "GroupClaim",
    "HostedAPI",
    "HostedTuning",
    "InfeasiblePortfolioError",
    "InputError",
    "Layout",
    "LoRA",
    "MissingFactError",
    "OtherCosts",
    "OwnedGPU",
    "Ownership",
    "PortfolioConstraints",
    "PortfolioOption",
    "PortfolioShocks",
    "PortfolioWorkload",
    "Pretraining",
    "Project",
    "PromptTuning",
    "QLoRA",
    "QualityClaim",
    "QuantizationAwareTraining",
    "Reliability",
    "Rental",
    "RewardModel",
    "Route",
    "Scenario",
    "Score",
    "SelfHosted",
    "Serving",
    "ServingEstimate",
    "ServingWorkload",
    "SimPO",
    "Site",
    "TaskWorkload",
    "Teacher",
    "Trend",
    "UnknownNameError",
    "Verifier",
    "__version__",
    "accelerators",
    "allocate",
    "api_price",
    "architectures",
    "attribute",
    "backtest",
    "beta",
    "between",
    "calibrate",
    "calibrate_serving",
    "cascade",
    "check_claim",
    "choose_route",
    "compare",
    "compare_serving",
    "count_decode_flops",
    "count_flops",
    "development_cost",
    "estimate",
    "exchange_rate",
    "fit_scaling_law",
    "fit_trend",
    "flops_per_token",
    "forecast",
    "frontier_against_low_cost",
    "generation",
    "gpu_price",
    "hosted_cost",
    "hosted_offers",
    "hosted_prices",
    "image_tokens",
    "largest_micro_batch",
    "largest_model",
    "load_accelerator",
    "load_architecture",
    "load_claims",
    "longest_sequence",
    "performance_per_dollar",
    "plot",
    "portfolio",
    "price_everywhere",
    "price_regression",
    "project_cost",
    "published_runs",
    "read_trainer_file",
    "rent_or_own",
    "rental_outlook",
    "samples",
    "scaling_law",
    "scaling_laws",
    "scores",
    "search_layouts",
    "size_serving",
    "solve",
    "step_time",
    "sweep",
    "trainable_parameters",
    "triangular",
    "what_fits",
    "what_would_fit",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        return _former(name)

    module = import_module(f"costmodel.{_HOMES[name]}")
    value = import_module(f"{module.__name__}.plot") if name == "plot" else getattr(module, name)
    globals()[name] = value
    return value


def _former(name: str) -> Any:
    """Return what had another public name in version 0.1, with a warning."""
    from warnings import warn

    from costmodel.foundation.renamed import RENAMED

    if RENAMED.get(name) not in _HOMES:
        raise AttributeError(f"module 'costmodel' has no attribute {name!r}")
    warn(f"costmodel.{name} is now costmodel.{RENAMED[name]}", DeprecationWarning, stacklevel=3)
    return __getattr__(RENAMED[name])


def __dir__() -> list[str]:
    return __all__
