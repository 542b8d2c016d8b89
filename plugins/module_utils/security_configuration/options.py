# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of ``security_configuration``, checked: what is wrong is refused in words before anything is looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.host import Host
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.options import Endpoint, read_endpoints
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.all_rules import RULES, TAKING
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.ignoring import Ignore, read_ignores
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.rules import Overrides, read_overrides
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.secret_files import Secret, read_secrets
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.updates import Limits as UpdateLimits
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.lynis import Limits as LynisLimits
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_RANGES = {
    "timeout_seconds": (0.1, 3600), "endpoint_timeout_seconds": (0.1, 300), "concurrency": (1, 256), "updates_max_age_hours": (1, 87_600),
    "lynis_timeout_seconds": (1, 36_000), "lynis_warning_index": (0, 100), "lynis_max_age_days": (0, 36_500),
}  # fmt: skip


@dataclass(frozen=True)
class Options:
    """The options of one call."""

    parts: tuple[str, ...]
    overrides: Overrides
    ignores: tuple[Ignore, ...]
    secrets: tuple[Secret, ...]
    secrets_exclude: tuple[str, ...]
    endpoints: tuple[Endpoint, ...]
    headers: tuple[str, ...]
    limited: tuple[str, ...]
    updates: UpdateLimits
    lynis: LynisLimits
    lynis_run: bool
    lynis_timeout_seconds: float
    timeout_seconds: float
    endpoint_timeout_seconds: float
    concurrency: int
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
        secrets=read_secrets(given["secrets"], usual=given["secrets_usual"]),
        secrets_exclude=tuple(given["secrets_exclude"]),
        endpoints=read_endpoints(given["endpoints"]),
        headers=tuple(dict.fromkeys(given["nginx_headers"])),
        limited=_limited(given["nginx_limited"]),
        updates=UpdateLimits(given["updates_max_age_hours"], given["updates_unattended"]),
        lynis=LynisLimits(given["lynis_warning_index"], given["lynis_max_age_days"]),
        lynis_run=given["lynis_run"],
        lynis_timeout_seconds=given["lynis_timeout_seconds"],
        timeout_seconds=given["timeout_seconds"],
        endpoint_timeout_seconds=given["endpoint_timeout_seconds"],
        concurrency=given["concurrency"],
        return_all=given["return_all"],
        now=now,
        check_mode=check_mode,
        host=host,
    )


def _limited(given: Sequence[str]) -> tuple[str, ...]:
    for index, path in enumerate(given):
        if not path.startswith("/"):
            raise UpkeepError(f"nginx_limited[{index}]: {plain(path, 100)!r} is not accepted; give the path of a request, such as /api/login")
    return tuple(dict.fromkeys(given))
