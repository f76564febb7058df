"""Files that users name: only regular files are read, and a failed write leaves the old file."""

import os
import stat
from pathlib import Path

import pytest

import costmodel as cm
from costmodel.foundation.user_files import read_bytes, write_bytes, write_text

posix = pytest.mark.skipif(os.name != "posix", reason="pipes, devices and permissions of POSIX")


def test_a_file_is_written_and_replaced(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "first")
    write_text(str(path), "second ☃")
    assert path.read_bytes() == "second ☃".encode()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch, step):
    path = tmp_path / "a.txt"
    path.write_text("old", encoding="utf-8")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    if step == "write":
        opened = Path.open

        def open_full(self, *arguments, **options):
            file = opened(self, *arguments, **options)
            return type(
                "Full", (), {"__enter__": lambda own: own, "__exit__": lambda *_: file.close(), "write": full}
            )()

        monkeypatch.setattr(Path, "open", open_full)
    else:
        monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), full)
    with pytest.raises(cm.InputError, match=r"a\.txt cannot be written: No space left on device"):
        write_bytes(path, b"new" * 1000)
    monkeypatch.undo()
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


@posix
def test_permissions_are_kept_and_links_followed(tmp_path):
    path, link = tmp_path / "a.txt", tmp_path / "link.txt"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o640)
    link.symlink_to(path)
    write_text(link, "new")
    assert link.is_symlink()
    assert (path.read_text(encoding="utf-8"), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o640)


@posix
def test_a_new_file_has_the_usual_permissions(tmp_path):
    (tmp_path / "usual").touch()
    write_text(tmp_path / "new", "")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device without space")
def test_a_device_without_space_is_reported():
    with pytest.raises(cm.InputError, match="/dev/full cannot be written: No space left"):
        write_text("/dev/full", "x")


@posix
def test_pipes_devices_and_folders_are_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(cm.InputError, match="it is no regular file"):
            read_bytes(path, 100)
    with pytest.raises(cm.InputError, match="it is a folder"):
        read_bytes(tmp_path, 100)


@pytest.mark.parametrize("value", [None, "", 5, b"a.toml", [], object()])
def test_a_value_that_is_no_path_is_refused(value):
    with pytest.raises(cm.InputError, match="path must be the path of a file"):
        write_text(value, "x")
    with pytest.raises(cm.InputError, match="path must be the path of a file"):
        cm.Scenario.load(value)


@pytest.mark.parametrize("target", ["pipe", "/dev/zero", "folder"])
@posix
def test_only_a_regular_file_is_extended(tmp_path, target, monkeypatch):
    monkeypatch.setenv("COSTMODEL_BASE_FOLDER", "/")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "run.toml").write_text(f'extends = "{target}"', encoding="utf-8")
    with pytest.raises(cm.InputError, match="cannot be read: it is"):
        cm.Scenario.load(tmp_path / "run.toml")


def test_a_file_outside_the_folder_is_extended_only_if_allowed(tmp_path):
    (tmp_path / "base.toml").write_text(
        'architecture = "gpt2"\n[recipe]\nkind = "pretraining"\ntokens = 1e9\n', encoding="utf-8"
    )
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "run.toml").write_text(
        'extends = "../base.toml"\n[cluster]\naccelerator = "H100-SXM"\ncount = 8\n', encoding="utf-8"
    )
    with pytest.raises(cm.InputError, match=r"extends '\.\./base\.toml', which is outside the folder .*base_folder"):
        cm.Scenario.load(inner / "run.toml")
    assert cm.Scenario.load(inner / "run.toml", base_folder=tmp_path).cluster.count == 8
