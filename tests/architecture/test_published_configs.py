"""Parameters and forward FLOPs of real configs equal those of the reference implementation, to the last unit.

Reference: Hugging Face transformers 5.23 on the meta device (params.csv, flops.csv beside the configs).
"""

import csv

import pytest

from costmodel.architecture.counting import count_flops
from costmodel.architecture.families import FAMILIES
from costmodel.architecture.loading import load_architecture, read_config


def rows(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def counted(shared):
    known = [row for row in rows(shared / "configs" / "params.csv") if row["model_type"] in FAMILIES]
    found = {}
    for row in known:
        path = shared / "configs" / f"{row['model']}.json"
        if read_config(path)["model_type"] in FAMILIES:
            found[row["model"]] = (row, load_architecture(path))
    return found


def test_all_families_of_this_stage_are_there(counted):
    assert {row["model_type"] for row, _ in counted.values()} == set(FAMILIES)
    assert len(counted) >= 30


def test_parameters_are_exact(counted):
    differing = {
        name: (architecture.parameters[:3], row)
        for name, (row, architecture) in counted.items()
        if architecture.parameters[:3]
        != (int(row["total_params"]), int(row["active_params"]), int(row["embedding_params"]))
    }
    assert not differing


def test_forward_flops_are_exact(counted, shared):
    scored = 0
    for row in rows(shared / "configs" / "flops.csv"):
        if row["model"] not in counted:
            continue
        _, architecture = counted[row["model"]]
        flops = count_flops(architecture, int(row["seq_len"]), int(row["batch"]), attention="full")
        assert flops.forward == int(row["forward_flops"]), row["model"]
        scored += 1
    assert scored >= 40


def test_a_layout_can_be_asserted_for_an_unknown_model_type(shared):
    path = shared / "configs" / "internlm-chat-7b.json"
    with pytest.raises(ValueError, match="family='llama'"):
        load_architecture(path)
    expected = next(row for row in rows(shared / "configs" / "params.csv") if row["model"] == "internlm-chat-7b")
    assert load_architecture(path, family="llama").parameters.total == int(expected["total_params"])
