"""What the user named: resolved with hidden names, each once, and every part that is missing is told."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity import roots
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.roots import find_roots, refuse_wrong_paths


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a/conf/x.js", "b/conf/x.js", ".hidden/conf/x.js", "plain"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([], "at least one"), (["a"], "paths[0]"), (["/a", "./b"], "paths[1]"), (["/a/**/b"], "name the folder itself"),
        (["/a/../b"], "without .."), (["/a\0"], "absolute"),
    ],
)  # fmt: skip
def test_paths_that_mean_nothing_are_refused(paths: list[str], message: str) -> None:
    with pytest.raises(UpkeepError) as refused:
        refuse_wrong_paths(paths)
    assert message in refused.value.message


def test_wildcards_fit_names_that_begin_with_a_dot(tree: Path) -> None:
    found, gaps = find_roots([f"{tree}/*/conf/*.js", f"{tree}/*"])
    below = [root.path[len(str(tree)) + 1:] for root in found]
    assert below == [".hidden", ".hidden/conf/x.js", "a", "a/conf/x.js", "b", "b/conf/x.js", "plain"]
    assert gaps == []


def test_what_cannot_be_looked_at_below_a_wildcard_is_told(tree: Path) -> None:
    def lstat(path: str) -> os.stat_result:
        if "/b/" in path:
            raise PermissionError(errno.EACCES, "Permission denied")
        return os.stat(path, follow_symlinks=False)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(roots.os, "lstat", lstat)
        found, gaps = find_roots([f"{tree}/*/conf/x.js"])
    assert ([root.path for root in found], [(gap.reason, gap.absent) for gap in gaps]) == (
        [f"{tree}/.hidden/conf/x.js", f"{tree}/a/conf/x.js"],
        [(f"could not be resolved: {tree}/b/conf could not be looked at (Permission denied)", False)],
    )


def test_more_than_can_be_watched_is_told_and_the_first_are_watched(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roots, "MAX_ROOTS", 2)
    found, gaps = find_roots([f"{tree}/*"])
    assert ([root.path for root in found], [gap.absent for gap in gaps]) == ([f"{tree}/.hidden", f"{tree}/a"], [False])
    assert "more than 2 paths" in gaps[0].reason


def test_a_path_is_there_once(tree: Path) -> None:
    found, _gaps = find_roots([f"{tree}/plain", f"{tree}//plain/", f"{tree}/pl*"])
    assert [(root.path, root.given) for root in found] == [(f"{tree}/plain", f"{tree}/plain")]


def test_a_name_with_brackets_is_that_name(tree: Path) -> None:
    (tree / "a[b]").write_text("")
    assert [root.path for root in find_roots([f"{tree}/a[b]"])[0]] == [f"{tree}/a[b]"]


def test_what_is_missing_is_told(tree: Path) -> None:
    (tree / "link").symlink_to("a")
    given = [f"{tree}/nothing", f"{tree}/no*", f"{tree}/link", f"{tree}/plain/below"]
    found, gaps = find_roots(given)
    assert [gap.subject for gap in gaps] == given
    assert [gap.reason.split(":")[0] for gap in gaps] == [
        "does not exist", "matches nothing", "is a link to a folder", "could not be looked at (Not a directory)",
    ]  # fmt: skip
    assert [root.path for root in found] == [f"{tree}/link"]
    assert str(tree / "a") in gaps[2].hint


def test_a_link_to_a_file_and_one_that_dangles_are_watched_as_links(tree: Path) -> None:
    (tree / "to-file").symlink_to("plain")
    (tree / "dangling").symlink_to("nowhere")
    found, gaps = find_roots([f"{tree}/to-file", f"{tree}/dangling"])
    assert (len(found), gaps) == (2, [])
