"""A walk meets everything once and in the order of a baseline, follows no link, and tells what it could not look at."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.excluding import Exclusions
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity import walking
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.records import order_of, unescaped
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.roots import Root
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.walking import Walk


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a/b/c", "a/b-x", "a b", "a-", "a/z/deep/er", "logs/one.log", "logs/keep/two.log"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "link").symlink_to("a")
    return tmp_path


def walk(*roots: Path, exclude: tuple[str, ...] = (), one_file_system: bool = True, with_status: bool = False) -> Walk:
    given = sorted((Root(str(root), str(root)) for root in roots), key=lambda root: order_of(root.path))
    return Walk(given, Exclusions(exclude) if exclude else None, one_file_system=one_file_system, with_status=with_status)


def met(walked: Walk, top: Path) -> list[str]:
    return [unescaped(path)[len(str(top)) + 1:] for path, *_rest in walked]


ALL = [
    "", "a", "a/b", "a/b/c", "a/b-x", "a/z", "a/z/deep", "a/z/deep/er", "a b", "a-", "link", "logs", "logs/keep", "logs/keep/two.log",
    "logs/one.log",
]  # fmt: skip


def test_everything_is_met_once_in_order(tree: Path) -> None:
    assert met(walk(tree), tree) == ALL
    # However the roots overlap.
    assert met(walk(tree, tree / "a", tree / "a/z/deep", tree / "logs/one.log"), tree) == ALL


def test_the_status_of_files_is_asked_only_when_wanted(tree: Path) -> None:
    asked = {name for _path, _folder, name, status in walk(tree / "a") if status is not None}
    assert asked == {"a", "b", "z", "deep"}
    assert all(status is not None for _path, _folder, _name, status in walk(tree, with_status=True))


def test_what_is_excluded_is_left_out_unless_it_was_named(tree: Path) -> None:
    assert met(walk(tree, exclude=("*.log", "a/z", f"{tree}/a-")), tree) == [
        "", "a", "a/b", "a/b/c", "a/b-x", "a b", "link", "logs", "logs/keep",
    ]  # fmt: skip
    named = walk(tree, tree / "logs/one.log", tree / "a/z/deep/er", exclude=("*.log", "a"))
    assert met(named, tree) == ["", "a/z/deep/er", "a b", "a-", "link", "logs", "logs/keep", "logs/one.log"]


def test_a_root_behind_a_link_is_met_where_the_link_is(tree: Path) -> None:
    assert met(walk(tree, tree / "link/b"), tree) == [*ALL[:11], "link/b", "link/b/c", *ALL[11:]]


def test_other_file_systems_are_left_out_and_counted() -> None:
    here = os.stat("/dev").st_dev
    others = [entry.path for entry in os.scandir("/dev") if entry.is_dir(follow_symlinks=False) and entry.stat().st_dev != here]
    assert others, "nothing is mounted below /dev"
    left_out = walk(Path("/dev"))
    paths = [unescaped(path) for path, *_rest in left_out]
    assert sorted(left_out.other_file_systems) == sorted(others)
    # The folder itself is met, what is in it is not.
    assert set(others) <= set(paths)
    assert not [path for path in paths if path.startswith(tuple(f"{other}/" for other in others))]
    named = walk(Path("/dev"), Path(others[0]))
    list(named)
    assert others[0] not in named.other_file_systems


def test_hostile_names_and_kinds_are_met(tmp_path: Path) -> None:
    top = os.fsencode(tmp_path)
    names = [b"new\nline", b"tab\t", b"\xff\xfe", b"\x1b[2J", b"back\\slash", b"-rf", b"*"]
    for name in names:
        Path(os.fsdecode(top + b"/" + name)).write_text("")
    os.mkfifo(tmp_path / "pipe")
    found = {os.fsencode(unescaped(path))[len(top) + 1:]: status for path, _folder, _name, status in walk(tmp_path)}
    assert set(found) == {b"", *names, b"pipe"}
    status = found[b"pipe"]
    assert status is not None and stat.S_ISFIFO(status.st_mode)


def test_a_folder_that_is_exchanged_for_a_link_is_not_followed(tree: Path) -> None:
    walked = []
    for path, *_rest in walk(tree):
        walked.append(path)
        if path.endswith("/a/z"):
            (tree / "a/z").rename(tree / "moved")
            (tree / "a/z").symlink_to("/etc")
    assert not [path for path in walked if "/a/z/" in path]


def test_what_vanishes_is_passed_over(tree: Path) -> None:
    walked = walk(tree)
    paths = []
    for path, *_rest in walked:
        paths.append(path)
        if path.endswith("/a/b-x"):
            (tree / "a/z/deep/er").unlink()
            (tree / "a/z/deep").rmdir()
            (tree / "a/z").rmdir()
    assert walked.gaps == []
    assert not [path for path in paths if "/a/z" in path]


def test_too_deep_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "MAX_DEPTH", 3)
    (tmp_path / "1/2/3/4").mkdir(parents=True)
    walked = walk(tmp_path)
    assert met(walked, tmp_path) == ["", "1", "1/2", "1/2/3"]
    assert [(gap.subject, gap.reason[:31]) for gap in walked.gaps] == [(str(tmp_path / "1/2/3"), "lies more than 3 folders deep, ")]


def test_nothing_stays_open(tree: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    list(walk(tree))
    unfinished = iter(walk(tree))
    for _number in range(5):
        next(unfinished)
    unfinished.close()  # type: ignore[attr-defined]
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_root_that_is_gone_by_now_is_told(tree: Path) -> None:
    walked = walk(tree / "a", tree / "nothing/below", tree / "none")
    list(walked)
    assert [gap.subject for gap in walked.gaps] == [str(tree / "none"), str(tree / "nothing/below")]


def test_too_many_names_in_a_folder_are_told_and_what_is_beside_it_is_met(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "MAX_NAMES", 4)
    for number in range(5):
        (tree / "logs/keep" / f"{number}").write_text("")
    walked = walk(tree / "a", tree / "logs")
    assert met(walked, tree) == [name for name in ALL if name[:2] in ("a", "a/", "lo") and name != "logs/keep/two.log"]
    assert [(gap.subject, "more than 4 names" in gap.reason) for gap in walked.gaps] == [(f"{tree}/logs/keep", True)]
