"""The README agrees with the output of the commands."""

from matplotlib.text import Text

from costmodel.comparison.reestimation import reestimates
from costmodel.foundation.tables import table
from costmodel.projection.backtests.declines import compare_models
from costmodel.projection.backtests.rents import backtest_rental
from costmodel.report import plot
from costmodel.validation.energy import validate_energy
from costmodel.validation.finetune import validate_finetune
from costmodel.validation.memory import validate_memory
from costmodel.validation.power import validate_power
from costmodel.validation.price_proxies import validate_price_proxies
from costmodel.validation.published_finetunes import validate_published_finetunes
from costmodel.validation.published_runs import validate_published_runs
from costmodel.validation.step_times import validate_step_times


def test_the_table_of_errors_is_what_the_command_prints(root):
    scored = validate_published_runs(table("measurements/published_runs"))
    row = (
        f"| {scored['scored']} | {scored['median_ape']:.0%} | {scored['mape']:.0%} | "
        f"{scored['median_abs_log10']:.3f} | {scored['coverage']['0.8']:.0%} |"
    )
    assert row in (root / "docs" / "accuracy.md").read_text(encoding="utf-8")


def test_the_table_of_step_times_is_what_the_command_prints(root):
    scored = validate_step_times(table("measurements/step_times"))
    rows = [row for row in scored["rows"] if row["skipped"] is None]
    near = sum(abs(row["predicted"] / row["measured"] - 1) < 0.15 for row in rows) / len(rows)
    row = (
        f"| {scored['scored']} | {scored['median_ape']:.0%} | {scored['mape']:.0%} | {near:.0%} | "
        f"{scored['coverage']['0.8']:.0%} |"
    )
    accuracy = (root / "docs" / "accuracy.md").read_text(encoding="utf-8")
    assert row in accuracy
    for name, group in scored["groups"].items():
        scores = f"{group['median_ape']:.0%} | {group['mape']:.0%} | {group['coverage']['0.8']:.0%}"
        row = f"| {name.removeprefix('MoE, ')} | {group['scored']} | {scores} | {group['half_width']:.2f} |"
        assert row in accuracy


def test_the_table_of_declines_is_what_the_backtest_says(root):
    readme = (root / "docs" / "accuracy.md").read_text(encoding="utf-8")
    models = {
        "the default: aging gamma process for young boards, pooled with a constant rate else": "default",
        "no change": "no change", "constant 2.7x a year": "constant 2.7x",
        "log-linear least squares": "log-linear least squares",
    }  # fmt: skip
    table_of_models = compare_models(models=models.values())
    for name, row in zip(models, table_of_models.rows(), strict=True):
        inside = " / ".join(f"{row[f'coverage_{level}'] * 100:.0f}" for level in (50, 80, 95))
        width = f"{row['width']:.1f}" if row["width"] else "0"
        scores = " | ".join(f"{row[score]:.2f}" for score in ("crps", "boards", "capabilities"))
        assert f"| {name} | {scores} | {inside} % | {width} |" in readme
    windows = [table_of_models.backtests[0].windows(part) for part in ("all", "0.25 years", "1 years", "2 years")]
    assert windows == [28, 24, 5, 4]
    assert "28 windows that do not overlap (24 at 3 months, 5 at one year, 4 at two)" in readme


def test_the_table_of_rents_is_what_the_backtest_says(root):
    readme = (root / "docs" / "accuracy.md").read_text(encoding="utf-8")
    classes = {
        "hyperscalers' lists": "hyperscaler",
        "neoclouds, on demand": "neocloud",
        "marketplaces": "marketplace",
    }
    by_generation, by_time = backtest_rental("generation"), backtest_rental("time")
    for name, which in classes.items():
        scores = f"{by_generation.crps(which):.3f} | {by_generation.crps(which, 'no change'):.3f}"
        coverage, windows = by_generation.coverage(which), by_generation.windows(which)
        assert f"| {name} | {scores} | {coverage * 100:.0f} % | {windows} |" in readme
    later = [
        ", ".join(f"{by_time.crps(which, model):.3f}" for which in classes.values()) for model in ("pool", "no change")
    ]
    assert f"({later[0]} against {later[1]})" in readme
    shares = sorted(f"{by_time.coverage(which) * 100:.0f}" for which in classes.values())
    assert f"intervals hold {shares[0]} to {shares[-1]} %" in " ".join(readme.split())


def test_the_table_of_fine_tunes_is_what_the_command_prints(root):
    scored = validate_finetune(table("measurements/finetunes"))
    text = (root / "docs" / "accuracy.md").read_text(encoding="utf-8")
    for name, part in (("time of a step", scored), ("peak memory", scored["memory"])):
        rows = [row for row in part["rows"] if row["skipped"] is None]
        near = sum(abs(row["predicted"] / row["measured"] - 1) < 0.25 for row in rows) / len(rows)
        row = (
            f"| {name} | {part['scored']} | {part['median_ape']:.0%} | {part['mape']:.0%} | {near:.0%} | "
            f"{part['coverage']['0.8']:.0%} |"
        )
        assert row in text


def test_the_table_of_power_is_what_the_commands_print(root):
    text = (root / "docs" / "accuracy.md").read_text(encoding="utf-8")
    power = validate_power(table("measurements/measured_power"))
    energy = validate_energy(table("measurements/energy"))
    for name, part in (
        ("wall power, language models", power),
        ("wall power, other workloads", power["other_workloads"]),
        ("energy", energy),
    ):
        row = (
            f"| {name} | {part['scored']} | {part['median_ape']:.0%} | {part['mape']:.0%} | "
            f"{part['coverage']['0.8']:.0%} | {part['half_width']:.2f} |"
        )
        assert row in text
    short = (root / "README.md").read_text(encoding="utf-8")
    for prediction, part in (
        ("wall power of language-model training", power),
        ("energy of runs with published GPU-hours", energy),
    ):
        assert (
            f"| {prediction} | {part['scored']} | {part['median_ape']:.0%} | {part['coverage']['0.8']:.0%} |" in short
        )


def test_what_is_said_of_published_fine_tunes_is_what_the_command_prints(root):
    scored = validate_published_finetunes(table("measurements/published_finetunes"))
    said = (
        f"GPU-hours of\n{scored['scored']} jobs are off by a factor of {10 ** scored['median_abs_log10']:.1f} in the "
        f"median, {scored['coverage']['0.8']:.0%}".replace("%", " %")
    )
    assert said in (root / "docs" / "accuracy.md").read_text(encoding="utf-8")


def test_the_short_table_of_the_readme_is_what_the_commands_print(root):
    text = (root / "README.md").read_text(encoding="utf-8")
    fine_tunes = validate_finetune(table("measurements/finetunes"))
    for prediction, scores in (
        ("GPU-hours of published pretraining runs", validate_published_runs(table("measurements/published_runs"))),
        ("step time", validate_step_times(table("measurements/step_times"))),
        ("step time of fine-tuning", fine_tunes),
        ("peak memory of fine-tuning", fine_tunes["memory"]),
        (
            "GPU-hours of published fine-tuning jobs",
            validate_published_finetunes(table("measurements/published_finetunes")),
        ),
    ):
        row = f"| {prediction} | {scores['scored']} | {scores['median_ape']:.0%} | {scores['coverage']['0.8']:.0%} |"
        assert row in text


def test_the_table_of_price_proxies_is_what_the_command_prints(root):
    accuracy = (root / "docs" / "accuracy.md").read_text(encoding="utf-8")
    scored = validate_price_proxies(table("gpu_prices"))
    related = scored["families"]["relatives"]
    numbers = f"{related['scored']} | {related['median_ape']:.0%} | {related['coverage']['0.8']:.0%}"
    assert f"| price of an accelerator, from its relatives | {numbers} |" in (root / "README.md").read_text("utf-8")
    for part in scored["families"].values():
        row = (
            f"| {part['scored']} | {part['median_ape']:.0%} | {part['mape']:.0%} | {part['coverage']['0.8']:.0%} | "
            f"{part['half_width']:.2f} |"
        )
        assert row in accuracy


def test_the_picture_shows_the_runs_of_today(root):
    drawing = plot.claimed_against_estimated(reestimates())
    title = next(text.get_text() for text in drawing.figure.findobj(Text) if "published values" in text.get_text())
    stored = (root / "docs" / "_static" / "published_runs.svg").read_text(encoding="utf-8")
    assert title.partition("\n")[0] in stored, "run benchmarks/front_picture.py"


def test_the_table_of_memory_is_what_the_command_prints(root):
    scored = validate_memory(table("measurements/finetune_memory"))
    errors = f"{scored['median_ape']:.0%} | {scored['mape']:.0%} | {scored['coverage']['0.8']:.0%}"
    assert f"| {scored['scored']} | {errors} |" in (root / "docs" / "accuracy.md").read_text(encoding="utf-8")
