"""Which backup is taken: the newest that verifies, a named one, the newest before a time; and why others are not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.recovery.choosing import Chosen, Wanted, choose

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=timezone.utc)
DAYS = ("20261119", "20261120", "20261121", "20261122")


def name(day: str) -> str:
    return f"x-app_{day}T010000Z.tar.zst"


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    for day in DAYS:
        (tmp_path / name(day)).write_bytes(b"x")
    return tmp_path


def header(path: str, **changes: Any) -> Mapping[str, Any]:
    day = path.rpartition("_")[2][:8]
    ended = f"{day[:4]}-{day[4:6]}-{day[6:]}T01:10:00Z"
    return {"platform": "X", "host": "app", "ended": ended, "backup_id": f"{day}T010000Z-0000000a", **changes}


def chosen(folder: Path, *, bad: Mapping[str, str] | None = None, headers: Mapping[str, Any] | None = None, **wanted: Any) -> Chosen:
    asked = Wanted(**{
        "directory": str(folder), "patterns": ["x-app_*.tar.zst"], "backup": "", "before": None, "platform": "X", "host": "app", **wanted,
    })

    def read_header(path: str) -> Mapping[str, Any]:
        given = (headers or {}).get(Path(path).name, {})
        if isinstance(given, str):
            raise UpkeepError(given)
        return header(path, **given)

    return choose(asked, read_header, lambda path: (bad or {}).get(Path(path).name, ""), now=NOW)


def test_the_newest_that_verifies_is_taken_and_newer_ones_are_named(folder: Path) -> None:
    assert chosen(folder).file.path == str(folder / name("20261122"))
    result = chosen(folder, bad={name("20261122"): "is cut off"})
    assert result.file.path == str(folder / name("20261121"))
    assert result.passed_over == [(str(folder / name("20261122")), "is cut off")]


def test_what_cannot_count_is_no_loss_of_data(folder: Path) -> None:
    (folder / name("20270101")).write_bytes(b"x")
    result = chosen(folder, headers={name("20261122"): {"host": "web"}, name("20261121"): "it has no manifest beside it"})
    assert result.file.path == str(folder / name("20261120"))
    assert result.passed_over == []
    reasons = " ".join(reason for _path, reason in result.left_out)
    assert "lies in the future" in reasons and "of the host web, not of app" in reasons and "no manifest" in reasons


@pytest.mark.parametrize(
    "before, day",
    [("2026-11-21T01:10:00+00:00", "20261121"), ("2026-11-21T01:09:59+00:00", "20261120"), ("2026-11-22T12:00:00+00:00", "20261122")],
)
def test_a_backup_counts_before_a_time_when_it_had_ended_by_then(folder: Path, before: str, day: str) -> None:
    assert chosen(folder, before=datetime.fromisoformat(before)).file.path == str(folder / name(day))


def test_nothing_before_a_time_is_said_with_the_reason(folder: Path) -> None:
    result = chosen(folder, before=datetime(2026, 1, 1, tzinfo=timezone.utc))
    assert result.file is None
    assert "from before 2026-01-01T00:00:00Z can be used" in result.problem and "it ended at 2026-11-22T01:10:00Z" in result.problem


@pytest.mark.parametrize("backup", [name("20261120"), "20261120T010000Z-0000000a", "path"])
def test_a_named_backup_is_taken_by_path_name_or_id(folder: Path, backup: str) -> None:
    wanted = str(folder / name("20261120")) if backup == "path" else backup
    assert chosen(folder, backup=wanted).file.path == str(folder / name("20261120"))


@pytest.mark.parametrize(
    "wanted, changes, problem",
    [
        ({"backup": name("20261120")}, {"bad": {name("20261120"): "is damaged"}}, f"{name('20261120')}: is damaged"),
        ({"backup": "other.tar"}, {}, "is called other.tar, as a file or by its id; there are: x-app_20261122"),
        ({"backup": "../other.tar"}, {}, "is called ../other.tar"),
        ({"backup": "/nowhere/other.tar"}, {}, "/nowhere/other.tar does not exist"),
        ({"backup": name("20261120"), "before": NOW.replace(month=1)}, {}, "it ended at 2026-11-20T01:10:00Z, after 2026-01-22"),
        ({"backup": name("20261120"), "platform": "Y"}, {}, "it is of the platform X, not of Y"),
        ({"backup": name("20261120")}, {"headers": {name("20261120"): "it has no manifest beside it"}}, "it has no manifest beside it"),
    ],
)
def test_a_named_backup_is_refused_and_no_other_taken_instead(
    folder: Path, wanted: dict[str, Any], changes: dict[str, Any], problem: str
) -> None:
    result = chosen(folder, **wanted, **changes)
    assert result.file is None
    assert problem in result.problem


def test_a_link_is_no_backup(folder: Path) -> None:
    (folder / "x-app_20261122T020000Z.tar.zst").symlink_to("/dev/zero")
    assert chosen(folder).file.path == str(folder / name("20261122"))


def test_an_empty_folder_and_a_missing_one_are_told_apart(tmp_path: Path) -> None:
    assert "none of the 0 entries" in chosen(tmp_path).problem
    assert f"{tmp_path}/gone does not exist" in chosen(tmp_path / "gone").problem


def test_only_ten_damaged_backups_are_read(tmp_path: Path) -> None:
    for day in range(1, 20):
        (tmp_path / name(f"202611{day:02}")).write_bytes(b"x")
    result = chosen(tmp_path, bad={name(f"202611{day:02}"): "is damaged" for day in range(1, 20)})
    assert len(result.passed_over) == 10
    assert "none of the 10 newest backups verifies" in result.problem
