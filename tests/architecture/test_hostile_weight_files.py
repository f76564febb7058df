"""Damaged and hostile weight files: a clear error, little memory, and nothing read beyond the headers."""

import json
import struct
import tracemalloc

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

import costmodel as cm
from costmodel.architecture.sources.counted import architecture_of_tensors
from costmodel.architecture.sources.gguf import read_gguf
from costmodel.architecture.sources.safetensors import read_safetensors
from costmodel.architecture.sources.tensors import Tensor, TensorList
from costmodel.foundation.errors import InputError
from costmodel.foundation.limits import HEADER_BYTES

MOST_MEMORY = 200e6
VALID = save({"model.layers.0.mlp.up_proj.weight": np.zeros((4, 3), np.float16)})
ENTRY = {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}


def file_of(header, data=b"\0" * 64, length=None):
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(content) if length is None else length) + content + data


@pytest.fixture(scope="module")
def valid_gguf(tmp_path_factory):
    path = tmp_path_factory.mktemp("gguf") / "model.gguf"
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_block_count(1)
    writer.add_token_list(["a", "b"])
    writer.add_tensor("blk.0.ffn_up.weight", np.zeros((4, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()


def refused(path, content, read):
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x08",
        file_of({}, length=0),
        file_of({}, length=2**63),
        file_of({}, length=2**64 - 1),
        file_of({}, length=100),
        file_of(b"[1, 2]"),
        file_of(b"{"),
        file_of(b"\xff\xfe"),
        file_of(b'{"a": ' + b"[" * 100_000),
        file_of(b'{"a": ' + b'{"a":' * 100_000),
        file_of(b'{"a": ' + b"9" * 10_000 + b"}"),
        file_of(b'{"a": {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}, "a": {}}'),
        file_of({"a": 3}),
        file_of({"a": ENTRY | {"dtype": "F17"}}),
        file_of({"a": ENTRY | {"dtype": ["F16"]}}),
        file_of({"a": ENTRY | {"shape": [-2]}}),
        file_of({"a": ENTRY | {"shape": [2.0]}}),
        file_of({"a": ENTRY | {"shape": [True, 2]}}),
        file_of({"a": ENTRY | {"shape": [2**62, 2**62]}}),
        file_of({"a": ENTRY | {"shape": "2"}}),
        file_of({"a": ENTRY | {"shape": [1] * 100 + [2]}}),
        file_of({"a": ENTRY | {"data_offsets": [0, 2**62]}}),
        file_of({"a": ENTRY | {"data_offsets": [4, 0]}}),
        file_of({"a": ENTRY | {"data_offsets": [-4, 0]}}),
        file_of({"a": ENTRY | {"data_offsets": [0, 2]}}),
        file_of({"a": ENTRY | {"data_offsets": [0]}}),
        file_of({"a": ENTRY | {"data_offsets": None}}),
        file_of({"a": ENTRY, "b": ENTRY | {"data_offsets": [2, 6]}}),
    ],
    ids=range(29),
)
def test_damaged_safetensors_are_refused(tmp_path, content):
    refused(tmp_path / "model.safetensors", content, read_safetensors)


def test_truncated_safetensors_are_refused_at_every_byte(tmp_path):
    path = tmp_path / "model.safetensors"
    for length in range(len(VALID)):
        refused(path, VALID[:length], read_safetensors)
    path.write_bytes(VALID)
    assert [tensor.shape for tensor in read_safetensors(path)] == [(4, 3)]


def test_truncated_gguf_is_refused_at_every_byte(tmp_path, valid_gguf):
    path = tmp_path / "model.gguf"
    for length in range(len(valid_gguf)):
        refused(path, valid_gguf[:length], read_gguf)
    path.write_bytes(valid_gguf)
    assert [tensor.shape for tensor in read_gguf(path).tensors] == [(4, 32)]


def string(text):
    return struct.pack("<Q", len(text)) + text


def gguf_of(tensors=0, keys=0, rest=b"", version=3):
    return b"GGUF" + struct.pack("<IQQ", version, tensors, keys) + rest + b"\0" * 4096


def key(kind, value):
    return string(b"a.b") + struct.pack("<I", kind) + value


def info(name=b"a", extents=(32,), kind=0, offset=0):
    return string(name) + struct.pack(f"<I{len(extents)}QIQ", len(extents), *extents, kind, offset)


@pytest.mark.parametrize(
    "content",
    [
        b"GGUX" + b"\0" * 64,
        gguf_of(version=1),
        gguf_of(version=4),
        gguf_of(tensors=2**60),
        gguf_of(tensors=2**63),
        gguf_of(keys=2**60),
        gguf_of(keys=1, rest=struct.pack("<Q", 2**60)),
        gguf_of(keys=1, rest=key(8, struct.pack("<Q", 2**60))),
        gguf_of(keys=1, rest=key(9, struct.pack("<IQ", 8, 2**60))),
        gguf_of(keys=1, rest=key(9, struct.pack("<IQ", 0, 2**60))),
        gguf_of(keys=1, rest=key(9, struct.pack("<IQ", 99, 5))),
        gguf_of(keys=1, rest=key(9, struct.pack("<IQ", 9, 1) * 50)),
        gguf_of(keys=1, rest=key(77, b"")),
        gguf_of(keys=2, rest=key(0, b"\1") * 2),
        gguf_of(keys=1, rest=string(b"general.alignment") + struct.pack("<II", 4, 0)),
        gguf_of(tensors=1, rest=info(extents=(2**40, 2**40))),
        gguf_of(tensors=1, rest=info(extents=(2**20,))),
        gguf_of(tensors=1, rest=info(extents=(1,) * 9)),
        gguf_of(tensors=1, rest=info(kind=1234)),
        gguf_of(tensors=1, rest=info(extents=(31,), kind=2)),
        gguf_of(tensors=1, rest=info(offset=2**63)),
        gguf_of(tensors=1, rest=info(name=b"a" * 2000)),
    ],
    ids=range(22),
)
def test_damaged_gguf_is_refused(tmp_path, content):
    refused(tmp_path / "model.gguf", content, read_gguf)


@settings(max_examples=200)
@given(places=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8))
def test_changed_bytes_give_tensors_or_an_error(tmp_path_factory, valid_gguf, places):
    folder = tmp_path_factory.getbasetemp()
    for valid, name, read in ((VALID, "m.safetensors", read_safetensors), (valid_gguf, "m.gguf", read_gguf)):
        content = bytearray(valid)
        for place, value in places:
            content[place % len(content)] = value
        (folder / name).write_bytes(content)
        try:
            read(folder / name)
            cm.load_architecture(folder / name)
        except InputError as error:
            assert len(str(error)) < 3000


NAMES = st.sampled_from(
    [
        "model.layers.0.self_attn.q_proj.weight",
        "model.layers.0.self_attn.k_proj.weight",
        "model.layers.0.self_attn.v_proj.weight",
        "model.layers.0.self_attn.o_proj.weight",
        "model.layers.0.self_attn.q_proj.bias",
        "model.layers.0.self_attn.q_norm.weight",
        "model.layers.1.self_attn.qkv_proj.weight",
        "model.layers.1.self_attn.out_proj.weight",
        "model.layers.0.mlp.up_proj.weight",
        "model.layers.0.mlp.down_proj.weight",
        "model.layers.0.mlp.down_proj.bias",
        "model.layers.1.mlp.experts.0.w1.weight",
        "model.layers.1.mlp.experts.1.w1.weight",
        "model.layers.1.mlp.experts.gate_up_proj",
        "model.layers.1.mlp.gate.weight",
        "model.layers.0.conv.weight",
        "model.layers.0.norm.weight",
        "vision.blocks.0.norm.weight",
        "vision.patch.weight",
        "model.embed_tokens.weight",
        "model.norm.weight",
        "lm_head.weight",
        "lm_head.bias",
        "mtp.layers.0.weight",
        "weight",
    ]
)
SHAPES = st.lists(st.sampled_from([0, 1, 2, 3, 4, 6, 8, 16, 32]), max_size=4).map(tuple)


@settings(max_examples=300)
@given(
    shapes=st.dictionaries(NAMES, SHAPES, min_size=1, max_size=20),
    config=st.fixed_dictionaries(
        {"num_experts_per_tok": st.integers(1, 3)},
        optional={
            "num_attention_heads": st.integers(1, 9),
            "head_dim": st.integers(1, 9),
            "hidden_size": st.sampled_from([4, 8, 16]),
            "num_experts": st.integers(1, 8),
            "tie_word_embeddings": st.booleans(),
        },
    ),
)
def test_no_parameter_is_lost_or_counted_twice(shapes, config):
    tensors = TensorList(tuple(Tensor(name, shape) for name, shape in shapes.items()))
    try:
        counted = architecture_of_tensors(tensors, config)
    except InputError as error:
        assert "not understood" not in str(error), error
        return
    total = sum(tensor.size for tensor in tensors.tensors if not tensor.name.startswith("mtp"))
    head = next((tensor.size for tensor in tensors.tensors if tensor.name == "lm_head.weight"), 0)
    assert counted.parameters.total in {total, total - head}
    assert counted.parameters.active <= counted.parameters.total


@pytest.mark.parametrize(
    "content",
    [
        file_of(b"{" + b",".join(b'"%x":1' % index for index in range(499_999)) + b"}"),
        file_of(b'{"a":[' + b'"abcdefghij",' * 1_190_000 + b"0]}"),
        file_of(b'{"a":[' + b"[]," * 590_000 + b"0]}"),
        file_of(b'{"a":[' + b"{}," * 2_000_000 + b"0]}"),
        file_of(b'{"a":"' + b"x" * (HEADER_BYTES - 100) + b'"}'),
        file_of(b'{"a":"' + b"\xf0\x9f\x98\x80" * (HEADER_BYTES // 4 - 100) + b'"}'),
        file_of(b" " * (HEADER_BYTES + 1)),
        gguf_of(keys=1, rest=key(9, struct.pack("<IQ", 8, 4_000_001))),
    ],
    ids=range(8),
)
def test_hostile_headers_take_little_memory(tmp_path, content):
    path = tmp_path / ("model.gguf" if content.startswith(b"GGUF") else "model.safetensors")
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(InputError) as caught:
            cm.load_architecture(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MOST_MEMORY
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("name", ["model.safetensors", "model.gguf"])
def test_nothing_is_read_beyond_the_header(tmp_path, valid_gguf, name):
    """A file of a terabyte of weights, without the disk for it, opens as fast as its header."""
    size, path = 10**12, tmp_path / name
    if name.endswith("gguf"):
        content = gguf_of(tensors=1, rest=info(b"blk.0.ffn_up.weight", (10**6, 10**6 // 4)))
    else:
        entry = {"dtype": "F32", "shape": [10**6, 10**6 // 4], "data_offsets": [0, size]}
        content = file_of({"blk.0.ffn_up.weight": entry}, b"")
    with path.open("wb") as file:
        file.write(content)
        file.truncate(len(content) + size)
    counted = cm.load_architecture(path)
    assert counted.parameters.total == size // 4
    assert counted.stored_bytes == size


@pytest.mark.parametrize(
    "name", ["../model.safetensors", "/etc/passwd", "a/b.safetensors", "model.bin", "\0.safetensors"]
)
def test_index_names_files_of_its_own_folder_only(tmp_path, name):
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": name}}), encoding="utf-8")
    with pytest.raises(InputError, match="in its own folder"):
        cm.load_architecture(tmp_path)


@pytest.mark.parametrize(
    "content", ["[]", "{}", '{"weight_map": []}', '{"weight_map": {"a": 3}}', "{", '{"weight_map": {}}']
)
def test_damaged_index_is_refused(tmp_path, content):
    (tmp_path / "model.safetensors.index.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"index\.json"):
        cm.load_architecture(tmp_path)


def test_index_with_a_tensor_that_no_file_has_is_refused(tmp_path):
    (tmp_path / "m.safetensors").write_bytes(VALID)
    index = {"weight_map": {"model.layers.0.mlp.up_proj.weight": "m.safetensors", "b": "m.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    with pytest.raises(InputError, match="names 1 tensors that its files do not have: 'b'"):
        cm.load_architecture(tmp_path)
