# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What requests to log in were answered with, and whose were refused."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.login_routes import REFUSED
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.routes import OTHER_LOGINS
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.rows import shown
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.shares import percent
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.tally import Tally


def login_figures(tally: Tally, pattern: re.Pattern[str] | None, *, top: int) -> dict[str, Any]:
    """Return how many requests to log in there were, and what they were answered with.

    :param tally: settled, and counted with the same pattern.
    """
    statuses: Counter[str] = Counter()
    rows: list[dict[str, Any]] = []
    for route, of_route in tally.routes.items():
        if pattern is not None and (route == OTHER_LOGINS or pattern.fullmatch(route)):
            statuses.update(of_route)
            requests, refused = sum(of_route.values()), sum(of_route[status] for status in REFUSED)
            rows.append({"route": shown(route), "requests": requests, "refused": refused})
    rows.sort(key=lambda row: (-row["refused"], -row["requests"], row["route"]))
    requests = sum(statuses.values())
    refused = sum(statuses[status] for status in REFUSED)
    return {
        "requests": requests,
        "refused": refused,
        "refused_percent": percent(refused, requests),
        "succeeded": sum(number for status, number in statuses.items() if status[0] in "23"),
        "statuses": {status: number for status, number in sorted(statuses.items()) if status in REFUSED and number},
        "routes": rows[:top],
        "clients": [{"client": shown(client), "refused": number} for client, number in tally.login_clients.top(top)],
        "different_clients": tally.login_clients.different().count(),
        "clients_missing_at_most": tally.login_clients.missing,
    }
