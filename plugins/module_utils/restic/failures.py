# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a failure of restic means, in words and with the next step. Versions before 0.17 only say it in a text."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

WRONG_PASSWORD, NO_REPOSITORY, LOCKED, UNREACHABLE = "wrong_password", "no_repository", "locked", "unreachable"
REFUSED, NO_SPACE, NO_RIGHT, DAMAGED = "refused", "no_space", "no_right", "damaged"
NO_PROGRAM, TIMED_OUT, NO_PASSWORD, OTHER = "no_program", "timed_out", "no_password", "other"

_CODES = {10: NO_REPOSITORY, 11: LOCKED, 12: WRONG_PASSWORD}

#: The first that fits counts: a repository that cannot be reached is "not found" in restic's last line, too.
_SAID: tuple[tuple[str, str], ...] = (
    (WRONG_PASSWORD, r"wrong password or no key found"),
    (NO_PASSWORD, r"resolving password failed|empty password|unable to open password|reading password"),
    (LOCKED, r"repository is already locked"),
    (REFUSED, r"permission denied \(|host key verification failed|http response \(?40[13]|\b40[13] (unauthorized|forbidden)"
              r"|access ?denied|access key id|signaturedoesnotmatch|signature we calculated"),
    (UNREACHABLE, r"connection (refused|reset|timed out|closed)|no such host|could not resolve|i/o timeout|network is unreachable"
                  r"|no route to host|unable to start the sftp session|ssh command exited|tls: |x509: |deadline exceeded"
                  r"|operation timed out|broken pipe|http response \(?5[0-9][0-9]|transport endpoint is not connected|stale file handle"),
    (NO_SPACE, r"no space left on device|disk quota exceeded|http response \(?507"),
    # Nothing else that keeps the file from being opened may look as if a repository could be made there.
    (NO_REPOSITORY, r"repository does not exist|unable to open config file: .*(no such file|not exist|not found|nosuch|\b404\b)"),
    (NO_RIGHT, r"permission denied|read-only file system|operation not permitted"),
    (DAMAGED, r"ciphertext verification failed|pack id does not match|repository contains errors|invalid data returned"
              r"|does not match|not found in (the )?index|unexpected eof"),
)

_TEXTS: dict[str, tuple[str, str]] = {
    WRONG_PASSWORD: (
        "the password is wrong: no key of the repository fits it",
        "Compare password or password_file with where the password is kept; without it nothing in the repository can be read.",
    ),
    NO_PASSWORD: ("the password cannot be read", "Look at password_file: it must exist, hold the password, and be readable."),
    NO_REPOSITORY: (
        "there is no repository",
        "Look whether its file system is mounted and the address is right. A new one is made by restic_backup with init: true.",
    ),
    LOCKED: ("it is locked", "Wait until that process has ended."),
    UNREACHABLE: ("it cannot be reached", "Look at the network, the name and the port, and whether the server runs."),
    REFUSED: ("the server refuses access", "Look at the keys of ssh and its known hosts, or at the credentials in environment."),
    NO_SPACE: ("there is no room left", "Make room where the repository is, or forget snapshots with prune."),
    NO_RIGHT: ("the rights do not suffice", "Run with become, or correct owner and mode of the repository."),
    DAMAGED: (
        "what it holds is damaged",
        "Do not forget or prune anything. Look at the disk, then follow restic's page on damaged repositories, and back up to another"
        " place until then.",
    ),
    OTHER: ("restic failed", "Read its own words above."),
}


class ResticFailure(UpkeepError):
    """restic could not do what it was asked for.

    :ivar kind: one of the words above.
    :ivar sentence: what is wrong, without the next step.
    :ivar hint: the next step.
    :ivar lines: what restic wrote, bounded and masked.
    """

    def __init__(self, kind: str, message: str, hint: str, lines: Sequence[str] = ()) -> None:
        super().__init__(f"{message} {hint}".strip())
        self.kind = kind
        self.lines = tuple(lines)
        self.sentence = message
        self.hint = hint


def kind_of(returncode: int | None, errors: Sequence[str]) -> str:
    """Return what a failure is about, from the exit status and the lines that restic wrote."""
    if returncode in _CODES:
        return _CODES[returncode]
    text = "\n".join(errors).lower()
    return next((kind for kind, pattern in _SAID if re.search(pattern, text)), OTHER)


def failure(subject: str, returncode: int | None, errors: Sequence[str], detail: str = "") -> ResticFailure:
    """Return a failure in words.

    :param subject: the repository, masked.
    :param errors: lines of restic, masked.
    :param detail: what else is known, such as who holds the lock.
    """
    kind = kind_of(returncode, errors)
    text, hint = _TEXTS[kind]
    words = own_words(errors)
    said = f" (restic: {words})" if words and kind not in (WRONG_PASSWORD, LOCKED) else ""
    ended = f" with exit status {returncode}" if kind == OTHER and not words else ""
    return ResticFailure(kind, f"{subject}: {text}{ended}{f': {detail}' if detail else ''}{said}.", hint, errors)


def own_words(errors: Sequence[str]) -> str:
    """Return the line that says most: the first fatal one, else the first; JSON of newer versions is unpacked."""
    lines = [_unpacked(line) for line in errors]
    lines = [line for line in lines if line]
    fatal = next((line for line in lines if "Fatal:" in line), lines[0] if lines else "")
    return plain(fatal.replace("Fatal: ", "", 1), 300).rstrip(".")


def _unpacked(line: str) -> str:
    if not line.startswith("{"):
        return line
    try:
        record = json.loads(line)
    except ValueError:
        return line
    error = record.get("error")
    message = record.get("message") or (error.get("message") if isinstance(error, dict) else "")
    return str(message or "")
