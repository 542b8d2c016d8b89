# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What tables of PostgreSQL carry along: dead rows, and room that their rows do not need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, grade
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.answers import Answers, number
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.judging import Judged, counted, figure, longest
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import bytes_text, figure_text
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.figures import duration_text
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_MOST = 5


def table_checks(judged: Judged, answers: Answers) -> None:
    """Judge the tables of a database."""
    _dead_rows(judged, answers)
    _bloat(judged, answers)


def _dead_rows(judged: Judged, answers: Answers) -> None:
    if "tables" in answers.problems:
        judged.unknown(["dead_rows"], *answers.problems["tables"])
        return
    if answers.one("server").get("standby"):
        judged.add("dead_rows", None, "This is a replica: its primary counts dead rows and removes them")
        return
    worst = longest(answers.rows.get("tables", []), "dead_percent")
    if worst is None:
        judged.add("dead_rows", 0.0, f"No table has {counted(judged.rules.min_rows, 'dead row')} or more")
        return
    value = float(worst["dead_percent"])
    judged.add(
        "dead_rows", value,
        f"{figure_text(value, 'percent')} of the rows of {_name(worst)} are dead ({figure_text(number(worst.get('dead_rows')), 'count')}),"
        f" {_vacuumed(worst)}",
        hint="See whether autovacuum is on and keeps up, and whether an old transaction or a replication slot keeps it from removing rows;"
        " then VACUUM (ANALYZE) the table.",
        evidence={"tables": told_tables(answers)},
    )


def _vacuumed(row: Mapping[str, Any]) -> str:
    ages = [age for age in (number(row.get("autovacuum_seconds")), number(row.get("vacuum_seconds"))) if age is not None]
    return f"last vacuumed {duration_text(min(ages))} ago" if ages else "never vacuumed since its statistics began"


def _bloat(judged: Judged, answers: Answers) -> None:
    """Judge the room that tables take beyond an estimate of what their rows need."""
    if "bloat" in answers.problems:
        judged.unknown(["bloat"], *answers.problems["bloat"])
        return
    rows = answers.rows.get("bloat", [])
    least = judged.rules.min_bytes
    blind = [row for row in rows if row.get("needed_bytes") is None]
    wasteful = [row for row in map(_wasted, rows) if row and row["wasted_bytes"] >= least]
    worst = longest(wasteful, "wasted_percent")
    warning, critical, _unit = judged.rules.limits["bloat"]
    if blind and (worst is None or grade(float(worst["wasted_percent"]), warning, critical) == OK):
        judged.unknown(
            ["bloat"], f"the user may not see the statistics of {counted(len(blind), 'large table')}, such as {_name(blind[0])}, or ANALYZE never ran",
            "Run ANALYZE, or GRANT pg_read_all_data to the user (with row security it needs BYPASSRLS, too).",
        )
        return
    if worst is None:
        judged.add("bloat", 0.0, f"No table seems to waste {bytes_text(least)} or more")
        return
    value = float(worst["wasted_percent"])
    judged.add(
        "bloat", value,
        f"{_name(worst)} seems to waste {figure_text(value, 'percent')} of its {bytes_text(float(worst['bytes']))}, by an estimate",
        hint="It is an estimate; pgstattuple tells exactly. VACUUM FULL or pg_repack give the room back: both need locks and as much free room.",
        evidence={"tables": [{**row, "name": _name(row)} for row in wasteful[:_MOST]]},
    )


def _wasted(row: Mapping[str, Any]) -> dict[str, Any] | None:
    whole, needed = number(row.get("bytes")), number(row.get("needed_bytes"))
    if not whole or needed is None:
        return None
    wasted = max(0.0, whole - needed)
    return {
        "schema": row.get("schema"), "name": row.get("name"), "bytes": int(whole), "wasted_bytes": int(wasted),
        "wasted_percent": round(100.0 * wasted / whole, 1),
    }


def told_tables(answers: Answers) -> list[dict[str, Any]]:
    """Return the tables with most dead rows for their size."""
    return [
        {
            "name": _name(row), "live_rows": figure(row.get("live_rows"), 0), "dead_rows": figure(row.get("dead_rows"), 0),
            "dead_percent": figure(row.get("dead_percent"), 1),
            "vacuumed_seconds_ago": figure(min(
                (age for age in (number(row.get("autovacuum_seconds")), number(row.get("vacuum_seconds"))) if age is not None), default=None
            ), 0),
        }
        for row in answers.rows.get("tables", [])[:_MOST]
    ]


def _name(row: Mapping[str, Any]) -> str:
    return plain(f"{row.get('schema')}.{row.get('name')}", 130)
