"""Files of scenarios and projects have the version of their fields; a newer one is refused."""

import json
import tomllib

import pytest

import costmodel as cm

RUN = cm.Scenario("llama-3.1-8b", cm.Pretraining(tokens=1e12), cm.Cluster("H100-SXM", 64))
FIELDS = 'architecture = "llama-3.1-8b"\n[recipe]\nkind = "pretraining"\ntokens = 1e12\n'
CLUSTER = '[cluster]\naccelerator = "H100-SXM"\ncount = 64\n'


@pytest.mark.parametrize("ending", ["toml", "json"])
def test_a_saved_file_has_its_version_and_loads(tmp_path, ending):
    path = tmp_path / f"run.{ending}"
    RUN.save(path)
    content = path.read_text(encoding="utf-8")
    data = tomllib.loads(content) if ending == "toml" else json.loads(content)
    assert next(iter(data)) == "file_version" and data["file_version"] == 1
    assert cm.Scenario.load(path) == RUN


def test_a_file_without_version_has_the_first(tmp_path):
    (tmp_path / "run.toml").write_text(FIELDS + CLUSTER, encoding="utf-8")
    assert cm.Scenario.load(tmp_path / "run.toml") == RUN


def test_a_project_has_a_version_too(tmp_path):
    (tmp_path / "project.toml").write_text("file_version = 7\nname = 'x'\n", encoding="utf-8")
    with pytest.raises(cm.InputError, match=r"file_version is 7, but .* reads versions up to 1"):
        cm.Project.load(tmp_path / "project.toml")


@pytest.mark.parametrize("version", ["2", "9999999999"])
def test_a_newer_file_is_refused_with_its_version(tmp_path, version):
    (tmp_path / "run.toml").write_text(f"file_version = {version}\n{FIELDS}{CLUSTER}", encoding="utf-8")
    with pytest.raises(cm.InputError, match=f"run.toml: file_version is {version}, but this version of costmodel"):
        cm.Scenario.load(tmp_path / "run.toml")


@pytest.mark.parametrize("version", ["0", "-1", "true", "1.0", "'1'", "[1]"])
def test_a_version_that_is_no_whole_number_is_refused(tmp_path, version):
    (tmp_path / "run.toml").write_text(f"file_version = {version}\n{FIELDS}{CLUSTER}", encoding="utf-8")
    with pytest.raises(cm.InputError, match="file_version must be a whole number from 1 to 1; got"):
        cm.Scenario.load(tmp_path / "run.toml")


def test_the_version_of_an_extended_file_is_checked(tmp_path):
    (tmp_path / "base.toml").write_text(f"file_version = 2\n{FIELDS}", encoding="utf-8")
    (tmp_path / "run.toml").write_text(f'extends = "base.toml"\n{CLUSTER}', encoding="utf-8")
    with pytest.raises(cm.InputError, match=r"base\.toml: file_version is 2"):
        cm.Scenario.load(tmp_path / "run.toml")
