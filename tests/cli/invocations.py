"""Invocations of every command, and the files that they read: a table beside the commands.

`test_width.py` renders each one and counts its columns.
"""

import json
from pathlib import Path

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
TRAINERS = Path(__file__).parent.parent / "estimation" / "trainers"

RUN = """
architecture = "llama-3.1-8b"

[recipe]
tokens = "100B"
sequence_length = 8192
batch_size = 512

[cluster]
accelerator = "H100-SXM"
count = 64

[cluster.site]
region = "us-virginia"

[prices]
provider = "market"
on = "2026-09-01"
"""
SERVING = """
architecture = "llama-3.1-8b"
input_tokens = 500
output_tokens = "100 to 900"
requests_per_second = 5
target_ttft = "500 ms"
cluster = { accelerator = "H100-SXM", count = 1 }
prices = { price = "2 USD/hour" }
"""
WORKLOAD = """
[workload]
requests_per_month = "60M"
input_tokens = 2000
output_tokens = 400
cached_share = 0.4
peak_to_mean = 3

[[options]]
kind = "hosted"
model = "llama-3.3-70b-instruct"
provider = "bedrock"

[[options]]
kind = "self_hosted"
name = "rented B200"
[options.serving]
architecture = "llama-3.1-70b"
cluster = { accelerator = "B200", count = 8 }
precision = "fp8"
input_tokens = 2000
output_tokens = 400
concurrency = 64
target_tpot = "80 ms"
"""
ACTUALS = """
name = "Classifier"

[[runs]]
name = "fine-tuning"
[runs.scenario]
architecture = "llama-3.1-8b"
recipe = { kind = "lora", tokens = "20M" }
cluster = { accelerator = "H100-SXM", count = 8 }
prices = { price = "2 USD/hour" }

[[people]]
role = "engineer"
weeks = "8 to 12"

[actuals.engineer]
spent = 12000
done = 0.5
"""


def write_files(folder):
    """Write the files that the invocations name into a folder."""
    for name, text in {
        "run.toml": RUN,
        "other_run.toml": RUN.replace("64", "128"),
        "unpriced.toml": RUN.replace('accelerator = "H100-SXM"', 'accelerator = "H20"'),
        "serving.toml": SERVING,
        "workload.toml": WORKLOAD,
        "project.toml": (EXAMPLES / "support-ticket-classifier.toml").read_text(encoding="utf-8"),
        "domain.toml": (EXAMPLES / "domain-model.toml").read_text(encoding="utf-8"),
        "stages.toml": (EXAMPLES / "stages.toml").read_text(encoding="utf-8"),
        "reasoning.toml": (EXAMPLES / "reasoning-model.toml").read_text(encoding="utf-8"),
        "actuals.toml": ACTUALS,
        "portfolio.toml": (EXAMPLES / "support-desk.toml").read_text(encoding="utf-8"),
        "routes.toml": (EXAMPLES / "ticket-routes.toml").read_text(encoding="utf-8"),
        "cascade.toml": (EXAMPLES / "ticket-cascade.toml").read_text(encoding="utf-8"),
        "claims.toml": (EXAMPLES / "claims.toml").read_text(encoding="utf-8"),
        "axolotl.yml": (TRAINERS / "axolotl_qlora_fsdp.yaml").read_text(encoding="utf-8"),
        "trainer_log.jsonl": "".join(
            json.dumps({"step": step, "elapsed": 10.0 * step, "loss": 3.0}) + "\n" for step in range(10, 1001, 10)
        ),
        "runs.csv": "n_params,n_tokens,loss\n"
        + "".join(
            f"{size},{tokens},{1.8 + 480 / size**0.35 + 2100 / tokens**0.37}\n"
            for size in (1e8, 3e8, 1e9, 3e9, 1e10)
            for tokens in (1e9, 1e10, 1e11, 1e12)
        ),
    }.items():
        (folder / name).write_text(text, encoding="utf-8")


INVOCATIONS = (
    "estimate llama-3.1-8b --tokens 15T --gpu H100-SXM --gpus 1024",
    "estimate run.toml",
    "estimate run.toml --set cluster.count=2048 --explain cost",
    "estimate run.toml --explain energy",
    "estimate run.toml --bill",
    "estimate run.toml --ghg",
    "estimate run.toml --cite text",
    "estimate run.toml --what-would-fit",
    "estimate run.toml --currency EUR --rate 0.9",
    "estimate run.toml --own",
    "estimate unpriced.toml",
    "estimate stages.toml",
    "budget reasoning.toml",
    "estimate deepseek-v3 --tokens 14.8T --sequence-length 4096 --gpu H800-SXM --gpus 2048",
    "estimate axolotl.yml --gpu H100 --gpus 8 --tokens 18M",
    "forecast run.toml --log trainer_log.jsonl",
    "forecast run.toml --step-time '9.5 s' --done 12000 --now 2026-09-01 --steps 20000",
    "forecast actuals.toml --on 2026-12-31 --within 75k",
    "finetune llama-3.1-8b --method qlora --tokens 20M --gpu RTX-4090",
    "finetune llama-3.1-70b --method lora --tokens 20M",
    "serve llama-3.1-70b --gpu H100-SXM --gpus 8 --precision fp8 --concurrency 64",
    "serve llama-3.1-70b --gpu H100-SXM --gpus 8 --requests-per-second 5 --set cached_share=0.5",
    "serve llama-3.1-70b --gpu H100-SXM --gpus 8 --concurrency 64 --explain output_cost",
    "serve llama-3.1-70b --users 200 --rate 20 --size",
    "serve serving.toml --set cluster.count=16",
    "serve compare workload.toml",
    "own H100-SXM --gpus 512 --purchase-price '$30k' --price '$2.50/h'",
    "own run.toml --set prices.life=4 --set prices.utilization=0.8",
    "budget project.toml --output budget.xlsx --within 75k",
    "budget project.toml --currency EUR --rate 0.9",
    "budget domain.toml",
    "choose portfolio.toml --set shocks.scenarios=20 --curve",
    "route routes.toml",
    "cascade cascade.toml --curve solved",
    "compare run.toml other_run.toml",
    "compare run.toml other_run.toml unpriced.toml stages.toml --allow-missing",
    "sweep run.toml --set cluster.count=64,128,256 --set recipe.batch_size=512,1024",
    "models",
    "models mixtral-8x7b",
    "gpus",
    "gpus H100-SXM",
    "gpus --vendor amd --memory 100",
    "regions",
    "regions --country DE --sources",
    "providers",
    "providers lambda",
    "estimate run.toml --explain cost --sources",
    "estimate run.toml -q",
    "layouts llama-3.1-8b --gpu H100-SXM --gpus 64 --batch-size 512",
    "layouts llama-3.1-8b --gpu H100-SXM --gpus 64,128 --set tensor=1,2",
    "fit runs.csv --holdout 10 --bootstrap 20",
    "fit --law besiroglu-2024 --compute 1e24",
    "fit --allocate '1M USD' --gpu H100-SXM --gpus 256",
    "projection 'GPT-4 class' --below '1M USD'",
    "projection run.toml --years 2026-2030",
    "projection run.toml --dollars real --base-year 2026 --currency EUR",
    "runs",
    "runs --organization DeepSeek",
    "runs estimated --since 2024",
    "runs unit-costs --since 2025",
    "runs frontier",
    "why gpt-4 deepseek-v3 --price published",
    "why llama3-8b run.toml",
    "claims claims.toml",
    "validate finetune",
    "validate memory",
    "validate power",
    "validate price_proxies",
    "validate cost_decline",
    "refit",
    "prices list",
    "prices list --gpu H100-SXM --all",
    "prices everywhere run.toml",
    "prices everywhere run.toml --provider aws --provider gcp",
    "prices check",
    "data list",
    "data check prices/api facts/accelerators",
)
"""Command lines after `costmodel`, in the folder of the files."""

FILE_FORMATS = (
    "schema project",
    "data readme",
    "estimate run.toml --cite bibtex",
    "completion bash",
    "completion fish",
)
"""Command lines whose output is a file of a format of its own, whose lines are not wrapped."""
