"""The weekly look at what the system logged, on real journals: a bad week, a journal that is too young, and none at all."""

from __future__ import annotations

from pathlib import Path

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


def review(house: House, tmp_path: Path, entries: list[Written], *arguments: str, age: float = 400 * DAY) -> Outcome:
    place = tmp_path / f"journal-{len(list(tmp_path.glob('journal-*')))}"
    place.mkdir()
    with imported_journal(place, entries, installed_seconds_ago=age) as inside:
        return house.start("system_log_review", *arguments, before=inside).wait()


def bad(outcome: Outcome) -> dict[str, str]:
    return {f"{key[2]} {key[3]}": status for key, status in outcome.statuses().items() if key[2] and status != "ok"}


def test_a_calm_week_and_a_bad_one(house: House, tmp_path: Path) -> None:
    calm = review(house, tmp_path, CALM)
    assert (calm.rc, bad(calm)) == (0, {}), calm.output
    assert {key[3] for key in calm.statuses() if key[2] == "log.reach"} == {"kernel", "units"}
    assert "begins at" in calm.check("alpha", "log.reach", "units")["summary"] and "1 lines were read" in calm.check("alpha", "log.reach", "units")["summary"]
    assert list(house.reports.glob("heartbeats/*.system_log_review.json"))

    before = listing(house.watched)
    plan = review(house, tmp_path, CALM + WEEK, "--check", "--diff")
    assert listing(house.watched) == before
    found = review(house, tmp_path, CALM + WEEK)
    assert plan.statuses() == found.statuses() and plan.rc == found.rc == 2
    assert bad(found) == {
        "log.pattern kernel/out of memory": "warning", "log.pattern kernel/file system errors": "critical",
        "log.pattern kernel/read-only remounts": "critical", "log.pattern kernel/crashed programs": "warning",
        "log.pattern units/failed units": "warning",
    }, found.output  # fmt: skip
    assert found.check("alpha", "log.pattern", "units/failed units")["value"] == 2 and "\x1b" not in found.output
    assert found.check("alpha", "log.errors", "kernel")["summary"].startswith("kernel: 3 error lines in 7 days")

    # The whole window is looked at each time, and nothing is remembered on the host.
    assert not list(house.state.rglob("log-scan"))
    named = {"log_review_system_ignore": [{"literal": "nginx.service", "reason": "is replaced", "expires": "2999-01-31"}]}
    house.variables.update(named, upkeep_log_review_days=2)
    assert bad(review(house, tmp_path, CALM + WEEK)) == {}


def test_what_the_journal_does_not_hold_any_more_is_unknown(house: House, tmp_path: Path) -> None:
    short = [kernel(2 * DAY, "Linux version 6.1.0"), systemd(2 * DAY, "Started x.")]
    lost = review(house, tmp_path, short)
    assert lost.rc == 2 and bad(lost) == {"log.reach kernel": "unknown", "log.reach units": "unknown"}, lost.output
    row = lost.check("alpha", "log.reach", "units")
    assert "nobody knows what was logged in the first 4 days" in row["summary"] and "SystemMaxUse" in row["hint"]
    young = review(house, tmp_path, short, age=2 * DAY + 60)
    assert young.rc == 0 and "as old as the host itself" in young.check("alpha", "log.reach", "units")["summary"], young.output


def test_without_a_message_of_the_kernel_it_is_unknown(house: House, tmp_path: Path) -> None:
    units = [systemd(20 * DAY, "Started x."), systemd(HOUR, "Started y.")]
    # This machine started after the journal began, so that the kernel should have been heard.
    deaf = review(house, tmp_path, [Written(1000 * DAY, units[0].fields), *units])
    assert deaf.rc == 2 and set(bad(deaf).values()) == {"unknown"}, deaf.output
    assert {name.partition(" ")[2].partition("/")[0] for name in bad(deaf)} == {"kernel"}
    house.variables["log_review_system_groups"] = [{"name": "units", "journal": {"sources": ["systemd"], "reach": True}}]
    assert bad(review(house, tmp_path, units)) == {}, "in a container the kernel is left out"
