"""Power in training: by utilization, with the share of the server, metered or derived from the TDP, or missing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import costmodel as cm
from costmodel.foundation.tables import default, table
from costmodel.hardware.accelerator import load_accelerator
from costmodel.hardware.power import (
    GENERATION_LOAD,
    PowerModel,
    metered_accelerators,
    power_at_load,
    power_model,
    power_spread,
    server_power,
    training_power,
)

ROUND = PowerModel(
    {"idle": 0.2, "busy": 0.9, "saturation": 0.4, "saturation:blackwell": 0.5, "server:air": 0.6, "server:liquid": 0.4,
     "accelerator:TPU-v4": 1.5},
    0.1,
)  # fmt: skip


@pytest.mark.parametrize(
    ("utilization", "generation", "load"),
    [(0.0, "hopper", 0.2), (0.2, "hopper", 0.55), (0.4, "hopper", 0.9), (0.8, "hopper", 0.9), (None, "hopper", 0.9),
     (0.1, "blackwell", 0.55), (0.2, "blackwell", 0.9)],
)  # fmt: skip
def test_power_is_idle_plus_slope_times_utilization_up_to_that_of_a_busy_accelerator(utilization, generation, load):
    assert ROUND.load(utilization, generation) == pytest.approx(load)


def test_the_rest_of_an_air_cooled_server_draws_more_than_of_a_liquid_cooled_one():
    server = server_power(load_accelerator("H100-SXM"))  # a 10.2 kW server of eight at 700 W
    assert server.cooling == "air"
    assert 700 * ROUND.server_share(server) == pytest.approx(0.6 * (10_200 / 8 - 700))
    assert 700 * ROUND.server_share(server, "liquid") == pytest.approx(0.4 * (10_200 / 8 - 700))
    air, liquid = (training_power(load_accelerator("H100-SXM"), cooling=each).value for each in ("air", "liquid"))
    assert 1.05 < air / liquid < 1.3


def test_the_factor_of_an_accelerator_is_1_unless_its_metered_runs_differ():
    assert (ROUND.factor("TPU-v4"), ROUND.factor("H100-SXM")) == (1.5, 1.0)


@given(st.sampled_from(["H100-SXM", "B200", "TPU-v4", "MI300X", "RTX-4090"]), st.floats(0, 1), st.floats(0, 1))
def test_power_grows_with_the_utilization_and_stays_below_the_design_power_of_the_server(name, one, other):
    accelerator = load_accelerator(name)
    low, high = (training_power(accelerator, share).value for share in sorted((one, other)))
    assert low <= high <= accelerator.tdp * server_power(accelerator).multiplier * power_model().factor(name)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("TPU-v4", 326, 378.5),  # GLaM and PaLM: measured system power per chip
        ("TPU-v3", 245, 310),  # Patterson et al. 2021, Table 4
        ("H100-SXM", 950, 1060),  # 76 % of 10.2 kW (arXiv 2506.14551), at most 8.4 kW (arXiv 2412.08602)
        ("A100-80GB-SXM", 590, 690),  # BLOOM: 637 W with the idle power of its nodes (arXiv 2211.02001)
        ("RTX-4090", 450, 520),  # four cards under full load draw 2,080 W with their host
        ("TPU-v7", 900, 1300),  # a pod of 9,216 chips of about 10 MW
        ("MI300X", 812, 1100),  # a node of eight draws 6.5 to 7.6 kW when it serves
    ],
)
def test_busy_accelerators_draw_what_is_published(name, low, high):
    assert low < training_power(load_accelerator(name)).value < high


def test_v100_of_gpt_3_draw_their_published_330_watts():
    assert training_power(load_accelerator("V100-32GB-SXM2"), 0.1968).value == pytest.approx(330, rel=0.05)


def test_metered_accelerators_have_the_interval_of_runs_left_out_of_the_fit():
    spread = power_model().spread
    assert metered_accelerators() == {"H100-SXM", "B200", "TPU-v3", "TPU-v4", "V100-32GB-SXM2"}
    for name in metered_accelerators():
        figure = training_power(load_accelerator(name))
        assert power_spread(load_accelerator(name)) == spread
        assert figure.provenance.kind == "fitted" and "metered" in figure.provenance.note
        assert "mlcommons" in figure.provenance.source
        assert figure.spread.quantile(0.9) / figure.value == pytest.approx(
            2.718281828 ** (1.2815516 * spread), rel=1e-4
        )


@pytest.mark.parametrize(
    ("names", "row"),
    [
        (("A100-80GB-SXM", "GB300", "RTX-4090"), "server_power_factor"),
        (("MI300X", "Gaudi2", "Trainium2", "Ascend-910B", "TPU-v5p"), "vendor_power_factor"),
    ],
)
def test_accelerators_without_metered_runs_have_wider_intervals_and_say_so(names, row):
    factor = default(row).spread
    for name in names:
        figure = training_power(load_accelerator(name))
        assert figure.provenance.kind == "assumed" and "no metered run" in figure.provenance.note
        assert figure.spread.quantile(0.9) / figure.value == pytest.approx(factor.quantile(0.9) / factor.median())
        assert power_spread(load_accelerator(name)) > power_model().spread


def test_the_interval_for_other_vendors_is_wider_than_for_nvidia():
    assert power_spread(load_accelerator("MI300X")) > power_spread(load_accelerator("H200-SXM"))


def test_power_of_an_own_accelerator_follows_its_design_power():
    one, two = (training_power(cm.Accelerator("X", tdp=watts)).value for watts in (300, 600))
    assert two == pytest.approx(2 * one)


@pytest.mark.parametrize("tdp", ["300 to 400 W", {"shape": "triangular", "low": 300, "mode": 340, "high": 400}])
def test_a_design_power_with_a_range(tdp):
    figure = training_power(cm.Accelerator("X", tdp=tdp))
    own = cm.Accelerator("X", tdp=tdp).tdp
    share = power_model().values["busy"] + 0.8 * power_model().values["server:air"]
    assert figure.value == pytest.approx(share * own.median())
    assert (figure.spread.low, figure.spread.high) == pytest.approx((share * 300, share * 400))


@pytest.mark.parametrize("accelerator", [cm.Accelerator("X", bf16=500), load_accelerator("Trainium3")])
def test_unknown_power_is_missing(accelerator):
    with pytest.raises(cm.MissingFactError, match=r"no power of \w+ is known, .*give cluster.site.power_per_gpu"):
        training_power(accelerator)


def test_every_accelerator_of_the_catalog_has_a_power_or_says_why_not():
    for row in cm.accelerators():
        gpu = load_accelerator(row["name"])
        if gpu.tdp is None:
            with pytest.raises(cm.MissingFactError, match=r"site\.power_per_gpu"):
                training_power(gpu)
        else:
            assert 10 < training_power(gpu).value < 5000


def test_every_scope_of_server_power_is_an_accelerator_a_generation_or_a_class():
    catalog = table("facts/accelerators").rows
    known = {row["name"] for row in catalog} | {row["generation"] for row in catalog} | {"gpu", "tpu"}
    assert {row["scope"] for row in table("facts/server_power").rows} <= known


def job(recipe, accelerator="H100-SXM", count=64, **fields):
    run = cm.Scenario("llama-3.1-8b", recipe, cm.Cluster(accelerator, count), **fields)
    return cm.estimate(run).inputs["site.power_per_gpu"]


def test_the_power_of_a_job_follows_its_utilization():
    recipe = cm.Pretraining(tokens="1T")
    accelerator = load_accelerator("H100-SXM")
    for mfu in (0.1, 0.2, 0.5):
        expected = training_power(accelerator, mfu).value
        assert job(recipe, mfu=mfu, goodput=1.0).value == pytest.approx(expected)
    assert job(recipe, mfu=0.2, goodput=0.5).value == pytest.approx(training_power(accelerator, 0.1).value)


def test_the_utilization_is_relative_to_the_peak_of_the_number_format():
    """fp8 at an MFU of 20 % of the bf16 peak is 10 % of the fp8 peak."""
    bf16, fp8 = (job(cm.Pretraining(tokens="1T", precision=each), mfu=0.2, goodput=1.0) for each in ("bf16", "fp8"))
    assert fp8.value == pytest.approx(training_power(load_accelerator("H100-SXM"), 0.1).value, rel=1e-3)
    assert fp8.value < bf16.value


def test_given_hours_give_the_utilization():
    recipe = cm.Pretraining(tokens="1T")
    est = cm.estimate(cm.Scenario("llama-3.1-8b", recipe, cm.Cluster("H100-SXM", 64), gpu_hours=200_000))
    expected = training_power(load_accelerator("H100-SXM"), est.value("utilization")).value
    assert est.inputs["site.power_per_gpu"].value == pytest.approx(expected)


def test_generation_draws_the_power_of_generation():
    """ML.ENERGY: H100 under vLLM draw 0.64 to 0.83 of their design power."""
    assert 0.64 < GENERATION_LOAD < 0.83
    rollouts = {"tokens": "1B", "prompt_length": 500, "sequence_length": 4500}
    generation = power_at_load(load_accelerator("H100-SXM"), GENERATION_LOAD, "").value
    assert job(cm.GRPO(**rollouts, gpu_hours=500)).value == pytest.approx(generation)
    busy, idle = (training_power(load_accelerator("H100-SXM"), share).value for share in (None, 0.0))
    whole = job(cm.GRPO(**rollouts)).value
    assert idle < whole < busy
    assert whole == pytest.approx(generation, rel=0.12)


@pytest.mark.parametrize(("name", "low", "high"), [("TPU-v3", 245, 310), ("TPU-v4", 326, 378.5)])
def test_pretraining_on_tpus_draws_what_is_published(name, low, high):
    """Patterson et al. 2021, Table 4 (TPU v3); GLaM and PaLM (TPU v4)."""
    assert low < job(cm.Pretraining(tokens="1T"), name, 512).value < high


def test_the_note_says_the_utilization_and_the_load():
    note = job(cm.Pretraining(tokens="1T"), mfu=0.1, goodput=1.0).provenance.note
    load = power_model().load(0.1, "hopper")
    assert note == f"10 % of the bf16 peak: {load * 100:.0f} % of the TDP, with the server; metered runs"


def test_a_given_power_is_taken_as_it_is():
    run = cm.Scenario(
        "llama-3.1-8b", cm.Pretraining(tokens="1T"), cm.Cluster("H100-SXM", 64, site=cm.Site(power_per_gpu=700))
    )
    assert cm.estimate(run).inputs["site.power_per_gpu"].value == 700
