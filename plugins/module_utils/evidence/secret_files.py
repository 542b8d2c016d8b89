# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files whose contents are secrets: their names, and the mark of a private key."""

from __future__ import annotations

import fnmatch
import os

#: Names, in lower case.
_NAMES = (
    ".env*", "*.env", "id_*", "ssh_host_*_key*", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.keytab",
    "shadow*", "gshadow*", "opasswd", "environment", ".netrc", ".pgpass", ".my.cnf", ".mylogin.cnf", ".npmrc", ".pypirc",
    ".git-credentials", "credentials", "credentials.*", ".htpasswd", "*vault_pass*", "*_history", "wallet.dat",
)
_FOLDERS = (b".gnupg", b".aws", b".docker", b".kube", b"private")
_PUBLIC = ".pub"
_MARKS = (b"PRIVATE KEY-----", b"PuTTY-User-Key-File-")
_HEAD_BYTES = 64 * 1024


def is_secret(path: bytes) -> bool:
    """Tell whether a file is left out by its name or its folder."""
    *folders, last = path.split(b"/")
    name = os.fsdecode(last).lower()
    if name.endswith(_PUBLIC):
        return False
    return any(folder in _FOLDERS for folder in folders) or any(fnmatch.fnmatchcase(name, pattern) for pattern in _NAMES)


def holds_private_key(beginning: bytes) -> bool:
    """Tell whether a file that begins so is a private key, or holds one near its beginning."""
    return any(mark in beginning[:_HEAD_BYTES] for mark in _MARKS)
