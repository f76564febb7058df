"""A small budget with fixed figures, to be exported: what a Budget offers, without the estimates behind it."""

from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from types import SimpleNamespace

import pytest

from costmodel.budget.lines import Assumption, Driver, Line, Subtotal, Task, Within


def cents(value):
    return float(Decimal(f"{value:.15g}").quantize(Decimal("0.01"), ROUND_HALF_UP))


def line(name, group, quantity, unit, price, spread=1.2, **more):
    base = cents(quantity * price)
    ends = cents(base / spread), base, cents(base * spread)
    return Line(name, group, quantity, unit, price, *ends, cents(base * spread**0.2), **more)


def with_contingency(lines, share):
    base = cents(sum(each.base for each in lines))
    last = Line("Contingency", "contingency", base, "USD", share, *(cents(share * base),) * 4)
    return (*lines, last)


@dataclass(frozen=True)
class Fixed:
    """Stands for a Budget: the same attributes, with figures that are given."""

    name: str
    lines: tuple[Line, ...]
    schedule: tuple[Task, ...] = ()
    assumptions: tuple[Assumption, ...] = ()
    found: tuple[Driver, ...] = ()
    remarks: tuple[str, ...] = ()
    currency_year: int = 2026
    start: date | None = date(2026, 11, 2)
    currency: str = "USD"
    money_of: str = "US dollars of 2026"

    def _sum(self, column, lines):
        return cents(sum(getattr(each, column) for each in lines))

    def value(self, name):
        known = {
            "base": lambda: self._sum("base", self.lines[:-1]),
            "expected": lambda: self._sum("expected", self.lines[:-1]),
            "contingency": lambda: self.lines[-1].base,
            "total": lambda: cents(self.value("base") + self.value("contingency")),
        }
        return known[name]() if name in known else self.at_quantile(int(name[1:]) / 100)

    base = property(lambda self: self.value("base"))
    expected = property(lambda self: self.value("expected"))
    contingency = property(lambda self: self.value("contingency"))
    p10 = property(lambda self: self.value("p10"))
    p90 = property(lambda self: self.value("p90"))
    total = property(lambda self: SimpleNamespace(magnitude=self.value("total")))
    days = property(lambda self: max((task.start + task.days for task in self.schedule), default=0.0))

    @property
    def gpu_weeks(self):
        weeks = {}
        for task in self.schedule:
            if task.gpus:
                weeks[task.accelerator] = weeks.get(task.accelerator, 0.0) + task.gpus * task.days / 7
        return weeks

    def at_quantile(self, share):
        from statistics import NormalDist

        return self.value("base") * 1.01 * 1.12 ** NormalDist().inv_cdf(share)

    def within(self, amount=None):
        total = self.total.magnitude
        return (Within("base", self.value("base"), 0.43), Within("base and contingency", total, 0.78))

    def contingency_for(self, probability):
        return SimpleNamespace(magnitude=cents(max(self.at_quantile(probability) - self.value("base"), 0.0)))

    def subtotals(self):
        listed = []
        for group in dict.fromkeys(each.group for each in self.lines[:-1]):
            lines = [each for each in self.lines if each.group == group]
            columns = ("low", "base", "high", "expected")
            listed.append(Subtotal(group, *(self._sum(column, lines) for column in columns)))
        return tuple(listed)

    def drivers(self):
        return list(self.found)

    def against_actuals(self):
        return [
            {"line": each.name, "budget": each.base, "actual": each.actual, "difference": each.actual - each.base}
            for each in self.lines
            if each.actual is not None
        ]

    def notes(self):
        return list(self.remarks)

    def stamp(self):
        return {"version": "0.1.0", "data_hash": "0123456789ab", "seed": 0}

    def replace(self, **changes):
        return replace(self, **changes)


@pytest.fixture(scope="session")
def fixed():
    market = "market median of 6 providers: lambda 2.99, runpod 2.79, nebius 2.95, crusoe 3.10 USD per GPU-hour"
    lines = [
        line(
            "Final run: LoRA of Llama 3.1 70B",
            "compute",
            18_432,
            "GPU-hour",
            2.9843,
            1.35,
            source=market,
            as_of="2026-10-01",
            owner="platform",
            actual=61_240.55,
        ),
        line(
            "Experiments",
            "compute",
            6_144.5,
            "GPU-hour",
            2.9843,
            1.8,
            source=market,
            as_of="2026-10-01",
            owner="platform",
        ),
        line(
            "Failed runs and restarts",
            "compute",
            1_229.25,
            "GPU-hour",
            2.9843,
            1.9,
            source=market,
            as_of="2026-10-01",
            owner="platform",
        ),
        line(
            "Labeling of 20,000 preference pairs",
            "data",
            20_000,
            "pair",
            1.15,
            1.3,
            source="quote of the vendor",
            as_of="2026-09-14",
            owner="data",
            actual=21_900.0,
            note="two annotators and a referee a pair",
        ),
        line("Licenses", "data", 2, "corpus", 7_500.0, 1.1, source="price list", as_of="2026-06-30", owner="data"),
        line(
            "Judge model by API",
            "evaluation",
            310_000_000,
            "token",
            0.0000025,
            1.5,
            source="price list",
            as_of="2026-10-01",
            owner="research",
        ),
        line(
            "Engineers", "people", 26, "person-week", 4_100.0, 1.15, source="given", owner="research", actual=48_000.0
        ),
        line("Checkpoints and data", "storage", 42.5, "TB-month", 23.0, 1.2, source="price list", as_of="2026-10-01"),
        line("First month of serving", "serving", 2_920, "GPU-hour", 2.9843, 1.4, source=market, as_of="2026-10-01"),
        line("A hundredth of a tie", "other", 0.5, "piece", 2.01, 1.0),
    ]
    tasks = (
        Task("Collect and label data", 0, 21, (), "data"),
        Task("Set up the cluster", 7, 5, (), "platform", 64, "H100-SXM"),
        Task("Experiments", 21, 14, ("Collect and label data", "Set up the cluster"), "research", 32, "H100-SXM"),
        Task("Final run", 35, 12.4, ("Experiments",), "platform", 64, "H100-SXM"),
        Task("Evaluation", 47.4, 7, ("Final run",), "research", 8, "H100-SXM"),
        Task("Serving, first month", 54.4, 30, ("Evaluation",), "platform", 4, "H100-SXM"),
    )
    drivers = (
        Driver("Price of a GPU-hour", 217_100.0, 295_400.0, 0.52),
        Driver("Experiments: runs tried before the final one", 238_000.0, 289_800.0, 0.23),
        Driver("Final run: utilization", 277_500.0, 239_300.0, 0.17),
        Driver("Person-weeks", 244_900.0, 265_500.0, 0.06),
        Driver("Price of labeling", 251_700.0, 259_100.0, 0.02),
    )
    assumptions = (
        Assumption("GPU price, H100-SXM", "2.98 USD/GPU-hour", market, "2026-10-01"),
        Assumption("Goodput", "0.92", "default of the library", "2026-10-01"),
        Assumption("Overheads of people", "included in the rate", "given", ""),
    )
    remarks = ("Prices are on demand; a reservation may be cheaper.", "Taxes are left out.")
    return Fixed(
        "Customer support assistant, fine-tune 2026", with_contingency(lines, 0.1), tasks, assumptions, drivers, remarks
    )


@pytest.fixture
def hostile(fixed):
    """The same with names that would be code, formulas, tags or mathematics elsewhere."""
    names = [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "<script>alert(1)</script>",
        "a|b `c` $\\frac$ & $x$",
        '"quoted, with comma" onload="x"',
        "模型 🚀 --> ]]>",
    ]
    lines = [
        each._replace(name=name, owner=name, unit=name, source=name, note=name)
        for each, name in zip(fixed.lines, names, strict=False)
    ]
    tasks = tuple(
        task._replace(name=name, owner=name, accelerator=name)
        for task, name in zip(fixed.schedule, reversed(names), strict=False)
    )
    drivers = tuple(driver._replace(name=name) for driver, name in zip(fixed.found, reversed(names), strict=False))
    assumptions = tuple(Assumption(name, name, name, name) for name in names)
    return fixed.replace(
        name="=<script>alert('x')</script>",
        lines=(*lines, fixed.lines[-1]),
        schedule=tasks,
        found=drivers,
        assumptions=assumptions,
        remarks=tuple(names),
    )
