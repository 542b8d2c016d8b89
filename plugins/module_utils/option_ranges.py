# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options that are numbers: which values each accepts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError


def refuse_out_of_range(options: Mapping[str, Any], ranges: Mapping[str, tuple[float, float]], place: str = "") -> None:
    """Raise unless each of the numbers lies in its range, both ends included; NaN lies in none.

    :param options: those that are None or absent are not looked at.
    :param ranges: the least and the most by the name of the option.
    :param place: what stands before the names, such as ``backups[0].``.
    :raises UpkeepError: naming the option, what was given and what is accepted.
    """
    for name, (least, most) in ranges.items():
        value = options.get(name)
        if value is not None and not least <= value <= most:
            raise UpkeepError(f"{place}{name}: {value:g} is not accepted; give {least} to {most}.")
