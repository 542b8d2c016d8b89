"""The module as Ansible runs it: nothing changed, refusals in words, secrets out of sight, and nothing written in check mode."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

#: Stands for redis-cli: answers as a server whose counters are in a file beside it.
CLIENT = """#!/bin/sh
printf '%s\\n' "$@" >>"$0.argv"
case "$*" in
*"$(cat "$0.refuses" 2>/dev/null || echo nothing)"*) cat "$0.refusal"; exit 1 ;;
*INFO*) cat "$0.info" ;;
*SLOWLOG*) echo 4; echo 1700000000; echo 20000; echo SET; echo hush-value ;;
*CONFIG*) echo save; echo '3600 1' ;;
esac
"""
INFO = (
    "redis_version:7.0.15\nuptime_in_seconds:{uptime}\nconnected_clients:2\nmaxclients:100\nused_memory:1000\nused_memory_rss:2000\n"
    "mem_fragmentation_ratio:2.0\nrdb_last_bgsave_status:ok\nrdb_last_save_time:1700000000\nrdb_changes_since_last_save:0\naof_enabled:0\n"
    "role:master\nkeyspace_hits:1\nkeyspace_misses:1\nevicted_keys:{evicted}\nexpired_keys:0\nrejected_connections:0\n"
    "total_commands_processed:{evicted}\n"
)


@pytest.fixture
def client(tmp_path: Path) -> Path:
    client = tmp_path / "bin" / "redis-cli"
    client.parent.mkdir()
    client.write_text(CLIENT)
    client.chmod(0o755)
    tell(client, 0)
    return client


def tell(client: Path, evicted: int, uptime: int = 1000) -> None:
    (client.parent / "redis-cli.info").write_text(INFO.format(evicted=evicted, uptime=uptime))


def a_quarter_of_an_hour_passes(history: Path) -> None:
    """Move what is remembered back; the server was up then already."""
    with sqlite3.connect(history) as connection:
        connection.execute("UPDATE points SET at = at - 900")
        connection.execute("UPDATE series SET last = last - 900")


def run(client: Path, **options: Any) -> dict[str, Any]:
    database = {"type": "redis", "password": "hush-password", "binary_directory": str(client.parent)}
    given = {"databases": [database], "return_all": True, "sample_seconds": 0.1, **options}
    result = run_module("database_metrics", given)
    said = json.dumps({key: value for key, value in result.items() if key != "invocation"})
    assert "hush" not in said and "hush" not in (client.parent / "redis-cli.argv").read_text()
    return result


def statuses(result: dict[str, Any]) -> dict[str, str]:
    return {row["check"]: row["status"] for row in result["checks"] if row["status"] != "ok"}


def test_what_was_counted_since_the_last_look(client: Path, tmp_path: Path) -> None:
    history = tmp_path / "state" / "history.sqlite"
    first = run(client, history=str(history))
    assert (first["changed"], first["status"], first["databases"][0]["interval_since"]) == (False, "ok", "the start of a sample")
    a_quarter_of_an_hour_passes(history)
    tell(client, 90_000)
    checked = run(client, history=str(history), _ansible_check_mode=True)
    second = run(client, history=str(history))
    assert statuses(checked) == statuses(second) == {"database.evictions": "warning"}, "check mode keeps nothing, so both say so"
    assert second["databases"][0]["interval_since"] == "the last look"
    assert second["databases"][0]["figures"]["evicted_keys"] == 90_000
    assert [len(series["points"]) for series in second["series"]] == [2] * len(second["series"])


def test_what_another_server_of_the_same_name_counted_is_not_compared(client: Path, tmp_path: Path) -> None:
    """After a failover the one that took over has counted for a year, and not since the last look."""
    history = tmp_path / "history.sqlite"
    run(client, history=str(history))
    a_quarter_of_an_hour_passes(history)
    tell(client, 10**9, uptime=365 * 86_400)
    taken_over = run(client, history=str(history))
    assert statuses(taken_over) == {} and taken_over["databases"][0]["interval_since"] == "the start of a sample"


@pytest.mark.parametrize(
    ("refusal", "reason", "hint"),
    [
        ("NOPERM this user has no permissions to run the 'slowlog|get' command", "the user may not send SLOWLOG GET", "+slowlog|get"),
        ("ERR unknown command 'SLOWLOG'", "unknown command", None),
    ],
)
def test_a_command_that_is_refused_is_unknown_with_its_own_reason(client: Path, refusal: str, reason: str, hint: str | None) -> None:
    (client.parent / "redis-cli.refuses").write_text("SLOWLOG")
    (client.parent / "redis-cli.refusal").write_text(refusal)
    result = run(client)
    assert statuses(result) == {"database.slow_queries": "unknown"}
    (row,) = [row for row in result["checks"] if row["status"] == "unknown"]
    assert reason in row["summary"] and (hint is None) == ("hint" not in row) and (hint or "") in row.get("hint", "")


def test_a_server_that_is_still_loading_answers_nobody(client: Path) -> None:
    tell(client, 0)
    with open(client.parent / "redis-cli.info", "a") as info:
        info.write("loading:1\n")
    assert statuses(run(client)) == {"database.answers": "critical"}


def test_check_mode_makes_no_file(client: Path, tmp_path: Path) -> None:
    result = run(client, history=str(tmp_path / "state" / "history.sqlite"), _ansible_check_mode=True)
    assert result["status"] == "ok" and not (tmp_path / "state").exists()


def test_a_history_that_cannot_be_written_costs_no_check(client: Path, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    result = run(client, history=str(tmp_path / "state" / "history.sqlite"))
    assert statuses(result) == {"history.integrity": "unknown"} and len(result["checks"]) > 8


def test_a_damaged_history_is_set_aside(client: Path, tmp_path: Path) -> None:
    (tmp_path / "history.sqlite").write_bytes(b"nonsense" * 1000)
    assert statuses(run(client, history=str(tmp_path / "history.sqlite"))) == {"history.integrity": "warning"}


def test_a_client_that_is_missing_and_one_that_hangs(client: Path, tmp_path: Path) -> None:
    client.write_text("#!/bin/sh\necho >\"$0.argv\"; exec sleep 600")
    hanging = run(client, timeout_seconds=1)
    assert statuses(hanging) == {"database.answers": "unknown"} and "not done in time" in hanging["checks"][0]["summary"]
    client.rename(tmp_path / "elsewhere")
    missing = run(client)
    assert statuses(missing) == {"database.answers": "unknown"} and "apt install redis-tools" in missing["checks"][0]["summary"]


def test_sqlite_has_nothing_to_say_and_is_not_missed() -> None:
    result = run_module("database_metrics", {"databases": [{"type": "sqlite", "path": "/srv/x.db"}]})
    assert (result["status"], result["databases"][0]["note"]) == ("ok", "SQLite counts nothing.")


def test_what_is_not_accepted_is_named() -> None:
    result = run_module("database_metrics", {"databases": [{"type": "redis"}], "timeout_seconds": 0})
    assert result["failed"] and result["msg"] == "timeout_seconds: 0 is not accepted; give 1 to 600."
