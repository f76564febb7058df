"""A hundred threads that use a fresh process at once get the results that one thread gets."""

import subprocess
import sys

SCRIPT = """
import faulthandler
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import costmodel as cm

faulthandler.dump_traceback_later(400, exit=True)  # a deadlock
sys.setswitchinterval(1e-5)
THREADS = 100


def run(number, **changes):
    models = ("llama-3.2-1b", "llama-3.1-8b", "qwen3-30b-a3b", "mixtral-8x7b")
    cluster = cm.Cluster("H100-SXM", 8 << number % 4, site=cm.Site(region=("france", "germany")[number % 2]))
    recipe = cm.Pretraining(tokens=f"{number + 1}B", sequence_length=2048, batch_size=256)
    return cm.Scenario(models[number % 4], recipe, cluster, prices=cm.Rental(price="2 to 3 USD/hour")).replace(changes)


def serving(number):
    cluster = cm.Cluster("H100-SXM", 1)
    return cm.Serving("llama-3.1-8b", cluster, input_tokens=500 + number, output_tokens=100, concurrency=8)


def fitted(number):
    law = cm.scaling_law("chinchilla")
    parameters, tokens = [1e8, 3e8, 1e9, 3e9] * 3, [1e9] * 4 + [1e10] * 4 + [1e11 + number] * 4
    losses = [float(law.loss(*pair)) for pair in zip(parameters, tokens)]
    return cm.fit_scaling_law(parameters, tokens, losses, bootstrap=8)


def looked_up(number):
    run = cm.Scenario("llama-3.1-8b", cm.LoRA(tokens="10M"), cm.Cluster("A100-80GB-SXM", 8))
    return cm.price_everywhere(run, on="2026-10-01", providers=[("aws", "lambda", "gcp")[number % 3]])


CALLS = (
    lambda number: cm.estimate(run(number)),
    lambda number: cm.estimate(run(number, mfu=0.4)).to_dict(),
    lambda number: cm.estimate(run(number)).explain("cost"),
    lambda number: cm.step_time(
        "llama-3.1-8b", cm.Cluster("H100-SXM", 8), cm.Pretraining(tokens="1B", batch_size=64), cm.Layout(data=8)
    ),
    lambda number: cm.load_architecture(("gpt2", "deepseek-v3", "gemma-2-9b")[number % 3]).table(1024 + number),
    lambda number: cm.estimate(serving(number)),
    fitted,
    looked_up,
    lambda number: cm.gpu_price(("H100-SXM", "L4", "B200")[number % 3]),
    lambda number: cm.published_runs(),
    lambda number: cm.project_cost("GPT-4 class", range(2024, 2027), paths=100 + number),
    lambda number: cm.Ownership(purchase_price=f"{20 + number} kUSD").levelized("H100-SXM"),
    lambda number: str(cm.estimate(run(number)).cost.to("kUSD")),
    lambda number: cm.sweep(run(number), {"cluster.count": [8, 16]}, draws=50),
    lambda number: cm.search_layouts(
        "llama-3.2-1b", cm.Cluster("H100-SXM", 8), cm.Pretraining(tokens="1B", batch_size=64 + number), zero=1
    ),
    lambda number: cm.count_flops(("llama-3.1-8b", "mixtral-8x7b")[number % 2], 1024 + number),
)


def call(number):
    return CALLS[number % len(CALLS)](number)


def together(number):
    barrier.wait()
    return call(number)


barrier = Barrier(THREADS)
with ThreadPoolExecutor(THREADS) as threads:
    results = list(threads.map(together, range(THREADS)))
different = [number for number in range(THREADS) if results[number] != call(number)]
texts = [number for number in range(THREADS) if str(results[number]) != str(call(number))]
assert not different and not texts, (different, texts)
print(len(results), len({str(result) for result in results}))
"""


def test_a_hundred_cold_threads_get_the_results_of_one():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    threads, distinct = map(int, done.stdout.split())
    assert threads == 100 and distinct > 50
