# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One call of a review of access, from options to results."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.accepting import ACCEPT_COMMAND, refuse_other_baseline
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review import judging
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.accepted import (
    ACCOUNTS,
    KEYS,
    KINDS,
    SUDO,
    Accepted,
    Damaged,
    News,
    accepted_bytes,
    news_of,
    parse_accepted,
    read_accepted,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.access import Access, item_name, read_access
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.host import Host
from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import make_private_directory, write_atomically
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import (
    CRITICAL,
    OK,
    UNKNOWN,
    check_result,
    fold_ok,
    worst_of,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.commands import run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.guarded_files import Forgeable
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

MAX_LISTED = 1000
_MAX_NEW_ROWS = 100
_RANGES = {"unused_days": (0, 36_500), "password_max_days": (0, 36_500), "lock_wait_seconds": (0, 86_400), "timeout_seconds": (0.1, 3600)}
_CHECKS = {ACCOUNTS: judging.ACCOUNTS, KEYS: judging.KEYS, SUDO: judging.SUDO}
_WORDS = {ACCOUNTS: "account", KEYS: "key", SUDO: "right to use sudo"}
_ACCEPT_HINT = f"Accept it once it is known to be meant: {ACCEPT_COMMAND}"


def review_access(params: Mapping[str, Any], *, now: datetime, check_mode: bool, host: Host | None = None) -> dict[str, Any]:
    """Return what the module returns.

    :param params: the options of the module ``access_review``.
    :param host: another one than this, for tests; then no program is asked.
    :raises UpkeepError: when an option is not accepted, or the baseline cannot be written.
    """
    _refuse_wrong(params)
    path = Path(params["state_directory"]) / "access.json"
    acting = params["state"] == "accepted" and not check_mode
    if acting:
        make_private_directory(path.parent)
    owner = LockOwner(params["run_id"] or "-", "access_review", to_iso(now))
    lock = exclusive_lock(path.parent / "lock", owner, wait_seconds=params["lock_wait_seconds"]) if acting else nullcontext()
    with lock:
        access = read_access(host or Host())
        present = access.items()
        accepted, row = _accepted(path, params["expected_digest"] or "", now)
        news = news_of(accepted.items, present) if accepted is not None else News()
        changed, diff = False, None
        if params["state"] == "accepted":
            changed, row, known = _accept(path, params, accepted, present, news, row, access, now=now, check_mode=check_mode)
            diff = _diff(news)
            news = News()
        else:
            known = _known(path, accepted)
    visudo = "" if host is not None or access.sudoers is None else _ask_visudo(params["timeout_seconds"])
    rows = [row] if row is not None and not _is_told_elsewhere(row, params["expected"]) else []
    rows += judging.account_rows(access, now=now, password_max_days=params["password_max_days"])
    rows += judging.sudo_rows(access, expected=_expected(params, SUDO) or [], visudo=visudo)
    rows += judging.key_rows(access)
    rows += judging.unused_rows(access, now=now, unused_days=params["unused_days"])
    rows += _new_rows(params, accepted, present, news)
    answer = {
        "changed": changed, "status": worst_of(rows), "checks": fold_ok(rows, return_all=params["return_all"]), "baseline": known,
        "accounts": _account_details(access), "authorized_keys": _key_details(access), "sudo": _sudo_details(access),
        "news": {"new": _bounded(news.new), "gone": _bounded(news.gone)},
    }
    return {**answer, "diff": diff} if diff is not None else answer


def _refuse_wrong(params: Mapping[str, Any]) -> None:
    refuse_out_of_range(params, _RANGES)
    if not params["state_directory"].startswith("/"):
        raise UpkeepError(f"state_directory: {plain(params['state_directory'], 200)!r} is not absolute")
    if params["state"] == "accepted" and not (params["reason"] or "").strip():
        raise UpkeepError("reason: say why the present access is accepted; it stays in the baseline")


def _accepted(path: Path, expected_digest: str, now: datetime) -> tuple[Accepted | None, dict[str, Any] | None]:
    """Return what was accepted, and the row that says what is known of it."""
    subject = str(path)

    def row(status: str, summary: str, hint: str = "") -> dict[str, Any]:
        return check_result(judging.BASELINE, subject, status, summary, hint=hint or None)

    try:
        accepted = read_accepted(path)
    except Damaged as exc:
        return None, row(CRITICAL, f"The baseline {subject} {exc}.", _ACCEPT_HINT)
    except Forgeable as exc:
        return None, row(CRITICAL, f"The baseline proves nothing: {exc.message}.", f"Find out who could write there, then accept anew: {ACCEPT_COMMAND}")
    except UpkeepError as exc:
        return None, row(UNKNOWN, f"The baseline cannot be looked at: {exc.message}.", "Run the task with become: true.")
    if accepted is None:
        if expected_digest:
            return None, row(CRITICAL, f"The baseline is gone: {subject} does not exist, and its digest was kept elsewhere.", _ACCEPT_HINT)
        return None, row(UNKNOWN, "There is no baseline yet, so that nothing is known to be new.", _ACCEPT_HINT)
    days = max((now - accepted.accepted).days, 0)
    if expected_digest and accepted.digest != expected_digest.lower():
        return accepted, row(CRITICAL, f"The baseline itself was changed: its digest is {accepted.digest[:16]}…, not the one kept elsewhere.")
    return accepted, row(OK, f"The access was accepted {days} days ago, on {to_iso(accepted.accepted)} ({accepted.reason}).")


def _is_told_elsewhere(row: Mapping[str, Any], expected: Mapping[str, Any] | None) -> bool:
    """Tell whether a baseline is not needed: everything that is expected was given."""
    return row["status"] == UNKNOWN and "no baseline yet" in row["summary"] and all((expected or {}).get(kind) is not None for kind in KINDS)


def _accept(
    path: Path, params: Mapping[str, Any], accepted: Accepted | None, present: Mapping[str, Sequence[str]], news: News,
    row: dict[str, Any] | None, access: Access, *, now: datetime, check_mode: bool,
) -> tuple[bool, dict[str, Any] | None, dict[str, Any] | None]:
    """Write the present access as the new baseline, unless that is what it is; return whether, the row, and what is known of it."""
    refuse_other_baseline(path, accepted.digest if accepted is not None else None, params["expected_digest"] or "")
    if access.unseen:
        place, reason = access.unseen[0]
        raise UpkeepError(f"the present access is not accepted, because {place} {reason}; run the task with become: true")
    if accepted is not None and not news.any and row is not None and row["status"] == OK:
        return False, row, _known(path, accepted)
    reason = plain(params["reason"], 500)
    content = accepted_bytes(present, now=now, reason=reason, previous=accepted.digest if accepted is not None else None)
    would = "would be" if check_mode else "was"
    if not check_mode:
        write_atomically(path, content)
    done = None if check_mode else parse_accepted(content)
    return True, check_result(judging.BASELINE, str(path), OK, f"The present access {would} accepted ({reason})."), _known(path, done)


def _known(path: Path, accepted: Accepted | None) -> dict[str, Any] | None:
    if accepted is None:
        return None
    return {
        "path": str(path), "digest": accepted.digest, "accepted": to_iso(accepted.accepted), "reason": plain(accepted.reason, 500),
    }  # fmt: skip


def _expected(params: Mapping[str, Any], kind: str) -> list[str] | None:
    found = (params["expected"] or {}).get(kind)
    return None if found is None else [str(item) for item in found]


def _new_rows(
    params: Mapping[str, Any], accepted: Accepted | None, present: Mapping[str, Sequence[str]], news: News
) -> list[dict[str, Any]]:
    """Return a row for what is neither in the baseline nor expected."""
    rows = []
    for kind in KINDS:
        expected = _expected(params, kind)
        if accepted is None and expected is None:
            continue
        candidates = news.new.get(kind, []) if accepted is not None else sorted(set(present[kind]))
        new = [item for item in candidates if not _is_expected(kind, item, expected or [])]
        for item in new[:_MAX_NEW_ROWS]:
            what = "is neither in the baseline nor expected" if accepted is not None else "is not expected"
            rows.append(check_result(
                _CHECKS[kind], _subject(kind, item), params["severity"], f"This {_WORDS[kind]} {what}: {plain(item, 350)}.",
                value="new", hint=_ACCEPT_HINT,
            ))  # fmt: skip
        if len(new) > _MAX_NEW_ROWS:
            rows.append(check_result(
                _CHECKS[kind], f"further {kind}", params["severity"], f"{len(new) - _MAX_NEW_ROWS} further {kind} are new.",
                value=len(new) - _MAX_NEW_ROWS, unit="count",
            ))  # fmt: skip
    return rows


def _is_expected(kind: str, item: str, expected: Sequence[str]) -> bool:
    name, _space, rest = item.partition(" ")
    return rest.split(" ")[0] in expected if kind == KEYS else name in map(item_name, expected)


def _subject(kind: str, item: str) -> str:
    name, _space, rest = item.partition(" ")
    return f"{name} {rest.split(' ')[0]}" if kind == KEYS else f"new: {item}" if kind == SUDO else f"new: {name}"


def _diff(news: News) -> dict[str, str]:
    gone, new = ([f"{kind}: {plain(item, 500)}\n" for kind in KINDS for item in part.get(kind, [])[:MAX_LISTED]] for part in (news.gone, news.new))
    return {"before": "".join(gone), "after": "".join(new)}


def _bounded(items: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    return {kind: [plain(item, 500) for item in items.get(kind, [])[:MAX_LISTED]] for kind in KINDS}


def _ask_visudo(timeout_seconds: float) -> str | None:
    """Return what visudo complains of, '' when it is content, None when it could not be asked."""
    if os.geteuid() != 0:
        return None  # it may not read sudoers then, and would call it wrong
    for program in ("/usr/sbin/visudo", "/usr/bin/visudo", "/sbin/visudo"):
        # Not with -q: that keeps quiet about files of the wrong owner or mode, and fails all the same.
        done = run_command([program, "-c"], timeout_seconds=timeout_seconds)
        if done.problem:
            continue
        if done.timed_out or done.returncode is None or done.returncode < 0:
            return None
        return "" if done.returncode == 0 else plain(done.stderr or done.stdout, 300) or "visudo does not say why"
    return None


def _account_details(access: Access) -> list[dict[str, Any]]:
    keys: dict[str, int] = {}
    for file in access.key_files:
        keys[file.account] = keys.get(file.account, 0) + len(file.keys)
    return [
        {
            "name": plain(account.name, 200), "uid": account.uid, "gid": account.gid, "home": plain(account.home, 500),
            "shell": plain(account.shell, 500), "groups": [plain(group, 200) for group in account.groups[:100]],
            "password": account.password,
            "password_changed": to_iso(account.password_changed) if account.password_changed is not None else None,
            "expires": to_iso(account.expires) if account.expires is not None else None, "keys": keys.get(account.name, 0),
            "last_used": _moment(access.last_used.get(account.name)),
        }
        for account in access.accounts[:MAX_LISTED]
    ]


def _moment(seconds: int | None) -> str | None:
    if seconds is None or not 0 < seconds < 253_402_300_800:
        return None
    return to_iso(datetime.fromtimestamp(seconds, timezone.utc))


def _key_details(access: Access) -> list[dict[str, Any]]:
    found = [
        {
            "account": plain(file.account, 200), "path": plain(file.path, 500), "line": key.line, "type": key.type, "bits": key.bits,
            "fingerprint": key.fingerprint, "comment": key.comment, "options": list(key.options),
        }
        for file in access.key_files for key in file.keys
    ]
    return found[:MAX_LISTED]


def _sudo_details(access: Access) -> list[dict[str, Any]]:
    rights = access.sudoers.rights if access.sudoers is not None else []
    return [
        {
            "who": plain(right.who, 200), "accounts": [plain(name, 200) for name in access.people_of(right)[:100]],
            "run_as": plain(right.run_as, 200), "no_password": right.no_password, "everything": right.everything,
            "commands": plain(right.commands, 500), "place": plain(right.place, 500),
        }
        for right in rights[:MAX_LISTED]
    ]
