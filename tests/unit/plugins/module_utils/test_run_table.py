"""The printed table."""

from __future__ import annotations

from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.run_table import MAX_OK_ROWS, table


def record(checks: list[dict[str, Any]], **roles: Any) -> dict[str, Any]:
    return {
        "schema": 1, "run_id": "20261122T050000Z-1a2b3c4d", "platform": "P", "playbook": "daily", "check_mode": False,
        "started": "2026-11-22T05:00:00Z", "ended": "2026-11-22T05:00:12Z", "status": "ok", "health": "HEALTHY",
        "hosts": {"web": {"reachable": True, "roles": {"platform": {"status": "ok", "reason": "", "checks": checks}, **roles}}},
    }


def lines_of(text: str) -> list[str]:
    return text.splitlines()


def test_problems_first_each_with_its_next_step() -> None:
    text = table(
        record([
            check_result("a.b", "fine", "ok", "All right."),
            check_result("a.b", "bad", "critical", "Broken: 1 of 2.", hint="Mend it."),
        ]),
        report="Report: /x/report.html on localhost",
    )
    assert lines_of(text) == [
        "P: daily, run 20261122T050000Z-1a2b3c4d, 2026-11-22T05:00:12Z (took 12 s)",
        "",
        "HEALTHY: 1 critical, 1 ok on 1 host",
        "",
        "STATUS    HOST  CHECK  SUBJECT  WHAT WAS SEEN",
        "CRITICAL  web   a.b    bad      Broken: 1 of 2.",
        "          -> Mend it.",
        "ok        web   a.b    fine     All right.",
        "",
        "Report: /x/report.html on localhost",
    ]


def test_one_line_each_whatever_a_target_wrote() -> None:
    text = table(record([check_result("a.b", "x\ny", "warning", "two\nlines \x1b[2J and\tmore")]))
    assert len(lines_of(text)) == 6
    assert "\x1b" not in text


def test_roles_that_did_not_run_share_a_line() -> None:
    one = record([check_result("a.b", "x", "ok", "Fine.")], health={"status": "not_run", "reason": "left out", "checks": []})
    one["hosts"].update({name: one["hosts"]["web"] for name in ("b", "c", "d")})
    text = table(one)
    assert lines_of(text)[-1].split() == ["not", "run", "4", "hosts", "role.result", "health", "left", "out"]


def test_suppressed_rows_are_there_and_say_until_when() -> None:
    check = check_result("a.b", "x", "critical", "Broken.")
    check["suppressed"] = {"id": "1", "reason": "known", "until": "2026-12-01"}
    assert "suppressed  web   a.b    x        critical, suppressed until 2026-12-01 (known): Broken." in table(record([check]))


def test_very_many_ok_rows_share_a_line_and_problems_never_do() -> None:
    fine = [check_result("a.b", str(number), "ok", "Fine.") for number in range(MAX_OK_ROWS + 1)]
    bad = [check_result("a.b", f"bad{number}", "warning", "Odd.") for number in range(MAX_OK_ROWS + 1)]
    text = table(record(fine + bad))
    assert text.count("WARNING") == MAX_OK_ROWS + 1
    assert f"{MAX_OK_ROWS + 1} subjects" in text and text.count("\nok ") == 1
