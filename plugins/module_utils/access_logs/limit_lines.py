# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What nginx writes into its error log when it holds requests back: ``limit_req`` and ``limit_conn``.

These lines carry no offset to UTC: they are read in the time zone of the host. In the hour that a change of the clocks repeats
they are taken for its first passage or its second, as the system decides.
"""

from __future__ import annotations

import re
import time
from collections import Counter

from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.tally import Tally

#: What was done to the request, by the words of nginx.
KINDS = {"limiting requests": "rejected", "delaying request": "delayed", "limiting connections": "connections_rejected"}
DRY_RUN = "dry_run"

_MARK = ' by zone "'
_LINE = re.compile(
    r"(\d{4})/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d) \[\w{1,10}\] [^\"]{0,60}?(limiting requests|delaying request|limiting connections)"
    r'(, dry run)?,?(?: excess: [0-9.]{1,20},?)? by zone "([^"]{1,100})", client: ([0-9a-fA-F.:]{2,45})',
    re.ASCII,
)


def count_limits(block: str, tally: Tally, since: int, until: int) -> None:
    """Count the lines of a block that tell of a limit; all others of an error log are passed over.

    :param since: the first second since the epoch that counts; ``until`` is the first that does not.
    """
    if _MARK not in block:
        return
    limits: Counter[tuple[str, str]] = Counter()
    clients: Counter[tuple[str, str]] = Counter()
    for line in block.split("\n"):
        match = _LINE.match(line) if _MARK in line else None
        if match is None:
            continue
        *moment, words, dry_run, zone, client = match.groups()
        try:
            second = time.mktime((*map(int, moment), 0, 0, -1))  # type: ignore[arg-type]
        except (ValueError, OverflowError):
            continue
        if since <= second < until:
            limits[(DRY_RUN if dry_run else KINDS[words], zone)] += 1
            if not dry_run:
                clients[(zone, client)] += 1
    tally.limits.add(limits)
    tally.limit_clients.add(clients)
