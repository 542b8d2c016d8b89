# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a recovery came to, as check results: whether it succeeded, how long it took, how old the data are that it brought back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, WARNING, check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import figure_text
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import from_iso

RESULT, TIME, POINT = "recovery.result", "recovery.time", "recovery.point"
#: From this step on the platform is not as it was.
FIRST_TOUCH = "maintenance"
#: Steps of a rollback that come when everything is in place again.
_AFTER_RETURN = ("start", "health", "together")
_MAX_REASON = 300
_REFUSED_ROLLBACK = "Look at the reason; docs/recovery.md says what is kept where."
_LATER = "Look at the cause first; then run the same again, or choose another backup (recovery_backup, recovery_before)."


def recovery_outcome(
    marks: Sequence[Mapping[str, Any]],
    results: Mapping[str, Any],
    *,
    platform: str,
    backup: Mapping[str, Any],
    started: datetime,
    check_mode: bool,
    rollback: bool,
    limits: Mapping[str, float],
) -> dict[str, Any]:
    """Return ``{changed, checks, backup, steps}`` for the report.

    :param marks: ``step`` and ``at`` (seconds since 1970), in order; the last one is the end.
    :param results: what the tasks returned: ``lease``, ``preflight``, ``files``, ``databases``, ``environment``, ``packages``,
        ``health``; after a failure besides ``failure`` (text) and ``put_back``, results of the tasks that put back, by what they did.
        ``continued`` is the run that was killed and is taken on, or empty.
    :param backup: ``path`` and ``started``; empty when none was chosen.
    :param started: when the run began: people wait from then on.
    :param limits: ``time_seconds`` and ``point_seconds`` beyond which to warn; 0 is no limit.
    """
    steps = step_seconds(marks)
    failure = str(results.get("failure") or "")
    touched = any(mark["step"] == FIRST_TOUCH for mark in marks)
    checks = [_result(platform, backup, results, marks, touched=touched, check_mode=check_mode, rollback=rollback)]
    if touched and not check_mode:
        checks.append(_time(platform, started, marks, steps, limits.get("time_seconds") or 0, failed=bool(failure)))
        if backup and not rollback and not failure:
            checks.append(_point(platform, backup, started, limits.get("point_seconds") or 0))
    for key in ("lease", "preflight", "files", "databases", "environment", "packages", "health"):
        checks += _checks_of(results.get(key))
    return {"changed": touched and not check_mode, "checks": checks, "backup": dict(backup), "steps": steps, "touched": touched}


def step_seconds(marks: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return how long each step took; the last mark is the end and no step."""
    return {
        str(mark["step"]): round(max(0.0, float(after["at"]) - float(mark["at"])), 1)
        for mark, after in zip(marks, marks[1:])
    }


def _result(
    platform: str, backup: Mapping[str, Any], results: Mapping[str, Any], marks: Sequence[Mapping[str, Any]],
    *, touched: bool, check_mode: bool, rollback: bool,
) -> dict[str, Any]:
    what = "The rollback" if rollback else "The recovery"
    source = "what was there before the last recovery" if rollback else f"{backup.get('path') or 'a backup'}"
    failure = plain(str(results.get("failure") or ""), _MAX_REASON).rstrip(".")
    if not failure:
        text = f"{what} would begin: nothing stands against it." if check_mode else f"{platform} is back from {source}, and healthy."
        return check_result(RESULT, platform, OK, text, evidence={"backup": dict(backup)} if backup else None)
    if not touched:
        text = f"{what} was refused before anything was touched: {failure}."
        if results.get("continued"):
            text += " What the killed run has stopped is still stopped, its maintenance page shown: recover another backup, or start it."
        return check_result(RESULT, platform, CRITICAL, text, hint=_REFUSED_ROLLBACK if rollback else _LATER)
    step = next((str(mark["step"]) for mark in reversed(marks) if mark["step"] not in ("end", "put_back")), "")
    left = [
        f"{name}: {plain(str(result.get('msg') or 'it failed'), 150)}"
        for name, result in dict(results.get("put_back") or {}).items() if isinstance(result, Mapping) and result.get("failed")
    ]
    if rollback and step in _AFTER_RETURN and not left:
        text = f"What was there before the last recovery is in place again and started, and failed in the step {step}: {failure}."
        hint = "When it was broken before that recovery, too, recover another backup (recovery_backup, recovery_before)."
    elif rollback:
        text = f"{what} failed in the step {step}: {failure}. The services were started; run it again, it goes on where it was."
        if left:
            text += f" What failed besides: {'; '.join(left)}."
        hint = "Look at the cause first; docs/recovery.md says what is kept where."
    elif left:
        text = f"{what} failed in the step {step}: {failure}. NOT everything could be put back: {'; '.join(left)}."
        hint = (
            "Mend the cause, then run upkeep.runbook.rollback, which goes on with it; the maintenance page stays until then. "
            "docs/recovery.md says what is kept where."
        )
    else:
        text = f"{what} failed in the step {step}: {failure}. Everything was put back as it was before."
        hint = _LATER
    return check_result(RESULT, platform, CRITICAL, text, hint=hint, evidence={"step": step, "left": left})


def _time(
    platform: str, started: datetime, marks: Sequence[Mapping[str, Any]], steps: Mapping[str, float], limit: float, *, failed: bool
) -> dict[str, Any]:
    end = float(marks[-1]["at"])
    total = round(max(0.0, end - started.timestamp()), 1)
    began = next(float(mark["at"]) for mark in marks if mark["step"] == FIRST_TOUCH)
    down = round(max(0.0, end - began), 1)
    late = bool(limit) and total > limit
    ended = "until everything was put back" if failed else "until it was healthy"
    text = f"It took {figure_text(total, 'seconds')} {ended}, {figure_text(down, 'seconds')} of it with services down"
    text += f"; the limit is {figure_text(limit, 'seconds')}." if limit else "."
    return check_result(
        TIME, platform, WARNING if late else OK, text, value=total, unit="seconds", warning=limit or None,
        hint="See which step took the time (evidence), and whether the limit can be kept." if late else "",
        evidence={"steps": dict(steps), "down_seconds": down},
    )


def _point(platform: str, backup: Mapping[str, Any], started: datetime, limit: float) -> dict[str, Any]:
    """The age of the data: what was written between the backup and the recovery is not there any more."""
    try:
        lost = max(0.0, (started - from_iso(str(backup.get("started")))).total_seconds())
    except ValueError:
        return check_result(POINT, platform, WARNING, f"Nobody can tell of when the data are: {backup.get('path')} does not say it.")
    late = bool(limit) and lost > limit
    text = f"The data are those of {backup['started']}; {figure_text(lost, 'seconds')} of changes are lost"
    text += f"; the limit is {figure_text(limit, 'seconds')}." if limit else "."
    return check_result(
        POINT, platform, WARNING if late else OK, text, value=round(lost), unit="seconds", warning=limit or None,
        hint="Back up more often." if late else "", evidence={"backup": dict(backup)},
    )


def _checks_of(result: Any) -> list[dict[str, Any]]:
    """Return the checks of one task; a list of results stands for a loop."""
    if not isinstance(result, Mapping):
        return []
    listed = result.get("checks")
    return [dict(check) for check in listed if isinstance(check, Mapping)] if isinstance(listed, list) else []
