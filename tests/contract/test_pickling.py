"""Public specs and errors are equal after a round trip through pickle, and after a deep copy. Results: test_results."""

import copy
import inspect
import pickle
from pathlib import Path

import pytest

import costmodel as cm
from costmodel.choosing.portfolio.conflicts import InfeasiblePortfolioError, Relaxation
from costmodel.foundation.errors import CostModelError, FieldsError, _LookUpError
from costmodel.foundation.specs import Spec
from costmodel.training.layouts.fitting import TooLargeError

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CLUSTER = cm.Cluster("H100-SXM", 8, site=cm.Site(region="france", pue="1.1 to 1.3"))
RUN = cm.Scenario("llama-3.1-8b", cm.Pretraining(tokens="1T"), CLUSTER, layout=cm.Layout(data=8), mfu=None)
SERVING = cm.Serving("llama-3.1-8b", CLUSTER, input_tokens=1000, output_tokens="100 to 500", concurrency=32)
API = cm.HostedAPI(model="gpt-4.1-mini")
FINE_TUNES = {
    recipe: {"tokens": "10M"}
    for recipe in (
        "DPO", "GRPO", "KTO", "ORPO", "PPO", "FullFineTuning", "LoRA", "PromptTuning", "QLoRA",
        "QuantizationAwareTraining", "RewardModel", "SimPO",
    )
}  # fmt: skip
FIELDS = {
    **FINE_TUNES,
    "Accelerator": {"name": "mine", "bf16": 100, "memory": "24 GB"},
    "Capability": {"name": "it", "cost": "1 to 2 MUSD", "date": "2023-03-30"},
    "CheckpointStorage": {"days": 30},
    "CostClaim": {"text": "x", "reference": "GPT-4 class", "below": "1 MUSD", "by": 2027},
    "DataStorage": {"days": 30},
    "DeclineClaim": {"text": "x"},
    "Detector": {"recall": 0.8, "precision": 0.7},
    "Distillation": {"tokens": "10M", "teacher": "llama-3.1-70b"},
    "Efficiency": {"values": {"a": 1.0}, "spreads": {"a": 0.1}},
    "Egress": {},
    "Embodied": {"life": "5 years"},
    "Evaluation": {"share": 0.1},
    "GroupClaim": {"text": "x", "group": "frontier", "cost_from": "100 MUSD"},
    "HostedTuning": {"provider": "openai", "model": "gpt-4.1", "tokens": "10M"},
    "Layout": {"data": 8},
    "OtherCosts": {"data": {"days": 30}},
    "OwnedGPU": {"purchase_price": 30_000, "life": 5, "operating_cost": 0.5},
    "Ownership": {"purchase_price": "30 kUSD", "depreciation": "price_performance"},
    "PortfolioConstraints": {"provider_cap": 0.6},
    "PortfolioOption": {"serving": API, "quality": {"chat": 0.8}},
    "PortfolioShocks": {"scenarios": 50},
    "PortfolioWorkload": {"name": "chat", "requests_per_month": "2M", "input_tokens": 1500, "output_tokens": 300},
    "Pretraining": {"tokens": "1T to 2T"},
    "QualityClaim": {
        "text": "x",
        "benchmark": "GPQA diamond",
        "evaluator": "Epoch AI",
        "group": "open_weights",
        "gap_to": 0.1,
    },
    "Reliability": {"restart_time": "10 min"},
    "Rental": {"price": "2 to 3 USD/hour"},
    "Route": {"name": "large", "serving": API, "quality": "0.85 to 0.9"},
    "Score": {"model": "gpt-4.1", "benchmark": "tickets", "value": 0.88, "n": 300},
    "SelfHosted": {"name": "own", "serving": SERVING},
    "ServingWorkload": {"requests_per_month": "1M", "input_tokens": 1000, "output_tokens": 500, "peak_to_mean": 2},
    "Site": {"region": "france"},
    "TaskWorkload": {"input_tokens": 3000, "output_tokens": 400},
    "Teacher": {"option": API, "examples": 1000, "input_tokens": 100, "output_tokens": 100},
    "Trend": {"halves_in": "2 years"},
    "Verifier": {"recall": 0.9},
    "HostedAPI": {"model": "gpt-4.1-mini"},
}
"""Fields of one spec of every public class."""
MADE = {
    "Architecture": cm.load_architecture("mixtral-8x7b"),
    "Cluster": CLUSTER,
    "Project": cm.Project.load(EXAMPLES / "support-ticket-classifier.toml"),
    "Scenario": RUN,
    "Serving": SERVING,
}
ERRORS = [
    cm.InputError("one"),
    cm.InputError(["one", "two"]),
    FieldsError(["site.pue: must be above 1", "count: must be above 0"]),
    cm.MissingFactError("no price"),
    cm.UnknownNameError.of("accelerator", "H100SXM", ["H100-SXM"]),
    TooLargeError("does not fit"),
    InfeasiblePortfolioError(("cap", "floor"), (Relaxation("cap", "at most 0.5", "0.6", True),)),
]
BASES = {CostModelError, _LookUpError}


def public(base):
    """Return the names of the public classes below a class."""
    classes = {name: getattr(cm, name) for name in cm.__all__ if inspect.isclass(getattr(cm, name))}
    return sorted(name for name, each in classes.items() if issubclass(each, base))


def copies(value):
    return pickle.loads(pickle.dumps(value)), copy.deepcopy(value), copy.copy(value)


@pytest.mark.parametrize("name", public(Spec))
def test_specs_are_equal_after_a_round_trip(name):
    spec = MADE[name] if name in MADE else getattr(cm, name).from_data(FIELDS[name])
    for other in copies(spec):
        assert type(other) is type(spec) and other == spec
        assert repr(other) == repr(spec)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: f"{type(error).__name__} of {len(error.args)}")
def test_errors_are_equal_after_a_round_trip(error):
    for other in copies(error):
        assert type(other) is type(error) and str(other) == str(error) and other.args == error.args
        assert vars(other) == vars(error)


def test_every_error_is_tested():
    kinds, queue = set(), [CostModelError]
    while queue:
        for each in queue.pop().__subclasses__():
            kinds.add(each)
            queue.append(each)
    library = {each for each in kinds if each.__module__.startswith("costmodel.")}
    untested = library - BASES - {type(error) for error in ERRORS}
    assert {each.__name__ for each in untested if "__init__" in vars(each) or "__new__" in vars(each)} == set()
