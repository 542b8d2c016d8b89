# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the module returns about jails of fail2ban: after acting, and when it is only asked whether they run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, UNKNOWN, WARNING, check_result, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall import fail2ban
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.jail_files import read_file, shown_files
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.jail_record import Files, read_record
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.jail_trial import try_configuration
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

CHECK, SUBJECT = "rules.fail2ban", "fail2ban"
_HINT = "Look at it: fail2ban-client status; and bring the jails up to date again: upkeep.runbook.security_rules."

Row = dict[str, Any]


def answer_acting(wanted: Files, present: Files, jails: Mapping[str, Any], *, changed: bool, done: bool) -> Row:
    """Return what was done, or would be.

    :param present: what there was before.
    :param jails: those that run now, or would.
    """
    named = plain(", ".join(sorted(jails)), 200) or "none"
    if done:
        check = check_result(CHECK, SUBJECT, OK, f"{len(jails)} jails run ({named}).", value=len(jails), unit="jails")
    else:
        check = check_result(CHECK, SUBJECT, OK, f"{len(jails)} jails would run ({named})." if changed else "Nothing would change.")
    differs = present != wanted
    return {
        "changed": changed,
        "status": worst_of([check]),
        "checks": [check],
        "jails": sorted(jails),
        "diff": {"before": shown_files(present), "after": shown_files(wanted)} if differs else {"before": "", "after": ""},
    }


def answer_query(state: Path, configuration: Path, ask: fail2ban.Ask | None) -> Row:
    """Return whether what was written is there, and its jails run.

    :param state: folder of the record.
    :param ask: None where fail2ban is not installed.
    """
    try:
        check, jails = _seen(state, configuration, ask)
    except UpkeepError as exc:
        check, jails = check_result(CHECK, SUBJECT, UNKNOWN, f"Nobody can tell whether the jails run: {exc.message}"), []
    return {"changed": False, "status": check["status"], "checks": [check], "jails": jails}


def _seen(state: Path, configuration: Path, ask: fail2ban.Ask | None) -> tuple[Row, list[str]]:
    record = read_record(state)
    if record is None or not (record.pending or record.owned):
        return check_result(CHECK, SUBJECT, WARNING, "No jails were ever written here.", hint=_HINT), []
    if ask is None:
        return check_result(CHECK, SUBJECT, CRITICAL, "fail2ban is not installed any more, and bans nobody.", hint=_HINT), []
    try:
        running = fail2ban.running_jails(ask)
    except fail2ban.NotRunning:
        return check_result(CHECK, SUBJECT, CRITICAL, "fail2ban does not run, and bans nobody.", hint=_HINT), []
    except fail2ban.Silent as exc:
        raise UpkeepError(f"{exc}.") from exc
    if record.pending:
        return check_result(CHECK, SUBJECT, CRITICAL, "A run that changed the jails was killed, or is at work.", hint=_HINT), running
    other = [name for name, text in record.files.items() if read_file(configuration / name) != text]
    missing = sorted(set(try_configuration(configuration)) - set(running))
    if missing:
        return check_result(CHECK, SUBJECT, CRITICAL, f"{', '.join(missing[:5])}: the jails do not run.", hint=_HINT), running
    if other:
        return check_result(CHECK, SUBJECT, CRITICAL, f"{', '.join(other[:5])}: not what was written there.", hint=_HINT), running
    return check_result(CHECK, SUBJECT, OK, f"{len(running)} jails run.", value=len(running), unit="jails"), running
