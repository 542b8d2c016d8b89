"""What refuses a recovery: pure decisions, and the answers of systemd."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import Member
from ansible_collections.upkeep.runbook.plugins.module_utils.commands import CommandResult
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.recovery import preflight
from ansible_collections.upkeep.runbook.plugins.module_utils.recovery.services import Service, judge_units
from ansible_collections.upkeep.runbook.plugins.module_utils.recovery.versions import major, node_problem, postgresql_problem

HEADER = {
    "dumps": [
        {"name": "postgresql-shop", "type": "postgresql", "tool": "pg_dump (PostgreSQL) 17.2"},
        {"name": "postgresql-globals", "type": "postgresql_globals", "tool": "pg_dumpall (PostgreSQL) 17.2"},
        {"name": "old", "type": "sqlite"},
    ],
}


@pytest.mark.parametrize(
    "version, number",
    [("v20.11.1", 20), ("pg_dump (PostgreSQL) 17.2 (Debian 17.2-1.pgdg12+1)", 17), ("15", 15), ("", None), (None, None), ("9" * 40, None)],
)
def test_the_major_version_is_read(version: Any, number: Any) -> None:
    assert major(version) == number


@pytest.mark.parametrize(
    "then, now, words",
    [
        ("v20.1.0", "v20.9.9", ""), (None, None, ""), ("", "v20", ""),
        ("v20.1.0", "v22.0.0", "Node.js is v22.0.0 here and was v20.1.0"), ("v20.1.0", None, "not installed here"),
    ],
)
def test_another_node_does_not_fit(then: Any, now: Any, words: str) -> None:
    problem = node_problem(then, now)
    assert words in problem and bool(problem) == bool(words)


@pytest.mark.parametrize(
    "now, words", [("pg_restore (PostgreSQL) 17.0", ""), ("18.1", ""), ("15.6", "reads no dump of"), (None, "not installed")]
)
def test_an_older_pg_restore_reads_no_newer_dump(now: Any, words: str) -> None:
    problem = postgresql_problem(HEADER["dumps"], now)
    assert words in problem and bool(problem) == bool(words)
    assert not postgresql_problem([{"name": "x", "type": "sqlite"}], None)


def test_roles_come_before_the_databases_that_belong_to_them() -> None:
    names, problems, warnings = preflight.match_dumps(["postgresql-shop", "postgresql-globals", "gone"], HEADER)
    assert names == ["postgresql-globals", "postgresql-shop"]
    assert len(problems) == 1 and "no dump gone" in problems[0]
    assert len(warnings) == 1 and "the dump old stays" in warnings[0]


def test_a_manifest_with_nonsense_for_dumps_has_none() -> None:
    assert preflight.match_dumps([], {"dumps": "x"}) == ([], [], [])
    assert preflight.match_dumps([], {"dumps": [1]}) == ([], [], [])


@pytest.mark.parametrize("text, words", [("", "nobody has confirmed that X"), ("y", "upkeep_confirm is 'y'")])
def test_the_confirmation_is_asked_for_in_words(text: str, words: str) -> None:
    assert words in preflight.confirmation_problem(text, "X")


def test_a_time_is_read_in_utc_and_a_day_is_its_beginning() -> None:
    assert preflight.read_before("") is None
    assert preflight.read_before("2026-11-22") == preflight.read_before("2026-11-22T00:00:00Z")
    with pytest.raises(UpkeepError, match="before: 'yesterday' is no time"):
        preflight.read_before("yesterday")


@pytest.mark.parametrize(
    "target, folder, touched",
    [
        ("/etc/nginx", "/etc/nginx", True), ("/etc", "/etc/nginx", True), ("/etc/nginx/conf.d/x", "/etc/nginx", True),
        ("/etc/nginx2", "/etc/nginx", False),
    ],
)
def test_a_target_touches_a_folder(target: str, folder: str, touched: bool) -> None:
    assert preflight.touches(target, folder) is touched


def block(load: str = "loaded", active: str = "active", reload: str = "no") -> str:
    return f"LoadState={load}\nActiveState={active}\nCanReload={reload}\n"


def answer(stdout: str, code: int = 0, stderr: str = "") -> CommandResult:
    return CommandResult(("systemctl",), code, stdout, stderr)


def test_units_are_told_apart_by_what_systemd_says() -> None:
    units = ("app.service", "nginx.service", "postgresql@15-main.service", "new.service", "off.service", "m.service")
    services = [Service(unit, unit) for unit in units]
    stdout = "\n".join(
        [block(), block(reload="yes"), block(), block("not-found", "inactive"), block(active="failed"), block("masked", "inactive")]
    )
    problems = judge_units(services, answer(stdout), ["nginx", "postgresql*"])
    assert [service.kept for service in services] == [False, True, True, False, False, False]
    assert [service.known for service in services] == [True, True, True, False, True, False]
    assert [service.active for service in services] == [True, True, True, False, False, False]
    assert services[1].reloadable and not services[2].reloadable
    assert problems == ["m.service is masked, so that it cannot be started: systemctl unmask m.service"]
    assert "is not there yet" in services[3].sentence() and "does not run" in services[4].sentence()


@pytest.mark.parametrize("result", [answer("", 1, "System has not been booted with systemd"), answer(block())])
def test_without_an_answer_for_each_unit_nothing_is_begun(result: CommandResult) -> None:
    (problem,) = judge_units([Service("a", "a.service"), Service("b", "b.service")], result, [])
    assert "a.service, b.service" in problem and "nobody could start them again" in problem


def test_a_unit_that_neither_the_host_has_nor_the_backup_brings_is_told() -> None:
    services = [Service("a", "a.service"), Service("b", "b.service"), Service("c", "c.service"), Service("d", "d.service", known=True)]
    members = [
        Member("files/etc/systemd/system/a.service", "file"), Member("files/etc/systemd/system/b.service", "file"),
        Member("files/opt/app/c.service", "file"), Member("dumps/c.service", "file"),
    ]
    problems = preflight.missing_units(services, ["/etc/systemd/system/a.service", "/opt/app"], lambda: members)
    assert [problem.split()[2] for problem in problems] == ["b.service", "c.service"]
    assert preflight.missing_units(services[3:], [], lambda: pytest.fail("not asked")) == []
