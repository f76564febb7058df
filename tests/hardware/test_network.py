"""Network between nodes and link to the host: catalog, clusters, and unknown bandwidths."""

import pytest

import costmodel as cm
from costmodel.foundation.tables import table
from costmodel.hardware.accelerator import accelerator_names, load_accelerator

ROWS = table("facts/networks").rows


@pytest.mark.parametrize(
    ("name", "network", "host"),
    [
        ("V100-16GB-SXM2", 6.25, 16),  # DGX-1: 4 x 100 Gb/s for 8 GPUs, PCIe 3.0 x16
        ("V100-32GB-SXM2", 6.25, 16),  # DGX-2: 8 x 100 Gb/s for 16
        ("A100-80GB-SXM", 25, 32),  # DGX A100: 8 x 200 Gb/s for 8, PCIe 4.0 x16
        ("H100-SXM", 50, 64),  # DGX H100: 8 x 400 Gb/s for 8, PCIe 5.0 x16
        ("H800-SXM", 50, 64),  # the export rule cut NVLink, not the network
        ("B200", 50, 64),  # DGX B200: 8 x 400 Gb/s for 8
        ("B300", 100, 64),  # DGX B300: 8 x 800 Gb/s for 8
        ("GB200", 50, 225),  # 400 Gb/s per GPU; 450 GB/s of NVLink-C2C for two GPUs
        ("GB300", 100, 225),  # 800 Gb/s per GPU
        ("GH200-96GB", 25, 450),  # JUPITER: NDR200 per superchip; NVLink-C2C for one GPU
        ("MI300X", 50, 64),  # 8 x 400 Gb/s for 8
        ("MI250X", 25, 72),  # Frontier: 4 x 200 Gb/s for 4 modules; 36 GB/s to each of two dies
        ("Gaudi3", 75, 64),  # 3 ports of 200 GbE leave the node
        ("TPU-v5p", 6.25, 15),  # 50 Gb/s of data-center network per chip
        ("RTX-4090", None, 32),  # no reference system
        ("Ascend-920", None, None),  # no source
    ],
)
def test_bandwidths_of_the_reference_systems(name, network, host):
    gpu = load_accelerator(name)
    assert (gpu.network_bandwidth, gpu.host_bandwidth) == (network, host)


def test_every_row_names_a_device_and_its_source():
    names = [row["accelerator"] for row in ROWS]
    assert len(names) == len(set(names))
    assert set(names) <= set(accelerator_names().things)
    for row in ROWS:
        assert row["network_gb_per_s"] or row["host_gb_per_s"], row["accelerator"]
        assert row["source"] and row["note"] and row["reference_system"], row["accelerator"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["accelerator"])
def test_inter_node_bandwidth_never_exceeds_intra_node_bandwidth(row):
    gpu = load_accelerator(row["accelerator"])
    if gpu.network_bandwidth and gpu.link_bandwidth:
        assert gpu.network_bandwidth < gpu.link_bandwidth
    assert gpu.host_bandwidth is None or gpu.memory_bandwidth is None or gpu.host_bandwidth < gpu.memory_bandwidth


def test_a_cluster_has_the_network_of_its_accelerator_unless_told():
    assert cm.Cluster("H100-SXM", 1024).network == 50e9
    slower = cm.Cluster("H100-SXM", 1024, network_bandwidth="200 Gbit/s")
    assert slower.network_bandwidth == 25 and slower.network == 25e9
    assert slower.accelerator.network_bandwidth == 50
    assert cm.Cluster("H100-SXM", 1024, network_bandwidth=12.5).network == 12.5e9


def test_unknown_network_is_none():
    assert cm.Cluster("RTX-4090", 8).network is None
    assert cm.Cluster("RTX-4090", 8, network_bandwidth="100 Gbps").network == 12.5e9
    assert cm.Cluster({"name": "My-chip", "bf16": 500}, 8).network is None
    assert cm.Cluster({"name": "My-chip", "bf16": 500, "network_bandwidth": "50 GB/s"}, 8).network == 50e9


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (0, "network_bandwidth: must be a number in GB/s above 0"),
        ("5 W", "network_bandwidth: '5 W' has the wrong dimension"),
        ("25 GB/s to 50 GB/s", "network_bandwidth: must be a number in .*, not a range"),
    ],
)
def test_invalid_network_raises_input_error(given, message):
    with pytest.raises(cm.InputError, match=message):
        cm.Cluster("H100-SXM", 8, network_bandwidth=given)


@pytest.mark.parametrize("name", ["run.toml", "run.json"])
def test_a_network_survives_a_file(tmp_path, name):
    cluster = cm.Cluster("H100-SXM", 1024, network_bandwidth="400 Gbit/s")
    run = cm.Scenario(architecture={"total": "7B"}, recipe=cm.Pretraining(tokens="1T"), cluster=cluster)
    run.save(tmp_path / name)
    loaded = cm.Scenario.load(tmp_path / name)
    assert loaded == run and loaded.cluster.network == 50e9


def test_a_file_may_spell_the_network(tmp_path):
    path = tmp_path / "run.toml"
    run = cm.Scenario(architecture={"total": "7B"}, recipe=cm.Pretraining(tokens="1T"), cluster=cm.Cluster("H100", 16))
    run.replace(cluster=cm.Cluster("H100", 16, network_bandwidth=25)).save(path)
    text = path.read_text(encoding="utf-8")
    assert "network_bandwidth = 25.0" in text
    path.write_text(text.replace("network_bandwidth = 25.0", 'network_bandwidth = "400 Gbit/s"'), encoding="utf-8")
    assert cm.Scenario.load(path).cluster.network == 50e9
