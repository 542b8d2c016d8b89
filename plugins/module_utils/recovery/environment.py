# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files with the settings of a service (``.env``): who may read them, and which keys they lack. Values are never shown."""

from __future__ import annotations

import os
import pwd
import re
import stat
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, UNKNOWN, WARNING, check_result, worst, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

CHECK = "environment.file"
MAX_BYTES = 1024 * 1024

_LINE = re.compile(r"^[ \t]*(?:export[ \t]+)?(?P<key>[A-Za-z_][A-Za-z0-9_.]*)[ \t]*=(?P<value>.*)$", re.MULTILINE)
#: What templates and manuals write where a value belongs.
_PLACEHOLDER = re.compile(
    r"^(?:change[-_ ]?me|replace[-_ ]?me|fill[-_ ]?me[-_ ]?in|placeholder|todo|tbd|fixme|x{3,}|\.{3,}|your[-_ ].*|<.*>|\{\{.*\}\})$",
    re.IGNORECASE,
)


def read_keys(content: bytes) -> dict[str, str]:
    """Return the keys and values of a file of settings; the last one of a key counts, quotes are taken off."""
    text = content.decode("utf-8", "replace")
    return {match["key"]: _unquoted(match["value"]) for match in _LINE.finditer(text)}


def _unquoted(value: str) -> str:
    text = value.strip()
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"`":
        return text[1:-1].strip()
    return re.split(r"[ \t]#", text, maxsplit=1)[0].strip() if not text.startswith("#") else ""


def problems_of(keys: Mapping[str, str], required: Sequence[str]) -> tuple[list[str], str]:
    """Return what is wrong, naming keys only, and how bad that is: a placeholder of a key that nobody requires is a warning."""
    placeholders = [key for key in keys if _PLACEHOLDER.match(keys[key])]
    kinds = (
        (CRITICAL, [key for key in required if key not in keys], "lacks"),
        (CRITICAL, [key for key in required if keys.get(key) == ""], "has no value for"),
        (CRITICAL, [key for key in placeholders if key in required], "has a placeholder instead of a value for"),
        (WARNING, [key for key in placeholders if key not in required], "has a placeholder instead of a value for"),
    )
    problems = [f"{words} {_listed(names)}" for _status, names, words in kinds if names]
    return problems, worst([OK, *(status for status, names, _words in kinds if names)])


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(plain(name, 60) for name in names[:10])}{' …' if len(names) > 10 else ''}"


def settle_files(files: Sequence[Mapping[str, Any]], *, check_mode: bool) -> dict[str, Any]:
    """Give each file its rights and look for its keys; return what the module returns.

    :param files: ``path``, ``required_keys``, ``mode`` (octal digits) and ``owner`` (empty: as it is).
    :raises UpkeepError: when an option is wrong, or rights cannot be set.
    """
    checks, changes = [], []
    for item in files:
        try:
            descriptor = os.open(item["path"], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            words = "is missing" if missing else f"cannot be read: {error.strerror}"
            checks.append(_check(item["path"], CRITICAL if missing else UNKNOWN, [words]))
            continue
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                checks.append(_check(item["path"], CRITICAL, ["is no file"]))
                continue
            changed = _set_rights(stream.fileno(), item, check_mode=check_mode)
            changes += [{"path": plain(item["path"]), "changed": changed}] if changed else []
            content = stream.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            checks.append(_check(item["path"], UNKNOWN, [f"has more than {MAX_BYTES} bytes, as no file of settings has"]))
            continue
        problems, status = problems_of(read_keys(content), item["required_keys"])
        checks.append(_check(item["path"], status, problems, len(item["required_keys"])))
    return {"changed": bool(changes), "files": changes, "checks": checks, "status": worst_of(checks) if checks else OK}


def _set_rights(descriptor: int, item: Mapping[str, Any], *, check_mode: bool) -> list[str]:
    """Set mode and owner on the open file, so that nothing else can take its place; return what changes."""
    status = os.fstat(descriptor)
    mode, owner = _mode(item), _owner(item)
    changed = []
    try:
        if owner not in (None, status.st_uid):
            changed.append("owner")
            if not check_mode:
                os.fchown(descriptor, int(owner or 0), -1)
        if mode != stat.S_IMODE(status.st_mode):
            changed.append("mode")
            if not check_mode:
                os.fchmod(descriptor, mode)
    except OSError as error:
        raise UpkeepError(f"cannot set the rights of {item['path']}: {error.strerror}") from error
    return changed


def _mode(item: Mapping[str, Any]) -> int:
    text = str(item["mode"] or "0600")
    if not re.fullmatch(r"0?[0-7]{3}", text):
        raise UpkeepError(f"{item['path']}: mode {plain(text, 20)!r} is not three octal digits")
    return int(text, 8)


def _owner(item: Mapping[str, Any]) -> int | None:
    if not item["owner"]:
        return None
    try:
        return pwd.getpwnam(item["owner"]).pw_uid
    except KeyError:
        raise UpkeepError(f"{item['path']}: this host has no user {plain(item['owner'], 60)}") from None


def _check(path: str, status: str, problems: Sequence[str], required: int = 0) -> dict[str, Any]:
    if not problems:
        return check_result(CHECK, path, OK, f"{path} has its {required} required keys, and no placeholders.", value=0, unit="count")
    return check_result(
        CHECK, path, status, f"{path} {'; it '.join(problems)}.", value=len(problems), unit="count",
        hint="Write the values into it; they are shown nowhere.",
    )
