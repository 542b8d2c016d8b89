"""Silence is an alarm."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.heartbeats import (
    age_check,
    heartbeat_content,
    heartbeat_path,
    read_heartbeats,
    slug,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

NOW = datetime(2026, 11, 22, 5, 0, 0, tzinfo=timezone.utc)


def beat(platform: str = "P", playbook: str = "daily", **changes: Any) -> dict[str, Any]:
    return {
        "run_id": "20261122T040000Z-1a2b3c4d", "platform": platform, "playbook": playbook, "started": "2026-11-22T04:00:00Z",
        "ended": "2026-11-22T04:00:10Z", "status": "ok", "health": "HEALTHY", **changes,
    }


def check(found: dict[str, Any] | None, **options: Any) -> dict[str, Any]:
    return age_check("daily", found, now=NOW, **{"warning_hours": 26.0, "critical_hours": 50.0, **options})


@pytest.mark.parametrize(
    ("age", "status"),
    [
        (timedelta(0), "ok"),
        (timedelta(minutes=-4), "ok"),
        (timedelta(hours=25, minutes=59), "ok"),
        (timedelta(hours=26), "warning"),
        (timedelta(hours=49, minutes=59), "warning"),
        (timedelta(hours=50), "critical"),
        (timedelta(days=400), "critical"),
        (timedelta(hours=-2), "unknown"),
    ],
)
def test_age(age: timedelta, status: str) -> None:
    result = check(beat(ended=to_iso(NOW - age)))
    assert (result["check"], result["subject"], result["status"]) == ("heartbeat.age", "daily", status)
    assert (result["unit"], result["warning"], result["critical"]) == ("hours", 26.0, 50.0)
    assert ("hint" in result) is (status != "ok")


def test_no_heartbeat_is_unknown_and_says_what_to_do() -> None:
    result = check(None)
    assert result["status"] == "unknown" and "upkeep.runbook.daily" in result["hint"]


def test_a_damaged_heartbeat_is_unknown_with_the_reason() -> None:
    assert check(None, damaged="it is no JSON")["summary"] == "The heartbeat of daily cannot be read: it is no JSON."


def store(directory: Path, found: dict[str, Any]) -> Path:
    path = heartbeat_path(directory, found["platform"], found["playbook"])
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(heartbeat_content(found))
    return path


def test_two_platforms_share_a_directory(tmp_path: Path) -> None:
    store(tmp_path, beat("P", "daily"))
    store(tmp_path, beat("Q", "weekly"))
    assert list(read_heartbeats(tmp_path, "P")[0]) == ["daily"]
    assert list(read_heartbeats(tmp_path, "Q")[0]) == ["weekly"]
    assert read_heartbeats(tmp_path, "p")[0] == {}
    assert read_heartbeats(tmp_path / "absent", "P") == ({}, {})


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"{}", b"\xff", b"[" * 100_000, b"x" * 100_000])
def test_damage_is_named(tmp_path: Path, damage: bytes) -> None:
    path = store(tmp_path, beat())
    path.write_bytes(damage)
    beats, damaged = read_heartbeats(tmp_path, "P")
    assert beats == {} and list(damaged) == ["p_5c62e091.daily.json"] and damaged["p_5c62e091.daily.json"]


@pytest.mark.parametrize("change", [{"ended": "yesterday"}, {"run_id": "../x"}, {"status": None}, {"ended": "2026-11-22T04:00:10"}])
def test_wrong_values_are_damage(tmp_path: Path, change: dict[str, Any]) -> None:
    store(tmp_path, {**beat(), **change})
    assert read_heartbeats(tmp_path, "P")[0] == {}


@pytest.mark.parametrize(
    ("name", "expected"),
    [("daily", "daily"), ("web_1", "web_1"), ("NeuroSense FX", "neurosense_fx_cf237f4e"), ("../../etc", "etc_74ccf3c5"), ("..", "platform_5ec1f7e7")],
)
def test_slug(name: str, expected: str) -> None:
    assert slug(name) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ω", "Ж"), ("Zürich", "Zörich"), ("x" * 300, "x" * 301), ("x" * 80, "x" * 81), ("Ω", ""),
        ("Web 1", "web-1"), ("web_1", "web-1"), ("WEB 1", "Web 1"), ("web", "web_"),
    ],
)
def test_names_that_lose_what_tells_them_apart_have_slugs_of_their_own(one: str, other: str) -> None:
    assert slug(one) != slug(other) and slug(one) == slug(one)
    assert all(set(slug(name)) <= set("abcdefghijklmnopqrstuvwxyz0123456789_") and len(slug(name)) < 100 for name in (one, other))
