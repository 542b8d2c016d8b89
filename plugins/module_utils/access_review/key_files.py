# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files in which sshd looks for the keys of each account, and whether only their owner may write them."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.accounts import Account
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.authorized_keys import Key, read_keys
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.host import Absent, Host, Unseen
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode

SSHD = "/etc/ssh/sshd_config"
USUAL = (".ssh/authorized_keys", ".ssh/authorized_keys2")
_MAX_INCLUDES = 100


@dataclass
class KeyFile:
    """The keys of one file.

    :ivar odd: numbers of lines that hold no key.
    :ivar problem: why it could not be read; completes "<path> …".
    :ivar writable: who else may write it, in words; '' when nobody may.
    """

    path: str
    account: str
    keys: list[Key] = field(default_factory=list)
    odd: list[int] = field(default_factory=list)
    problem: str = ""
    writable: str = ""


@dataclass
class KeySettings:
    """What sshd is told about keys: where they are, and whether a program tells more of them."""

    patterns: tuple[str, ...] = USUAL
    command: str = ""
    problem: str = ""


def read_settings(host: Host) -> KeySettings:
    """Return where sshd looks for keys; every value that is set anywhere counts, since those in Match blocks add places."""
    found = KeySettings()
    patterns: list[str] = []
    waiting: list[str] = [SSHD]
    seen: set[str] = set()
    while waiting and len(seen) < _MAX_INCLUDES:
        path = waiting.pop(0)
        if path in seen:
            continue
        seen.add(path)
        try:
            text = decode(host.read(path)[0])
        except Absent:
            continue
        except Unseen as exc:
            found.problem = f"{path} {exc}"
            continue
        for line in text.split("\n"):
            words = re.split(r"[\s=]+", line.strip(), maxsplit=1)
            if len(words) < 2 or words[0].startswith("#"):
                continue
            name, value = words[0].lower(), words[1].strip().strip('"')
            if name == "authorizedkeysfile":
                patterns += value.split()
            elif name == "authorizedkeyscommand" and value.lower() != "none":
                found.command = value.split()[0]
            elif name == "include":
                waiting += [place for pattern in value.split() for place in _expand(host, pattern)]
    if patterns:
        found.patterns = tuple(dict.fromkeys(pattern for pattern in patterns if pattern.lower() != "none"))
    return found


def _expand(host: Host, pattern: str) -> list[str]:
    path = pattern if pattern.startswith("/") else posixpath.join("/etc/ssh", pattern)
    folder, name = posixpath.split(path)
    try:
        return [posixpath.join(folder, found) for found in host.names(folder) if fnmatch.fnmatchcase(found, name)]
    except (Absent, Unseen):
        return []


def read_key_files(host: Host, accounts: Sequence[Account], settings: KeySettings) -> list[KeyFile]:
    """Return the files of keys that are there, of all accounts."""
    files = []
    for account in accounts:
        for path in _places(account, settings.patterns):
            file = KeyFile(path, account.name)
            try:
                data, rights = host.read(path)
            except Absent:
                continue
            except Unseen as exc:
                file.problem = str(exc)
                files.append(file)
                continue
            file.keys, file.odd = read_keys(data)
            if rights.others_may_write or rights.owner not in (0, account.uid):
                file.writable = f"it belongs to user {rights.owner} and has mode {rights.mode:04o}"
            else:
                file.writable = _writable_folder(host, path, account)
            files.append(file)
    return files


def _places(account: Account, patterns: Sequence[str]) -> list[str]:
    tokens = {"%%": "%", "%h": account.home, "%u": account.name, "%U": str(account.uid)}
    found = []
    for pattern in patterns:
        path = re.sub(r"%[%huU]", lambda match: tokens[match[0]], pattern)
        if not path.startswith("/"):
            if not account.home.startswith("/"):
                continue
            path = posixpath.join(account.home, path)
        found.append(posixpath.normpath(path))
    return list(dict.fromkeys(found))


def _writable_folder(host: Host, path: str, account: Account) -> str:
    """Return which folder on the way from the home lets others exchange the file, or ''."""
    home = posixpath.normpath(account.home)
    folder = posixpath.dirname(path)
    while folder.startswith(home) and folder != "/":
        rights = host.rights(folder)
        if rights is not None and (rights.others_may_write or rights.owner not in (0, account.uid)):
            return f"its folder {folder} belongs to user {rights.owner} and has mode {rights.mode:04o}"
        folder = posixpath.dirname(folder)
    return ""
