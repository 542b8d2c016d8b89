# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of ``security_configuration``, checked: what is wrong is refused in words before anything is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.host import Host
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.all_rules import RULES, TAKING
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.ignoring import Ignore, read_ignores
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.rules import Overrides, read_overrides

_RANGES = {"timeout_seconds": (0.1, 3600)}


@dataclass(frozen=True)
class Options:
    """The options of one call."""

    parts: tuple[str, ...]
    overrides: Overrides
    ignores: tuple[Ignore, ...]
    timeout_seconds: float
    return_all: bool
    now: datetime
    check_mode: bool
    host: Host


def read_options(given: Mapping[str, Any], *, now: datetime, check_mode: bool, host: Host) -> Options:
    """Return the options, checked.

    :param given: the options of the module.
    :raises UpkeepError: naming the option and, in a list, the item that is not accepted.
    """
    refuse_out_of_range(given, _RANGES)
    if not given["parts"]:
        raise UpkeepError("parts is empty; name what to look at")
    return Options(
        parts=tuple(dict.fromkeys(given["parts"])),
        overrides=read_overrides(given["rules"], RULES, TAKING),
        ignores=tuple(read_ignores(given["ignore"], RULES)),
        timeout_seconds=given["timeout_seconds"],
        return_all=given["return_all"],
        now=now,
        check_mode=check_mode,
        host=host,
    )
