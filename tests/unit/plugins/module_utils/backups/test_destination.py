"""The folder of backups: what appears in it, when, and what is cleared away."""

from __future__ import annotations

import fcntl
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.backups import destination
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.creation_time import FROM_NAME, created
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.destination import Draft
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.groups import ARCHIVE_PATTERNS
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

NAME = "app_20261122T021500Z.tar.zst"


@pytest.mark.parametrize("label", ["app", "App-1.2_x", "_", "a" * 100])
def test_labels(label: str) -> None:
    assert destination.check_label(label) == label


@pytest.mark.parametrize("label", ["", ".hidden", "-rf", "a/b", "a b", "a\n", "\u00e4", "a" * 101, "a*"])
def test_labels_that_are_refused(label: str) -> None:
    with pytest.raises(UpkeepError, match="label: .* is not accepted"):
        destination.check_label(label)


def test_a_name_tells_the_time_in_utc() -> None:
    moment = datetime(2026, 11, 22, 3, 15, 0, tzinfo=timezone(timedelta(hours=1)))
    name = destination.archive_name("app", moment, "zstd")
    assert name == NAME
    assert created(name, 0.0) == (moment.astimezone(timezone.utc), FROM_NAME)


def test_a_backup_appears_whole_with_its_manifest(tmp_path: Path) -> None:
    draft = Draft(tmp_path, NAME)
    os.write(draft.descriptor, b"contents")
    (hidden,) = tmp_path.iterdir()
    assert not any(hidden.match(pattern) for pattern in ARCHIVE_PATTERNS) and hidden.stat().st_mode & 0o777 == 0o600
    seen = []

    def sidecar() -> list[bytes]:
        seen.append(sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith(".")))
        return [b"{", b"}"]

    draft.publish(sidecar())
    draft.close()
    assert seen == [[]]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {NAME: b"contents", f"{NAME}.manifest.json": b"{}"}
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_what_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Draft(tmp_path, NAME).close()
    assert not list(tmp_path.iterdir())

    def rename(old: str, new: object) -> None:
        if not str(new).endswith(".json"):
            raise OSError(5, "Input/output error")
        real(old, new)  # type: ignore[arg-type]

    real = os.rename
    monkeypatch.setattr(destination.os, "rename", rename)
    draft = Draft(tmp_path, NAME)
    with pytest.raises(OSError, match="Input/output"):
        draft.publish([b"{}"])
    draft.close()
    assert not list(tmp_path.iterdir())


def test_a_manifest_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> list[bytes]:
        raise UpkeepError("no manifest")

    draft = Draft(tmp_path, NAME)
    with pytest.raises(UpkeepError):
        draft.publish(chunk for chunk in broken())
    draft.close()
    assert not list(tmp_path.iterdir())


def test_a_backup_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"the earlier one")
    with pytest.raises(UpkeepError, match="exists already"):
        Draft(tmp_path, NAME)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"the earlier one"]


def test_leftovers_of_the_own_label_are_cleared_away(tmp_path: Path) -> None:
    gone = [
        f".upkeep-{NAME}-abc123.new", f".upkeep-{NAME}.manifest.json-x_y.new", f"{NAME}.manifest.json",
        ".upkeep-app_20261122T021500Z.tar-a.new",
    ]
    kept = [
        "app_20261121T021500Z.tar.zst", "app_20261121T021500Z.tar.zst.manifest.json", "notes", ".upkeep-backups.json-a.new",
        ".upkeep-app-2_20261122T021500Z.tar.zst-a.new", "app-2_20261122T021500Z.tar.zst.manifest.json",
        "app_20261122T021500Z.tar.zst.manifest.json.txt", "x_app_20261122T021500Z.tar.gz.manifest.json",
    ]
    for name in gone + kept:
        (tmp_path / name).write_text("x")
    assert destination.remove_leftovers(tmp_path, "app") == sorted(gone)
    assert sorted(os.listdir(tmp_path)) == sorted(kept)
    assert destination.remove_leftovers(tmp_path / "missing", "app") == []


def test_a_draft_that_another_host_writes_is_left_alone(tmp_path: Path) -> None:
    draft, sidecar = tmp_path / f".upkeep-{NAME}-abc.new", tmp_path / f"{NAME}.manifest.json"
    for path in (draft, sidecar):
        path.write_text("x")
    with open(draft, "rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert destination.remove_leftovers(tmp_path, "app") == []
    assert destination.remove_leftovers(tmp_path, "app") == sorted([draft.name, sidecar.name])


def test_links_and_folders_with_such_names_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / f".upkeep-{NAME}-a.new").mkdir()
    (tmp_path / f"{NAME}.manifest.json").symlink_to("elsewhere")
    assert destination.remove_leftovers(tmp_path, "app") == []


def test_the_folder_belongs_to_nobody_else(tmp_path: Path) -> None:
    new = tmp_path / "a/b"
    destination.prepare_folder(new)
    assert new.stat().st_mode & 0o777 == 0o700
    new.chmod(0o755)
    destination.prepare_folder(new)
    new.chmod(0o777)
    with pytest.raises(UpkeepError, match="other users may exchange files"):
        destination.prepare_folder(new)
    (tmp_path / "file").touch()
    with pytest.raises(UpkeepError):
        destination.prepare_folder(tmp_path / "file")


def test_the_last_archive_says_how_large_the_next_will_be(tmp_path: Path) -> None:
    assert destination.last_archive_bytes(tmp_path, "app") is None
    for name, size in {"app_20261121T021500Z.tar.gz": 5, NAME: 7, "other_20261123T021500Z.tar.gz": 9, f"{NAME}.manifest.json": 11}.items():
        (tmp_path / name).write_bytes(b"x" * size)
    assert destination.last_archive_bytes(tmp_path, "app") == 7
    assert destination.last_archive_bytes(tmp_path / "missing", "app") is None
