# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which jails the server of fail2ban runs, and that it runs them after it has read its configuration anew."""

from __future__ import annotations

import time
from collections.abc import Iterable

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall import fail2ban
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_TICK_SECONDS = 0.1


def running(ask: fail2ban.Ask) -> list[str]:
    """Return the jails that run.

    :raises UpkeepError: when nobody can tell.
    """
    try:
        return fail2ban.running_jails(ask)
    except fail2ban.NotRunning as exc:
        raise UpkeepError("fail2ban does not run. Start it: systemctl start fail2ban.") from exc
    except fail2ban.Silent as exc:
        raise UpkeepError(f"{exc}.") from exc


def reload_and_wait(ask: fail2ban.Ask, jails: Iterable[str], wait_seconds: float) -> None:
    """Let fail2ban read its configuration anew, and wait until the jails run.

    :raises UpkeepError: when they do not within the time.
    """
    deadline = time.monotonic() + wait_seconds
    try:
        fail2ban.reload(ask)
    except (fail2ban.NotRunning, fail2ban.Silent) as exc:
        raise UpkeepError(f"fail2ban did not read its configuration anew ({plain(str(exc), 200) or 'it does not run'})") from exc
    while True:
        missing = sorted(set(jails) - set(running(ask)))
        if not missing:
            return
        if time.monotonic() >= deadline:
            named = plain(", ".join(missing), 200)
            raise UpkeepError(f"{named}: the jails do not run {wait_seconds:g} s after fail2ban has read its configuration")
        time.sleep(_TICK_SECONDS)
