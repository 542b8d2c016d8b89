"""The memory of what was told: read back as it was written, and never half."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.changes import Known, Told
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.state_file import (
    Failure,
    State,
    load_state,
    save_state,
    set_aside,
    state_path,
    with_failures,
)

AT = "2026-11-22T05:00:00Z"
STATE = State(
    {("web", "a.b", "x \U0001f600"): Known("health", ("daily",), AT, "critical", "Broken.", "Mend.", {"operations": Told("warning", AT)})},
    {"mail a@b.example": Failure(AT, "refused")},
    {"operations": "<x@y>"},
)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    save_state(path, STATE)
    assert load_state(path) == (STATE, "")
    assert path.stat().st_mode & 0o777 == 0o640


def test_no_memory_is_an_empty_one(tmp_path: Path) -> None:
    assert load_state(tmp_path / "none.json") == (State(), "")


def test_two_platforms_have_two_files(tmp_path: Path) -> None:
    assert state_path(tmp_path, "ticks") == tmp_path / "notify" / "ticks.json"
    assert state_path(tmp_path, "A B") != state_path(tmp_path, "a b")


def spoiled(tmp_path: Path, change: Any) -> bytes:
    path = tmp_path / "p.json"
    save_state(path, STATE)
    document = json.loads(path.read_bytes())
    change(document)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.update(schema=2),
        lambda document: document.pop("problems"),
        lambda document: document.update(problems={}) or document["problems"].update(a=1),
        lambda document: document["problems"][0].pop("host"),
        lambda document: document["problems"][0].update(host=7),
        lambda document: document["problems"][0].update(status="fine"),
        lambda document: document["problems"][0]["told"]["operations"].update(at="yesterday"),
        lambda document: document["problems"][0]["told"].update(operations="x"),
        lambda document: document.update(failures=[1]),
        lambda document: document.update(threads=None),
    ],
)
def test_a_memory_of_another_form_is_none_at_all(tmp_path: Path, change: Any) -> None:
    path = tmp_path / "p.json"
    path.write_bytes(spoiled(tmp_path, change))
    state, problem = load_state(path)
    assert state == State() and problem


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'"text"', b"[" * 100_000], ids=lambda content: repr(content[:6]))
def test_garbage_is_no_memory(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.json").write_bytes(content)
    state, problem = load_state(tmp_path / "p.json")
    assert state == State() and problem


def test_only_the_newest_few_damaged_ones_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    for number in range(5):
        path.write_text(str(number))
        set_aside(path, stamp=f"2026112{number}T050000Z")
    assert not path.exists()
    assert [kept.read_text() for kept in sorted(tmp_path.iterdir())] == ["2", "3", "4"]


def test_failures_end_when_the_channel_works_or_is_not_described_any_more() -> None:
    state = State(failures={"mail a": Failure(AT, "x"), "mail b": Failure(AT, "x"), "mail c": Failure(AT, "x")})
    after = with_failures(state, {"mail d": Failure(AT, "new")}, {"mail a"}, {"mail a", "mail b", "mail d"})
    assert sorted(after.failures) == ["mail b", "mail d"]
