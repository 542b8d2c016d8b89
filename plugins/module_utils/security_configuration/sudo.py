# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What sudoers allows by the way: settings that weaken it, and commands that stand for more than they name.

Who has which right, whether the files are valid and who may write them is told by ``access_review``, whose reader is used here.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Iterator
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.host import Host
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.sudoers import Right, Sudoers, read_sudoers
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, WARNING
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.programs import AS_ROOT
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.rules import (
    Finding,
    Rule,
    found,
    in_order,
    unseen,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_VISUDO = "Mend it with visudo -f {0}"
ENVIRONMENT = Rule(
    "sudoers.environment", CRITICAL, "whoever runs a command as root brings code of their own along", "Take it out of env_keep (visudo), and keep env_reset.",
)
PASSWORD = Rule("sudoers.password", WARNING, "sudo does not ask who sits there", "Take it away (visudo), or name the commands that need none.")
PATH = Rule(
    "sudoers.path", WARNING, "a program of the same name in a folder of the user may run instead",
    "Set Defaults secure_path=\"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\" (visudo).",
)
WRITABLE = Rule(
    "sudoers.writable_command", CRITICAL, "who writes it runs what they like with the rights of sudo", "chown root:root and chmod go-w it and its folders.",
)
WILDCARD = Rule(
    "sudoers.wildcard", WARNING, "it stands for spaces, slashes and further arguments too", "Name each command with its arguments (visudo).",
)
EXCEPT = Rule(
    "sudoers.except", WARNING, "a copy of the command, or a shell, gets around it", "Name what is allowed instead of what is not (visudo).",
)
RULES = (ENVIRONMENT, PASSWORD, PATH, WRITABLE, WILDCARD, EXCEPT)

_DANGEROUS = re.compile(
    r"(?:LD_\w*|PYTHON(?:PATH|HOME|STARTUP)|PERL5?(?:LIB|OPT|5DB)|RUBY(?:LIB|OPT)|NODE_OPTIONS|NODE_PATH|BASH_ENV|ENV|IFS|SHELLOPTS|PS4|PATH"
    r"|GCONV_PATH|JAVA_TOOL_OPTIONS|EDITOR|VISUAL|PAGER|GIT_\w+|\*)"
)
_KEEP = re.compile(r"\b(?:env_keep|env_check)\s*\+?=\s*(\"[^\"]*\"|\S+)")
_SHOWN_CHARACTERS = 150


def inspect_sudo(host: Host) -> tuple[list[Finding], dict[str, Any]]:
    """Return what is found, and figures; no finding where there is no sudo."""
    sudoers = read_sudoers(host)
    if sudoers is None:
        return [], {"installed": False}
    findings = [unseen("sudoers", path, f"{path} {reason}, so that what it allows is not known.", AS_ROOT) for path, reason in sudoers.unseen]
    if not sudoers.unseen or sudoers.rights or sudoers.defaults:
        findings += judge_defaults(sudoers)
        for right in sudoers.rights:
            findings += judge_right(right, host)
    return list(dict.fromkeys(findings)), {"installed": True, "rights": len(sudoers.rights), "files": len(sudoers.files)}


def judge_defaults(sudoers: Sudoers) -> Iterator[Finding]:
    """Yield what the settings weaken."""
    text = "\n".join(line for _place, line in sudoers.defaults)
    for place, line in sudoers.defaults:
        shown = plain(line, _SHOWN_CHARACTERS)
        kept = [name for match in _KEEP.finditer(line) for name in match[1].strip('"').split()]
        dangerous = [name for name in kept if _DANGEROUS.fullmatch(name.partition("=")[0])]
        if dangerous:
            names = plain(", ".join(dangerous), 150)
            yield found(ENVIRONMENT, f"{place} env_keep", f"{place} keeps {names} of the environment of the user: {ENVIRONMENT.why}.")
        if re.search(r"!\s*env_reset\b", line) or re.search(r"(?<![!\w])setenv\b", line):
            yield found(ENVIRONMENT, f"{place} env_reset", f"{place} ({shown}) lets users choose the environment: {ENVIRONMENT.why}.")
        if re.search(r"!\s*authenticate\b", line):
            yield found(PASSWORD, f"{place} authenticate", f"{place} ({shown}) asks for no password: {PASSWORD.why}.")
        timeout = re.search(r"\btimestamp_timeout\s*=\s*\"?(-?\d+(?:\.\d+)?)", line)
        if timeout and (float(timeout[1]) < 0 or float(timeout[1]) > 60):
            words = "for good" if float(timeout[1]) < 0 else f"for {timeout[1]} minutes"
            yield found(
                PASSWORD, f"{place} timestamp_timeout", f"{place} remembers a password {words}: {PASSWORD.why}.", value=float(timeout[1]), unit="minutes",
            )  # fmt: skip
    if re.search(r"^Defaults\s(?:.*,)?\s*secure_path\s*=", text, re.MULTILINE):
        yield in_order(PATH, "secure_path", "sudo looks for commands in folders of root only.")
    else:
        yield found(PATH, "secure_path", f"sudoers sets no secure_path for everybody: {PATH.why}.")


def judge_right(right: Right, host: Host) -> Iterator[Finding]:
    """Yield what the commands of one right stand for."""
    if right.who in ("root", "#0"):
        return
    commands = [part.strip() for part in re.split(r"(?<!\\),", right.commands)]
    everything = right.everything
    for command in commands:
        shown = plain(command, _SHOWN_CHARACTERS)
        subject = f"{right.place} {shown}"
        if command.startswith("!"):
            if everything:
                text = f"{right.place}: {plain(right.who, 60)} may run everything except {plain(command[1:], 100)}: {EXCEPT.why}."
                yield found(EXCEPT, f"{subject} (except)", text)
            continue
        # A digest may stand before the path (sha256:… /bin/ls).
        path, _space, arguments = re.sub(r"^sha\d+:\S+\s+", "", command).partition(" ")
        if not path.startswith("/"):
            continue
        if re.search(r"(?<!\\)[*?\[]", path) or re.search(r"(?<!\\)\*", arguments) and not arguments.strip().startswith("^"):
            yield found(WILDCARD, f"{subject} (wildcard)", f"{right.place}: {plain(right.who, 60)} may run {shown}, with a wildcard: {WILDCARD.why}.")
        writer = _writer(path.replace("\\", ""), host)
        if writer is not None:
            yield found(WRITABLE, subject, f"{right.place}: {plain(right.who, 60)} may run {shown}, and {writer}: {WRITABLE.why}.")
        else:
            yield in_order(WRITABLE, subject, f"{shown} can be written by root only.")


def _writer(path: str, host: Host) -> str | None:
    """Return who else may exchange the program, in words; None when it is root alone, or the program is not there.

    Wildcards: the folder before the first one counts.
    """
    fixed = re.split(r"[*?\[]", path, maxsplit=1)[0]
    place = path if fixed == path else posixpath.dirname(fixed)
    if fixed == path and not os.path.lexists(host.located(path)):
        place = posixpath.dirname(path.rstrip("/"))
    while True:
        try:
            status = os.stat(host.located(place))
        except (OSError, ValueError):
            status = None
        if status is not None:
            writer = _flaw(status, place)
            if writer:
                return writer
        if place in ("/", ""):
            return None
        place = posixpath.dirname(place.rstrip("/"))


def _flaw(status: os.stat_result, place: str) -> str | None:
    mode = status.st_mode
    sticky = stat.S_ISDIR(mode) and mode & stat.S_ISVTX
    if status.st_uid != 0:
        return f"{place} belongs to user {status.st_uid}"
    if mode & stat.S_IWOTH and not sticky:
        return f"everybody may write {place}"
    if mode & stat.S_IWGRP and status.st_gid != 0 and not sticky:
        return f"group {status.st_gid} may write {place}"
    return None
