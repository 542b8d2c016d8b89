# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may read or exchange files that hold secrets. Modes and owners are looked at, and no file is opened."""

from __future__ import annotations

import errno
import glob
import grp
import itertools
import os
import posixpath
import pwd
import stat
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, WARNING
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.programs import AS_ROOT
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.rules import (
    Finding,
    Rule,
    found,
    in_order,
    unseen,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_MODE_HINT = "Take the rights away: chmod o=,g= <file>; then exchange the secret, since it may have been read."
OTHERS = Rule("secrets.others", CRITICAL, "every program on the host can read or change it", _MODE_HINT)
GROUP = Rule("secrets.group", WARNING, "others than its owner can read or change it", "chmod g= <file>, or name the group that is meant.")
OWNER = Rule("secrets.owner", WARNING, "its owner can read and exchange it", "chown it to the user who needs it.")
FOLDER = Rule("secrets.folder", CRITICAL, "who may write there can exchange the file", "chmod go-w <folder>; then look at what is in the file.")
KIND = Rule("secrets.kind", WARNING, "a program that reads it may wait for ever, or act", "See who made it: ls -l <file>")
RULES = (OTHERS, GROUP, OWNER, FOLDER, KIND)

MAX_FILES = 10_000
_ACL = "system.posix_acl_access"
_WILDCARDS = frozenset("*?[")

#: What every host may have; that it has none of it is no trouble.
USUAL: tuple[dict[str, Any], ...] = (
    {"path": "/etc/shadow", "owner": "root", "group": "shadow", "optional": True},
    {"path": "/etc/gshadow", "owner": "root", "group": "shadow", "optional": True},
    {"path": "/etc/ssh/ssh_host_*_key", "owner": "root", "group": "ssh_keys", "optional": True},
    {"path": "/etc/ssl/private/*", "group": "ssl-cert", "optional": True},
    {"path": "/etc/letsencrypt/archive/*/privkey*.pem", "optional": True},
    {"path": "/root/.ssh/id_*", "owner": "root", "optional": True},
    {"path": "/root/.pgpass", "owner": "root", "optional": True},
    {"path": "/root/.my.cnf", "owner": "root", "optional": True},
)
_EXCLUDED = ("*.pub",)


class Secret(NamedTuple):
    """Files that hold secrets.

    :ivar pattern: absolute path, wildcards allowed.
    :ivar owner: who may own them beside root; nothing for anybody.
    :ivar group: whose members may read them.
    :ivar optional: that there is none is no trouble.
    """

    pattern: str
    owner: str = ""
    group: str = ""
    optional: bool = False


def read_secrets(given: Sequence[Mapping[str, Any]], *, usual: bool) -> tuple[Secret, ...]:
    """Return what to look at.

    :param usual: look at what every host may have, too.
    :raises UpkeepError: naming the entry whose path is not absolute.
    """
    secrets = []
    for index, item in enumerate(given):
        path = item["path"]
        if not path.startswith("/") or "\0" in path:
            raise UpkeepError(f"secrets[{index}].path: {plain(path, 100)!r} is not accepted; give an absolute path, wildcards allowed")
        secrets.append(Secret(path, item.get("owner") or "", item.get("group") or "", bool(item.get("optional"))))
    named = {secret.pattern for secret in secrets}
    if usual:
        secrets += [Secret(**{"pattern" if key == "path" else key: value for key, value in item.items()}) for item in USUAL if item["path"] not in named]
    return tuple(secrets)


def inspect_secrets(secrets: Sequence[Secret], exclude: Sequence[str]) -> tuple[list[Finding], dict[str, Any]]:
    """Return what is found, and figures. A file that several entries name is judged by the first."""
    findings: list[Finding] = []
    seen: set[str] = set()
    for secret in secrets:
        paths, problem = _matches(secret.pattern)
        if problem and not (secret.optional and problem == "matches nothing"):
            findings.append(unseen("secrets", secret.pattern, f"{secret.pattern} {problem}.", AS_ROOT if "listed" in problem else "Correct the path."))
        for path in paths:
            name = posixpath.basename(path)
            if path not in seen and not any(fnmatchcase(name, pattern) for pattern in (*exclude, *_EXCLUDED)):
                seen.add(path)
                findings += judge_file(path, secret)
    return findings, {"files": len(seen)}


def _matches(pattern: str) -> tuple[list[str], str]:
    """Return the paths, and what is wrong; files without a name that anybody chose (``.`` names) match as glob says."""
    if _WILDCARDS.isdisjoint(pattern):
        paths = [pattern] if os.path.lexists(pattern) else []
    else:
        paths = sorted(itertools.islice(glob.iglob(pattern), MAX_FILES + 1))
    if len(paths) > MAX_FILES:
        return paths[:MAX_FILES], f"names more than {MAX_FILES} files"
    if paths:
        return paths, ""
    fixed = list(itertools.takewhile(_WILDCARDS.isdisjoint, pattern.split("/")[:-1]))
    try:
        os.scandir("/".join(fixed) or "/").close()
    except PermissionError:
        return [], f"could not be looked for: {'/'.join(fixed)} cannot be listed"
    except OSError:
        pass
    return [], "matches nothing"


def judge_file(path: str, secret: Secret) -> list[Finding]:
    """Return the findings about one file; a link is followed, since whoever uses it follows it too."""
    try:
        status = os.stat(path)
    except OSError as exc:
        if exc.errno in (errno.ENOENT, errno.ELOOP) and os.path.islink(path):
            return [unseen("secrets", path, f"{path} is a link that leads nowhere.", "Mend or remove the link.")]
        return [] if exc.errno == errno.ENOENT else [unseen("secrets", path, f"{path} could not be looked at ({exc.strerror}).", AS_ROOT)]
    except ValueError as exc:
        return [unseen("secrets", path, f"{path} is no path ({exc}).")]
    if stat.S_ISDIR(status.st_mode):
        return []
    if not stat.S_ISREG(status.st_mode):
        return [found(KIND, path, f"{path} is no regular file, where a file with secrets is expected: {KIND.why}.")]
    mode = stat.S_IMODE(status.st_mode)
    shown = f"mode {mode:04o}, owner {_user(status.st_uid)}, group {_group(status.st_gid)}"
    broken = list(_broken(path, secret, status, mode, shown))
    return broken or [in_order(OTHERS, path, f"{path} is private ({shown}).", value=f"{mode:04o}")]


def _broken(path: str, secret: Secret, status: os.stat_result, mode: int, shown: str) -> list[Finding]:
    findings = []

    def broken(rule: Rule, what: str, subject: str = path) -> None:
        hint = rule.hint.replace("<file>", path).replace("<folder>", subject)
        findings.append(found(rule, subject, f"{path} {what} ({shown}): {rule.why}.", hint=hint, value=f"{mode:04o}"))

    if mode & stat.S_IRWXO & ~stat.S_IXOTH:
        broken(OTHERS, f"may be {_rights(mode)} by everybody")
    elif mode & stat.S_IRWXG & ~stat.S_IXGRP and not _group_is_harmless(status, mode, secret):
        broken(GROUP, f"may be {_rights(mode >> 3)} by its group")
    elif secret.group and _has_list(path):
        broken(GROUP, "has an access control list that lets further users in")
    if secret.owner and _user(status.st_uid) not in (secret.owner, "root"):
        broken(OWNER, f"belongs to {_user(status.st_uid)} and not to {secret.owner}", f"{path} (owner)")
    folder = _writable_folder(path, status.st_uid)
    if folder:
        broken(FOLDER, f"lies in {folder[0]}, which {folder[1]} may write", folder[0])
    return findings


def _rights(bits: int) -> str:
    return "read and changed" if bits & 6 == 6 else "changed" if bits & 2 else "read"


def _group_is_harmless(status: os.stat_result, mode: int, secret: Secret) -> bool:
    """Tell whether the rights of the group reach nobody but those who are meant."""
    if secret.group and _group(status.st_gid) == secret.group and not mode & stat.S_IWGRP:
        return True
    return status.st_gid == 0 or _members(status.st_gid) <= {_user(status.st_uid), "root"}


def _members(gid: int) -> set[str]:
    names = {account.pw_name for account in pwd.getpwall() if account.pw_gid == gid}
    try:
        group = grp.getgrgid(gid)
    except KeyError:
        return names or {f"group {gid}"}
    return names | set(group.gr_mem)


def _has_list(path: str) -> bool:
    try:
        return _ACL in os.listxattr(path)
    except OSError:
        return False


def _writable_folder(path: str, owner: int) -> tuple[str, str] | None:
    """Return the first folder on the way to the file in which others may exchange it, and who."""
    for real in dict.fromkeys((posixpath.normpath(path), os.path.realpath(path))):
        folder = posixpath.dirname(real)
        while True:
            try:
                status = os.stat(folder)
            except OSError:
                break
            sticky = status.st_mode & stat.S_ISVTX
            if status.st_mode & stat.S_IWOTH and not sticky:
                return folder, "everybody"
            if status.st_mode & stat.S_IWGRP and not sticky and not _members(status.st_gid) <= {_user(owner), "root"} and status.st_gid != 0:
                return folder, f"the group {_group(status.st_gid)}"
            if status.st_uid not in (0, owner):
                return folder, f"the user {_user(status.st_uid)}"
            if folder == "/":
                break
            folder = posixpath.dirname(folder)
    return None


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
