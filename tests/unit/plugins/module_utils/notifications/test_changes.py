"""Who has to hear what: a table of runs, one after the other, with what each audience is told after each."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import check_result, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.changes import (
    Decision,
    Known,
    decide,
    remembered,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.routes import Route
from ansible_collections.upkeep.runbook.plugins.module_utils.run_record import with_hosts
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

START = datetime(2026, 11, 22, 6, 15, tzinfo=timezone.utc)
ROUTES = {
    "operations": Route("operations", "warning"),
    "management": Route("management", "critical"),
    "security": Route("security", "warning", ("certificate.*",)),
}
OPERATIONS = {"operations": ROUTES["operations"]}


def row(status: str, subject: str = "api", check: str = "service.http", **more: Any) -> dict[str, Any]:
    return {**check_result(check, subject, status, f"It is {status}.", hint="Look."), **more}


def record(*checks: dict[str, Any], playbook: str = "daily", hours: float = 0, role: str = "health", reason: str = "", **roles: Any) -> dict[str, Any]:
    """Return a record of one host; a role whose value is None was not run."""
    listed = {role: list(checks), **roles}
    entries = {
        name: {"status": "not_run", "reason": "left out by the tags of this run", "checks": []} if found is None
        else {"status": worst_of(found), "reason": reason, "checks": found}
        for name, found in listed.items()
    }
    head = {
        "run_id": "20261122T061500Z-1a2b3c4d", "platform": "P", "playbook": playbook,
        "started": to_iso(START + timedelta(hours=hours)), "ended": to_iso(START + timedelta(hours=hours)),
    }
    return with_hosts(head, {"web": {"reachable": True, "roles": entries}})


class Team:
    """People who are told run after run."""

    def __init__(self, routes: dict[str, Route] | None = None, reminder_hours: float = 24) -> None:
        self.routes = routes or OPERATIONS
        self.reminder_hours = reminder_hours
        self.known: dict[tuple[str, str, str], Known] = {}
        self.decision = Decision({}, {}, frozenset())

    def hear(self, run: dict[str, Any], *, hours: float = 0, deaf: tuple[str, ...] = ()) -> dict[str, list[str]]:
        """Return what each audience hears of, as ``kind subject``; the deaf ones are not reached."""
        now = START + timedelta(hours=hours)
        self.decision = decide(self.known, run, self.routes, now=now, reminder_hours=self.reminder_hours)
        told = [audience for audience in self.decision.tidings if audience not in deaf]
        self.known = remembered(self.decision, told, now=now)
        return {
            audience: [f"{change.kind} {change.subject}" for change in tidings.changes]
            for audience, tidings in self.decision.tidings.items() if audience not in deaf
        }


OK, BAD, WORST, UNKNOWN = row("ok"), row("warning"), row("critical"), row("unknown")
HIDDEN = row("critical", suppressed={"id": "1", "reason": "known", "until": "2027-01-01T00:00:00Z"})


@pytest.mark.parametrize(
    ("runs", "heard"),
    [
        pytest.param([(0, OK)], [[]], id="nothing is wrong"),
        pytest.param([(0, BAD), (1, BAD)], [["new api"], []], id="told once"),
        pytest.param([(0, BAD), (1, WORST), (2, WORST)], [["new api"], ["worse api"], []], id="worse is told at once"),
        pytest.param([(0, BAD), (1, UNKNOWN)], [["new api"], ["worse api"]], id="unknown is worse than a warning"),
        pytest.param([(0, WORST), (1, BAD), (2, WORST)], [["new api"], [], []], id="to and fro between two statuses"),
        pytest.param([(0, WORST), (1, OK), (2, OK)], [["new api"], ["recovered api"], []], id="over, and told once"),
        pytest.param([(0, WORST), (1, OK), (2, WORST)], [["new api"], ["recovered api"], ["new api"]], id="back again"),
        pytest.param([(0, BAD), (23, BAD), (24, BAD), (25, BAD)], [["new api"], [], ["still api"], []], id="reminded after a day"),
        pytest.param([(0, BAD), (23.6, BAD)], [["new api"], ["still api"]], id="a daily run that starts early reminds"),
        pytest.param([(0, HIDDEN), (1, HIDDEN)], [[], []], id="silenced from the beginning"),
        pytest.param([(0, WORST), (1, HIDDEN), (2, WORST)], [["new api"], [], []], id="a window in the middle"),
        pytest.param([(0, HIDDEN), (1, WORST)], [[], ["new api"]], id="the window ends and it is still broken"),
        pytest.param([(0, WORST), (1, HIDDEN), (2, OK)], [["new api"], [], ["recovered api"]], id="mended in a window"),
    ],
)
def test_what_operations_hear(runs: list[tuple[float, dict[str, Any]]], heard: list[list[str]]) -> None:
    team = Team()
    said = [team.hear(record(check, hours=hours), hours=hours).get("operations", []) for hours, check in runs]
    assert said == heard


def test_a_role_with_other_thresholds_does_not_say_that_it_is_over() -> None:
    team = Team()
    full, room = row("warning", "/srv", "disk.space"), row("ok", "/srv", "disk.space")
    assert team.hear(record(full, role="logs", resources=[room])) == {"operations": ["new /srv"]}
    for run in (
        record(room, role="resources", playbook="health_check"),
        record(room, role="resources", logs=None),
        record(full, role="logs", resources=[room]),
    ):
        assert team.hear(run, hours=1) == {}
    assert team.hear(record(room, role="resources", logs=[room]), hours=2) == {"operations": ["recovered /srv"]}


def test_a_check_that_moved_to_another_role_ends_there() -> None:
    team = Team()
    team.hear(record(BAD, role="old"))
    assert team.hear(record(OK, role="new")) == {"operations": ["recovered api"]}


def test_after_the_end_nothing_is_remembered() -> None:
    team = Team()
    team.hear(record(WORST))
    team.hear(record(OK))
    assert team.known == {}


def test_each_audience_hears_its_own() -> None:
    team = Team(ROUTES)
    certificate = row("warning", "site", "certificate.expiry")
    assert team.hear(record(BAD, certificate)) == {"operations": ["new site", "new api"], "security": ["new site"]}
    assert team.hear(record(WORST, certificate)) == {"operations": ["worse api"], "management": ["new api"]}
    # For operations nothing has changed; management hears of critical problems only, and this is none any more.
    assert team.hear(record(BAD, certificate)) == {"management": ["eased api"]}
    assert team.hear(record(OK, row("ok", "site", "certificate.expiry"))) == {
        "operations": ["recovered site", "recovered api"], "security": ["recovered site"],
    }
    assert team.known == {}


def test_whoever_wants_no_word_of_recoveries_gets_none_and_hears_the_next_time() -> None:
    team = Team({"operations": Route("operations", "warning", recovery=False)})
    assert [team.hear(record(check)) for check in (BAD, OK, BAD)] == [{"operations": ["new api"]}, {}, {"operations": ["new api"]}]


def test_who_was_not_reached_is_told_by_the_next_run_even_when_that_does_not_look() -> None:
    team = Team(ROUTES)
    assert team.hear(record(WORST), deaf=("operations",)) == {"management": ["new api"]}
    quick = record(row("ok", "disk"), playbook="health_check", role="resources")
    assert team.hear(quick) == {"operations": ["new api"]}
    assert "It is critical." in team.decision.tidings["operations"].changes[0].summary
    assert team.hear(quick) == {}


def test_a_recovery_that_could_not_be_told_is_told_later() -> None:
    team = Team(ROUTES)
    team.hear(record(WORST))
    assert team.hear(record(OK), deaf=("operations",)) == {"management": ["recovered api"]}
    assert team.hear(record(OK)) == {"operations": ["recovered api"]}
    assert team.known == {}


@pytest.mark.parametrize(
    ("run", "gone"),
    [
        pytest.param(record(playbook="daily", backups=[row("ok", "other")]), True, id="the playbook that saw it looks and finds nothing"),
        pytest.param(record(row("ok"), playbook="daily", backups=[row("ok", "file", "backup.age")]), True, id="it is fine"),
        pytest.param(record(playbook="health_check", backups=[row("ok", "other")]), False, id="a quick look of another playbook"),
        pytest.param(record(playbook="health_check", backups=[row("ok", "file", "backup.age")]), True, id="the other playbook sees it fine"),
        pytest.param(record(playbook="daily", backups=None), False, id="left out by tags"),
        pytest.param(record(playbook="daily"), False, id="the role is not there"),
        pytest.param(record(playbook="daily", reason="the role failed", backups=[row("ok", "other")]), False, id="half a look"),
    ],
)
def test_only_who_looked_can_say_that_it_is_gone(run: dict[str, Any], gone: bool) -> None:
    team = Team()
    team.hear(record(backups=[row("critical", "file", "backup.age")]))
    assert team.hear(run).get("operations", []) == (["recovered file"] if gone else [])
    assert bool(team.known) is not gone


def test_a_limited_run_says_nothing_of_the_other_hosts() -> None:
    team = Team()
    team.hear(record(WORST))
    other = record(OK)
    other["hosts"] = {"db": other["hosts"].pop("web")}
    assert team.hear(other) == {}
    assert team.hear(record(OK)) == {"operations": ["recovered api"]}


def test_checks_of_the_run_itself_end_when_the_run_has_nothing_to_say() -> None:
    team = Team()
    team.hear(record(report=[row("warning", "index.json", "report.index")]))
    assert team.hear(record(OK)) == {"operations": ["recovered index.json"]}


def test_one_reminder_speaks_of_everything() -> None:
    team = Team()
    team.hear(record(BAD))
    team.hear(record(BAD, row("warning", "disk")), hours=20)
    assert team.hear(record(BAD, row("warning", "disk")), hours=24) == {"operations": ["still api", "still disk"]}
    assert team.hear(record(BAD, row("warning", "disk")), hours=40) == {}


def test_no_reminders_when_none_are_wanted_and_one_when_the_clock_was_ahead() -> None:
    never = Team(reminder_hours=0)
    never.hear(record(BAD))
    assert never.hear(record(BAD), hours=1000) == {}
    ahead = Team()
    ahead.hear(record(BAD), hours=10_000)
    assert ahead.hear(record(BAD), hours=1) == {"operations": ["still api"]}


def test_the_same_subject_in_two_roles_is_one_problem_as_bad_as_the_worse() -> None:
    team = Team()
    assert team.hear(record(row("warning", "/", "disk.space"), logs=[row("critical", "/", "disk.space")])) == {"operations": ["new /"]}
    assert team.decision.tidings["operations"].changes[0].status == "critical"


def test_what_is_left_open_is_counted() -> None:
    team = Team()
    team.hear(record(BAD, row("warning", "disk")))
    assert team.decision.tidings["operations"].open == 2
    team.hear(record(OK, row("warning", "disk"), row("critical", "cpu")))
    tidings = team.decision.tidings["operations"]
    assert (tidings.open, tidings.unchanged) == (2, 1)
    team.hear(record(OK, row("ok", "disk"), row("ok", "cpu")))
    assert team.decision.tidings["operations"].open == 0


def test_an_audience_that_lost_its_route_is_forgotten() -> None:
    team = Team(ROUTES)
    team.hear(record(WORST))
    team.routes = OPERATIONS
    assert team.hear(record(OK)) == {"operations": ["recovered api"]}
    assert team.known == {}
