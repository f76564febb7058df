"""Memory of weights, gradients and optimizer states under ZeRO as its paper prints it."""

import pytest

import costmodel as cm
from costmodel.training.step.layout import Layout, layouts
from costmodel.training.step.memory import memory
from costmodel.training.step.numerics import numerics
from costmodel.training.step.workload import workload

ZERO_TABLE_1 = {  # GB of states by data-parallel degree, for ZeRO 1, 2 and 3
    (7.5, 4): ("52.5", "41.3", "30.0"),
    (7.5, 16): ("35.6", "21.6", "7.5"),
    (7.5, 64): ("31.4", "16.6", "1.88"),
    (7.5, 256): ("30.4", "15.4", "0.47"),
    (7.5, 1024): ("30.1", "15.1", "0.12"),
    (128, 16): ("608", "368", "128"),
    (128, 64): ("536", "284", "32"),
    (128, 256): ("518", "263", "8"),
    (1000, 64): ("4187", "2218", "250"),
    (1000, 1024): ("4011", "2013", "15.6"),
}


@pytest.mark.golden(source="Rajbhandari et al. 2020, ZeRO (arXiv 1910.02054)", table="Table 1")
@pytest.mark.parametrize(("billions", "ranks"), ZERO_TABLE_1)
def test_zero_shards_states_over_data_parallel_ranks(billions, ranks, golden):
    """Gradients take 2 bytes there. Three entries are printed without rounding (4187.5 as 4187, 2218.75 as 2218)."""
    work = workload(cm.load_architecture("llama-3.1-8b"), 64)
    scale = billions / sum(work.parameters[:6])
    numbers = numerics()._replace(gradient=2.0)
    for zero, published in enumerate(ZERO_TABLE_1[billions, ranks], start=1):
        parts = memory(work, numbers, 4096.0, layouts(Layout(data=ranks, zero=zero)))
        states = (parts.weights + parts.gradients + parts.optimizer_states) * scale
        digits = 3 if billions == 1000 and zero < 3 else None
        golden(f"states of {billions}B parameters, ZeRO-{zero} over {ranks} ranks [GB]", published, states, digits)
