"""From options to checks: what a group of backups is said to be."""

from __future__ import annotations

import gzip
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.inspection import verify_backups
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.modules.backup_verify import argument_spec

NOW = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
DEFAULTS = {name: option.get("default") for name, option in argument_spec().items()}
GROUP_KEYS = argument_spec()["backups"]["options"]


def verify(*groups: dict[str, Any], **options: Any) -> dict[str, Any]:
    listed = [{**dict.fromkeys(GROUP_KEYS), **group} for group in groups] or None
    return verify_backups({**DEFAULTS, "return_all": True, "backups": listed, **options}, now=NOW, read_only=False)


def statuses(result: dict[str, Any]) -> dict[str, str]:
    return {check["check"].removeprefix("backup."): check["status"] for check in result["checks"]}


def check_of(result: dict[str, Any], name: str) -> dict[str, Any]:
    return next(check for check in result["checks"] if check["check"] == f"backup.{name}")


def backup(directory: Path, hours_ago: float, size: int = 1000, data: bytes | None = None) -> Path:
    """Make a backup whose name says when it was made, of a size that compression cannot change."""
    stamp = (NOW - timedelta(hours=hours_ago)).strftime("%Y%m%dT%H%M%SZ")
    path = directory / f"b-{stamp}.sql.gz"
    path.write_bytes(gzip.compress(os.urandom(size - 23), 0) if data is None else data)
    return path


def test_a_good_backup_is_ok_in_every_way(tmp_path: Path) -> None:
    for hours in (2, 26, 50):
        newest = backup(tmp_path, hours)
    result = verify(directory=str(tmp_path), pattern=["b-*.gz"])
    assert statuses(result) == dict.fromkeys(["present", "age", "size", "shrink", "storage", "readable", "content"], "ok")
    assert {check["subject"] for check in result["checks"]} == {f"{tmp_path}/b-*.gz"}
    row = result["backups"][0]
    assert (row["created"], row["created_from"], row["age_hours"]) == ("2026-11-22T10:00:00Z", "name", 2.0)
    assert (row["format"], row["members"], row["level"], row["status"]) == ("gz", 1, "readable", "ok")
    assert (result["totals"]["backups"], newest.exists()) == (1, True)


def test_the_default_pattern_is_every_archive(tmp_path: Path) -> None:
    assert statuses(verify(directory=str(tmp_path))) == {"present": "critical"}
    (tmp_path / "notes.txt").write_text("x")
    assert "none of the 1 entries" in verify(directory=str(tmp_path))["checks"][0]["summary"]
    (tmp_path / "b.tgz").write_bytes(b"x")
    assert statuses(verify(directory=str(tmp_path)))["readable"] == "critical"


@pytest.mark.parametrize(
    ("hours", "limit", "status"),
    [(25.9, 26.0, "ok"), (26.1, 26.0, "critical"), (999.0, 0.0, "ok"), (-0.5, 26.0, "ok"), (-2, 26.0, "unknown")],
)
def test_age(tmp_path: Path, hours: float, limit: float, status: str) -> None:
    backup(tmp_path, hours)
    result = verify(directory=str(tmp_path), pattern=["*"], max_age_hours=limit)
    assert statuses(result)["age"] == status
    if status == "critical":
        assert "26.1 h old (by its name); the limit is 26 h" in check_of(result, "age")["summary"]
        assert check_of(result, "age")["hint"]


def test_the_newest_is_the_newest_that_is_not_in_the_future(tmp_path: Path) -> None:
    """One that a wrong clock has dated ahead would stay the newest for years and hide that backups stop, are small, or damaged."""
    ahead = [backup(tmp_path, hours, 100) for hours in (-9000, -48)]
    newest = backup(tmp_path, 30, data=b"damaged")
    good = backup(tmp_path, 54)
    drilled: dict[str, Any] = {"directory": str(tmp_path), "databases": False}
    result = verify(directory=str(tmp_path), pattern=["b-*.gz"], level="drill", manifest="none", drill={**drilled, "sample": ["oldest"]})
    found = statuses(result)
    assert (found["future"], found["age"], found["readable"], found["present"]) == ("warning", "critical", "critical", "ok")
    assert check_of(result, "present")["value"] == 4
    assert [row["path"] for row in result["backups"]] == [str(newest)]
    said = check_of(result, "future")
    assert str(ahead[0]) in said["summary"] and "and 1 more" in said["summary"] and str(newest) in said["summary"]
    assert said["evidence"] == {"paths": [str(path) for path in ahead]}
    assert [row["path"] for row in result["drills"]] == [str(good)], "the oldest is no other one"
    for path in (newest, good):
        path.unlink()
    alone = statuses(verify(directory=str(tmp_path), pattern=["b-*.gz"]))
    assert alone["age"] == "unknown" and "future" not in alone, "with nothing else, it is looked at"


def test_size_and_shrink(tmp_path: Path) -> None:
    for hours, size in ((2, 400), (26, 1000), (50, 900), (74, 5000), (98, 1100), (122, 1200), (146, 100_000)):
        backup(tmp_path, hours, size)
    options = {"directory": str(tmp_path), "pattern": ["*"]}
    result = verify(**options, min_bytes=401)
    assert (statuses(result)["size"], statuses(result)["shrink"]) == ("critical", "warning")
    shrink = check_of(result, "shrink")
    assert (shrink["value"], shrink["warning"]) == (63.6, 50.0), "the median of the five before is 1100"
    assert statuses(verify(**options, max_shrink_percent=63.7))["shrink"] == "ok"
    assert "shrink" not in statuses(verify(**options, max_shrink_percent=0))


def test_an_empty_file_is_critical_whatever_the_least_size(tmp_path: Path) -> None:
    backup(tmp_path, 1, data=b"")
    result = verify(directory=str(tmp_path), pattern=["*"], min_bytes=0, level="exists")
    assert statuses(result) == {"present": "ok", "age": "ok", "size": "critical", "shrink": "ok", "storage": "ok"}
    assert "is empty" in check_of(result, "size")["summary"]
    assert result["backups"][0]["status"] == "critical"


def test_level_exists_reads_nothing(tmp_path: Path) -> None:
    backup(tmp_path, 1, data=b"no gzip at all")
    result = verify(directory=str(tmp_path), pattern=["*"], level="exists")
    assert result["status"] == "ok"
    assert result["backups"][0]["members"] is None


def test_required_members(tmp_path: Path) -> None:
    import io
    import tarfile

    with tarfile.open(tmp_path / "b.tar.gz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("./etc/nginx/nginx.conf"), io.BytesIO())
    os.utime(tmp_path / "b.tar.gz", (NOW.timestamp(),) * 2)
    result = verify(path=str(tmp_path / "b.tar.gz"), require=["etc/*.conf", "*/missing.conf", "nginx.conf"])
    content = check_of(result, "content")
    assert (content["status"], content["evidence"]["missing"]) == ("critical", ["*/missing.conf", "nginx.conf"])
    assert "lacks 2 of 3 required members" in content["summary"]
    assert result["backups"][0]["missing"] == ["*/missing.conf", "nginx.conf"]


def test_what_a_damaged_backup_lacks_is_not_known(tmp_path: Path) -> None:
    path = backup(tmp_path, 1, size=5000)
    path.write_bytes(path.read_bytes()[:-1])
    os.utime(path, (1, 1))
    result = verify(path=str(path), require=["x"])
    assert (statuses(result)["readable"], statuses(result)["content"]) == ("critical", "unknown")
    assert "is cut off" in check_of(result, "readable")["summary"]
    assert check_of(result, "readable")["hint"].startswith("Make a new backup")
    assert result["status"] == "critical"


def test_an_archive_without_members_is_critical(tmp_path: Path) -> None:
    import tarfile

    tarfile.open(tmp_path / "b.tar.gz", "w:gz").close()
    assert statuses(verify(path=str(tmp_path / "b.tar.gz")))["content"] == "critical"


def test_several_of_a_group_are_one_row_of_each_check(tmp_path: Path) -> None:
    for hours in (2, 26, 50):
        backup(tmp_path, hours, data=b"bad" if hours > 2 else None)
    result = verify(directory=str(tmp_path), pattern=["*"], newest=3)
    readable = check_of(result, "readable")
    assert (readable["status"], readable["value"], len(result["checks"])) == ("critical", 2, 7)
    assert len(readable["evidence"]["others"]) == 1
    assert [row["status"] for row in result["backups"]] == ["ok", "critical", "critical"]
    folded = verify(directory=str(tmp_path), pattern=["*"], newest=3, return_all=False)
    assert (len(folded["backups"]), folded["totals"]["backups"], folded["totals"]["ok"]) == (2, 3, 1)


def test_groups_have_options_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    backup(tmp_path / "one", 30)
    folder = str(tmp_path / "one")
    result = verify(
        {"name": "strict", "directory": folder, "pattern": ["*"]},
        {"name": "patient", "directory": folder, "pattern": ["*"], "max_age_hours": 40.0, "level": "exists"},
        {"path": str(tmp_path / "gone.tar")},
        max_age_hours=20.0,
    )
    ages = {check["subject"]: check["status"] for check in result["checks"] if check["check"] == "backup.age"}
    assert ages == {"strict": "critical", "patient": "ok"}
    subjects = [check["subject"] for check in result["checks"] if check["check"] == "backup.present"]
    assert subjects == ["strict", "patient", f"{tmp_path}/gone.tar"]
    assert [check["check"] for check in result["checks"] if check["subject"] == "patient"] == [
        "backup.present", "backup.age", "backup.size", "backup.shrink", "backup.storage",
    ]


def test_something_called_like_a_backup_is_a_warning_beside_one_and_critical_alone(tmp_path: Path) -> None:
    (tmp_path / "b-dir.gz").mkdir()
    result = verify(directory=str(tmp_path), pattern=["b-*"])
    assert (statuses(result), "is a folder" in check_of(result, "present")["summary"]) == ({"present": "critical"}, True)
    backup(tmp_path, 1)
    result = verify(directory=str(tmp_path), pattern=["b-*"])
    assert statuses(result)["present"] == "warning"
    assert check_of(result, "present")["evidence"]["others"] == [f"{tmp_path}/b-dir.gz: a folder"]


def test_a_link_to_elsewhere_is_not_followed_and_not_called_missing(tmp_path: Path) -> None:
    (tmp_path / "b-link.gz").symlink_to("/etc/passwd")
    for options in ({"directory": str(tmp_path), "pattern": ["b-*"]}, {"path": str(tmp_path / "b-link.gz")}):
        result = verify(**options)
        assert statuses(result) == {"present": "unknown"}
        assert "which is not followed" in check_of(result, "present")["summary"]


def test_hostile_names_are_shown_safely(tmp_path: Path) -> None:
    path = os.path.join(os.fsencode(tmp_path), b"b-\x1b[31m\xff\n.gz")
    with open(path, "wb") as file:
        file.write(b"bad")
    os.utime(path, (1, 1))
    result = verify(directory=str(tmp_path), pattern=["b-*"])
    for text in (check_of(result, "readable")["summary"], result["backups"][0]["path"]):
        assert text.isprintable()
        assert "\\xff" in text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"directory": "relative"}, ["directory", "relative", "not absolute"]),
        ({"directory": "/x", "pattern": ["a/*.tar"]}, ["pattern", "without /"]),
        ({"directory": "/x", "newest": 0}, ["newest", "1 to 100"]),
        ({"directory": "/x", "max_shrink_percent": 101.0}, ["max_shrink_percent", "0 to 100"]),
        ({"directory": "/x", "nested_depth": 6}, ["nested_depth", "0 to 5"]),
        ({"directory": "/x", "timeout_seconds": 0.0}, ["timeout_seconds", "1 to 86400"]),
        ({"backups": []}, ["backups", "empty list"]),
    ],
)
def test_what_is_not_accepted_is_named(options: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UpkeepError) as caught:
        verify(**options)
    for word in words:
        assert word in caught.value.message


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ([{"name": "x"}], ["backups[0]", "either path or directory"]),
        ([{"path": "/x", "directory": "/y"}], ["backups[0]", "either path or directory"]),
        ([{"path": "/x"}, {"path": "/y", "newest": 200}], ["backups[1].newest"]),
        ([{"path": "/x"}, {"path": "/x"}], ["/x", "name of its own"]),
    ],
)
def test_what_is_not_accepted_in_a_group_is_named(groups: list[dict[str, Any]], words: list[str]) -> None:
    with pytest.raises(UpkeepError) as caught:
        verify(*groups)
    for word in words:
        assert word in caught.value.message
