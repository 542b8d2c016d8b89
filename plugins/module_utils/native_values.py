# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values as a filter gets them from Ansible, made plain Python.

ansible-core 2.19 and later hand filters containers that template their items when they are read, and texts that carry
tags. Both look like ``dict``, ``list`` and ``str`` but are none when pickled, compared by type or written as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

MAX_DEPTH = 50


def native_value(value: Any, depth: int = 0) -> Any:
    """Return a copy of ``value`` that consists of plain dict, list, str, int, float, bool and None.

    Keys become text; a value of another type, such as a date that YAML read, becomes its text.

    :raises UpkeepError: when the value nests too deeply or contains itself.
    """
    if depth > MAX_DEPTH:
        raise UpkeepError(f"the value is nested more than {MAX_DEPTH} levels deep")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return "".join(value)
    if isinstance(value, Mapping):
        return {native_value(str(key)): native_value(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [native_value(item, depth + 1) for item in value]
    return native_value(str(value))
