"""Which files belong to a log, by their names."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.finding import find_files, log_name


@pytest.mark.parametrize(
    ("name", "log"),
    [
        ("app.log", "app.log"),
        ("app.log.1", "app.log"),
        ("app.log.12.gz", "app.log"),
        ("app.log-20261122", "app.log"),
        ("app.log-20261122.xz", "app.log"),
        ("app.log-2026-11-22T051023.zst", "app.log"),
        ("app.log-20261122T051023Z-1a2b3c4d.gz", "app.log"),
        ("app.log-20261122T051023Z-1a2b3c4d", "app.log"),
        ("app.log-20261122T051023Z-1a2b3c4d.gz.new", None),
        ("app.log-20261122T051023Z-1a2b3c4d.copy", None),
        ("app-20261122.log", "app.log"),
        ("app-2026-11-22.log.gz", "app.log"),
        ("app-2026-11-22.1.log", "app.log"),
        ("app__2026-11-22_00-00-00.log", "app.log"),
        ("app-2.log", "app-2.log"),
        ("app2.log", "app2.log"),
        ("app.log.old", "app.log.old"),
        ("syslog", "syslog"),
        ("syslog.1", "syslog"),
        ("8081.log", "8081.log"),
    ],
)
def test_the_log_of_a_name(name: str, log: str | None) -> None:
    assert log_name(name) == log


def test_a_path_brings_what_was_rotated_and_nothing_else(tmp_path: Path) -> None:
    for name in ("app.log", "app.log.1", "app.log.2.gz", "app-20261122.log", "app-2.log", "other.log", "app.log-old"):
        (tmp_path / name).touch()
    found, problems = find_files([str(tmp_path / "app.log")])
    assert problems == []
    assert {Path(file.path).name: file.rotated for file in found} == {
        "app.log": False, "app.log.1": True, "app.log.2.gz": True, "app-20261122.log": True,
    }  # fmt: skip
    found, problems = find_files([f"{tmp_path}/*.log", f"{tmp_path}/app.log"])
    assert {Path(file.log).name for file in found} == {"app.log", "app-2.log", "other.log"}
    assert len(found) == len({file.path for file in found}) == 6


def test_what_names_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "gone.log.1").touch()
    (tmp_path / "folder.log").mkdir()
    given = [f"{tmp_path}/gone.log", f"{tmp_path}/none.log", f"{tmp_path}/*.txt", f"{tmp_path}/folder*"]
    found, problems = find_files(given)
    assert [Path(file.path).name for file in found] == ["gone.log.1"], "its log may come again with the next line"
    assert [(Path(subject).name, str(problem)) for subject, problem in problems] == [
        ("none.log", "does not exist"), ("*.txt", "matches nothing"), ("folder*", "matches nothing"),
    ]  # fmt: skip
