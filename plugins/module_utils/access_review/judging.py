# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rows of a review of access. Pure functions over what was read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.access import Access
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.accounts import EMPTY, SET, Account
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, UNKNOWN, WARNING, check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

ACCOUNTS, SUDO, KEYS, UNUSED, BASELINE = "access.accounts", "access.sudo", "access.keys", "access.unused", "access.baseline"

_AS_ROOT = "Run the task with become: true."


def account_rows(access: Access, *, now: datetime, password_max_days: float) -> list[dict[str, Any]]:
    """Return a row for each account with a flaw, one for each file that could not be read, and one for each account without."""
    rows = [check_result(ACCOUNTS, path, UNKNOWN, f"{path} {reason}.", hint=_AS_ROOT) for path, reason in access.unseen]
    rows += [
        check_result(ACCOUNTS, path, WARNING, f"{path} has {count} lines that say nothing.", value=count, unit="count")
        for path, count in access.odd.items() if count
    ]
    if access.open_to_directories:
        rows.append(check_result(
            ACCOUNTS, "directory service", UNKNOWN, "/etc/passwd lets in accounts of NIS (a line that begins with +), which were not looked at.",
            hint="Take the line out unless NIS is used.",
        ))  # fmt: skip
    by_uid: dict[int, list[str]] = {}
    for account in access.accounts:
        by_uid.setdefault(account.uid, []).append(account.name)
    for account in access.accounts:
        flaws = list(_flaws(account, by_uid[account.uid], now, password_max_days))
        if not flaws:
            rows.append(check_result(ACCOUNTS, account.name, OK, f"{account.name} (number {account.uid}, shell {account.shell}) is in order."))
            continue
        status = CRITICAL if any(grave for grave, _text in flaws) else WARNING
        text = "; ".join(flaw for _grave, flaw in flaws)
        rows.append(check_result(
            ACCOUNTS, account.name, status, f"{account.name}: {text}.", hint=f"Look who uses it: last {account.name}; lock it: usermod -L",
        ))  # fmt: skip
    return rows


def _flaws(account: Account, same_uid: Sequence[str], now: datetime, password_max_days: float) -> Iterator[tuple[bool, str]]:
    """Yield (whether it is grave, what is wrong)."""
    if account.uid == 0 and account.name != "root":
        yield True, "it has the number 0 and so all rights of root"
    elif len(same_uid) > 1 and account.uid != 0:
        yield False, f"it shares its number {account.uid} with {', '.join(name for name in same_uid[:5] if name != account.name) or 'itself'}"
    if account.is_expired(now):
        return
    if account.password == EMPTY:
        yield account.has_shell, "it has no password, so that anybody may use it"
    if account.weak_hash:
        yield False, "its password is kept in a form that is quickly guessed (traditional or MD5)"
    if account.is_service and account.password == SET and account.has_shell:
        yield False, "it is an account of a service, with a password and a shell"
    if account.password == SET and password_max_days and account.password_changed is not None:
        days = (now - account.password_changed).days
        if days >= password_max_days:
            yield False, f"its password is {days} days old (warning from {password_max_days:g} days)"


def sudo_rows(access: Access, *, expected: Sequence[str], visudo: str | None) -> list[dict[str, Any]]:
    """Return the rows of sudo.

    :param expected: accounts whose rights are known and meant.
    :param visudo: what ``visudo -c`` complains of; '' when it is content, None when nobody could ask it.
    """
    sudoers = access.sudoers
    if sudoers is None:
        return [check_result(SUDO, "/etc/sudoers", OK, "There is no sudoers: nobody may become another one through sudo.")]
    rows = [check_result(SUDO, path, UNKNOWN, f"{path} {reason}.", hint=_AS_ROOT) for path, reason in sudoers.unseen]
    for path, rights in sudoers.files.items():
        if rights.others_may_write or rights.owner != 0:
            rows.append(check_result(
                SUDO, path, CRITICAL, f"{path} belongs to user {rights.owner} and has mode {rights.mode:04o}: others may give rights.",
                hint=f"chown root:root {path} && chmod 0440 {path}; then look at what it holds.",
            ))  # fmt: skip
    if visudo:
        rows.append(check_result(SUDO, "visudo", CRITICAL, f"sudoers is not valid: {visudo}", hint="Mend it with visudo."))
    elif visudo is None:
        rows.append(check_result(SUDO, "visudo", UNKNOWN, "visudo could not be asked whether sudoers is valid.", hint=_AS_ROOT))
    if sudoers.odd:
        rows.append(check_result(
            SUDO, "sudoers", UNKNOWN, f"{len(sudoers.odd)} lines of sudoers were not understood, such as {sudoers.odd[0]}.",
            hint="Look at them: sudo -l -U <account>", evidence={"lines": sudoers.odd},
        ))  # fmt: skip
    rows += [
        check_result(
            SUDO, place, OK if who in expected else WARNING, f"{who} may use sudo without a password (Defaults !authenticate, {place}).",
            hint=None if who in expected else "Ask for a password: take the line out.",
        )
        for who, place in sudoers.not_asked
    ]  # fmt: skip
    for right in sudoers.rights:
        people = access.people_of(right) or [right.who]
        unexpected = [name for name in people if name not in expected and name != "root"]
        shown = f"{right.who} may run {plain(right.commands, 100)} as {right.run_as}{' without a password' if right.no_password else ''}"
        if right.who == "ALL" and (right.everything or right.no_password):
            status, summary = CRITICAL, f"Everybody on the host: {shown} ({right.place})."
        elif right.everything and right.no_password and unexpected:
            status, summary = WARNING, f"{shown} ({right.place}); that is {plain(', '.join(people), 150)}."
        else:
            status, summary = OK, f"{shown} ({right.place})."
        rows.append(check_result(SUDO, right.place, status, summary, hint=None if status == OK else "Name the commands, or ask for a password."))
    return rows


def key_rows(access: Access) -> list[dict[str, Any]]:
    """Return the rows of the files of keys and of each weak key or one that opens several accounts."""
    rows = []
    if access.settings.problem:
        rows.append(check_result(KEYS, "sshd_config", UNKNOWN, f"{access.settings.problem}.", hint=_AS_ROOT))
    if access.settings.command:
        rows.append(check_result(
            KEYS, "AuthorizedKeysCommand", UNKNOWN,
            f"sshd also asks {access.settings.command} for keys, and what it answers was not looked at.", hint="Look at it by hand.",
        ))  # fmt: skip
    if access.settings.authorities:
        rows.append(check_result(
            KEYS, "TrustedUserCAKeys", UNKNOWN,
            f"sshd also lets in whoever has a certificate that a key of {', '.join(access.settings.authorities[:5])} has signed; who that is"
            " is not known here.", hint="Look at it by hand.",
        ))  # fmt: skip
    opened: dict[str, list[str]] = {}
    for file in access.key_files:
        for key in file.keys:
            opened.setdefault(key.fingerprint, []).append(file.account)
        rows += _file_rows_of(file.path, file.problem, file.writable, file.odd)
        rows += [
            check_result(
                KEYS, f"{file.path}:{key.line}", WARNING, f"The key {key.fingerprint} ({key.comment}) of {file.account}: {key.weakness}.",
                value=key.bits, unit="bits", hint="Let its owner make a new one: ssh-keygen -t ed25519",
            )
            for key in file.keys if key.weakness
        ]
    for fingerprint, accounts in opened.items():
        if len(accounts) > 1:
            once = list(dict.fromkeys(accounts))
            where = f"opens {len(once)} accounts" if len(once) > 1 else f"stands {len(accounts)} times in the keys of one account"
            rows.append(check_result(
                KEYS, fingerprint, WARNING, f"The key {fingerprint} {where}: {', '.join(once[:10])}.", value=len(accounts), unit="count",
                hint="Give each account a key of its own.",
            ))  # fmt: skip
    return rows


def _file_rows_of(path: str, problem: str, writable: str, odd: Sequence[int]) -> list[dict[str, Any]]:
    if problem:
        return [check_result(KEYS, path, UNKNOWN, f"{path} {problem}.", hint=_AS_ROOT)]
    if writable:
        hint = "Give it back to its owner with mode 0600, its folders with 0700; then look at the keys."
        return [check_result(KEYS, path, CRITICAL, f"Others may add keys to {path}: {writable}.", hint=hint)]
    if odd:
        return [check_result(
            KEYS, path, WARNING, f"{path} has {len(odd)} lines that hold no key, such as line {odd[0]}.", value=len(odd), unit="count",
        )]  # fmt: skip
    return [check_result(KEYS, path, OK, f"{path} is in order.")]


def unused_rows(access: Access, *, now: datetime, unused_days: float) -> list[dict[str, Any]]:
    """Return a row for each account that lets somebody in and was not used for so long."""
    if not unused_days:
        return []
    rows = [check_result(UNUSED, path, UNKNOWN, f"{path} {reason}.", hint=_AS_ROOT) for path, reason in access.unseen_logins]
    since = access.recorded_since
    with_keys = {file.account for file in access.key_files if file.keys}
    usable = [
        account for account in access.accounts
        if account.uid != 0 and account.has_shell and not account.is_expired(now)
        and (account.password in (SET, EMPTY) or account.name in with_keys)
    ]
    reach_days = None if since is None else (now.timestamp() - since) / 86_400 if since else 0.0
    blind = []
    for account in usable:
        moment = access.last_used.get(account.name)
        if moment is None and reach_days is not None and reach_days < unused_days:
            blind.append(account.name)
            continue
        days = None if moment is None else (now.timestamp() - moment) / 86_400
        if days is None and account.password_changed is not None and (now - account.password_changed).days < unused_days:
            rows.append(check_result(UNUSED, account.name, OK, f"{account.name} got its password lately and was not used yet."))
            continue
        if days is not None and days < unused_days:
            rows.append(check_result(UNUSED, account.name, OK, f"{account.name} was used {max(days, 0):.0f} days ago."))
            continue
        said = "never, as far as the records reach" if days is None else f"{days:.0f} days ago"
        rows.append(check_result(
            UNUSED, account.name, WARNING, f"{account.name} was last used {said} (warning from {unused_days:g} days).",
            value=None if days is None else round(days, 1), unit="days", warning=unused_days, hint=f"Close it: usermod -e 1 {account.name}",
        ))  # fmt: skip
    if blind:
        reach = f"reach back {reach_days:.0f} days only" if since else "are not kept on this host"
        rows.append(check_result(
            UNUSED, "records of logins", UNKNOWN,
            f"Nobody can tell whether {len(blind)} accounts ({plain(', '.join(blind), 200)}) are used: records of logins {reach}.",
            value=len(blind), unit="count", hint="Keep them longer (logrotate of wtmp), or install libpam-lastlog2 or libpam-wtmpdb.",
        ))  # fmt: skip
    return rows
