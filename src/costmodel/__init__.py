"""What will it cost to train this? FLOPs, GPU-hours, days, energy, carbon and dollars, with intervals and sources.

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

from typing import TYPE_CHECKING, Any

from costmodel._version import __version__

if TYPE_CHECKING:
    from costmodel.architecture.counting import count_decode_flops, count_flops, flops_per_token
    from costmodel.architecture.loading import architectures, load_architecture
    from costmodel.architecture.specification import Architecture
    from costmodel.budget.budget import Budget
    from costmodel.budget.project import Project
    from costmodel.claims.check import check_claim
    from costmodel.claims.claim import CostClaim, DeclineClaim, GroupClaim, load_claims
    from costmodel.comparison.development import development_cost
    from costmodel.comparison.frontier import frontier_against_low_cost
    from costmodel.comparison.runs import published_runs
    from costmodel.estimation.comparison import compare
    from costmodel.estimation.estimate import Estimate, estimate
    from costmodel.estimation.scenario import Scenario
    from costmodel.foundation.errors import CostModelError, InputError, MissingFactError, UnknownNameError
    from costmodel.foundation.ranges import beta, between, samples, triangular
    from costmodel.hardware.accelerator import Accelerator, accelerators, load_accelerator
    from costmodel.hardware.cluster import Cluster
    from costmodel.hardware.site import Site
    from costmodel.market.api_prices import api_price
    from costmodel.market.gpu_prices import gpu_price
    from costmodel.market.hosted import hosted_cost, hosted_prices
    from costmodel.market.rental import Rental
    from costmodel.planning.allocation import allocate
    from costmodel.planning.fits import what_fits
    from costmodel.planning.limits import largest_micro_batch, largest_model, longest_sequence
    from costmodel.planning.offers import hosted_offers
    from costmodel.planning.solving import solve
    from costmodel.projection.backtest import backtest
    from costmodel.projection.capability import Capability
    from costmodel.projection.project import project_cost
    from costmodel.projection.rental import rental_outlook
    from costmodel.projection.trend_models import fit_trend
    from costmodel.projection.trends import Trend
    from costmodel.report import plot
    from costmodel.scaling.fitting import fit_scaling_law
    from costmodel.scaling.presets import scaling_law, scaling_laws
    from costmodel.serving.generation import generation
    from costmodel.training.calibration import calibrate
    from costmodel.training.distilling import Distillation
    from costmodel.training.efficiency import Efficiency
    from costmodel.training.finetuning import FullFineTuning, LoRA, PromptTuning, QLoRA, QuantisationAwareTraining
    from costmodel.training.goodput import Reliability
    from costmodel.training.layout import Layout
    from costmodel.training.preference import DPO, KTO, ORPO, RewardModel, SimPO
    from costmodel.training.recipes import Pretraining
    from costmodel.training.reinforcement import GRPO, PPO
    from costmodel.training.search import search_layouts
    from costmodel.training.steps import step_time

_HOMES = {
    "Accelerator": "hardware.accelerator",
    "Architecture": "architecture.specification",
    "Budget": "budget.budget",
    "Capability": "projection.capability",
    "Cluster": "hardware.cluster",
    "CostClaim": "claims.claim",
    "CostModelError": "foundation.errors",
    "DPO": "training.preference",
    "DeclineClaim": "claims.claim",
    "Distillation": "training.distilling",
    "Efficiency": "training.efficiency",
    "Estimate": "estimation.estimate",
    "FullFineTuning": "training.finetuning",
    "GRPO": "training.reinforcement",
    "GroupClaim": "claims.claim",
    "InputError": "foundation.errors",
    "KTO": "training.preference",
    "Layout": "training.layout",
    "LoRA": "training.finetuning",
    "MissingFactError": "foundation.errors",
    "ORPO": "training.preference",
    "PPO": "training.reinforcement",
    "Pretraining": "training.recipes",
    "Project": "budget.project",
    "PromptTuning": "training.finetuning",
    "QLoRA": "training.finetuning",
    "QuantisationAwareTraining": "training.finetuning",
    "Reliability": "training.goodput",
    "Rental": "market.rental",
    "RewardModel": "training.preference",
    "Scenario": "estimation.scenario",
    "SimPO": "training.preference",
    "Site": "hardware.site",
    "Trend": "projection.trends",
    "UnknownNameError": "foundation.errors",
    "accelerators": "hardware.accelerator",
    "allocate": "planning.allocation",
    "api_price": "market.api_prices",
    "architectures": "architecture.loading",
    "backtest": "projection.backtest",
    "beta": "foundation.ranges",
    "between": "foundation.ranges",
    "calibrate": "training.calibration",
    "check_claim": "claims.check",
    "compare": "estimation.comparison",
    "count_decode_flops": "architecture.counting",
    "count_flops": "architecture.counting",
    "development_cost": "comparison.development",
    "estimate": "estimation.estimate",
    "fit_scaling_law": "scaling.fitting",
    "fit_trend": "projection.trend_models",
    "flops_per_token": "architecture.counting",
    "frontier_against_low_cost": "comparison.frontier",
    "generation": "serving.generation",
    "gpu_price": "market.gpu_prices",
    "hosted_cost": "market.hosted",
    "hosted_offers": "planning.offers",
    "hosted_prices": "market.hosted",
    "largest_micro_batch": "planning.limits",
    "largest_model": "planning.limits",
    "load_accelerator": "hardware.accelerator",
    "load_architecture": "architecture.loading",
    "load_claims": "claims.claim",
    "longest_sequence": "planning.limits",
    "plot": "report",
    "project_cost": "projection.project",
    "published_runs": "comparison.runs",
    "rental_outlook": "projection.rental",
    "samples": "foundation.ranges",
    "scaling_law": "scaling.presets",
    "scaling_laws": "scaling.presets",
    "search_layouts": "training.search",
    "solve": "planning.solving",
    "step_time": "training.steps",
    "triangular": "foundation.ranges",
    "what_fits": "planning.fits",
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
    "Cluster",
    "CostClaim",
    "CostModelError",
    "DeclineClaim",
    "Distillation",
    "Efficiency",
    "Estimate",
    "FullFineTuning",
    "GroupClaim",
    "InputError",
    "Layout",
    "LoRA",
    "MissingFactError",
    "Pretraining",
    "Project",
    "PromptTuning",
    "QLoRA",
    "QuantisationAwareTraining",
    "Reliability",
    "Rental",
    "RewardModel",
    "Scenario",
    "SimPO",
    "Site",
    "Trend",
    "UnknownNameError",
    "__version__",
    "accelerators",
    "allocate",
    "api_price",
    "architectures",
    "backtest",
    "beta",
    "between",
    "calibrate",
    "check_claim",
    "compare",
    "count_decode_flops",
    "count_flops",
    "development_cost",
    "estimate",
    "fit_scaling_law",
    "fit_trend",
    "flops_per_token",
    "frontier_against_low_cost",
    "generation",
    "gpu_price",
    "hosted_cost",
    "hosted_offers",
    "hosted_prices",
    "largest_micro_batch",
    "largest_model",
    "load_accelerator",
    "load_architecture",
    "load_claims",
    "longest_sequence",
    "plot",
    "project_cost",
    "published_runs",
    "rental_outlook",
    "samples",
    "scaling_law",
    "scaling_laws",
    "search_layouts",
    "solve",
    "step_time",
    "triangular",
    "what_fits",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'costmodel' has no attribute {name!r}")
    from importlib import import_module

    module = import_module(f"costmodel.{_HOMES[name]}")
    value = import_module(f"{module.__name__}.plot") if name == "plot" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
