"""Time layouts of GPT-3 175B with calculon, of which a checkout is on the path; reads the task as JSON, prints JSON."""

import json
import logging
import sys
import time
from pathlib import Path

import calculon.io
from calculon.llm import Llm
from calculon.system import System

task = json.load(sys.stdin)
root = Path(task["checkout"])
application = Llm.Application(calculon.io.read_json_file(str(root / "models" / "gpt3-175B.json")))
system = System(calculon.io.read_json_file(str(root / "systems" / "a100_80g.json")))
logger = logging.Logger("calculon")


def step(tensor: int, pipeline: int, data: int, interleave: int, recompute: str) -> float:
    """Return the time of a step [s], or raise the error of a layout that does not fit."""
    execution = {
        "num_procs": tensor * pipeline * data,
        "tensor_par": tensor,
        "pipeline_par": pipeline,
        "data_par": data,
        "tensor_par_net": 0,
        "pipeline_par_net": 1,
        "data_par_net": 1,
        "batch_size": task["batch_size"],
        "microbatch_size": 1,
        "datatype": "float16",
        "fused_activation": True,
        "attention_type": "multihead",
        "activation_recompute": recompute,
        "pipeline_interleaving": interleave,
        "optimizer_sharding": True,
        "tensor_par_comm_type": "ar",
        "tensor_par_overlap": "none",
        "seq_par_ag_redo": False,
        "data_par_overlap": False,
        "weight_offload": False,
        "activations_offload": False,
        "optimizer_offload": False,
        "training": True,
    }
    model = Llm(application, logger)
    model.compile(system, Llm.Execution.from_json(execution))
    model.run(system)
    return float(task["batch_size"] / model.get_stats_json(False)["sample_rate"])


figures: dict[str, float | None] = {}
count = 0
start = time.process_time()
for _ in range(5):
    for layout in task["layouts"]:
        count += 1
        try:
            figures[str(layout)] = step(*layout)
        except Llm.Error:
            figures[str(layout)] = None
seconds = (time.process_time() - start) / count
print(json.dumps({"seconds": seconds, "figures": figures}))
