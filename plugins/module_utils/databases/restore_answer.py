# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What module ``database_restore`` returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, check_result, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.restorer import Facts
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_WORDS = {
    ("restored", False): "was restored",
    ("restored", True): "would be restored",
    ("previous", False): "has its previous data back",
    ("dropped_previous", False): "keeps no previous data of this restore",
}


@dataclass(frozen=True)
class Done:
    """One database with which something was done, or would be.

    :ivar previous: where its previous data are kept, or an empty text when there were none.
    """

    spec: DumpSpec
    previous: str
    facts: Facts | None = None
    seconds: float = 0.0


def answer(
    done: Sequence[Done], restore_id: str, state: str, repaired: Sequence[str], *, kept: bool = True, check_mode: bool = False
) -> dict[str, Any]:
    """Return what the module returns.

    :param kept: the previous data are kept.
    """
    checks = [_check(one, state, kept, check_mode) for one in done]
    lines = [f"{plain(one.spec.shown)}: {_WORDS[state, check_mode and state == 'restored']}\n" for one in done]
    return {
        "changed": True,
        "id": restore_id,
        "restored": [_item(one, kept and not check_mode) for one in done],
        "repaired": list(repaired),
        "status": worst_of(checks),
        "checks": checks,
        "diff": {"before": "", "after": "".join(lines)},
    }


def nothing_of_run(run_id: str, repaired: Sequence[str]) -> dict[str, Any]:
    """Return what the module returns when a run has restored nothing that still stands."""
    text = f"Run {plain(run_id, 60)} has exchanged no databases here that still stand, so none go back."
    return {
        "changed": bool(repaired), "id": None, "restored": [], "repaired": list(repaired), "status": OK,
        "checks": [check_result("database.restore", run_id, OK, text)], "diff": {"before": "", "after": ""},
    }


def _item(one: Done, kept: bool) -> dict[str, Any]:
    return {
        "name": one.spec.name,
        "type": one.spec.type,
        "database": plain(one.spec.database or one.spec.path),
        "previous": plain(one.previous) if one.previous and kept else None,
        "existed": one.facts.exists if one.facts else None,
        "server": one.facts.server if one.facts else None,
        "bytes": one.facts.need_bytes if one.facts else None,
        "seconds": round(one.seconds, 3),
    }


def _check(one: Done, state: str, kept: bool, check_mode: bool) -> dict[str, Any]:
    words = [f"The {one.spec.shown} {_WORDS[state, check_mode and state == 'restored']}"]
    if one.facts is not None:
        words.append(f"from a dump of {one.facts.need_bytes} bytes" + ("" if check_mode else f" in {one.seconds:.1f} s"))
    text = " ".join(words)
    if state == "restored" and one.previous and kept and not check_mode:
        text += f"; its previous data are kept as {one.previous}"
    value = None if check_mode or one.facts is None else round(one.seconds, 3)
    return check_result(
        "database.restore", one.spec.shown, OK, f"{text}.", value=value, unit="seconds" if value is not None else None
    )
