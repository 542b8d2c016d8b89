"""What the report host knows of baselines: notes of acceptances, and baselines beside them."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.kept_digests.comparing import accepted_digests, with_digest_checks
from ansible_collections.upkeep.runbook.plugins.module_utils.kept_digests.record import (
    MAX_HISTORY,
    accepted,
    begun,
    empty,
    expected,
    read_content,
)

NOW = datetime(2026, 11, 22, 5, tzinfo=timezone.utc)
ONE, TWO = {"run_id": "20261122T050000Z-0000000a", "reason": "one"}, {"run_id": "20261122T060000Z-0000000b", "reason": "two"}
A, B = 64 * "a", 64 * "b"


def begin(record: dict[str, Any], *parts: str, of: dict[str, str] | None = None) -> dict[str, Any]:
    return begun(record, parts, now=NOW, **(of or ONE))


def end(record: dict[str, Any], *unanswered: str, of: dict[str, str] | None = None, **digests: str) -> dict[str, Any]:
    return accepted(record, digests, unanswered, now=NOW, **(of or ONE))


def known(**digests: str) -> dict[str, Any]:
    return end(begin(empty(), *digests), **digests)


def test_an_acceptance_is_noted_and_then_kept_with_its_history() -> None:
    noted = begin(empty(), "ports", "files")
    assert expected(noted) == {} and noted["pending"]["ports"]["reason"] == "one"
    kept = end(noted, ports=A, files=B)
    assert expected(kept) == {"ports": A, "files": B} and kept["pending"] == {}
    same = end(begin(kept, "ports", of=TWO), ports=A, of=TWO)
    assert same == kept, "the same baseline again is no news"
    changed = end(begin(kept, "ports", of=TWO), ports=B, of=TWO)
    assert expected(changed) == {"ports": B, "files": B} and changed["digests"]["files"] == kept["digests"]["files"]
    assert [(row["reason"], row["digests"]) for row in changed["history"]] == [("one", {"ports": A, "files": B}), ("two", {"ports": B})]
    assert read_content(json.loads(json.dumps({"schema": 1, **changed}))) == changed


def test_what_nobody_saw_the_end_of_is_expected_of_no_baseline() -> None:
    noted = begin(known(ports=A, files=A), "ports", "files", of=TWO)
    assert expected(noted) == {}
    died = end(noted, "files", ports=B, of=TWO)
    assert expected(died) == {"ports": B} and list(died["pending"]) == ["files"]
    # A later run that refuses knows no more of it, and one that accepts does.
    later = {"run_id": "20261122T070000Z-0000000c", "reason": "three"}
    refused = end(begin(died, "ports", "files", of=later), of=later)
    assert refused["pending"] == died["pending"] and expected(refused) == {"ports": B}
    assert expected(end(begin(died, "files", of=later), files=B, of=later)) == {"ports": B, "files": B}


def test_a_refusal_opens_no_door() -> None:
    refused = end(begin(known(ports=A), "ports", of=TWO), of=TWO)
    assert refused == known(ports=A)


def test_the_history_is_bounded() -> None:
    record = empty()
    for number in range(MAX_HISTORY + 5):
        record = end(begin(record, "ports"), ports=f"{number:064x}")
    assert len(record["history"]) == MAX_HISTORY and record["history"][-1]["digests"] == {"ports": f"{MAX_HISTORY + 4:064x}"}


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: begin(empty(), "logins"), "'logins' is no part"),
        (lambda: begin(empty(), "ports", of={"run_id": "x", "reason": "y"}), "run_id: 'x'"),
        (lambda: begin(empty(), "ports", of={**ONE, "reason": "  "}), "reason is missing"),
        (lambda: end(empty(), ports="A" * 64), "digests.ports: 'AAAA"),
        (lambda: end(empty(), "prots"), "'prots' is no part"),
    ],
)
def test_wrong_options_are_refused(act: Any, message: str) -> None:
    with pytest.raises(UpkeepError, match=message):
        act()


@pytest.mark.parametrize(
    "content",
    [
        None, [], {}, {"schema": 2}, {"schema": 1}, {"schema": 1, "digests": {}, "pending": {}, "history": {}},
        {"schema": 1, "digests": {"ports": {"sha256": "x"}}, "pending": {}, "history": []},
        {"schema": 1, "digests": {"ports": {"sha256": A}}, "pending": {}, "history": []},
        {"schema": 1, "digests": {}, "pending": {"ports": 1}, "history": []},
        {"schema": 1, "digests": [], "pending": {}, "history": []},
    ],
)
def test_what_is_no_record_is_none(content: Any) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        read_content(content)


def checks(digest: str | None, record: Any, by_hand: dict[str, str] | None = None) -> list[tuple[str, str]]:
    """Return subject and status of the digests after an audit that has met this baseline of files."""
    result = {"changed": False, "checks": [], "parts": {"files": {"baseline": {"digest": digest} if digest else None}, "logins": {}}}
    kept = {"changed": False, "record": record} if isinstance(record, dict) else record
    return [(row["subject"], row["status"]) for row in with_digest_checks(result, kept, by_hand or {})["checks"]]


#: (digest of the baseline that is there, what is kept, what is said of it)
COMPARED: dict[str, tuple[str | None, Any, list[tuple[str, str]]]] = {
    "as kept": (A, known(files=A), [("files", "ok")]),
    "another one is said by its module": (B, known(files=A), []),
    "gone is said by its module": (None, known(files=A), []),
    "nothing yet is said by its module": (None, empty(), []),
    "not kept": (A, empty(), [("files", "warning")]),
    "killed before the exchange": (A, begin(known(files=A), "files", of=TWO), [("files", "ok")]),
    "killed after the exchange": (B, begin(known(files=A), "files", of=TWO), [("files", "unknown")]),
    "killed at the first one": (A, begin(empty(), "files"), [("files", "unknown")]),
    "killed before the first one": (None, begin(empty(), "files"), []),
    "removed after a kill": (None, begin(known(files=A), "files", of=TWO), [("files", "critical")]),
    "unreachable": (A, ["no mapping"], [("report host", "unknown")]),
    "nothing registered": (A, None, [("report host", "unknown")]),
}


@pytest.mark.parametrize("case", COMPARED)
def test_baselines_beside_what_is_kept(case: str) -> None:
    digest, record, wanted = COMPARED[case]
    assert checks(digest, record) == wanted


def test_what_the_inventory_says_is_not_looked_up() -> None:
    assert checks(A, empty(), {"files": B}) == [] and checks(A, empty(), {"files": ""}) == [("files", "warning")]


def test_honest_baselines_are_one_row() -> None:
    parts = {"files": {"baseline": {"digest": A}}, "ports": {"digest": B}, "access": {"baseline": {"digest": A}}}
    kept = {"record": known(files=A, ports=B, access=A)}
    (row,) = with_digest_checks({"checks": [], "parts": parts}, kept, {})["checks"]
    assert (row["status"], row["folded"]) == ("ok", 3)


@pytest.mark.parametrize("result", [{}, {"failed": True, "msg": "x"}, "", None])
def test_an_audit_without_parts_stays_as_it_is(result: Any) -> None:
    assert with_digest_checks(result, {}, {}) == result


#: (what the call of ports registered, digests, unanswered)
ANSWERS: dict[str, tuple[Any, dict[str, str], list[str]]] = {
    "not made": ({}, {}, []),
    "not chosen": ({"skipped": True, "changed": False}, {}, []),
    "accepted": ({"changed": True, "digest": A}, {"ports": A}, []),
    "refused": ({"failed": True, "msg": "nothing was accepted", "digest": A}, {}, []),
    "killed": ({"failed": True, "msg": "MODULE FAILURE", "module_stdout": "", "module_stderr": "Killed", "rc": 137}, {}, ["ports"]),
    "lost": ({"unreachable": True, "msg": "gone", "digest": A}, {}, ["ports"]),
    "an answer without a digest": ({"changed": False}, {}, ["ports"]),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_what_became_of_an_acceptance(case: str) -> None:
    result, digests, unanswered = ANSWERS[case]
    assert accepted_digests({"ports": result}) == {"digests": digests, "unanswered": unanswered}
