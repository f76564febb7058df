"""Results are the same on any executor, with any number of workers: threads, processes, and a Dask cluster."""

from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

import costmodel as cm
from costmodel.foundation.equality import equal
from costmodel.foundation.parallel import mapped
from costmodel.projection.backtests import declines
from costmodel.projection.backtests.rents import backtest_rental

RECIPE = cm.Pretraining(tokens="10B", sequence_length=8192, batch_size=64)
RUN = cm.Scenario("llama-3.1-8b", RECIPE, cm.Cluster("H100-SXM", 64), prices=cm.Rental(price="2 to 3 USD/hour"))
SWEPT = {"cluster.count": [32, 64, 96], "recipe.batch_size": list(range(64, 64 + 8 * 30, 8))}


def measured():
    parameters, tokens = (each.ravel() for each in np.meshgrid([1e8, 3e8, 1e9, 3e9], [1e9, 1e10, 1e11]))
    noise = np.exp(np.random.default_rng(0).normal(0, 0.01, len(tokens)))
    return parameters, tokens, cm.scaling_law("chinchilla").loss(parameters, tokens) * noise


CASES = {
    "search": lambda executor: cm.search_layouts(
        "llama-3.1-8b", cm.Cluster("H100-SXM", 16), RECIPE, tensor=(1, 2, 4), zero=(1, 3), executor=executor
    ),
    "bootstrap": lambda executor: cm.fit_scaling_law(*measured(), bootstrap=150, executor=executor),
    "sweep": lambda executor: cm.sweep(RUN, SWEPT, draws=200, executor=executor),
    "sample": lambda executor: cm.estimate(RUN).sample(50_000, executor=executor),
    "backtest": lambda executor: cm.backtest(model="no change", executor=executor),
    "compared backtests": lambda executor: declines.compare_models(
        models=("no change", "constant rate"), executor=executor
    ),
    "rental backtest": lambda executor: backtest_rental("time", executor=executor),
}
SERIAL = {}


def serial(name):
    if name not in SERIAL:
        SERIAL[name] = CASES[name](None)
    return SERIAL[name]


class Backwards:
    """An executor that runs its jobs from the last to the first, in this thread."""

    def map(self, function, jobs):
        results = [function(job) for job in reversed(list(jobs))]
        return reversed(results)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("workers", [1, 3])
def test_threads_give_the_results_of_one(name, workers):
    with ThreadPoolExecutor(workers) as threads:
        assert equal(CASES[name](threads), serial(name))


@pytest.mark.parametrize("name", CASES)
def test_the_order_of_the_work_does_not_matter(name):
    assert equal(CASES[name](Backwards()), serial(name))


def test_processes_give_the_results_of_one():
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        for name, case in CASES.items():
            assert equal(case(processes), serial(name)), name


@pytest.mark.filterwarnings("ignore")
def test_a_dask_cluster_gives_the_results_of_one():
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with cluster, distributed.Client(cluster) as client, client.get_executor() as executor:
        for name, case in CASES.items():
            assert equal(case(executor), serial(name)), name


@pytest.mark.parametrize("size", [1, 7, 64])
def test_the_size_of_the_parts_does_not_change_a_sweep(monkeypatch, size):
    monkeypatch.setattr("costmodel.planning.sweep.TOGETHER", size)
    with ThreadPoolExecutor(2) as threads:
        assert equal(CASES["sweep"](threads), serial("sweep"))


def test_progress_is_told_with_an_executor():
    told = []
    with ThreadPoolExecutor(2) as threads:
        cm.sweep(RUN, SWEPT, draws=10, progress=lambda done, total: told.append((done, total)), executor=threads)
    assert told == [(64, 90), (90, 90)]


@pytest.mark.parametrize("name", CASES)
def test_what_is_no_executor_is_an_input_error(name):
    for wrong in (4, "threads", Future()):
        with pytest.raises(cm.InputError, match="`executor` must be an executor with `map`"):
            CASES[name](wrong)


def test_jobs_run_in_order():
    assert list(mapped(abs, iter([-1, 2]))) == [1, 2]
