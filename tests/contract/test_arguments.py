"""Wrong arguments of public functions, classes and methods of results are refused with errors of the library."""

import datetime as dt
import inspect
import math
import pickle
import subprocess
import sys
import time
import warnings
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

import costmodel as cm
from costmodel.foundation.checks import checked

spec = spec_from_file_location("public_calls", Path(__file__).with_name("public_calls.py"))
calls = module_from_spec(spec)
spec.loader.exec_module(calls)

NEVER = [object(), 1j, b"x", {1: object()}]
"""Values that no parameter accepts."""
WRONG = [
    *NEVER, None, True, -1, 0, 0.5, math.nan, math.inf, 10**400, "", "x", "x" * 50_000, "/no/such/file.toml", [],
    [None], ["x"], {}, {"x": 1}, range(3), {1, 2}, dt.date(2026, 1, 1), cm.InputError, np.array([1.0, 2.0]),
    np.float64("nan"),
]  # fmt: skip
"""Values of which each parameter accepts a few at most."""
SLOW = {("largest_model", "architectures"), ("what_fits", "architecture")}
"""Parameters of which the default takes seconds: the whole catalog."""
CALLED = {"progress", "keep", "measure"}
"""Parameters with functions of the user, whose errors are those of the user; a class is a function, too."""


def problem(function, arguments, name, value):
    """Return what is wrong with how a function takes a value, or ""."""
    if value is cm.InputError and (name in CALLED or (function is cm.backtest and name == "model")):
        return ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            function(**{**arguments, name: value})
    except cm.CostModelError as error:
        return "" if str(error) and len(str(error)) < 5000 else f"message of {len(str(error))} characters"
    except Exception as error:
        return f"{type(error).__name__}: {error!s:.80}"
    text = isinstance(value, bytes) and inspect.isclass(function)  # pydantic reads the bytes of a text
    return "accepted" if any(value is each for each in NEVER) and not text else ""


def problems(function, arguments):
    """Return what is wrong with how a function takes wrong values for each of its parameters."""
    names = function.model_fields if inspect.isclass(function) else calls.parameters(function)
    return [
        f"{name}={value!r:.40}: {found}"
        for name in dict.fromkeys([*names, *arguments])
        for value in WRONG
        if (value is not None or (function.__name__, name) not in SLOW)
        and (found := problem(function, arguments, name, value))
    ]


@pytest.mark.parametrize("name", calls.FUNCTIONS)
def test_functions_refuse_wrong_arguments(name):
    function, arguments = getattr(cm, name), calls.FUNCTIONS[name]
    assert function(**arguments) is not None
    assert not problems(function, arguments)


@pytest.mark.parametrize("name", calls.SPECIFICATIONS)
def test_specifications_refuse_wrong_fields(name):
    kind, fields = getattr(cm, name), calls.SPECIFICATIONS[name]
    assert kind(**fields)
    assert not problems(kind, fields)


@pytest.mark.parametrize("name", calls.results.RESULTS)
def test_methods_of_results_refuse_wrong_arguments(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # "x" is a good path
    for result, attribute, arguments in calls.methods().values():
        if result == name:
            assert not problems(getattr(calls.results.result(name), attribute), arguments), attribute


@pytest.mark.parametrize("name", calls.SPEC_METHODS)
def test_methods_of_specifications_refuse_wrong_arguments(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    owner, arguments = calls.SPEC_METHODS[name]
    function = getattr(owner(), name.split(".")[1])
    function(**arguments)
    assert not problems(function, arguments)


def test_every_public_name_is_called():
    public = {name: getattr(cm, name) for name in cm.__all__ if callable(getattr(cm, name))}
    results = {type(calls.results.result(name)).__name__ for name in calls.results.RESULTS}
    errors = {name for name, each in public.items() if inspect.isclass(each) and issubclass(each, Exception)}
    uncalled = set(public) - set(calls.FUNCTIONS) - set(calls.SPECIFICATIONS) - results - errors
    assert uncalled == {"Architecture"}  # made by `load_architecture`


@pytest.mark.parametrize("name", ["allocate", "estimate", "sweep"])
def test_unknown_keywords_and_missing_arguments_are_type_errors_as_in_python(name):
    with pytest.raises(TypeError):
        getattr(cm, name)(**calls.FUNCTIONS[name], no_such_argument=1)
    with pytest.raises(TypeError):
        getattr(cm, name)()


class TestChecked:
    def test_all_problems_are_reported_at_once(self):
        with pytest.raises(cm.InputError) as caught:
            cm.performance_per_dollar(calls.results.TASKS, ["gpt-4.1"], scores=3, run_tokens="yes", seed=-1)
        assert caught.value.problems == (
            "scores: must be a list of Score or a mapping to Score; got 3",
            "run_tokens: must be true or false; got 'yes'",
            "seed: must be a whole number of at least 0; got -1",
        )

    def test_arguments_by_place_and_by_name_are_checked(self):
        for arguments, options in ((("llama-2-7b", 3), {}), (("llama-2-7b",), {"cluster": 3})):
            with pytest.raises(cm.InputError, match="cluster: must be a Cluster; got 3"):
                cm.generation(*arguments, prompt_length=1, output_length=1, **options)

    def test_numbers_of_numpy_are_numbers(self):
        price = cm.gpu_price("H100-SXM", count=np.int64(8), on="2026-09-01")
        assert price == cm.gpu_price("H100-SXM", count=8, on="2026-09-01")

    def test_signature_documentation_and_pickle_are_those_of_the_function(self):
        assert list(inspect.signature(cm.sweep).parameters)[:2] == ["scenario", "values"]
        assert "draws : int" in cm.sweep.__doc__
        assert pickle.loads(pickle.dumps(cm.sweep)) is cm.sweep

    def test_a_call_costs_microseconds(self):
        @checked("count", "name", "items")
        def function(count: int, name: str | None = None, items: "list[float] | None" = None) -> int:
            return count

        function(1)
        start = time.process_time()
        for _ in range(10_000):
            function(1, name="x", items=None)
        assert time.process_time() - start < 0.5

    def test_the_import_loads_no_module_for_the_checks(self):
        code = "import sys, costmodel.foundation.checks; print('numpy' in sys.modules, 'pydantic' in sys.modules)"
        output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        assert output.split() == ["False", "False"]


FOUND = {
    "a specification as a list": lambda: cm.calibrate(cm.Cluster("H100-SXM", 8)),
    "a specification as scores": lambda: cm.cascade(
        calls.results.TASKS, ["gpt-4.1"], cm.Cluster("H100-SXM", 8), cm.Detector(recall=0.8, precision=0.7)
    ),
    "rows that are no mappings": lambda: cm.calibrate(iter([("a", 1)])),
    "a date that is an array": lambda: cm.fit_trend([np.array([1.0, 2.0]), 2021.0], [1.0, 2.0]),
    "losses of several lengths": lambda: cm.fit_scaling_law([1e8, 1e9], [1e9, 1e10], [1.0, [2.0, 3.0]]),
    "an exponent without a number": lambda: cm.Site(pue="e90"),
    "an end after the year 9999": lambda: cm.forecast(calls.RUN, step_time=1e7, done=100, now="2026-09-01"),
    "an MFU whose cost exceeds all floats": lambda: calls.RUN.replace(mfu=1e-300),
    "a goodput whose cost exceeds all floats": lambda: calls.RUN.replace(goodput=1e-300),
    "a bandwidth whose time exceeds all floats": lambda: calls.RUN.replace(
        {"cluster.accelerator.memory_bandwidth": 1e-300}
    ),
    "more draws than fit into memory": lambda: calls.results.run().draws("cost", 10**9),
    "a ratio whose tokens exceed all floats": lambda: cm.allocate(
        cm.scaling_law("chinchilla"), calls.RUN, "10k", tokens_per_parameter=1e300
    ),
    "a table of losses without rows": lambda: cm.fit_scaling_law({"parameters": [], "tokens": [], "loss": []}),
    "a day that is none": lambda: cm.rental_outlook("H100-SXM", [None]),
    "a number of steps of zero": lambda: cm.forecast(calls.RUN, step_time=10, steps=0, now="2026-09-01"),
}
"""What random calls found (benchmarks/fuzz)."""


@pytest.mark.parametrize("name", FOUND)
def test_what_random_calls_found_is_refused(name):
    with warnings.catch_warnings(), pytest.raises(cm.InputError):
        warnings.simplefilter("error")
        FOUND[name]()
