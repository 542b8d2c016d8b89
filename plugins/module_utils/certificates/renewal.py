# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the timer of certbot did last: the next step when a file has little time left."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.lifetime import duration_text
from ansible_collections.upkeep.runbook.plugins.module_utils.commands import CommandResult, run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

#: The timers of Debian's package and of the snap.
TIMERS = ("certbot.timer", "snap.certbot.renew.timer")
RENEW = "Renew it, then reload what serves it."

_PROPERTIES = "LoadState,ActiveState,LastTriggerUSec"


def renewal_hint(now: datetime, run: Callable[..., CommandResult] = run_command) -> str:
    """Return the next step for a file that expires soon, with what certbot's timer did last where there is one."""
    for timer in TIMERS:
        shown = run(["systemctl", "show", timer, "--timestamp=unix", f"--property={_PROPERTIES}"], timeout_seconds=5.0)
        if shown.problem:
            return RENEW
        state = _properties(shown.stdout)
        if state.get("LoadState") == "loaded":
            service = run(["systemctl", "show", timer.replace(".timer", ".service"), "--property=Result"], timeout_seconds=5.0)
            return hint_from(timer, state, _properties(service.stdout).get("Result", ""), now)
    return RENEW


def hint_from(timer: str, state: dict[str, str], result: str, now: datetime) -> str:
    """Return the next step from the properties of the timer and the result of its service."""
    if state.get("ActiveState") != "active":
        return f"{timer} is not active, so nothing renews it: systemctl enable --now {timer}"
    last = _moment(state.get("LastTriggerUSec", ""))
    if last is None:
        return f"{timer} has not run yet: systemctl start {timer.replace('.timer', '.service')}"
    ago = f"{timer} ran {duration_text((now - last).total_seconds())} ago ({to_iso(last)})"
    if result not in ("", "success"):
        return f"{ago} and failed ({result}): journalctl -u {timer.replace('.timer', '.service')} -n 50"
    return f"{ago} without an error and did not renew it: certbot renew --dry-run; then reload what serves it."


def _properties(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines())
    return {key: value for key, _equals, value in pairs}


def _moment(text: str) -> datetime | None:
    """Read a time as ``systemctl --timestamp=unix`` writes it: ``@1795320000``."""
    digits = text.lstrip("@")
    if not digits.isdigit() or digits == "0" or len(digits) > 11:
        return None
    return datetime.fromtimestamp(int(digits), timezone.utc)
