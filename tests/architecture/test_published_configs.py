"""Parameters and FLOPs of real configs equal those of the reference implementation, to the last unit.

Reference: Hugging Face transformers 5.23 on the meta device (params.csv, flops.csv beside the configs).
"""

import csv

import pytest

from costmodel.architecture.flops import count_flops
from costmodel.architecture.loading import load_architecture

SCANS = {"mamba", "falcon_h1", "jamba", "nemotron_h", "qwen3_next"}
"""Families whose scans the reference counts by its own kernels: indicative, ours are within 2 %."""


def rows(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def counted(shared):
    known = rows(shared / "configs" / "params.csv")
    return {row["model"]: (row, load_architecture(shared / "configs" / f"{row['model']}.json")) for row in known}


def test_parameters_are_exact(counted):
    assert len(counted) >= 85
    differing = {
        name: (architecture.parameters[:3], row)
        for name, (row, architecture) in counted.items()
        if architecture.parameters[:3]
        != (int(row["total_params"]), int(row["active_params"]), int(row["embedding_params"]))
    }
    assert not differing


def test_forward_flops_are_exact(counted, shared):
    for row in rows(shared / "configs" / "flops.csv"):
        _, architecture = counted[row["model"]]
        flops = count_flops(architecture, int(row["seq_len"]), int(row["batch"]), attention="full", scan="plain")
        if row["model_type"] in SCANS:
            assert flops.forward == pytest.approx(int(row["forward_flops"]), rel=0.02), row["model"]
        else:
            assert flops.forward == int(row["forward_flops"]), row["model"]


def test_backward_flops_are_twice_the_forward(counted, shared):
    """Where no convolution is in them (the reference counts their backward over, and says so).

    BERT and RoBERTa differ by 1e-5: the reference runs no loss through their pooler.
    """
    scored = 0
    for row in rows(shared / "configs" / "flops.csv"):
        if not row["forward_backward_flops"] or int(row["conv_backward_flops_counted"] or 0):
            continue
        _, architecture = counted[row["model"]]
        flops = count_flops(architecture, int(row["seq_len"]), int(row["batch"]), attention="full", scan="plain")
        expected = int(row["forward_backward_flops"])
        assert flops.forward + flops.backward == pytest.approx(expected, rel=2e-5), row["model"]
        scored += 1
    assert scored >= 50


def test_a_layout_can_be_asserted_for_an_unknown_model_type(catalog_config):
    config = catalog_config("llama-3-8b") | {"model_type": "llama_of_ours"}
    with pytest.raises(ValueError, match="family=TYPE if you know"):
        load_architecture(config)
    read = load_architecture(config, family="llama")
    assert read.parameters.total == 8_030_261_248
    assert read.unverified == ("model_type: 'llama_of_ours' was read with the layout of 'llama', as the caller said",)
    assert load_architecture(config | {"model_type": "llama"}, family="llama").unverified == ()
