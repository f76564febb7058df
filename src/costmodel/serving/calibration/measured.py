"""Measured serving: the work, the accelerators and the figures of each row."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from costmodel.architecture.loading import catalog, load_architecture
from costmodel.foundation.columns import Cells, FlaggedRowError, Reader
from costmodel.foundation.errors import UnknownNameError
from costmodel.hardware.cluster import Cluster
from costmodel.serving.calibration.columns import CHECKED, LEFT_OUT, SERVED
from costmodel.serving.calibration.constants import Stack
from costmodel.serving.engine.recipes import UNKNOWN, engines, recipe_of
from costmodel.serving.step.formats import Format, format_of, has_experts
from costmodel.serving.step.memory import largest_batch, replica_cache_bytes, replica_weight_bytes
from costmodel.serving.step.replica import Hardware, Replica, hardware_of
from costmodel.serving.step.work import Work, Workload, work_of

if TYPE_CHECKING:
    from costmodel.architecture.specification import Architecture
    from costmodel.foundation.ranges import Range
    from costmodel.foundation.tables import Row

SAME_SHAPE = {
    "qwen3-coder-30b-a3b": "qwen3-30b-a3b",
    "deepseek-r1": "deepseek-v3",
    "gemma-3-12b": "gemma-3-12b-text",
    "gemma-3-27b": "gemma-3-27b-text",
    "qwen3-vl-235b-a22b": "qwen3-235b-a22b",
    "qwen3-omni-30b-a3b": "qwen3-30b-a3b",
    "gptj-99": "gpt-j-6b",
    "gptj-99.9": "gpt-j-6b",
    "nvidia-nemotron-nano-9b-v2": "nemotron-nano-9b-v2",
    "nvidia-nemotron-nano-12b-v2": "nemotron-nano-12b-v2",
    "meta-llama-3-8b": "llama-3-8b",
    "meta-llama-3-70b": "llama-3-70b",
}
"""Models whose text decoder has the shape of another model of the catalog."""
MOST_REQUESTS = 2048.0
"""Most concurrent requests at maximum load per accelerator that holds its own sequences [1]: the largest batch that
TensorRT-LLM is built for by default."""


class Measured(NamedTuple):
    """A measured row of serving."""

    id: str
    """Name of the row."""
    model: str
    """Name of the model in the catalog."""
    shape: str
    """Shape of the model: its layers and hidden size, by which models are left out of a fit together."""
    moe: bool
    """Whether the model has routed experts."""
    precision: str
    """Precision of the weights."""
    product: str
    """Precision of the matrix products."""
    stack: Stack
    """Accelerator, engine and recipe."""
    work: Work
    """Bytes and FLOPs of a replica."""
    hardware: Hardware
    """Rates of one accelerator."""
    tdp: float
    """Thermal design power of one accelerator [W]; 0 if it is not known."""
    batch: float
    """Concurrent requests of a replica [1]; where none is published, as many as memory and the engine allow."""
    batch_known: bool
    """Whether the number of concurrent requests was published."""
    seconds: float
    """Mean time per output token of a request, prompts included [s]."""
    ttft: float | None
    """Time to first token [s]."""
    tpot: float | None
    """Time per output token after the first [s]."""
    power: float | None
    """Power of one accelerator [W]."""
    use: str
    """"fit", "fit_max", "check_rate" or "check"."""
    why: str
    """Reason for a use other than "fit"."""
    benchmark: str
    """Benchmark that published the row."""
    year: int
    """Year of the software."""
    date: str = ""
    """Month of the software, such as "2025-11"; empty if it is not given."""
    speculative: bool = False
    """Whether tokens are drafted and verified, so that a step yields several."""


def architecture_of(model: str) -> Architecture:
    """Return the architecture of a published model. The owner and the last words of the name are ignored.

    Parameters
    ----------
    model : str
        Name of the release, such as "Qwen/Qwen3-30B-A3B-Instruct-2507".

    Raises
    ------
    UnknownNameError
        If neither the name nor a shorter form of it is in the catalog.

    Examples
    --------
    >>> architecture_of("meta-llama/Llama-3.1-8B-Instruct").name
    'llama-3.1-8b'
    """
    if catalog().proper(model):
        return load_architecture(model)
    words = model.rpartition("/")[2].lower().split(" ")[0].split("-")
    for length in range(len(words), min(len(words), 2) - 1, -1):
        name = "-".join(words[:length])
        name = SAME_SHAPE.get(name, name)
        if catalog().proper(name):
            return load_architecture(name)
    raise UnknownNameError.of("architecture", model, catalog())


def shape_of(architecture: Architecture) -> str:
    """Return the shape of a model: models of one depth and hidden size are left out of a fit together.

    Parameters
    ----------
    architecture : Architecture
    """
    return f"{architecture.depth} layers of {architecture.width}"


def _name(row: Row) -> str:
    return f"{row.get('model')} on {row.get('count')} × {row.get('accelerator')}"


class _Given(NamedTuple):
    """What a row says of the model, its replica and its requests."""

    architecture: Architecture
    stored: Format
    cache: str
    replica: Replica
    replicas: int
    workload: Workload


def _read(identity: str, cells: Cells) -> Measured:
    use = cells.words.get("use", "fit")
    if use == LEFT_OUT:
        raise FlaggedRowError(cells.text.get("why") or "left out")
    cells.need(*SERVED.required)
    if "prompt_length" not in cells.numbers and not cells.problems:
        cells.problems.append("prompt_length is not given, nor a task that implies it")
    if "batch_size" not in cells.numbers and "concurrency" not in cells.numbers and use != "fit_max":
        cells.problems.append("batch_size or concurrency must be given")
    if cells.numbers.get("prefill_count", 0):
        cells.problems.append("prefill_count: prompts on other accelerators are not modeled")
    cells.check()
    return _measured(identity, cells, use, _given(cells))


def _given(cells: Cells) -> _Given:
    architecture = architecture_of(cells.text["model"])
    count = int(cells.numbers["count"])
    own = bool(cells.switch("data_parallel_attention"))
    pipeline = cells.whole("pipeline") or 1
    tensor = cells.whole("tensor") or max(count // pipeline, 1)
    if own:
        tensor = max(tensor, cells.whole("expert") or 1)
        pipeline = max(pipeline, 1)
    replica = Replica(tensor, pipeline, cells.whole("expert") or 1, own)
    workload = Workload(
        cells.numbers["prompt_length"],
        cells.numbers["output_length"],
        continuous=cells.words.get("load", "closed_loop") == "closed_loop",
    )
    stored = format_of(architecture, cells.words["precision"])
    replicas = max(count // replica.accelerators, 1)
    return _Given(architecture, stored, cells.words.get("cache_precision", "bf16"), replica, replicas, workload)


def _measured(identity: str, cells: Cells, use: str, given: _Given) -> Measured:
    cluster = Cluster(cells.text["accelerator"], int(cells.numbers["count"]))
    accelerator = cluster.accelerator
    hardware, product = hardware_of(cluster, given.replica.accelerators, given.stored.product)
    batch = cells.numbers.get("concurrency", cells.numbers.get("batch_size"))
    known = batch is not None
    most = _most_requests(given, hardware)
    batch = most if batch is None else min(batch / given.replicas, max(most, 1.0))
    tpot, ttft = cells.numbers.get("tpot_ms"), cells.numbers.get("ttft_s")
    seconds = batch * given.replicas / cells.numbers["tokens_per_second"]
    if known and use == "check_rate" and tpot is not None:
        seconds = tpot / 1e3 + (ttft or 0.0) / given.workload.output_tokens
    power, date = cells.numbers.get("power_w"), cells.text.get("date", "")
    engine = cells.text.get("engine", "").lower() or None
    recipe = recipe_of(
        accelerator, engine if engine in engines() else None, cells.words.get("recipe", UNKNOWN), date or None
    )
    return Measured(
        id=identity,
        model=given.architecture.name,
        shape=shape_of(given.architecture),
        moe=has_experts(given.architecture),
        precision=cells.words["precision"],
        product=product,
        stack=Stack(accelerator.name, accelerator.vendor, accelerator.generation, recipe),
        work=work_of(given.architecture, given.stored, given.cache, given.replica, given.workload),
        hardware=hardware,
        tdp=_watts(accelerator.tdp),
        batch=batch,
        batch_known=known,
        seconds=seconds,
        ttft=ttft,
        tpot=None if tpot is None else tpot / 1e3,
        power=None if power is None else power / cells.numbers["count"],
        use=use,
        why=cells.text.get("why", "") if use == CHECKED else "",
        benchmark=cells.text.get("benchmark", ""),
        year=int(date[:4]) if date[:4].isdigit() else 2025,
        date=date,
        speculative=bool(cells.switch("speculative")),
    )


def _most_requests(given: _Given, hardware: Hardware) -> float:
    """Return the requests that fit in memory, at most those that an engine batches."""
    weights = replica_weight_bytes(given.architecture, given.stored, given.replica)
    cache = replica_cache_bytes(given.architecture, given.workload.context, given.cache, given.replica)
    fits = largest_batch(float(hardware.memory) * given.replica.accelerators, weights, cache)
    own = given.replica.tensor if given.replica.data_parallel_attention else 1
    return max(min(fits, MOST_REQUESTS * own), 1.0)


def _watts(tdp: float | Range | None) -> float:
    return 0.0 if tdp is None else tdp if isinstance(tdp, (int, float)) else tdp.median()


READER = Reader(SERVED, _name, _read)
"""Reads tables of measured serving."""
read_measured = lru_cache(maxsize=4)(READER.used)
"""Return the rows of a table that can be read, and the problems of each other row by its id."""
