"""How fast is the search for a layout? Layouts considered and evaluated per second, time and memory.

Run: python benchmarks/search.py
"""

from __future__ import annotations

import resource
import time

import costmodel as cm

CASES = {
    "GPT-3 175B on 1,024 A100 (below 15 s, 10 M considered, 1 M evaluated per second)": (
        "gpt-3-175b",
        cm.Cluster("A100-80GB-SXM", 1024),
        cm.Pretraining(tokens=300e9, sequence_length=2048, batch_size=1536),
    ),
    "Kimi K2, a trillion parameters in experts, on 16,384 GB200 (below 60 s)": (
        "kimi-k2",
        cm.Cluster("GB200", 16_384),
        cm.Pretraining(tokens=15e12, sequence_length=4096, batch_size=16_384, precision="mxfp8"),
    ),
}


def main() -> None:
    """Print all measurements."""
    for name, (model, cluster, recipe) in CASES.items():
        start = time.perf_counter()
        found = cm.search_layouts(model, cluster, recipe)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
        print(name)
        rate = found.evaluated / seconds / 1e6
        print(
            f"  {found.considered / 1e6:.1f} M considered, {found.evaluated / 1e6:.1f} M evaluated in {seconds:.1f} s"
        )
        print(f"  {rate:.1f} M evaluated per second; peak memory {peak:.2f} GiB")
        print(f"  best: {found.best.seconds:.2f} s, MFU {found.best.mfu:.3f}, {found.best.layout!r}")
    architecture = cm.load_architecture("llama-3.1-70b")
    cluster, layout = cm.Cluster("H100-SXM", 256), cm.Layout(data=16, tensor=8, pipeline=2, interleave=10)
    recipe = cm.Pretraining(tokens=1e12, sequence_length=8192, batch_size=512)
    cm.step_time(architecture, cluster, recipe, layout)
    start = time.perf_counter()
    for _ in range(1000):
        cm.step_time(architecture, cluster, recipe, layout)
    print(f"one warm step_time: {time.perf_counter() - start:.3f} ms (below 1)")
    start = time.perf_counter()
    for count in range(8, 8 * 51, 8):
        cm.estimate(cm.Scenario(architecture=architecture, recipe=recipe.replace(batch_size=None),
                                cluster=cm.Cluster("H100-SXM", 64 * count)))  # fmt: skip
    print(f"an estimate with its planned layout: {(time.perf_counter() - start) / 50 * 1e3:.1f} ms (below 50)")


if __name__ == "__main__":
    main()
