"""Uses that a type checker accepts: names, text with units, quantities, ranges, mappings.

The functions are never called; `test_typing.py` runs mypy on this file.
"""

import datetime as dt

import numpy as np
from numpy.typing import NDArray
from pint import UnitRegistry

import costmodel as cm
from costmodel.scaling.laws.hoffmann import HoffmannLaw

ureg: UnitRegistry[float] = UnitRegistry()


def scenarios() -> None:
    cm.Scenario("llama-3.1-8b", cm.Pretraining("15T", sequence_length=8192), cm.Cluster("H100-SXM", 1024))
    run = cm.Scenario(
        architecture={"total": "7B"},
        recipe=[cm.Pretraining(tokens=1e12), {"kind": "lora", "tokens": "20M"}],
        cluster={"accelerator": "H100-SXM", "count": "1k"},
        prices={"price": "$2.99/h"},
        mfu=cm.between(0.35, 0.45),
        goodput="90 %",
        seed=7,
    )
    run.replace({"cluster.count": 2048}, mfu=0.4)
    cm.Scenario.load("run.toml", {"cluster.count": 2048}).save("other.toml")
    estimate: cm.Estimate = cm.estimate(run)
    print(estimate.cost, estimate.interval("cost"))


def clusters() -> None:
    site = cm.Site(region="us-virginia", pue=1.1, power_per_gpu="700 W", grid_intensity=ureg.Quantity(400, "g/kWh"))
    cm.Cluster("H100-SXM", np.int64(8), site=site, network_bandwidth="50 GB/s")
    cm.Cluster(cm.Accelerator("My-chip", bf16="500 TFLOP/s", memory="96 GB", release_date=dt.date(2026, 9, 1)), 8)
    cm.Rental(provider="lambda", on="2026-09-01", purchase_model="spot")
    cm.Rental(price="1.80 to 3.20 USD/hour")
    cm.Reliability(gpu_hours_per_failure="30k", restart_time="10 min", checkpoint_overlap=0.98)


def recipes() -> None:
    cm.LoRA(tokens="20M", rank=16, targets=["query", "value"], epochs=3)
    cm.QLoRA(examples=20_000, lengths="200 to 1500", quantization="nf4")
    cm.FullFineTuning(examples="52k", lengths=[120, 400, 900], sequence_length="2k", software="eager")
    cm.PPO(examples=1000, lengths=500, critic="llama-3.1-8b", reward_model={"total": "1B"})
    cm.Distillation(examples=17_000, lengths=4096.0, teacher="qwen2.5-32b")
    cm.Layout(data=16, tensor=8, zero=3, recompute="full", attention="flash-2")


def laws() -> None:
    architecture: cm.Architecture = cm.load_architecture("llama-3.1-8b")
    print(architecture.parameters.total + 1)
    law = HoffmannLaw(E=1.82, A=482.0, B=2085.0, alpha=0.348, beta=0.366)
    sizes = np.geomspace(1e9, 1e11, 9)
    alone: float = law.loss(1e9, 2e10)
    each: float | NDArray[np.float64] = law.loss(sizes, 2e10)
    best: NDArray[np.float64] = law.allocate(np.array([1e21, 1e23])).tokens
    print(alone, each, best, law.allocate(1e23).tokens_per_parameter + 1)
    cm.project_cost("GPT-4 class", years=range(2026, 2031))
