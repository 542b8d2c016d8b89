"""What servers answer, read: old versions, missing columns, missing rights, nonsense."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics import mysql_look, postgresql_look, redis_look
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.postgresql_sql import script, sections
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

NOW = 10_000.0
SERVER: dict[str, Any] = {"version": "15.8", "now": NOW + 100, "started": 9_000.0, "sees_all": True, "asked_as": "postgres"}
COUNTERS: dict[str, Any] = {"xact_commit": 7, "xact_rollback": 1, "blks_read": None, "reset": None}


def output(rows: dict[str, list[dict[str, Any]]], ends: dict[str, str] | None = None, whole: bool = True) -> str:
    lines = [f"row\x1f{name}\x1f{json.dumps(row)}" for name, found in rows.items() for row in found]
    lines += [f"end\x1f{name}\x1f{(ends or {}).get(name, '00000')}" for name in sections(whole)]
    return "\n".join(lines) + "\n"


def test_the_clock_of_the_server_may_differ() -> None:
    answers = postgresql_look.read_answers(output({"server": [SERVER], "counters": [{**COUNTERS, "reset": 9_500.0}]}), NOW, whole_server=True)
    assert (answers.look.began, answers.look.started, answers.look.at) == (9_400.0, 8_900.0, NOW)
    assert answers.look.counters == {"xact_commit": 7.0, "xact_rollback": 1.0}, "what is null or absent is not told"
    assert answers.problems == {} and answers.version == "15.8"


def test_a_section_that_failed_costs_only_itself() -> None:
    ends = {"waits": "42703", "tables": "57014", "bloat": "42501", "slots": "XX000"}
    answers = postgresql_look.read_answers(output({"server": [SERVER]}, ends), NOW, whole_server=True)
    assert {name: reason for name, (reason, _hint) in answers.problems.items()} == {
        "waits": "this version does not tell it", "tables": "the server did not answer it in time", "bloat": "the user lacks the right",
        "slots": "the server refused it with the state XX000",
    }
    assert answers.problems["bloat"][1] == "Let it see the whole server: GRANT pg_monitor TO the user."


def test_a_client_that_ended_early_leaves_nothing_ok() -> None:
    cut = output({"server": [SERVER]}).partition("end\x1fprepared")[0]
    answers = postgresql_look.read_answers(cut, NOW, whole_server=True)
    assert set(answers.problems) == set(sections(True)) - {"server", "counters"}, "a transaction of a session may be prepared"


@pytest.mark.parametrize(
    ("rows", "unseen"),
    [
        ({"sessions": [{"state": "active"}]}, set()),
        ({"sessions": [{"state": "active"}, {"state": "disabled"}]}, {"sessions"}),
        ({"server": [{**SERVER, "counts": False}]}, {"counters", "tables"}),
        ({"server": [{**SERVER, "counts": True}]}, set()),
        ({"server": [{**SERVER, "sees_all": False}]}, {"sessions", "waits", "replicas", "statements"}),
    ],
)
def test_what_the_server_does_not_watch_is_not_seen(rows: dict[str, Any], unseen: set[str]) -> None:
    assert set(postgresql_look.read_answers(output({"server": [SERVER], **rows}), NOW, whole_server=True).problems) == unseen


@pytest.mark.parametrize("line", ["[" * 200_000, "null", "7", "\udcff"])
def test_a_row_of_nonsense_is_an_empty_one(line: str) -> None:
    text = output({"server": [SERVER]}) + f"row\x1ftables\x1f{line}\n"
    assert postgresql_look.read_answers(text, NOW, whole_server=True).rows["tables"] == [{}]


def test_a_server_that_says_nothing_is_an_error() -> None:
    with pytest.raises(UpkeepError):
        postgresql_look.read_answers("row\x1fserver\x1fnonsense\nwhat\n", NOW, whole_server=True)


def test_the_script_asks_for_the_server_only_once_and_searches_no_other_schema() -> None:
    whole, part = (script(seconds=2.5, min_rows=7, min_bytes=9, whole_server=flag) for flag in (True, False))
    first = "\\set ON_ERROR_ROLLBACK on\nBEGIN READ ONLY;\nSET LOCAL search_path = pg_catalog, pg_temp;\n"
    assert whole.startswith(first) and "statement_timeout = 2500" in whole
    for text in (whole, part):
        assert text.endswith("\nCOMMIT;\n") and "SET " not in text.replace("SET LOCAL ", ""), "a pool of connections gives the session away"
    assert "pg_replication_slots" in whole and "pg_replication_slots" not in part
    assert "current_setting('reserved_connections', true)" in whole, "before version 16 nobody has heard of it"
    assert "greatest(7, 1)" in part and "greatest(9, 1)" in part


def test_counters_of_mysql_and_what_an_old_version_does_not_tell() -> None:
    look = mysql_look.read_counters({"Uptime": "100", "Uptime_since_flush_status": "40", "Questions": "7", "Slow_queries": "x"}, NOW)
    assert (look.began, look.started, look.counters) == (NOW - 100, NOW - 100, {"questions": 7.0}), "a flush is no start: it resets only some"
    assert mysql_look.read_counters({}, NOW).counters == {}


@pytest.mark.parametrize(
    ("version", "word"),
    [("10.11.6-MariaDB-0+deb12u1", "SHOW ALL SLAVES"), ("8.0.36", "SHOW REPLICA"), ("8.4.0-log", "SHOW REPLICA"), ("5.7.44-log", "SHOW SLAVE"),
     ("8.0.21", "SHOW SLAVE"), ("", "SHOW REPLICA")],
)
def test_how_versions_of_mysql_are_asked_of_replication(version: str, word: str) -> None:
    assert mysql_look.replicas_statement(version) == f"{word} STATUS"


def test_answers_of_redis() -> None:
    assert redis_look.read_info(["# Server\r", "redis_version:7.0.15\r", "slave0:ip=1.2.3.4,lag=0\r", "", "nonsense"]) == {
        "redis_version": "7.0.15", "slave0": "ip=1.2.3.4,lag=0",
    }
    assert redis_look.slow_commands(["41", "1700000000", "12000", "SET", "hush"]) == 42.0
    assert redis_look.slow_commands([""]) == redis_look.slow_commands([]) == 0.0
