"""The alarm rang, it did not, or nobody can tell: three answers that must not be mistaken for each other."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.incidents.selftest_outcome import selftest_outcome, selftest_plan

OPEN = {"probes": [{"status": "ok", "summary": "it answers"}]}
CLOSED = {"probes": [{"status": "critical", "summary": "no answer after 3 s"}]}
UNASKED = {"failed": True, "msg": "no Python"}
CANARY = "/srv/.upkeep-canary-r"
CHANGED = {"changes": [{"path": CANARY, "change": "changed"}]}
ADDED = {"baseline": {"digest": "d"}, "changes": [{"path": "/srv/x", "change": "removed"}, {"path": CANARY, "change": "added"}]}
RANG = {"checks": [check_result("notify.channel", "mail a", "ok", "reached")]}
SILENT = {"checks": [*RANG["checks"], check_result("notify.channel", "mail b", "critical", "mail b refused it.")]}
LOOKED = {
    "installed": True, "running": True, "switched_off": False, "problem": "", "refused": "", "banned": False,
    "jail": {"name": "sshd", "maxretry": 3, "failed_total": 7, "blocking_actions": 1, "may_be_ignored": ""},
}  # fmt: skip
STRANGER = "upkeep-0123456789ab"
DENIED = {"granted": 0, "denied": 1, "dropped": 0, "closed": 0, "said": "Permission denied (publickey)."}
BEFORE = {
    "jail": LOOKED, "user": STRANGER, "address": "192.0.2.7", "first": DENIED, "counted": {**LOOKED, "jail": {**LOOKED["jail"], "failed_total": 8}},
    "seen": {"addresses": [{"address": "198.51.100.1", "users": ["root"]}, {"address": "192.0.2.7", "users": ["admin", STRANGER]}]},
}  # fmt: skip
FREE, DONE = {"installed": True, "running": True, "banned": False}, {"installed": True, "changed": True}
BANNED = {**BEFORE, "guesses": {**DENIED, "denied": 2, "closed": 1}, "banned": {**LOOKED, "banned": True}, "during": CLOSED, "released": DONE, "after": OPEN}
NAT = {"addresses": [{"address": "192.0.2.1", "users": [STRANGER]}]}
OPENED = {"opened": {**DENIED, "granted": 1, "denied": 0}, "revoked": {"changed": True}, "refused": DENIED}


def with_jail(**changed: Any) -> dict[str, Any]:
    return {**LOOKED, "jail": {**LOOKED["jail"], **changed}}


@pytest.mark.parametrize(
    ("part", "found", "status", "said"),
    [
        ("block", {"before": OPEN, "during": CLOSED, "after": OPEN}, "ok", "closed from outside"),
        ("block", {"before": OPEN, "during": OPEN, "after": OPEN}, "critical", "still open"),
        ("block", {"before": OPEN, "during": CLOSED, "after": CLOSED}, "critical", "not open again: no answer after 3 s"),
        ("block", {"before": CLOSED}, "unknown", "before it was blocked"),
        ("block", {"before": OPEN, "during": UNASKED, "after": OPEN}, "unknown", "no Python"),
        ("block", {"before": OPEN, "during": CLOSED, "after": UNASKED}, "unknown", "no Python"),
        ("block", {"before": OPEN}, "unknown", "could not be asked"),
        ("block", {"failure": "name a host", "before": OPEN}, "unknown", "name a host"),
        ("files", {"canary": CANARY, "tampered": CHANGED, "watched": ADDED}, "ok", "were found"),
        ("files", {"canary": CANARY, "tampered": {"changes": []}, "watched": ADDED}, "critical", "did not find it"),
        ("files", {"canary": CANARY, "tampered": CHANGED, "watched": {"baseline": None, "changes": []}}, "unknown", "no baseline"),
        ("files", {"canary": CANARY, "tampered": CHANGED, "watched": {"baseline": {"digest": "d"}, "changes": []}}, "critical", "not watched"),
        ("files", {"canary": CANARY}, "critical", "did not find it"),
        ("files", {"failure": "no folder is watched"}, "unknown", "no folder"),
        ("alert", {"told": RANG}, "ok", "reached 1 channel."),
        ("alert", {"told": SILENT}, "critical", "mail b refused it."),
        ("alert", {"told": {"skipped": True}}, "unknown", "Nobody can be told"),
        ("alert", {"told": {"failed": True, "msg": "the disk is full"}}, "critical", "the disk is full"),
        ("key", OPENED, "ok", "refused as soon as"),
        ("key", {**OPENED, "refused": {**DENIED, "granted": 1, "denied": 0}}, "critical", "still logs in"),
        ("key", {**OPENED, "opened": DENIED}, "unknown", "did not log in, so that nothing is known of one that is taken away: Permission denied"),
        ("key", {**OPENED, "revoked": UNASKED}, "critical", "could not be taken away: no Python"),
        ("key", {**OPENED, "revoked": {"changed": False}}, "critical", "could not be taken away"),
        ("key", {**OPENED, "refused": {**DENIED, "denied": 0, "dropped": 9}}, "unknown", "nobody can tell"),
        ("key", {**OPENED, "refused": UNASKED}, "unknown", "no Python"),
        ("key", {}, "unknown", "did not log in"),
        ("jail", BANNED, "ok", "after 3 failed logins: the port was closed for it, and is open again"),
        ("jail", {**BANNED, "during": OPEN}, "critical", "still open for it"),
        ("jail", {**BANNED, "during": UNASKED}, "unknown", "no Python"),
        ("jail", {**BANNED, "after": CLOSED}, "critical", "not open again: no answer after 3 s"),
        ("jail", {**BANNED, "after": UNASKED}, "unknown", "open again, nobody can tell"),
        ("jail", {**BANNED, "released": UNASKED}, "critical", "could not be ended: no Python"),
        ("jail", {**BANNED, "banned": {**FREE}, "guesses": {**DENIED, "denied": 3}}, "critical", "did not ban the observer after 4 failed logins"),
        ("jail", {**BANNED, "banned": {**FREE}, "guesses": {**DENIED, "said": "reset by peer"}}, "unknown", "Only 2 of 3 failed logins"),
        ("jail", {**BANNED, "jail": with_jail(may_be_ignored="it has an ignorecommand"), "banned": FREE}, "unknown", "it has an ignorecommand"),
        ("jail", {**BANNED, "banned": {**FREE, "problem": "fail2ban does not run"}}, "unknown", "fail2ban does not run"),
        ("jail", {**BEFORE, "seen": NAT}, "unknown", "knows the observer as 192.0.2.1, not as 192.0.2.7"),
        ("jail", {**BEFORE, "seen": {"addresses": []}}, "unknown", "as nobody, as far as its logs say"),
        ("jail", {**BEFORE, "seen": UNASKED}, "unknown", "as nobody"),
        ("jail", {**BEFORE, "counted": LOOKED}, "critical", "did not notice"),
        ("jail", {**BEFORE, "counted": {**FREE, "problem": "it is silent"}}, "unknown", "it is silent"),
        ("jail", {**BEFORE, "first": {**DENIED, "denied": 0, "closed": 1, "said": "No route to host"}}, "unknown", "No route to host"),
        ("jail", {"jail": with_jail(blocking_actions=0)}, "critical", "has no action that does anything"),
        ("jail", {"jail": {"installed": True, "running": False}}, "critical", "does not run"),
        ("jail", {"failure": "fail2ban is not installed", "jail": {"installed": False}}, "unknown", "fail2ban is not installed"),
        ("jail", {**BEFORE, "failure": "a full disk", "cleared": {"msg": "192.0.2.7 is still banned"}}, "critical", "lasts as long as fail2ban lets it"),
        ("jail", {**BEFORE, "failure": "a full disk", "cleared": DONE}, "unknown", "a full disk"),
        ("prots", {}, "unknown", "'prots' is no part"),
    ],
)
def test_what_a_part_says(part: str, found: dict[str, Any], status: str, said: str) -> None:
    (row,) = selftest_outcome([part], {part: found}, subjects={part: "s"}, check_mode=False)["checks"]
    assert (row["check"], row["subject"], row["status"]) == (f"selftest.{part}", "s", status) and said in row["summary"]
    assert (status == "ok" or part == "prots") == ("hint" not in row)


def test_check_mode_tries_nothing_and_tells_what_stands_against_it() -> None:
    results = {"block": {"failure": "name a host"}, "files": {}, "alert": {}, "key": {}, "jail": {"jail": with_jail(blocking_actions=0)}}
    rows = selftest_outcome(list(results), results, subjects={}, check_mode=True)["checks"]
    assert [row["status"] for row in rows] == ["unknown", "ok", "ok", "ok", "critical"]


@pytest.mark.parametrize(
    ("asked", "first", "user", "looked", "parts"),
    [
        (["all"], True, "", {"installed": False}, ["block", "files", "alert"]),
        (["all"], False, "", {"installed": False}, ["block", "files"]),
        (["all"], True, "monitor", LOOKED, ["block", "files", "alert", "key", "jail"]),
        (["all"], True, "", {"installed": True, "running": False, "switched_off": False}, ["block", "files", "alert", "jail"]),
        (["all"], True, "", {"installed": True, "running": False, "switched_off": True}, ["block", "files", "alert"]),
        (["all"], True, "", UNASKED, ["block", "files", "alert", "jail"]),
        (["jail", "key", "files"], True, "", {"installed": False}, ["files", "key", "jail"]),
        (["files", "prots", "files"], True, "monitor", LOOKED, ["files", "prots"]),
        (["all", "jail"], False, "", {"installed": False}, ["block", "files", "jail"]),
    ],
)
def test_what_is_tried(asked: list[str], first: bool, user: str, looked: dict[str, Any], parts: list[str]) -> None:
    assert selftest_plan(asked, first=first, key_user=user, jail={"jail": looked})["parts"] == parts


@pytest.mark.parametrize(
    ("found", "stop", "able", "goes_on"),
    [
        (BEFORE, "", True, True),
        ({**BEFORE, "address": "2001:DB8::7", "seen": {"addresses": [{"address": "2001:db8:0::7", "users": [STRANGER]}]}}, "", True, True),
        ({**BEFORE, "seen": NAT}, "", True, False),
        ({**BEFORE, "seen": {"addresses": [*BEFORE["seen"]["addresses"], *NAT["addresses"]]}}, "", True, False),
        ({**BEFORE, "counted": LOOKED}, "", True, False),
        ({"jail": LOOKED}, "", True, False),
        ({"jail": {"installed": False, "problem": "fail2ban is not installed"}}, "fail2ban is not installed", True, False),
        ({"jail": {**LOOKED, "refused": "it is banned already"}}, "it is banned already", True, False),
        ({"jail": {**LOOKED, "jail": None, "problem": "fail2ban has no jail sshd"}}, "fail2ban has no jail sshd", True, False),
        ({"jail": {"installed": True, "running": False, "problem": "fail2ban is off", "switched_off": True}}, "fail2ban is off", True, False),
        ({"jail": {"installed": True, "running": False, "problem": "fail2ban does not run", "switched_off": False}}, "", False, False),
        ({"jail": with_jail(blocking_actions=0)}, "", False, False),
        ({"jail": UNASKED}, "no Python", True, False),
    ],
)
def test_how_far_the_jail_is_tried(found: dict[str, Any], stop: str, able: bool, goes_on: bool) -> None:
    plan = selftest_plan(["jail"], first=True, key_user="", jail=found)
    assert (plan["jail_stop"], plan["jail_able"], plan["jail_goes_on"]) == (stop, able, goes_on)
