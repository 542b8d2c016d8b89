# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Ansible registered for a task, read with suspicion: any target may have answered it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_MAX_REASON = 400

#: What ansible-core 2.20 and later put before the message that matters.
_PREFIXES = re.compile(r"\A(?:(?:Task|Action|Module) failed: )+")


def says(result: Any, flag: str) -> bool:
    """Tell whether a result carries a flag, such as ``failed``, ``skipped`` or ``unreachable``."""
    return isinstance(result, Mapping) and bool(result.get(flag, False))


def was_left_out(result: Any) -> bool:
    """Tell whether a task was skipped by its condition; any other skip is a look that was not taken."""
    if not says(result, "skipped"):
        return False
    return "false_condition" in result or "condition" in str(result.get("skip_reason", "")).lower()


def said_reason(result: Any) -> str:
    """Return what a failed result says, bounded, without a full stop at its end."""
    if not isinstance(result, Mapping):
        return "it gave no message"
    text = _PREFIXES.sub("", str(result.get("msg") or result.get("skip_reason") or ""))
    # A module that died before it could answer says why on its standard error only, and most of all in the last line.
    died = str(result.get("module_stderr") or "").strip().splitlines()
    if died:
        text = f"{text}: {died[0] if len(died) == 1 else f'{died[0]} ... {died[-1]}'}"
    return plain(text, _MAX_REASON).rstrip(".") or "it gave no message"
