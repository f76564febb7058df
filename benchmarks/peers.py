"""The same work with this library and with others: CPU time and figures side by side, in one run.

Run: python benchmarks/peers.py [--calculon CHECKOUT] [--environments FOLDER] [--write]. Each other library is installed
from the package index into an environment of its own, which `--environments` keeps; calculon is on no index, so that a
checkout of its repository is needed. What cannot be installed is not measured. `--write` puts the tables into
benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import costmodel as cm
from costmodel.foundation.markup import markdown
from costmodel.foundation.rendering import cells

HERE = Path(__file__).resolve().parent
README = HERE / "README.md"
START, END = "<!-- peers: start -->\n", "<!-- peers: end -->\n"
REPEATS = 20
LAYOUTS = ((8, 8, 16, 1, "full"), (8, 8, 16, 6, "full"), (8, 16, 8, 1, "full"), (4, 16, 16, 1, "full"))
"""Tensor, pipeline and data parallelism, chunks per stage and recomputation."""
PRICED = (
    ("gpt-4o", "openai"),
    ("gpt-5", "openai"),
    ("claude-sonnet-5", "anthropic"),
    ("claude-opus-4-8", "anthropic"),
    ("gemini-2.5-pro", "google"),
    ("deepseek-v3.2", "deepseek"),
    ("mistral-large-latest", "mistral"),
    ("grok-4", "xai"),
)
SERVED = {
    "meta-llama/Meta-Llama-3.1-8B-Instruct": ("llama-3.1-8b", 1),
    "meta-llama/Meta-Llama-3.1-70B-Instruct": ("llama-3.1-70b", 4),
}
OUTPUT_TOKENS = 500
Figures = Mapping[str, float | None]


class Measured(NamedTuple):
    """CPU time of one item of work [s], and figures by name."""

    seconds: float
    figures: Figures


class Peer(NamedTuple):
    """Another library and the work that both do."""

    name: str
    requirement: str
    """Requirement for pip, or of what the checkout needs."""
    script: str
    work: str
    item: str
    """What the time is of."""
    task: Mapping[str, Any]
    own: Callable[[Mapping[str, Any]], Measured]
    note: str
    """Why figures differ."""
    checkout: bool = False


def timed(function: Callable[[], object], repeats: int = REPEATS) -> float:
    """Return the CPU time of a call that ran once before [s]."""
    start = time.process_time()
    for _ in range(repeats):
        function()
    return (time.process_time() - start) / repeats


def runs() -> dict[str, list[float]]:
    """Return 240 synthetic runs of a known law with a scatter of 0.5 %."""
    rng = np.random.default_rng(0)
    n, d = 10 ** rng.uniform(7.5, 10.2, 240), 10 ** rng.uniform(8.5, 11.5, 240)
    loss = (1.817 + 478 / n**0.347 + 2143 / d**0.367) * np.exp(rng.normal(0, 0.005, 240))
    return {"parameters": n.tolist(), "tokens": d.tolist(), "loss": loss.tolist()}


def fit(task: Mapping[str, Any]) -> Measured:
    """Fit the law of Hoffmann et al. 2022."""

    def once() -> Any:
        return cm.fit_scaling_law(task["parameters"], task["tokens"], task["loss"])

    law = once().law
    return Measured(timed(once, 5), {name: float(getattr(law, name)) for name in ("E", "A", "B", "alpha", "beta")})


def request_energy(task: Mapping[str, Any]) -> Measured:
    """Estimate the energy of a request, of its output tokens [Wh]."""

    def energy(model: str) -> float:
        name, gpus = SERVED[model]
        cluster = cm.Cluster("H100-SXM", gpus)
        serving = cm.Serving(name, cluster, input_tokens=500, output_tokens=OUTPUT_TOKENS, concurrency=64)
        return float(cm.estimate(serving).value("energy_per_token")) * OUTPUT_TOKENS / 3600

    figures = {model: energy(model) for model in task["models"]}
    return Measured(timed(lambda: [energy(model) for model in figures]) / len(figures), figures)


def request_price(task: Mapping[str, Any]) -> Measured:
    """Look up the price of a request [USD]."""

    def price(model: str, provider: str) -> float | None:
        try:
            return float(cm.api_price(model, provider).cost(task["input_tokens"], task["output_tokens"]))
        except cm.CostModelError:
            return None

    figures = {f"{provider}/{model}": price(model, provider) for model, provider in task["models"]}
    known = [pair for pair in task["models"] if figures[f"{pair[1]}/{pair[0]}"] is not None]
    return Measured(timed(lambda: [price(*pair) for pair in known]) / len(known), figures)


def training_step(task: Mapping[str, Any]) -> Measured:
    """Estimate memory and time of a training step of Llama 2 7B on 8 A100 with ZeRO-1."""
    architecture, cluster = cm.load_architecture("llama-2-7b"), cm.Cluster("A100-80GB-SXM", 8)
    recipe = cm.Pretraining(task["tokens"], sequence_length=task["sequence_length"], batch_size=task["batch_size"])
    layout = cm.Layout(data=8, zero=1)

    def step() -> Any:
        return cm.step_time(architecture, cluster, recipe, layout)

    found = step()
    gib = {part: size / 2**30 for part, size in found.memory._asdict().items()}
    figures = {
        "parameters [billion]": architecture.parameters.total / 1e9,
        "weights [GiB]": gib["weights"],
        "gradients [GiB]": gib["gradients"],
        "optimizer states [GiB]": gib["optimizer_states"],
        "activations [GiB]": gib["activations"] + gib["logits"],
        "memory per GPU [GiB]": sum(gib.values()),
        "step time [s]": found.seconds,
    }
    return Measured(timed(step), figures)


def layouts(task: Mapping[str, Any]) -> Measured:
    """Time the layouts of GPT-3 175B on 1,024 A100: the search evaluates all that may be the best."""
    architecture, cluster = cm.load_architecture("gpt-3-175b"), cm.Cluster("A100-80GB-SXM", 1024)
    recipe = cm.Pretraining("300B", sequence_length=2048, batch_size=task["batch_size"])
    figures = {}
    for tensor, pipeline, data, interleave, recompute in task["layouts"]:
        layout = cm.Layout(
            tensor=tensor, pipeline=pipeline, data=data, interleave=interleave, recompute=recompute, zero=1
        )
        name = str([tensor, pipeline, data, interleave, recompute])
        figures[name] = float(cm.step_time(architecture, cluster, recipe, layout).seconds)
    start = time.process_time()
    found = cm.search_layouts(architecture, cluster, recipe)
    return Measured((time.process_time() - start) / found.evaluated, figures)


PEERS = (
    Peer("chinchilla", "chinchilla==0.2.0", "chinchilla_fit.py", "fit of the law of Hoffmann et al. 2022 to 240 runs",
         "fit", runs(), fit, "The runs follow E=1.817, A=478, B=2143, alpha=0.347, beta=0.367."),
    Peer("EcoLogits", "ecologits==0.11.3", "ecologits_request.py", "energy of a request with 500 output tokens [Wh]",
         "request", {"models": list(SERVED), "tokens": OUTPUT_TOKENS, "seconds": 15}, request_energy,
         "EcoLogits counts the data center (PUE), costmodel the servers at 64 requests at a time on H100."),
    Peer("genai-prices", "genai-prices==0.2.3", "genai_prices_lookup.py",
         "price of 100,000 input and 100,000 output tokens [USD]", "lookup",
         {"models": PRICED, "input_tokens": 100_000, "output_tokens": 100_000}, request_price,
         "\"none\" is a model that the table does not list."),
    Peer("llm-analysis", "llm-analysis==0.2.2", "llm_analysis_step.py",
         "training step of Llama 2 7B on 8 A100 (ZeRO-1, sequences of 4,096, 128 of them)", "step",
         {"batch_size": 128, "sequence_length": 4096, "tokens": 1e12, "mfu": 0.5}, training_step,
         "llm-analysis is given an efficiency of 0.5, and counts one of two embeddings."),
    Peer("calculon", "numpy psutil pandas", "calculon_layouts.py",
         "step of GPT-3 175B on 1,024 A100 [s], by tensor, pipeline, data, chunks, recomputation", "layout",
         {"batch_size": 1536, "layouts": LAYOUTS}, layouts,
         "The time of costmodel is that of a layout in its search, which evaluates many at once.", checkout=True),
)  # fmt: skip


def other(peer: Peer, checkout: Path | None, environments: Path) -> Measured | str:
    """Return what another library measures in an environment of its own, or why it is not measured."""
    if peer.checkout and checkout is None:
        return f"not measured: give a checkout of its repository (--{peer.name})"
    folder = environments / peer.name
    python = str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    if not folder.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        failed = _run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *peer.requirement.split()])
        if isinstance(failed, str):
            return f"not measured: pip cannot install it ({failed})"
    path = {"PYTHONPATH": str(checkout) if peer.checkout else ""}
    given = json.dumps({**peer.task, "checkout": str(checkout)})
    done = _run([python, str(HERE / "peer_tasks" / peer.script)], given, path)
    return f"not measured: it fails ({done})" if isinstance(done, str) else Measured(**json.loads(done[-1]))


def _run(command: list[str], given: str = "", variables: Mapping[str, str] | None = None) -> list[str] | str:
    """Return the lines that a command prints, or the last line of its errors if it fails."""
    done = subprocess.run(command, input=given, env={**os.environ, **(variables or {})}, check=False,
                          capture_output=True, text=True, encoding="utf-8")  # fmt: skip
    return (done.stderr.strip().splitlines() or ["?"])[-1] if done.returncode else done.stdout.splitlines()


def tables(checkout: Path | None, environments: Path) -> str:
    """Return the tables of times and of figures as Markdown."""
    times, figures = [], []
    for peer in PEERS:
        own, theirs = peer.own(json.loads(json.dumps(peer.task))), other(peer, checkout, environments)
        print(f"{peer.name}: {own.seconds}, {theirs}", file=sys.stderr)
        row = {"library": peer.name, "work": peer.work, f"costmodel {cm.__version__}": f"{1e3 * own.seconds:.3g} ms"}
        if isinstance(theirs, str):
            times.append({**row, "other": theirs, "ratio": ""})
            continue
        ratio = theirs.seconds / own.seconds
        times.append(
            {
                **row,
                "other": f"{1e3 * theirs.seconds:.3g} ms per {peer.item}",
                "ratio": f"{ratio:,.2g}" if ratio < 10 else f"{ratio:,.0f}",
            }
        )
        lines = [{"figure": name, "costmodel": value, peer.name: theirs.figures.get(name)}
                 for name, value in own.figures.items()]  # fmt: skip
        figures.append(f"{peer.name}: {peer.work}. {peer.note}\n\n{markdown([_shown(line) for line in lines])}")
    where = f"{dt.date.today()}, Python {sys.version.split()[0]}"
    day = f"CPU times of one run on {where}, without imports. A ratio above 1 means that costmodel is faster."
    return "\n\n".join([day, markdown([cells(row) for row in times]), *figures]) + "\n"


def _shown(line: Mapping[str, object]) -> dict[str, str]:
    return {name: f"{value:.4g}" if isinstance(value, float) else str(value or "none") for name, value in line.items()}


def main() -> None:
    """Measure, print the tables, and write them into the README of the benchmarks if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--calculon", type=Path, help="checkout of github.com/calculon-ai/calculon")
    parser.add_argument("--environments", type=Path, help="folder of the environments; they are kept and used again")
    parser.add_argument("--write", action="store_true", help="write the tables into benchmarks/README.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environments = options.environments or Path(folder)
        text = tables(options.calculon and options.calculon.resolve(), environments)
    print(text)
    if options.write:
        page = README.read_text(encoding="utf-8")
        before, _, rest = page.partition(START)
        README.write_text(f"{before}{START}\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
