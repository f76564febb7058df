"""Independent parts of a calculation on the workers of an executor.

The parts are cut by index and draw their random numbers from seeds of their own, so the result depends neither on the
number of workers nor on the order in which parts end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from costmodel.foundation.errors import InputError

if TYPE_CHECKING:
    from concurrent.futures import Executor

J = TypeVar("J")
R = TypeVar("R")


def mapped(function: Callable[[J], R], jobs: Iterable[J], executor: Executor | None = None) -> Iterator[R]:
    """Return the result of a function for each job, in the order of the jobs.

    Parameters
    ----------
    function : callable
        Function of one job; a function of a module, for executors with processes.
    jobs : iterable
        Independent parts of the calculation.
    executor : concurrent.futures.Executor, optional
        Runs the jobs, as a `ThreadPoolExecutor`, a `ProcessPoolExecutor` or the executor of a Dask client does;
        default: this thread.

    Raises
    ------
    InputError
        If the executor has no `map`.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with ThreadPoolExecutor(2) as threads:
    ...     list(mapped(abs, [-1, 2, -3], threads))
    [1, 2, 3]
    """
    if executor is None:
        return map(function, jobs)
    check_executor(executor)
    return iter(executor.map(function, list(jobs)))


def check_executor(executor: object) -> None:
    """Raise `InputError` if a value is no executor.

    Parameters
    ----------
    executor : object
        Value given, or None.
    """
    if executor is not None and not callable(getattr(executor, "map", None)):
        raise InputError(
            "`executor` must be an executor with `map`, such as concurrent.futures.ProcessPoolExecutor() or "
            f"dask.distributed.Client().get_executor(); got {type(executor).__name__}"
        )
