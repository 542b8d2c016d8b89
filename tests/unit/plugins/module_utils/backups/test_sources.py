"""Which paths the sources of a backup mean, and what is refused before anything is read."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.backups import sources
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.excluding import Exclusions
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.sources import read_sources
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

NOW = datetime(2026, 11, 22, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("pattern", "out", "kept"),
    [
        ("node_modules", ["node_modules", "a/node_modules"], ["node_modules2", "a/node"]),
        ("node_modules/", ["node_modules", "a/b/node_modules"], ["my_node_modules"]),
        ("*.log", ["x.log", "a/b.log", ".log"], ["x.log.1", "log"]),
        ("logs/*.gz", ["logs/a.gz", "logs/b/c.gz"], ["a.gz", "x/logs/a.gz"]),
        ("./logs/old", ["logs/old"], ["a/logs/old", "old"]),
        ("/opt/app/tmp", ["tmp"], ["a/tmp"]),
        ("/opt/*/cache", ["cache", "x/cache"], ["caches"]),
        ("[ab]", ["a", "c/b"], ["c"]),
        ("a.b", ["a.b"], ["aXb"]),
        ("\udcff", ["\udcff", "x/\udcff"], ["x"]),
    ],
)
def test_patterns(pattern: str, out: list[str], kept: list[str]) -> None:
    for others in ([], ["nothing"], ["no/thing", "/no/where"]):
        exclusions = Exclusions([*others, pattern])
        for name in out:
            assert exclusions.matching(os.path.basename(name), f"/opt/app/{name}", "/opt/app") == pattern
        for name in kept:
            assert exclusions.matching(os.path.basename(name), f"/opt/app/{name}", "/opt/app") is None


def test_patterns_below_the_root_of_everything() -> None:
    exclusions = Exclusions(["var/cache", "/proc"])
    assert exclusions.matching("cache", "/var/cache", "/") == "var/cache"
    assert exclusions.matching("proc", "/proc", "/") == "/proc"


@pytest.mark.parametrize("pattern", ["", "/", "//", ".", "./", "..", "a/../b", "a//b"])
def test_patterns_that_mean_nothing_are_refused(pattern: str) -> None:
    with pytest.raises(UpkeepError, match="exclude: .* names nothing"):
        Exclusions([pattern])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"paths": []}, r"sources\[0\].paths: app has no paths"),
        ({"paths": ["relative"]}, "relative is not accepted; give an absolute path"),
        ({"paths": [""]}, "an empty text is not accepted"),
        ({"paths": ["/a/../b"]}, "give an absolute path without"),
        ({"paths": ["/no/such/folder"]}, r"/no/such/folder cannot be backed up: No such file or directory"),
        ({"paths": ["/no/such/*"]}, r"/no/such/\* matches nothing"),
        ({"name": ""}, r"sources\[0\].name: give a printable name"),
        ({"name": "a\nb"}, "give a printable name"),
        ({"name": "x" * 101}, "at most 100 characters"),
        ({"max_age_days": 0.0}, r"sources\[0\].max_age_days: 0 is not accepted"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UpkeepError, match=said):
        read_sources([{"name": "app", "paths": ["/"], **changes}], NOW)


def test_a_name_stands_for_one_source(tmp_path: Path) -> None:
    with pytest.raises(UpkeepError, match=r"sources\[1\].name: a is the name of another source too"):
        read_sources([{"name": "a", "paths": [str(tmp_path)]}, {"name": "a", "paths": [str(tmp_path)]}], NOW)


def test_wildcards_and_paths(tmp_path: Path) -> None:
    for name in ("a.conf", "b.conf", "c.txt", "[x]"):
        (tmp_path / name).touch()
    (tmp_path / "d.conf").symlink_to("a.conf")
    (tmp_path / "gone.conf").symlink_to("nowhere")
    roots = read_sources([
        {"name": "one", "paths": [f"{tmp_path}/*.conf", f"{tmp_path}/[x]"], "exclude": ["b.*"], "one_file_system": False},
        {"name": "two", "paths": [f"{tmp_path}/a.conf", f"{tmp_path}//./c.txt", f"/{tmp_path}/c.txt"]},
    ], NOW)
    assert [(os.path.basename(root.path), root.source) for root in roots] == [
        ("a.conf", "one"), ("d.conf", "one"), ("gone.conf", "one"), ("[x]", "one"), ("c.txt", "two"),
    ]
    assert [root.one_file_system for root in roots] == [False] * 4 + [True]
    with pytest.raises(UpkeepError, match="all that .* matches is left out by exclude"):
        read_sources([{"name": "one", "paths": [f"{tmp_path}/*.conf"], "exclude": ["*.conf"]}], NOW)


def test_a_path_that_is_a_link_is_refused_and_one_behind_a_link_is_not(tmp_path: Path) -> None:
    (tmp_path / "release").mkdir()
    (tmp_path / "release/file").touch()
    (tmp_path / "current").symlink_to("release")
    with pytest.raises(UpkeepError, match="is a symbolic link to release, and a backup would hold that link alone"):
        read_sources([{"name": "a", "paths": [f"{tmp_path}/current"]}], NOW)
    (root,) = read_sources([{"name": "a", "paths": [f"{tmp_path}/current/file"]}], NOW)
    descriptor, name = root.open_parent()
    assert (os.fstat(descriptor).st_ino, name) == (os.stat(tmp_path / "release").st_ino, "file")
    os.close(descriptor)


def test_a_link_of_another_user_on_the_way_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "release").mkdir()
    (tmp_path / "release/file").touch()
    (tmp_path / "current").symlink_to("release")
    (root,) = read_sources([{"name": "a", "paths": [f"{tmp_path}/current/file"]}], NOW)
    own = os.lstat(tmp_path / "current").st_uid
    real = os.lstat

    def lstat(path: Any, **options: Any) -> Any:
        status = real(path, **options)
        if str(path).endswith("current"):
            return os.stat_result((*status[:4], own + 4711, *status[5:]))
        return status

    monkeypatch.setattr(sources.os, "lstat", lstat)
    with pytest.raises(UpkeepError, match="is a symbolic link of another user"):
        root.open_parent()
