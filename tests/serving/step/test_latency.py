"""Time to first token, time per output token, and speculative decoding."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import costmodel as cm
from costmodel.foundation.errors import InputError
from costmodel.serving.calibration.constants import default_constants
from costmodel.serving.calibration.figures import default_latency, latency_of
from costmodel.serving.engine.recipes import recipe_of
from costmodel.serving.step.formats import FORMATS
from costmodel.serving.step.latency import LatencyConstants, time_per_output_token, time_to_first_token
from costmodel.serving.step.replica import Replica, hardware_of
from costmodel.serving.step.speculation import Speculation, speculative_time_per_token
from costmodel.serving.step.timing import prompt_time, step_time, time_per_token
from costmodel.serving.step.work import Workload, work_of

CARD = cm.load_accelerator("H100-SXM")
HARDWARE = hardware_of(cm.Cluster(CARD, 1), 1, "bf16")[0]
CONSTANTS = default_constants().constants(recipe_of(CARD, "vllm", "default"), "bf16")
LATENCY = LatencyConstants(prompts=1.5, queue=0.01, layer=1e-4, step=2.0, engine=1.0)
WORK = work_of(cm.load_architecture("llama-3.1-8b"), FORMATS["bf16"], "bf16", Replica(), Workload(2000, 500))


def test_time_to_first_token_by_hand():
    prompt = prompt_time(WORK, HARDWARE, CONSTANTS)
    step = step_time(WORK, HARDWARE, CONSTANTS, 11.0).total
    first = time_to_first_token(WORK, HARDWARE, CONSTANTS, LATENCY, 11.0)
    assert first == pytest.approx(1.5 * prompt * 1.1 + 32 * 1e-4 + 2 * step)
    slow = time_to_first_token(WORK, HARDWARE, CONSTANTS, LATENCY._replace(engine=3.0), 11.0)
    assert slow - first == pytest.approx(2 * (32 * 1e-4 + 2 * step))


def test_first_token_and_others_add_up_to_the_request():
    whole = time_per_token(WORK, HARDWARE, CONSTANTS, 64.0)
    first = time_to_first_token(WORK, HARDWARE, CONSTANTS, LATENCY, 64.0)
    rest = time_per_output_token(WORK, HARDWARE, CONSTANTS, LATENCY, 64.0)
    assert first + 500 * rest == pytest.approx(500 * whole)


@given(st.floats(1, 1000), st.floats(0, 1000))
def test_latencies_do_not_fall_with_more_requests(batch, more):
    for figure in (time_to_first_token, time_per_output_token):
        few, many = (figure(WORK, HARDWARE, CONSTANTS, LATENCY, size) for size in (batch, batch + more))
        assert few <= many * (1 + 1e-12)


def test_sglang_on_blackwell_starts_slowly():
    """The first tokens of InferenceMAX recipes of SGLang on B200 take several times those of other stacks."""
    values = default_latency().values
    b200, h200 = (recipe_of(cm.load_accelerator(name), "sglang", "tuned") for name in ("B200", "H200-SXM"))
    assert latency_of(values, b200).engine > 3 and latency_of(values, h200).engine == 1


def test_a_recipe_without_rows_has_a_wider_time_to_first_token():
    latency = default_latency()
    assert latency.spread("hopper sglang tuned 2025") == latency.spreads["known"] < latency.spread("new recipe")


def test_tokens_per_step_of_speculative_decoding():
    """Leviathan et al. 2022, equation 1: (1 - a^(n + 1)) / (1 - a)."""
    assert Speculation(4, 0.7, 0.02).tokens_per_step == pytest.approx((1 - 0.7**5) / (1 - 0.7))


def test_speculation_pays_at_small_batches_and_not_at_large_ones():
    draft = Speculation(2, 0.7, 1 / 32)
    gains = [
        time_per_token(WORK, HARDWARE, CONSTANTS, batch)
        / speculative_time_per_token(WORK, HARDWARE, CONSTANTS, draft, batch)
        for batch in (1.0, 32.0, 1024.0)
    ]
    assert 1.5 < gains[0] < draft.tokens_per_step
    assert gains[0] > gains[1] > gains[2]


def test_speculation_names_all_problems():
    with pytest.raises(InputError) as caught:
        Speculation(0, 1.2, -1).check()
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "draft_tokens", "acceptance", "draft_time",
    ]  # fmt: skip
