"""Accelerators: names and aliases, peaks, memory, and accelerators that users describe."""

import pytest

import costmodel as cm
from costmodel.foundation.names import name_key
from costmodel.foundation.tables import table
from costmodel.foundation.units import GIB, quantity
from costmodel.hardware.accelerator import accelerator_names, load_accelerator, read_as

ROWS = table("facts/accelerators").rows


@pytest.mark.parametrize(
    ("name", "proper"),
    [
        ("H100", "H100-SXM"), ("h100-sxm", "H100-SXM"), ("H100-SXM5-80GB", "H100-SXM"), ("H100 SXM5 80GB", "H100-SXM"),
        ("DGX-H100", "H100-SXM"), ("NVIDIA H100 80GB HBM3", "H100-SXM"), ("nvidia/H100", "H100-SXM"),
        ("a3-highgpu", "H100-SXM"), ("BM.GPU.H100.8", "H100-SXM"), ("ND96isr_H100_v5", "H100-SXM"),
        ("a100_80gb", "A100-80GB-SXM"), ("NVIDIA A100-SXM4-80GB", "A100-80GB-SXM"), ("A100 80GB", "A100-80GB-SXM"),
        ("NVIDIA A100-PCIE-40GB", "A100-40GB-PCIe"), ("Tesla V100-SXM2-16GB", "V100-16GB-SXM2"),
        ("NVIDIA GeForce RTX 4090", "RTX-4090"), ("AMD Instinct MI300X", "MI300X"), ("Google TPU v5p", "TPU-v5p"),
        ("tpuv4", "TPU-v4"), ("Trillium", "TPU-v6e"), ("AWS Trainium2", "Trainium2"), ("Intel Gaudi 3", "Gaudi3"),
        ("Huawei Ascend 910B", "Ascend-910B"), ("GB200-NVL72", "GB200"), ("H200", "H200-SXM"), ("H800", "H800-SXM"),
    ],
)  # fmt: skip
def test_names_that_people_and_drivers_write(name, proper):
    assert load_accelerator(name).name == proper


def test_every_name_and_alias_leads_to_its_row():
    names = accelerator_names()
    for row in ROWS:
        for alias in (row["name"], *filter(None, row["aliases"].split("|"))):
            assert names.proper(alias) == row["name"], alias
            assert names.proper(alias.upper().replace("-", " ")) == row["name"], alias


def test_names_and_aliases_are_unique():
    owner = {}
    for row in ROWS:
        for alias in (row["name"], *filter(None, row["aliases"].split("|"))):
            assert owner.setdefault(name_key(alias), row["name"]) == row["name"], alias


@pytest.mark.parametrize(
    ("name", "proper"),
    [
        ("A100", "A100-80GB-SXM"), ("h100 80gb", "H100-SXM"), ("RTX 3060", "RTX-3060"), ("4060 Ti", "RTX-4060-Ti-16GB"),
        ("GeForce RTX 4080", "RTX-4080"), ("rtx5080", "RTX-5080"), ("A5000", "RTX-A5000"), ("L20", "L20"),
        ("DGX Spark", "GB10"), ("NVIDIA GeForce RTX 3070 Ti", "RTX-3070-Ti"),
    ],
)  # fmt: skip
def test_names_that_people_use(name, proper):
    assert load_accelerator(name).name == proper


def test_what_a_shared_name_is_read_as():
    others = "A100-40GB-SXM, A100-40GB-PCIe, A100-80GB-PCIe"
    assert read_as("a100") == f"'a100' is read as A100-80GB-SXM; others are {others}"
    assert [read_as(name) for name in ("A100-80GB-SXM", "RTX-3070", "no such")] == ["", "", ""]


@pytest.mark.parametrize("name", ["M3 Max", "apple m4", "Apple silicon", "m2-ultra 192GB"])
def test_apple_silicon_is_refused_with_a_reason(name):
    with pytest.raises(cm.UnknownNameError, match="is not supported: Apple silicon has no published dense peak rates"):
        load_accelerator(name)


@pytest.mark.parametrize(
    ("name", "fp32", "bf16", "fp8", "fp4"), [
        ("RTX-3060", 12.74, 25.48, None, None),
        ("RTX-4080", 48.74, 97.48, 195.0, None),
        ("RTX-A5000", 27.77, 111.1, None, None),
        ("RTX-5080", 56.28, 112.6, 225.1, 900.5),
        ("L20", 59.35, 119.5, 239.0, None), ("GB10", 31.0, 62.0, 124.0, 496.0),
    ],
)  # fmt: skip
def test_rates_of_graphics_cards(name, fp32, bf16, fp8, fp4):
    found = load_accelerator(name)
    assert (found.fp32, found.bf16, found.fp8, found.fp4) == (fp32, bf16, fp8, fp4)


@pytest.mark.parametrize("name", ["V100", "GH200"])
def test_a_name_of_several_devices_is_not_guessed(name):
    with pytest.raises(cm.UnknownNameError, match=f"unknown accelerator '{name}'; did you mean"):
        load_accelerator(name)


@pytest.mark.parametrize("name", ["H100SXM", "H100-SXN", "h10O-sxm", "H100-SXM4"])
def test_a_misspelled_name_gets_a_suggestion(name):
    with pytest.raises(cm.UnknownNameError, match=r"did you mean .*'H100-SXM'"):
        load_accelerator(name)


@pytest.mark.parametrize(
    ("name", "precision", "tflops"),
    [
        ("H100-SXM", "bf16", 989.4),  # NVIDIA's data sheet prints 1,979 with sparsity
        ("H100-SXM", "fp16", 989.4),
        ("H100-SXM", "fp8", 1978.9),
        ("A100-80GB-SXM", "bf16", 312),
        ("A100-40GB-SXM", "tf32", 156),
        ("V100-16GB-SXM2", "fp16", 125),
        ("V100-16GB-SXM2", None, 125),  # no bf16: MFU refers to the fp16 peak
        ("TPU-v4", "bf16", 275),
        ("TPU-v5p", "bf16", 459),
        ("MI300X", "bf16", 1307.4),
        ("B200", "bf16", 2250),
        ("H800-SXM", "bf16", 989.4),
    ],
)
def test_dense_peaks_of_the_data_sheets(name, precision, tflops):
    assert load_accelerator(name).peak(precision) == pytest.approx(tflops * 1e12, rel=2e-3)


@pytest.mark.parametrize(
    ("name", "memory", "bandwidth", "tdp"),
    [
        ("H100-SXM", 80, 3350, 700),
        ("A100-80GB-SXM", 80, 2039, 400),
        ("MI300X", 192, 5300, 750),
        ("TPU-v4", 32, 1200, None),
    ],
)
def test_memory_bandwidth_and_power_of_the_data_sheets(name, memory, bandwidth, tdp):
    gpu = load_accelerator(name)
    assert gpu.memory == memory and gpu.memory_bandwidth == pytest.approx(bandwidth, rel=0.03)
    assert tdp is None or gpu.tdp == tdp


def test_unknown_peak_raises_missing_fact_error():
    with pytest.raises(cm.MissingFactError, match="no dense fp4 peak is known for H100-SXM"):
        load_accelerator("H100").peak("fp4")
    with pytest.raises(cm.MissingFactError, match="no dense bf16 peak is known for K80"):
        load_accelerator("K80").peak()


@pytest.mark.parametrize("precision", ["fp9", "name", "tdp", "BF16", ""])
def test_unknown_precisions_are_refused(precision):
    with pytest.raises(cm.InputError, match="precision must be one of fp32, tf32, fp16, bf16, fp8, fp4"):
        load_accelerator("H100").peak(precision)


def test_the_catalog_loads_and_peaks_make_sense():
    for row in cm.accelerators():
        gpu = load_accelerator(row["name"])
        assert gpu.source and gpu.node_size >= 1
        by_precision = [gpu.fp16, gpu.fp8, gpu.fp4]
        known = [rate for rate in by_precision if rate is not None]
        assert known == sorted(known), gpu.name  # narrower numbers are never slower
        assert gpu.tf32 is None or gpu.bf16 is None or gpu.tf32 <= gpu.bf16


def test_an_own_accelerator_from_fields_or_a_table():
    own = cm.Accelerator("My-chip", bf16="0.5 PFLOP/s", memory="96 GB", memory_bandwidth="3 TB/s", tdp="0.6 kW")
    assert own.peak() == 5e14 and (own.memory, own.tdp) == (96, 600) and own.memory_bandwidth == pytest.approx(3000)
    data = {"name": "My-chip", "bf16": 500, "memory": 96, "memory_bandwidth": 3000.0, "tdp": 600}
    assert load_accelerator(data).peak() == own.peak()
    assert load_accelerator(own) is own
    assert cm.Cluster(data, 16).accelerator.tdp == 600


def test_an_own_accelerator_survives_a_file(tmp_path):
    own = cm.Accelerator("My-chip", bf16=500, tdp="500 W to 600 W", node_size=4)
    run = cm.Scenario(architecture={"total": "7B"}, recipe=cm.Pretraining(tokens="1T"), cluster=cm.Cluster(own, 16))
    for name in ("run.toml", "run.json"):
        run.save(tmp_path / name)
        assert cm.Scenario.load(tmp_path / name) == run


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "name: is required"),
        ({"name": "X", "bf16": "5 W"}, "bf16: '5 W' has the wrong dimension"),
        ({"name": "X", "bf16": "989T"}, "bf16: '989T' is ambiguous"),
        ({"name": "X", "bf16": 0}, "bf16: must be a number in TFLOP/s above 0"),
        ({"name": "X", "bf16": "400 to 500 TFLOPS"}, "bf16: must be a number in .*, not a range"),
        ({"name": "X", "memory": "80"}, None),
        ({"name": "X", "memory": "7B"}, "memory: '7B' is ambiguous"),
        ({"name": "X", "tpd": 5}, "unknown field 'tpd'; did you mean 'tdp'"),
        ({"name": "X", "node_size": 0}, "node_size: "),
    ],
)
def test_fields_of_an_own_accelerator(fields, message):
    if message is None:
        assert load_accelerator(fields).memory == 80
        return
    with pytest.raises(cm.InputError, match=message):
        load_accelerator(fields)


@pytest.mark.parametrize("source", [None, 5, b"H100", ["H100"]])
def test_invalid_accelerator_raises_input_error(source):
    with pytest.raises(cm.CostModelError):
        load_accelerator(source)
    with pytest.raises(cm.InputError, match="accelerator"):
        cm.Cluster(source, 8)


@pytest.mark.parametrize(
    ("count", "per_node", "nodes"), [(1024, None, 128), (1, None, 1), (9, None, 2), (8, 4, 2), (9, 4, 3)]
)
def test_nodes_of_a_cluster(count, per_node, nodes):
    assert cm.Cluster("H100-SXM", count, gpus_per_node=per_node).nodes == nodes


@pytest.mark.parametrize(
    ("memory", "usable"),
    [
        (80, 80 * GIB),
        ("80", 80 * GIB),
        ("80 GB", 80e9),
        ("80 GiB", 80 * GIB),
        (quantity(80e9, "byte", "GB"), 80e9),
        (quantity(80 * GIB, "byte", "GiB"), 80 * GIB),
    ],
)
def test_memory_obeys_a_written_unit_and_a_bare_number_is_the_marketed_figure(memory, usable):
    own = cm.Accelerator("My-chip", memory=memory)
    assert own.usable_memory == pytest.approx(usable, rel=1e-12)
    assert cm.Accelerator.from_data(own.to_data()).usable_memory == pytest.approx(usable, rel=1e-12)


def test_usable_memory_of_the_catalog_is_never_more_than_the_marketed_figure_in_gib():
    for row in table("facts/accelerators").rows:
        marketed, usable = row["memory_gb"], row["usable_memory_gib"]
        assert bool(marketed) == bool(usable), row["name"]
        if marketed:
            assert 0.85 * float(marketed) <= float(usable) <= float(marketed), row["name"]
            assert load_accelerator(row["name"]).usable_memory == float(usable) * GIB


def test_usable_memory_is_kept_by_copies_and_follows_a_new_memory():
    own = cm.Accelerator("My-chip", memory=80, usable_memory="79 GiB", tdp=500)
    assert own.usable_memory == 79 * GIB
    assert own.replace(tdp=600).usable_memory == 79 * GIB
    assert cm.Accelerator.from_data(own.to_data()) == own
    assert own.replace(memory=40).usable_memory == 40 * GIB
    assert own.replace(memory="40 GB").usable_memory == 40e9
    assert own.replace({"usable_memory": "70 GiB", "memory": 96}).usable_memory == 70 * GIB
    with pytest.raises(cm.InputError, match="usable_memory: must be a number in byte"):
        own.replace(usable_memory=79)


def test_a_written_memory_decides_what_fits():
    """A step that needs 103 % of N x 1e9 byte does not fit into N GB, and fits into N GiB."""
    case = "llama-3.1-8b", cm.Pretraining(tokens="1T", batch_size=8), cm.Layout(data=8, zero=1, micro_batch=1)
    for unit, fits in (("GB", False), ("GiB", True), ("", True)):
        gpu = load_accelerator("H100-SXM")
        needed = cm.step_time(case[0], cm.Cluster(gpu, 8), *case[1:]).si.memory.total
        gpu = gpu.replace(memory=f"{needed / 1.03 / 1e9} {unit}")
        assert cm.step_time(case[0], cm.Cluster(gpu, 8), *case[1:]).fits == fits
