# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether Redis keeps its data: the last RDB file, its age, and the append-only log."""

from __future__ import annotations

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, WARNING
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.answers import Answers, number
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.intervals import Interval
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.judging import Judged, counted
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import figure_text
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.figures import duration_text

_FAILED = "Look into its log: the disk is full, the folder cannot be written, or there is no memory to fork (vm.overcommit_memory)."


def persistence_checks(judged: Judged, answers: Answers, interval: Interval) -> None:
    """Judge what stays when the server is restarted."""
    info = answers.one("info")
    if "rdb_last_bgsave_status" not in info:
        judged.unknown(["persistence", "save_age"], "the server does not tell whether it saves")
        return
    appends = info.get("aof_enabled") == "1"
    failed = [
        what for name, what, counts in (
            ("rdb_last_bgsave_status", "the last RDB file", True),
            ("aof_last_write_status", "the last write to the append-only log", appends),
        ) if counts and info.get(name, "ok") != "ok"
    ]
    if failed:
        judged.state("persistence", CRITICAL, f"Redis could not write {' and '.join(failed)}: a restart loses data.", hint=_FAILED)
    elif appends and info.get("aof_last_bgrewrite_status", "ok") != "ok":
        judged.state("persistence", WARNING, "Redis could not rewrite its append-only log, which grows on.", hint=_FAILED)
    else:
        log = "the append-only log is written" if appends else "there is no append-only log"
        judged.state("persistence", OK, f"What was to be saved was saved; {log}.")
    _age(judged, answers, interval, appends=appends)


def _age(judged: Judged, answers: Answers, interval: Interval, *, appends: bool) -> None:
    """Judge how old the last save is, when there is something newer and nothing else keeps it."""
    info = answers.one("info")
    saved, changes = number(info.get("rdb_last_save_time")), number(info.get("rdb_changes_since_last_save")) or 0.0
    if saved is None:
        judged.unknown(["save_age"], "the server does not tell when it saved last")
        return
    if "save" in answers.problems and not appends and changes:
        judged.unknown(["save_age"], *answers.problems["save"])
        return
    age = max(0.0, answers.look.at - saved)
    kept = appends or not changes
    meant = bool(answers.one("save").get("save"))
    why = "the append-only log has them" if appends else "nothing has changed since" if not changes else "it is set up to save nothing"
    judged.add(
        "save_age", round(age), f"The last save was {duration_text(age)} ago, with {counted(changes, 'change')} since ({figure_text(round(age), 'seconds')})",
        judged=not kept and meant, least=why, hint="See whether it saves at all: redis-cli LASTSAVE, and the setting save.",
    )
