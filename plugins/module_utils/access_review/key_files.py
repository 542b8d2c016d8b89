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
#: So many lines are a file of keys; each key is a row of the answer.
MAX_LINES = 10_000
_MAX_INCLUDES = 100
_WILDCARD = re.compile(r"[*?[]")


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
    """What sshd is told about keys: where they are, and what else lets somebody in.

    :ivar command: a program that tells more keys, or ''.
    :ivar authorities: files of keys by which certificates of users are signed.
    """

    patterns: tuple[str, ...] = USUAL
    command: str = ""
    authorities: list[str] = field(default_factory=list)
    problem: str = ""


def read_settings(host: Host) -> KeySettings:
    """Return where sshd looks for keys: every value that is set anywhere, and the usual places unless a value holds for everybody."""
    found = KeySettings()
    patterns: list[str] = []
    for_everybody = False
    waiting: list[tuple[str, bool]] = [(SSHD, False)]  # and whether a Match block includes it
    seen: set[tuple[str, bool]] = set()
    while waiting:
        path, matched = waiting.pop(0)
        if (path, matched) in seen:
            continue
        if len(seen) >= _MAX_INCLUDES:
            found.problem = f"{SSHD} includes more than {_MAX_INCLUDES} files, which were not all looked at"
            break
        seen.add((path, matched))
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
            name, values = words[0].lower(), [word.strip('"') for word in words[1].split()]
            given = [value for value in values if value and value.lower() != "none"]
            if name == "match":
                matched = [value.lower() for value in values] != ["all"]
            elif name == "authorizedkeysfile":
                patterns += given
                for_everybody = for_everybody or not matched
            elif name == "authorizedkeyscommand" and given:
                found.command = given[0]
            elif name == "trustedusercakeys":
                found.authorities += given
            elif name == "include":
                waiting += [(place, matched) for pattern in given for place in _expand(host, pattern, found)]
    found.patterns = tuple(dict.fromkeys(patterns if for_everybody else [*USUAL, *patterns]))
    return found


def _expand(host: Host, pattern: str, settings: KeySettings) -> list[str]:
    path = pattern if pattern.startswith("/") else posixpath.join("/etc/ssh", pattern)
    folder, name = posixpath.split(path)
    if _WILDCARD.search(folder):
        settings.problem = f"{SSHD} includes {pattern}, and wildcards of folders were not looked at"
        return []
    try:
        return [posixpath.join(folder, found) for found in host.names(folder) if fnmatch.fnmatchcase(found, name)]
    except Absent:
        return []
    except Unseen as exc:
        settings.problem = f"{folder} {exc}"
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
            if data.count(b"\n") > MAX_LINES:
                file.problem = f"has more than {MAX_LINES} lines, and was not looked at"
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
    """Return which folder on the way to the file lets others exchange it, or ''; what is above the home is not looked at."""
    home = posixpath.normpath(account.home)
    folder = posixpath.dirname(path)
    while folder != "/":
        rights = host.rights(folder)
        if rights is not None and (rights.others_may_write or rights.owner not in (0, account.uid)):
            return f"its folder {folder} belongs to user {rights.owner} and has mode {rights.mode:04o}"
        if folder == home:
            break
        folder = posixpath.dirname(folder)
    return ""
