"""Coverage-guided fuzzing of the headers of safetensors and GGUF files; needs the package atheris.

Run: python benchmarks/fuzz/weights.py -max_total_time=60
"""

from __future__ import annotations

import json
import math
import struct
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["costmodel.architecture"]):
    from costmodel.architecture.flops import count_flops
    from costmodel.architecture.loading import load_architecture
    from costmodel.foundation.errors import CostModelError

FOLDER = Path(tempfile.mkdtemp())


def one_input(data: bytes) -> None:
    """Read the bytes as a header, raw or in a frame that is valid: finite counts or a clear error."""
    frame, content = data[:1], data[1:]
    if frame < b"\x40":
        path, written = FOLDER / "model.safetensors", struct.pack("<Q", len(content)) + content + bytes(4096)
    elif frame < b"\x80":
        path, written = FOLDER / "model.safetensors", content
    elif frame < b"\xc0":
        path, written = FOLDER / "model.gguf", b"GGUF" + struct.pack("<I", 3) + content + bytes(4096)
    else:
        path, written = FOLDER / "model.gguf", b"GGUF" + content
    path.write_bytes(written)
    try:
        architecture = load_architecture(path)
        flops = count_flops(architecture, 128).training
    except CostModelError as error:
        assert len(str(error)) < 5_000
        return
    assert architecture.parameters.total > 0
    assert 0 <= flops < math.inf


def seeds() -> list[bytes]:
    """Return valid headers of both formats, from which mutations start."""
    entry = {"dtype": "F16", "shape": [8, 8], "data_offsets": [0, 128]}
    header = json.dumps({f"model.layers.0.self_attn.{name}_proj.weight": entry for name in "q"}).encode()
    name = b"blk.0.ffn_up.weight"
    info = struct.pack("<Q", len(name)) + name + struct.pack("<I2QIQ", 2, 8, 8, 0, 0)
    return [b"\0" + header, b"\x80" + struct.pack("<QQ", 1, 0) + info]


def main() -> None:
    """Fuzz for the given time, from the seeds."""
    corpus = FOLDER / "corpus"
    corpus.mkdir()
    for index, seed in enumerate(seeds()):
        (corpus / str(index)).write_bytes(seed)
    atheris.Setup([*sys.argv, str(corpus)], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
