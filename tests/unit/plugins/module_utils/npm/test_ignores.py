"""Which vulnerabilities are ignored where and until when, and which ignores are worth a warning."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Optional

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.npm.ignores import divide, ignore_checks, read_ignores

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=timezone.utc)
GHSA = "GHSA-aaaa-bbbb-0001"


def ignore(**more: Any) -> dict[str, Any]:
    return {"id": GHSA, "path": None, "reason": "Not used.", "expires": "2027-01-31", **more}


def row(*paths: str, **more: Any) -> dict[str, Any]:
    found = {"id": GHSA, "source": 1001, "package": "deep", "severity": "high", "paths": list(paths or ("node_modules/deep",))}
    return {**found, **more}


def is_ignored(given: list, vulnerability: dict, project: str = "/opt/app") -> bool:
    counting, ignored = divide(project, [vulnerability], read_ignores(given), NOW)
    assert len(counting) + len(ignored) == 1
    return bool(ignored)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, True),
        ({"id": GHSA.lower()}, True),
        ({"id": "1001"}, True),
        ({"id": 1001}, True),
        ({"id": "1002"}, False),
        ({"id": "GHSA-aaaa-bbbb-0002"}, False),
        ({"path": "/opt/app"}, True),
        ({"path": "/opt/app/"}, True),
        ({"path": "/opt/*"}, True),
        ({"path": "/opt"}, False),
        ({"path": "/opt/app2"}, False),
        ({"path": "/opt/app/node_modules/deep"}, True),
        ({"path": "/opt/app/node_modules/*"}, True),
        ({"path": "/opt/app/node_modules/other"}, False),
        ({"expires": "2026-11-22"}, True),  # the whole of its last day
        ({"expires": "2026-11-21"}, False),
        ({"expires": "2026-11-22T12:00:00Z"}, False),
        ({"expires": "2026-11-22T13:00:01+01:00"}, True),
    ],
)
def test_what_is_ignored(given: dict, expected: bool) -> None:
    assert is_ignored([ignore(**given)], row()) is expected


def test_in_several_places_each_must_be_covered() -> None:
    two = row("node_modules/deep", "node_modules/middle/node_modules/deep")
    first = ignore(path="/opt/app/node_modules/deep", expires="2027-03-01")
    second = ignore(path="/opt/app/node_modules/middle/*", expires="2027-02-01")
    assert not is_ignored([first], two)
    assert is_ignored([first, second], two)
    _counting, ignored = divide("/opt/app", [two], read_ignores([first, second]), NOW)
    assert ignored[0]["expires"] == "2027-02-02T00:00:00Z"  # the first end counts
    assert ignored[0]["reason"] == "Not used."


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"id": "lodash"}, "ignore[1].id: 'lodash' is not accepted; give GHSA-xxxx-xxxx-xxxx"),
        ({"id": "CVE-2021-23337"}, "ignore[1].id"),
        ({"id": ""}, "ignore[1].id"),
        ({"path": "node_modules/deep"}, "ignore[1].path"),
        ({"reason": "  "}, "ignore[1].reason is empty"),
        ({"expires": "soon"}, "ignore[1].expires: 'soon' is not accepted; give a day such as 2027-01-31"),
        ({"expires": "2027-02-30"}, "ignore[1].expires"),
        ({"expires": "2027-02-03T10:00:00"}, "ignore[1].expires"),
        ({"expires": "31.01.2027"}, "ignore[1].expires"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(given: dict, words: str) -> None:
    with pytest.raises(UpkeepError) as caught:
        read_ignores([ignore(), ignore(**given)])
    assert words in caught.value.message


def status(given: dict, found: dict) -> "tuple[str, str]":
    (check,) = ignore_checks(read_ignores([given]), found, NOW)
    assert check["check"] == "dependency.ignore" and check["summary"]
    return check["status"], check["summary"]


@pytest.mark.parametrize(
    ("given", "found", "expected", "words"),
    [
        ({}, {"/opt/app": [row()]}, "ok", "is ignored until 2027-02-01T00:00:00Z in 1 projects (reason: Not used.)"),
        ({}, {"/opt/app": [row()], "/opt/b": None}, "ok", "in 1 projects"),
        ({"expires": "2026-11-21"}, {"/opt/app": [row()]}, "warning", "expired at 2026-11-22T00:00:00Z; the vulnerability counts again"),
        ({}, {"/opt/app": []}, "warning", "is not used: no project has this vulnerability there"),
        ({"expires": "2026-11-21"}, {"/opt/app": []}, "warning", "is not used"),
        ({"path": "/srv/x"}, {"/opt/app": [row()]}, "warning", "none of the projects of this host is there"),
        ({"path": "/opt/app/node_modules/other"}, {"/opt/app": [row()]}, "warning", "is not used"),
        ({}, {"/opt/app": None}, "unknown", "/opt/app was not audited"),
        ({"path": "/opt/b"}, {"/opt/app": [row()], "/opt/b": None}, "unknown", "/opt/b was not audited"),
        ({"path": "/opt/b/node_modules/*"}, {"/opt/app": [row()], "/opt/b": None}, "unknown", "/opt/b was not audited"),
        ({"path": "/opt/app"}, {"/opt/app": [], "/opt/b": None}, "warning", "is not used"),
    ],
)
def test_what_an_ignore_is_worth(given: dict, found: dict, expected: str, words: str) -> None:
    assert status(ignore(**given), found)[0] == expected
    assert words in status(ignore(**given), found)[1]


@pytest.mark.parametrize(("path", "subject"), [(None, GHSA), ("/opt/app", f"{GHSA} in /opt/app")])
def test_the_subject_is_the_advisory_and_the_place(path: Optional[str], subject: str) -> None:
    (check,) = ignore_checks(read_ignores([ignore(path=path, id=GHSA.lower().replace("ghsa", "Ghsa"))]), {"/opt/app": [row()]}, NOW)
    assert check["subject"] == subject


def test_the_same_ignore_twice_is_one_row() -> None:
    assert len(ignore_checks(read_ignores([ignore(), ignore()]), {"/opt/app": [row()]}, NOW)) == 1
