"""Cases that read files: good ones with changes, and random ones, through the Python readers and the commands."""

from __future__ import annotations

import contextlib
import io
import json
import re
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import costmodel as cm
from costmodel.architecture.loading import catalog

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
EXAMPLES, TRAINERS = ROOT / "examples", ROOT / "tests" / "estimation" / "trainers"
PRETRAINING = EXAMPLES / "pretraining.toml"
TOKENS = [
    b"nan", b"inf", b"-inf", b"1e999", b"-1", b"0", b"9" * 500, b"[", b"]", b"{", b"}", b'"', b"'", b"\n", b"\r\n",
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b";", b",", b"\t", b"=", b":", b"#", b"null", b"true", b"[[", b"=1+1",
    b"*a", b"&a", b"!!python/object:os.system", b"1 to 2", b"2 to 1", b"2026-13-45", b"../../etc/passwd", b"/dev/zero",
    b"\xc3\xa9", b"\xed\xa0\x80", b"[" * 200, b"a." * 100, b"--x", b"$(x)", b"${x:-${x}}",
]  # fmt: skip
VALUE = re.compile(rb"(?<=[=:,])[ \t]*[^=:,\n]+")
"""A value in a text: what follows an equals sign, a colon or a comma."""


def mutated(choices: random.Random, content: bytes) -> bytes:
    """Return a content with one to five changes: of values, bytes, slices and lines, or a cut end."""
    for _ in range(choices.choice([1, 1, 1, 2, 5])):
        values = list(VALUE.finditer(content[:100_000]))
        place, how = choices.randrange(len(content) + 1), choices.random()
        if how < 0.5 and values:
            match = choices.choice(values)
            other = choices.choice([*TOKENS, choices.choice(values)[0]])
            quoted = b' "' + other + b'"' if choices.random() < 0.4 else b" " + other
            content = content[: match.start()] + quoted + content[match.end() :]
        elif how < 0.65:
            content = content[:place] + choices.choice(TOKENS) + content[place:]
        elif how < 0.75:
            content = content[:place] + bytes([choices.randrange(256)]) + content[place + 1 :]
        elif how < 0.85:
            lines = content.split(b"\n")
            line = choices.randrange(len(lines))
            content = b"\n".join([*lines[:line], *choices.choice([[], [lines[line]] * 2]), *lines[line + 1 :]])
        elif how < 0.95:
            content = content[:place] + content[place + choices.randint(1, 40) :]
        else:
            content = content[:place]
    return content


def random_content(choices: random.Random) -> bytes:
    """Return bytes from the tokens, or from nowhere."""
    parts = [choices.choice([*TOKENS, b"name", b"a = 1", b"\n", choices.randbytes(3)]) for _ in range(60)]
    return b"".join(parts[: choices.randint(0, 60)])


def file_of(choices: random.Random, folder: Path, good: list[tuple[str, bytes]]) -> Path:
    """Write a changed good file, or a random one with its name, and return its path."""
    name, content = choices.choice(good)
    path = folder / name
    path.write_bytes(random_content(choices) if choices.random() < 0.05 else mutated(choices, content))
    return path


def examples(*names: str) -> list[tuple[str, bytes]]:
    """Return the names and contents of examples of the repository."""
    return [(name, (EXAMPLES / name).read_bytes()) for name in names]


def trainer_files() -> list[tuple[str, bytes]]:
    """Return the files of trainers in the tests."""
    kinds = {".yaml", ".json", ".toml", ".sh"}
    return [(path.name, path.read_bytes()) for path in sorted(TRAINERS.rglob("*")) if path.suffix in kinds]


def logs() -> list[tuple[str, bytes]]:
    """Return logs of a run as CSV, as lines of JSON, and as the state of a trainer."""
    rows = [{"step": step, "timestamp": 1.7e9 + 10 * step, "loss": 2.5} for step in range(100, 2100, 100)]
    table = "step,timestamp,loss\n" + "".join(f"{row['step']},{row['timestamp']},{row['loss']}\n" for row in rows)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    state = json.dumps({"global_step": 2000, "max_steps": 20000, "log_history": rows})
    state_lines = json.dumps({"log_history": [{"step": row["step"], "train_runtime": row["step"]} for row in rows]})
    named = {"log.csv": table, "log.jsonl": lines, "trainer_state.json": state, "state.json": state_lines}
    return [(name, text.encode()) for name, text in named.items()]


def losses() -> list[tuple[str, bytes]]:
    """Return a table of runs with their losses, with points and with decimal commas."""
    law = cm.scaling_law("chinchilla")
    rows = [(size, ratio * size) for size in (1e8, 3e8, 1e9) for ratio in (5, 20, 80)]
    lines = [f"{size:g},{count:g},{law.loss(size, count):.4f}" for size, count in rows]
    text = "\n".join(["parameters,tokens,loss", *lines])
    commas = text.replace(",", ";").replace(".", ",")
    return [("runs.csv", text.encode()), ("german.csv", b"\xef\xbb\xbf" + commas.encode())]


def configs() -> list[tuple[str, bytes]]:
    """Return the configs of the catalog."""
    return [("config.json", json.dumps(entry["config"]).encode()) for entry in catalog().things.values()]


def weights() -> list[tuple[str, bytes]]:
    """Return headers of safetensors and GGUF files, and an index."""
    shapes = {f"model.layers.{layer}.self_attn.{name}_proj.weight": [64, 64] for layer in range(2) for name in "qkvo"}
    shapes |= {"model.embed_tokens.weight": [100, 64], "lm_head.weight": [100, 64]}
    entries, place = {}, 0
    for name, shape in shapes.items():
        size = 2 * shape[0] * shape[1]
        entries[name] = {"dtype": "F16", "shape": shape, "data_offsets": [place, place + size]}
        place += size
    header = json.dumps(entries).encode()
    tensors = struct.pack("<Q", len(header)) + header + bytes(place)
    tensor = b"blk.0.ffn_up.weight"
    info = struct.pack("<Q", len(tensor)) + tensor + struct.pack("<I2QIQ", 2, 8, 8, 0, 0)
    gguf = b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + info + bytes(4096)
    index = json.dumps({"metadata": {"total_size": place}, "weight_map": dict.fromkeys(shapes, "a.safetensors")})
    return [
        ("model.safetensors", tensors),
        ("model.gguf", gguf),
        ("model.safetensors.index.json", index.encode()),
    ]


def counted(path: Path) -> Any:
    """Return the counts of a model of a file."""
    architecture = cm.load_architecture(path)
    return [architecture.parameters.total, architecture.parameters.active, cm.count_flops(architecture, 128).training]


def measured_steps(path: Path) -> Any:
    """Return the step-time model that is calibrated by the rows of a file."""
    from costmodel.foundation.tables import read_csv

    return cm.calibrate(read_csv(path)).values


def trainer_run(path: Path) -> Any:
    """Return the estimate of the run of a trainer's file."""
    return cm.estimate(cm.read_trainer_file(path, "H100-SXM", 8, examples=1000, lengths=500).scenario)


def _steps() -> list[tuple[str, bytes]]:
    head = "model,sequence_length,batch_size,accelerator,count,tensor,pipeline,step_time"
    rows = ["llama-2-7b,4096,64,H100-SXM,8,1,1,2.0", "llama-2-13b,4096,128,A100-80GB-SXM,16,2,1,9.1"]
    return [("steps.csv", "\n".join([head, *rows]).encode())]


RUN = cm.Scenario("llama-3.1-8b", cm.Pretraining(tokens="10B"), cm.Cluster("H100-SXM", 64), prices=cm.Rental(price=2))
READERS: dict[str, tuple[list[tuple[str, bytes]], Callable[[Path], Any]]] = {
    "scenario": (examples("pretraining.toml", "stages.toml"), lambda path: cm.estimate(cm.Scenario.load(path))),
    "project": (
        examples("support-ticket-classifier.toml", "domain-model.toml", "reasoning-model.toml"),
        lambda path: cm.Project.load(path).budget(),
    ),
    "claims": (examples("claims.toml"), lambda path: [cm.check_claim(each, paths=50) for each in cm.load_claims(path)]),
    "trainer": (trainer_files(), trainer_run),
    "log": (logs(), lambda path: cm.forecast(RUN, path)),
    "losses": (losses(), cm.fit_scaling_law),
    "steps": (_steps(), measured_steps),
    "config": (configs(), counted),
    "weights": (weights(), counted),
}  # fmt: skip
"""Good files of each kind, and the reader in Python."""
COMMANDS: dict[str, tuple[list[tuple[str, bytes]], list[list[str]]]] = {
    "scenario": (READERS["scenario"][0], [["estimate"], ["compare", str(PRETRAINING)], ["projection"]]),
    "project": (READERS["project"][0], [["budget"], ["forecast"]]),
    "claims": (READERS["claims"][0], [["claims"]]),
    "portfolio": (examples("support-desk.toml"), [["choose"]]),
    "routes": (examples("ticket-routes.toml"), [["route"]]),
    "cascade": (examples("ticket-cascade.toml"), [["cascade"]]),
    "trainer": (trainer_files(), [["estimate"], ["estimate", "--gpu", "H100-SXM", "--gpus", "8"]]),
    "config": (configs(), [["estimate", "--tokens", "1B", "--gpu", "H100-SXM", "--gpus", "8"], ["models"], ["serve"]]),
    "log": (logs(), [["forecast", str(PRETRAINING), "--log"]]),
    "losses": (losses(), [["fit"]]),
}  # fmt: skip
"""Good files of each kind, and the commands that are given them as their last argument."""
SERVING = b"""architecture = "llama-3.1-8b"
input_tokens = 1000
output_tokens = 500
concurrency = 32
[cluster]
accelerator = "H100-SXM"
count = 1
[prices]
price = "2.5 USD/hour"
"""
READERS["serving"] = ([("serving.toml", SERVING)], lambda path: cm.estimate(cm.Serving.load(path)))
COMMANDS["serving"] = ([("serving.toml", SERVING)], [["serve"]])


def readers(choices: random.Random, folder: Path) -> Any:
    """Read a changed file of any kind."""
    good, read = READERS[choices.choice(list(READERS))]
    return read(file_of(choices, folder, good))


def weight_files(choices: random.Random, folder: Path) -> Any:
    """Read a changed header of weights, or a changed config."""
    good, read = READERS[choices.choice(["weights", "weights", "config"])]
    return read(file_of(choices, folder, good))


def commands(choices: random.Random, folder: Path) -> Any:
    """Run a command of a changed file, and return what it prints; an error is raised again."""
    from costmodel.cli import app

    good, lines = COMMANDS[choices.choice(list(COMMANDS))]
    path = file_of(choices, folder, good)
    output, problems, given = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["costmodel", *choices.choice(lines), str(path), *choices.choice([[], [], ["--format", "json"]])]
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(problems):
            app.main()
    except SystemExit as end:
        if end.code in {2, 3}:
            raise cm.InputError(problems.getvalue() or "nothing on stderr") from None
        if end.code not in {0, 1, None}:
            raise RuntimeError(f"exit code {end.code}") from None
    finally:
        sys.argv = given
    printed = output.getvalue()
    assert not re.search(r"\b(nan|NaN|inf|Infinity)\b", printed), f"prints {printed[:200]!r}"
    assert "Traceback" not in problems.getvalue()
    return None


CAMPAIGNS = {"readers": readers, "weights": weight_files, "commands": commands}
