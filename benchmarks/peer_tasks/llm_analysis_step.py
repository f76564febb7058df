"""Memory and time of a training step with llm-analysis; reads the task as JSON, prints JSON."""

import contextlib
import io
import json
import sys
import time

from llm_analysis.analysis import train

REPEATS = 20

task = json.load(sys.stdin)


def step() -> dict[str, float]:
    """Return the figures of a step on 8 accelerators with ZeRO-1 and fused attention."""
    with contextlib.redirect_stdout(io.StringIO()):
        return dict(
            train(
                model_name="NousResearch_Llama-2-7b-hf",
                gpu_name="a100-sxm-80gb",
                batch_size_per_gpu=1,
                gradient_accumulation_steps=task["batch_size"] // 8,
                ds_zero=1,
                dp_size=8,
                seq_len=task["sequence_length"],
                total_num_tokens=task["tokens"],
                flops_efficiency=task["mfu"],
                mlp_gated_linear_units=True,
                log_level="ERROR",
            )
        )


result = step()
start = time.process_time()
for _ in range(REPEATS):
    step()
seconds = (time.process_time() - start) / REPEATS
memory = result["(weight+op_state+grad+act)_memory_per_gpu"]
figures = {
    "parameters [billion]": result["num_params_total"] / 1e9,
    "weights [GiB]": result["weight_memory_per_gpu"] / 2**30,
    "gradients [GiB]": result["gradient_memory_per_gpu"] / 2**30,
    "optimizer states [GiB]": result["optimizer_state_memory_per_gpu"] / 2**30,
    "activations [GiB]": result["activation_memory_per_gpu"] / 2**30,
    "memory per GPU [GiB]": memory / 2**30,
    "step time [s]": result["latency_per_iter"],
}
print(json.dumps({"seconds": seconds, "figures": figures}))
