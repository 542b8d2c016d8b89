# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of the module, refused in words when they mean nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.excluding import Exclusions
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.roots import refuse_wrong_paths
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

MAX_REASON_CHARACTERS = 500

_RANGES = {"baseline_warning_days": (0, 36_500), "workers": (1, 8), "max_file_bytes": (1024, 2**60), "lock_wait_seconds": (0, 86_400)}
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Request:
    """What one call is to do.

    :ivar baseline: the file of the baseline.
    :ivar expected_digest: lower case, or ''.
    """

    paths: list[str]
    exclusions: Exclusions | None
    one_file_system: bool
    capabilities: bool
    trust_stat: bool
    explain_packages: bool
    workers: int
    max_file_bytes: int
    baseline: Path
    expected_digest: str
    baseline_warning_days: float
    severity: str
    accept: bool
    reason: str
    only_if_clean: bool
    return_all: bool


def read_request(params: Mapping[str, Any]) -> Request:
    """Return what is asked.

    :raises UpkeepError: when an option is not accepted.
    """
    refuse_out_of_range(params, _RANGES)
    refuse_wrong_paths(params["paths"])
    if not _NAME.fullmatch(params["name"]):
        raise UpkeepError(f"name: {plain(params['name'], 100)!r} is not accepted; give letters, digits, dots, dashes, underscores")
    if not Path(params["state_directory"]).is_absolute():
        raise UpkeepError(f"state_directory: {plain(params['state_directory'], 200)!r} is not absolute")
    digest = (params["expected_digest"] or "").lower()
    if digest and not _DIGEST.fullmatch(digest):
        raise UpkeepError("expected_digest: give the 64 hexadecimal digits that an accepted baseline returned as baseline.digest")
    accept = params["state"] == "accepted"
    reason = plain(params["reason"] or "", MAX_REASON_CHARACTERS)
    if accept and not reason:
        raise UpkeepError("reason: say why the present state is accepted; it stays in the baseline")
    return Request(
        paths=params["paths"],
        exclusions=Exclusions(params["exclude"]) if params["exclude"] else None,
        one_file_system=params["one_file_system"],
        capabilities=params["capabilities"],
        trust_stat=params["trust_stat"],
        explain_packages=params["explain_packages"],
        workers=params["workers"],
        max_file_bytes=params["max_file_bytes"],
        baseline=Path(params["state_directory"]) / "integrity" / f"{params['name']}.baseline",
        expected_digest=digest,
        baseline_warning_days=params["baseline_warning_days"],
        severity=params["severity"],
        accept=accept,
        reason=reason,
        only_if_clean=params["only_if_clean"],
        return_all=params["return_all"],
    )
