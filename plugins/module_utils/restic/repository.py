# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which repository is meant, and how it is opened: read from the options that all modules of restic share."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: Backends that restic knows by a word before a colon. Anything else would be the name of a folder.
_SCHEMES = ("sftp", "rest", "s3", "b2", "azure", "gs", "swift", "rclone", "local")
_MASK = "***"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPTION = re.compile(r"[a-z0-9]+\.[a-z0-9-]+")
_RANGES = {"timeout_seconds": (1, 604_800), "lock_wait_seconds": (0, 86_400)}

#: Options of the modules, beside those that are their own.
OPTIONS: dict[str, dict[str, Any]] = {
    "repository": {"type": "str", "required": True},
    "password_file": {"type": "path", "no_log": False},
    "password": {"type": "str", "no_log": True},
    "environment": {"type": "dict", "default": {}, "no_log": True},
    "extended_options": {"type": "dict", "default": {}},
    "program": {"type": "path", "default": "restic"},
    "host": {"type": "str"},
    "label": {"type": "str", "required": True},
    "unlock": {"type": "bool", "default": False},
    "timeout_seconds": {"type": "float", "default": 21600.0},
    "state_directory": {"type": "path", "default": "/var/lib/upkeep"},
    "lock_wait_seconds": {"type": "float", "default": 0.0},
}


@dataclass(frozen=True)
class Repository:
    """A repository and what opens it.

    :ivar location: as restic takes it; it may hold a password.
    :ivar subject: the same with that password masked, for people.
    :ivar password: the password itself, or None when it is in ``password_file``.
    :ivar environment: variables with secrets for its backend.
    :ivar extended: extended options of restic (``-o name=value``).
    """

    location: str
    subject: str
    password_file: str
    password: bytes | None
    environment: Mapping[str, str]
    extended: tuple[tuple[str, str], ...]
    program: str

    @property
    def secrets(self) -> tuple[str, ...]:
        """What of the location must never be shown."""
        return secrets_of(self.location)

    @property
    def local_path(self) -> str:
        """The folder of a repository on this host, or an empty text."""
        location = self.location.partition("local:")[2] if self.location.startswith("local:") else self.location
        return location if os.path.isabs(location) else ""

    def mask(self, text: str) -> str:
        """Return a text of restic without the password of the location."""
        for secret in self.secrets:
            text = text.replace(secret, _MASK)
        return text


def read_repository(options: Mapping[str, Any]) -> Repository:
    """Return the repository that the options name.

    :raises UpkeepError: naming the option that is not accepted; never with a secret in it.
    """
    refuse_out_of_range(options, _RANGES)
    location = options["repository"]
    scheme = location.partition(":")[0]
    if not os.path.isabs(location) and (scheme not in _SCHEMES or ":" not in location):
        raise UpkeepError(
            f"repository: {plain(masked(location), 200)} is neither an absolute path nor one of {', '.join(_SCHEMES)} with a colon"
        )
    if (options["password"] is None) == (options["password_file"] is None):
        raise UpkeepError("password: give exactly one of password and password_file; restic encrypts everything")
    if options["password"] is not None and not options["password"].strip():
        raise UpkeepError("password: it is empty")
    password_file = options["password_file"] or ""
    if password_file and not os.path.isabs(password_file):
        raise UpkeepError(f"password_file: {plain(password_file, 200)} is not absolute")
    return Repository(
        location=location,
        subject=plain(masked(location), 300),
        password_file=password_file,
        password=None if options["password"] is None else options["password"].encode("utf-8", "surrogateescape"),
        environment=_environment(options["environment"]),
        extended=_extended(options["extended_options"]),
        program=options["program"],
    )


def masked(location: str) -> str:
    """Return a location with *** in place of a password in it."""
    secret = _secret(location)
    return location.replace(f":{secret}@", f":{_MASK}@", 1) if secret else location


def secrets_of(location: str) -> tuple[str, ...]:
    """Return the password in a location as it stands there and as it is meant, or nothing."""
    secret = _secret(location)
    return tuple(dict.fromkeys((secret, unquote(secret)))) if secret else ()


def _secret(location: str) -> str:
    """What stands between the first colon and the last at-sign behind ://; a password may hold both, and slashes."""
    _scheme, found, rest = location.partition("://")
    user, at, _host = rest.rpartition("@")
    return user.partition(":")[2] if found and at else ""


def _environment(given: Mapping[str, Any]) -> dict[str, str]:
    for name in given:
        if not _NAME.fullmatch(str(name)):
            raise UpkeepError(f"environment: {plain(str(name), 60)!r} is no name of a variable")
        if str(name).startswith("RESTIC_") and not str(name).startswith("RESTIC_REST_"):
            raise UpkeepError(f"environment: {name} is set by an option of this module; use that")
    return {str(name): str(value) for name, value in given.items()}


def _extended(given: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    for name in given:
        if not _OPTION.fullmatch(str(name)):
            raise UpkeepError(f"extended_options: {plain(str(name), 60)!r} is none; they are called like sftp.command or s3.region")
    return tuple((str(name), str(value)) for name, value in given.items())
