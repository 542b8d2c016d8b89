# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every module promises about check mode, diff mode, idempotence and platform."""

from __future__ import annotations


class ModuleDocFragment:
    """The promises, and the shared ones of modules that only look."""

    # A module names its support for each: full, partial or none.
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return the result it would return otherwise, without changing the target.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second run changes nothing.
  platform:
    description: The systems on which the module is tested.
    support: full
    platforms: posix
    details:
      - Debian 12 and Debian 13 are tested. Other Linux systems are untested.
"""

    # For modules that inspect and never change what they look at.
    INSPECTING = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - The checks are the same in check mode; the history, which is bookkeeping, is then not written.
  diff_mode:
    support: N/A
    details:
      - The module changes nothing.
  idempotent:
    support: full
"""
