# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether rules of nftables that were loaded are in force, now and after a restart."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall import nftables, revert_timer, rules_persisting, rules_record
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.rules_answer import Row, Seen, answer_query, answer_unseen
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.rules_kernel import digest_of
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.rules_persisting import Kept


def look(kept: Kept) -> Seen:
    """Return what there is.

    :raises Unseen: when nft does not show it.
    :raises UpkeepError: when the record cannot be read.
    """
    record = rules_record.read_record(kept.state)
    if record is None:
        nftables.find_nft()
        return Seen(None, False, (), "")
    timers = revert_timer.look_at(record.timers)
    in_force = bool(record.digest) and digest_of(record.rules.tables) == record.digest
    return Seen(record, in_force, timers.running, rules_persisting.why_not_kept(kept, record.rules), timers.silence)


def query_rules(kept: Kept, *, noted: bool = True) -> Row:
    """Return what the module returns when it is only asked.

    :param noted: whether it is known where the rules are kept for a restart.
    """
    try:
        seen = look(kept)
        return answer_query(str(kept.path), seen if noted else dataclasses.replace(seen, not_kept=None))
    except nftables.Unseen as exc:
        return answer_unseen(str(kept.path), str(exc), exc.hint)
    except UpkeepError as exc:
        return answer_unseen(str(kept.path), exc.message, "")


def query_noted(state: Path) -> list[Row]:
    """Return the checks of rules that were loaded on this host, nothing where none ever were; where they are kept is noted with them.

    :param state: folder of the record.
    """
    file = state / rules_record.FILE_NAME
    if not os.path.lexists(file):
        return []
    try:
        record = rules_record.read_record(state)
    except UpkeepError as exc:
        checks: list[Row] = answer_unseen(str(file), exc.message, "")["checks"]
        return checks
    if record is None:
        return []
    kept = Kept(Path(record.path or file), Path(record.configuration) if record.configuration else None, state)
    checks = query_rules(kept, noted=record.path is not None)["checks"]
    return checks
