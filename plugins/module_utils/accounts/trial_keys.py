# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One key that is put into an account for a trial and taken away again, with every other byte of the file left as it is.

Its line comes before all others, so that taking it away gives back what was there, a missing newline at the end included. It is
known again by its form alone: a run that was killed leaves nothing else that would have to be remembered.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Optional

from ansible_collections.upkeep.runbook.plugins.module_utils.accounts.authorized_keys import (
    Unsafe,
    as_unsafe,
    open_folder,
    places,
    read_key_file,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.accounts.contained import check_name, read_contained
from ansible_collections.upkeep.runbook.plugins.module_utils.accounts.local_accounts import Account, read_account
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import CONTAINMENT_LOCK_FILE, LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

_PUBLIC = re.compile(r"ssh-ed25519 [A-Za-z0-9+/]{68}")
#: A file that was made for the line goes with it, when nobody else has put anything there.
_NAME, _MADE = "upkeep-trial-key", "upkeep-trial-key-and-file"
_LINE = re.compile(
    rb'restrict,command="true",expiry-time="[0-9]{12}" ssh-ed25519 [A-Za-z0-9+/]{68} (?P<name>upkeep-trial-key(?:-and-file)?)\n'
)

Row = dict[str, Any]


@dataclass(frozen=True)
class Found:
    """A file of keys as it is.

    :ivar content: None when there is none.
    """

    content: Optional[bytes]
    status: Optional[os.stat_result]


def trial_key(params: Mapping[str, Any], *, now: datetime, check_mode: bool) -> Row:
    """Do what the options ask for and return what the module returns.

    :raises UpkeepError: when an option is wrong, or the account must not be touched, or its file of keys cannot be.
    """
    refuse_out_of_range(params, {"valid_seconds": (60, 3600), "lock_wait_seconds": (0, 86_400)})
    account = read_account(check_name(params["user"]))
    adds = params["state"] == "present"
    public = " ".join((params["public_key"] or "").split()[:2])
    if adds and not check_mode and not _PUBLIC.fullmatch(public):
        raise UpkeepError("public_key: give an ed25519 key as ssh-keygen writes it (ssh-ed25519 AAAA…).")
    state = Path(params["state_directory"])
    if adds:
        _refuse(account, state)
    until = now.astimezone() + timedelta(seconds=params["valid_seconds"] + 60)  # sshd reads minutes, in the time zone of the host
    if check_mode:
        return _act(params, account, public, until, check_mode=True)
    with exclusive_lock(state / CONTAINMENT_LOCK_FILE, LockOwner(params["run_id"] or "-", "trial_key", to_iso(now)),
                        wait_seconds=params["lock_wait_seconds"]):
        return _act(params, account, public, until, check_mode=False)


def _refuse(account: Account, state: Path) -> None:
    if account.uid == 0:
        raise UpkeepError(f"{account.name} is root; name an account that may do as little as possible.")
    if read_contained(state, account.name) is not None:
        raise UpkeepError(f"{account.name} is contained (account_containment); no key is put there.")


def _act(params: Mapping[str, Any], account: Account, public: str, until: datetime, *, check_mode: bool) -> Row:
    path = places([params["key_file"]], account.name, account.uid, account.home)[0]
    try:
        found = _read(path, account)
        rest, made = without_trial_keys(found.content or b"")
        if params["state"] == "present":
            made = made or found.content is None
            wanted: Optional[bytes] = trial_line(public, until, made=made) + rest if not check_mode else found.content
        else:
            wanted = None if found.content is None or (made and not rest) else rest
        if not check_mode and wanted != found.content:
            _change(path, account, found, wanted)
    except Unsafe as exc:
        raise UpkeepError(f"{account.name}: {exc}.") from exc
    changed = True if params["state"] == "present" else wanted != found.content
    return {"changed": changed, "key_file": plain(path, 300), "leftover": rest != (found.content or b"")}


def trial_line(public: str, until: datetime, *, made: bool) -> bytes:
    """Return the line of a key that may do nothing, and nothing at all from a moment on.

    :param until: in the time zone of the host.
    :param made: its file is made for it.
    """
    return f'restrict,command="true",expiry-time="{until:%Y%m%d%H%M}" {public} {_MADE if made else _NAME}\n'.encode()


def without_trial_keys(content: bytes) -> tuple[bytes, bool]:
    """Return a file of keys without the lines of this module, and whether one of them says that the file was made for it."""
    kept, made = [], False
    for line in re.findall(rb"[^\n]*\n|[^\n]+\Z", content):
        match = _LINE.fullmatch(line)
        if match is None:
            kept.append(line)
        else:
            made = made or match["name"] == _MADE.encode()
    return b"".join(kept), made


def _read(path: str, account: Account) -> Found:
    try:
        with open_folder(path, account.home):
            pass
    except FileNotFoundError as exc:
        raise UpkeepError(f"{account.name} has no folder for {plain(path, 300)}, where sshd would look for keys; make it first.") from exc
    except OSError as exc:
        raise as_unsafe(path, exc) from exc
    found = read_key_file(path, account.home)
    if found is None:
        return Found(None, None)
    if found[1].st_nlink > 1:
        raise Unsafe(f"{plain(path, 300)} has several names, which would be torn apart")
    return Found(*found)


def _change(path: str, account: Account, found: Found, wanted: Optional[bytes]) -> None:
    """Exchange a file of keys as a whole, with its owner, rights and further attributes; killed at any moment, one of both is there."""
    try:
        with open_folder(path, account.home) as (folder, name):
            _remove_leftovers(folder)
            if wanted is None:
                _refuse_changed(path, account, found)
                os.unlink(name, dir_fd=folder)
            else:
                temporary = f".upkeep-trial-{secrets.token_hex(8)}.new"
                try:
                    _write(folder, temporary, name, wanted, account, found)
                    _refuse_changed(path, account, found)
                    os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
                except BaseException:
                    _unlink(folder, temporary)
                    raise
            os.fsync(folder)
    except OSError as exc:
        raise as_unsafe(path, exc) from exc


def _write(folder: int, temporary: str, name: str, content: bytes, account: Account, found: Found) -> None:
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    with open(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        status = found.status
        if status is None:
            os.fchown(descriptor, account.uid, os.fstat(folder).st_gid)
        else:
            old = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
            try:
                for attribute in os.listxattr(old):
                    os.setxattr(descriptor, attribute, os.getxattr(old, attribute))
            finally:
                os.close(old)
            os.fchown(descriptor, status.st_uid, status.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
        os.fsync(descriptor)


def _refuse_changed(path: str, account: Account, found: Found) -> None:
    now = read_key_file(path, account.home)
    if (None if now is None else now[0]) != found.content:
        raise Unsafe(f"{plain(path, 300)} was changed just now by somebody else; run it again")


def _remove_leftovers(folder: int) -> None:
    """Remove what a run left that was killed while it wrote; another one that writes now is kept away by the lock."""
    for name in os.listdir(folder):
        if re.fullmatch(r"\.upkeep-trial-[0-9a-f]{16}\.new", name):
            _unlink(folder, name)


def _unlink(folder: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except OSError:
        pass  # it was exchanged, or never made
