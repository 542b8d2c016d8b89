"""The weekly look at what the system logged, on real journals: a bad week, a journal that is too young, and none at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.tests.faults.house import House, Outcome, listing
from ansible_collections.upkeep.runbook.tests.integration.journal_server import Written, imported_journal

pytestmark = pytest.mark.usefixtures("root")

HOUR = 3600.0
DAY = 24 * HOUR
KERNEL = {"_TRANSPORT": "kernel", "SYSLOG_IDENTIFIER": "kernel"}
SYSTEMD = {"_TRANSPORT": "journal", "_PID": "1", "_UID": "0", "SYSLOG_IDENTIFIER": "systemd"}
SOMEBODY = {"_TRANSPORT": "syslog", "_PID": "4711", "_UID": "1000"}


def kernel(seconds_ago: float, text: str, priority: int = 6) -> Written:
    return Written(seconds_ago, {**KERNEL, "PRIORITY": str(priority), "MESSAGE": text})


def systemd(seconds_ago: float, text: str, priority: int = 6) -> Written:
    return Written(seconds_ago, {**SYSTEMD, "PRIORITY": str(priority), "MESSAGE": text})


#: Nothing is wrong in it; it began twenty days ago.
CALM = [kernel(20 * DAY, "Linux version 6.1.0"), systemd(20 * DAY, "Started x."), systemd(HOUR, "Started y."), kernel(2 * HOUR, "eth0: link up")]
WEEK = [
    kernel(3 * DAY, "Out of memory: Killed process 812 (node) total-vm:1kB", 3),
    kernel(3 * DAY, "EXT4-fs error (device sda1): ext4_find_entry:1455: inode #2: comm node", 2),
    kernel(2.9 * DAY, "EXT4-fs (sda1): Remounting filesystem read-only", 2),
    kernel(6 * DAY, "node[812]: segfault at 10 ip 000055d0 sp 00007ffe error 4 in node\x1b[31m"),
    systemd(1 * DAY, "nginx.service: Failed with result 'exit-code'.", 4),
    systemd(2 * DAY, "nginx.service: Failed with result 'exit-code'.", 4),
    # Before the week, and by somebody who only calls himself so.
    kernel(9 * DAY, "mce: [Hardware Error]: Machine check events logged", 0),
    Written(HOUR, {**SOMEBODY, "SYSLOG_IDENTIFIER": "kernel", "PRIORITY": "0", "MESSAGE": "Kernel panic - not syncing: no"}),
    Written(HOUR, {**SOMEBODY, "SYSLOG_IDENTIFIER": "systemd", "PRIORITY": "3", "MESSAGE": "x.service: Start request repeated too quickly."}),
]


def review(
    house: House, tmp_path: Path, entries: list[Written], *arguments: str, age: float = 400 * DAY, container: bool = False, **extra: Any
) -> Outcome:
    place = tmp_path / f"journal-{len(list(tmp_path.glob('journal-*')))}"
    place.mkdir()
    with imported_journal(place, entries, installed_seconds_ago=age, container=container) as inside:
        return house.start("system_log_review", *arguments, before=inside, **extra).wait()


def bad(outcome: Outcome) -> dict[str, str]:
    return {f"{key[2]} {key[3]}": status for key, status in outcome.statuses().items() if key[2] and status != "ok"}


def test_a_bad_week(house: House, tmp_path: Path) -> None:
    before = listing(house.watched)
    plan = review(house, tmp_path, CALM + WEEK, "--check", "--diff")
    assert listing(house.watched) == before
    found = review(house, tmp_path, CALM + WEEK)
    assert plan.statuses() == found.statuses() and plan.rc == found.rc == 2, found.output
    assert bad(found) == {
        "log.pattern kernel/out of memory": "warning", "log.pattern kernel/file system errors": "critical",
        "log.pattern kernel/read-only remounts": "critical", "log.pattern kernel/crashed programs": "warning",
        "log.pattern units/failed units": "warning",
    }, found.output  # fmt: skip
    assert found.check("alpha", "log.pattern", "units/failed units")["value"] == 2 and "\x1b" not in found.output
    assert found.check("alpha", "log.errors", "kernel")["summary"].startswith("kernel: 3 error lines in 7 days")
    for group, lines in (("kernel", 5), ("units", 3)):
        row = found.check("alpha", "log.reach", group)
        assert f"{lines} lines were read" in row["summary"] and "20 days ago" in row["summary"], row
    # The whole window is looked at each time, and nothing is remembered on the host.
    assert not list(house.state.rglob("log-scan"))

    # A shorter window, a decision that ends, and a container, in which the kernel is left out.
    house.variables["log_review_system_groups"] = [{"name": "units", "journal": {"sources": ["systemd"], "reach": True}}]
    house.variables["log_review_system_ignore"] = [{"literal": "nginx.service", "reason": "is replaced", "expires": "2999-01-31"}]
    less = review(house, tmp_path, CALM + WEEK, "--limit", "alpha", upkeep_log_review_days=2)
    assert (less.rc, bad(less)) == (0, {}) and "kernel" not in less.table, less.output


def test_what_the_journal_does_not_hold_is_unknown(house: House, tmp_path: Path) -> None:
    # In a container the kernel writes into another journal.
    deaf = review(house, tmp_path, [systemd(2 * DAY, "Started x.")], container=True)
    found = bad(deaf)
    assert deaf.rc == 2 and set(found.values()) == {"unknown"}, deaf.output
    assert {name for name in found if not name.startswith("log.pattern kernel/")} == {
        "log.readable kernel", "log.errors kernel", "log.new_signatures kernel", "log.reach kernel", "log.reach units",
    }  # fmt: skip
    row = deaf.check("alpha", "log.reach", "units")
    assert "nobody knows what was logged in the first 4 days" in row["summary"] and "SystemMaxUse" in row["hint"]

    short = [kernel(2 * DAY, "Linux version 6.1.0"), systemd(2 * DAY, "Started x.")]
    young = review(house, tmp_path, short, age=2 * DAY + 60)
    assert (young.rc, bad(young)) == (0, {}), young.output
    assert "as old as the host itself" in young.check("alpha", "log.reach", "units")["summary"]
    assert list(house.reports.glob("heartbeats/*.system_log_review.json"))
