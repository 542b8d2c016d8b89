"""dpkg explains exactly what a package brought since the baseline, and never what could hurt."""

from __future__ import annotations

import hashlib
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.findings import ADDED, CHANGED, REMOVED, Change
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.packages import explain
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.records import Record

SINCE = datetime(2026, 11, 1, tzinfo=timezone.utc)
NEW = b"new content"


def record(path: Path, **more: Any) -> Record:
    return Record(str(path), 0o100755, 0, 0, len(NEW), "1 2 3", hashlib.sha256(NEW).hexdigest(), "", "")._replace(**more)


def changed(path: Path, **more: Any) -> Change:
    return Change(CHANGED, record(path, sha256="ab"), record(path), {"sha256": ["ab", "cd"], **more})


class Dpkg:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "info").mkdir(parents=True)
        (folder / "status").write_text("")

    def package(self, name: str, sums: dict[str, bytes], *, days_after: float = 1.0) -> None:
        lines = [f"{hashlib.md5(content, usedforsecurity=False).hexdigest()}  {path}\n" for path, content in sums.items()]
        (self.folder / "info" / f"{name}.md5sums").write_text("".join(lines))
        listing = self.folder / "info" / f"{name}.list"
        listing.write_text("")
        moment = SINCE.timestamp() + days_after * 86_400
        os.utime(listing, (moment, moment))

    def explain(self, *changes: Change) -> list[str]:
        assert explain(changes, since=SINCE, dpkg=self.folder) == ""
        return [change.explained_by for change in changes]


@pytest.fixture
def dpkg(tmp_path: Path) -> Dpkg:
    return Dpkg(tmp_path / "dpkg")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program"
    path.write_bytes(NEW)
    return path


def test_a_file_that_a_package_brought_since_is_explained(dpkg: Dpkg, program: Path) -> None:
    dpkg.package("other", {"usr/bin/other": b"x"})
    dpkg.package("tool:amd64", {str(program)[1:]: NEW})
    assert dpkg.explain(changed(program), Change(ADDED, None, record(program))) == ["tool:amd64", "tool:amd64"]


def test_what_is_not_byte_for_byte_the_package_s_is_not(dpkg: Dpkg, program: Path) -> None:
    dpkg.package("tool", {str(program)[1:]: b"what the package brought"})
    assert dpkg.explain(changed(program)) == [""]


def test_a_package_from_before_the_baseline_explains_nothing(dpkg: Dpkg, program: Path) -> None:
    dpkg.package("tool", {str(program)[1:]: NEW}, days_after=-1.0)
    assert dpkg.explain(changed(program)) == [""]


@pytest.mark.parametrize("what", ["mode", "owner", "group", "capabilities", "type", "target"])
def test_a_change_of_which_dpkg_knows_nothing_is_not_explained(dpkg: Dpkg, program: Path, what: str) -> None:
    dpkg.package("tool", {str(program)[1:]: NEW})
    assert dpkg.explain(changed(program, **{what: [0, 1]})) == [""]


def test_a_new_program_with_the_rights_of_others_is_not_explained(dpkg: Dpkg, program: Path) -> None:
    dpkg.package("tool", {str(program)[1:]: NEW})
    setuid = Change(ADDED, None, record(program, mode=0o104755))
    capable = Change(ADDED, None, record(program, capabilities="01"))
    assert dpkg.explain(setuid, capable, Change(REMOVED, record(program), None)) == ["", "", ""]


def test_a_file_that_changed_again_after_it_was_hashed_is_not_explained(dpkg: Dpkg, program: Path) -> None:
    dpkg.package("tool", {str(program)[1:]: NEW})
    change = Change(CHANGED, record(program), record(program, sha256="ef" * 32), {"sha256": ["ab", "ef"]})
    assert dpkg.explain(change) == [""]


def test_configuration_as_delivered_is_explained(dpkg: Dpkg, program: Path) -> None:
    dpkg.package("tool:amd64", {})
    md5 = hashlib.md5(NEW, usedforsecurity=False).hexdigest()
    (dpkg.folder / "status").write_text(
        f"Package: tool\nStatus: install ok installed\nArchitecture: amd64\nConffiles:\n {program} {md5}\n /etc/x abc obsolete\n\n"
    )
    assert dpkg.explain(changed(program)) == ["tool"]


def test_a_path_from_before_the_merge_of_bin_is_the_same(
    dpkg: Dpkg, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dpkg.package("coreutils", {"bin/ls": NEW})
    original = os.open
    monkeypatch.setattr(os, "open", lambda path, *more: original(program if path == "/usr/bin/ls" else path, *more))
    assert dpkg.explain(changed(Path("/usr/bin/ls"))) == ["coreutils"]


def test_without_dpkg_it_says_so(tmp_path: Path, program: Path) -> None:
    assert "there is no" in explain([changed(program)], since=SINCE, dpkg=tmp_path / "none")
    # Nothing to explain needs no dpkg.
    assert explain([], since=SINCE, dpkg=tmp_path / "none") == ""


def test_a_file_that_has_become_a_hole_has_an_end(dpkg: Dpkg, program: Path) -> None:
    dpkg.package("tool", {str(program)[1:]: NEW})
    with open(program, "r+b") as stream:
        stream.truncate(2**42)  # hours
    assert dpkg.explain(changed(program)) == [""]
