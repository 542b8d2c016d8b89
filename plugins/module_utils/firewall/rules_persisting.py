# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules over a restart: a file of their own, and a line in the configuration of nftables.service that includes it."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import make_private_directory, sync_directory, write_atomically
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall import nftables
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.revert_timer import systemctl
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.rules_text import (
    Rules,
    file_text,
    includes,
    with_include,
    without_include,
)

SERVICE = "nftables.service"
PREVIOUS_RULES, PREVIOUS_CONFIGURATION = "nft_rules.previous.nft", "nftables.conf.previous"
_MAX_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Kept:
    """Where rules are kept for a restart.

    :ivar path: their file.
    :ivar configuration: what nftables.service loads; None when the file is loaded by something else.
    :ivar state: folder of the previous files.
    """

    path: Path
    configuration: Path | None
    state: Path


def why_not_kept(kept: Kept, rules: Rules) -> str:
    """Return why rules would not be in force after a restart, as the end of a sentence; "" when they would be."""
    try:
        written = _read(kept.path)
        configuration = None if kept.configuration is None else _read(kept.configuration)
    except UpkeepError as exc:
        return exc.message
    if written != file_text(rules):
        return f"{kept.path} does not hold them"
    if kept.configuration is None:
        return ""
    if configuration is None:
        return f"there is no {kept.configuration}, which {SERVICE} would load"
    if not includes(configuration, str(kept.path)):
        return f"{kept.configuration} does not include {kept.path}"
    done = systemctl("is-enabled", SERVICE)
    if done.succeeded:
        return ""
    # It fails with the same status when it cannot ask; only an answer has a word.
    if not done.stdout.strip():
        return f"nobody can tell whether {SERVICE} is enabled, which loads {kept.configuration}"
    return f"{SERVICE} is not enabled, which loads {kept.configuration}"


def refuse_configuration(kept: Kept) -> None:
    """Refuse where what nftables.service loads is broken already: nothing would come back after a restart.

    :raises UpkeepError: when it is.
    """
    text = _read(kept.configuration) if kept.configuration is not None else None
    if text is None:
        return
    try:
        # Our own line may name a file that somebody took away, and that is written again.
        nftables.load(without_include(text, str(kept.path)), check_only=True)
    except UpkeepError as exc:
        raise UpkeepError(f"{kept.configuration}, which {SERVICE} loads, is broken: {exc.message}") from exc


def would_change(kept: Kept, rules: Rules) -> bool:
    """Tell whether :func:`keep` has something to write.

    :raises UpkeepError: when it cannot be read.
    """
    configuration = None if kept.configuration is None else _read(kept.configuration)
    return _read(kept.path) != file_text(rules) or (configuration is not None and not includes(configuration, str(kept.path)))


def keep(kept: Kept, rules: Rules) -> bool:
    """Write the file, then the line that includes it; return whether something was written.

    :raises UpkeepError: when it cannot be written.
    """
    changed = False
    text, written = file_text(rules), _read(kept.path)
    if written != text:
        if written is not None:
            write_atomically(kept.state / PREVIOUS_RULES, written.encode())
        make_private_directory(kept.path.parent, 0o755)
        write_atomically(kept.path, text.encode(), 0o600)
        changed = True
    configuration = None if kept.configuration is None else _read(kept.configuration)
    if kept.configuration is not None and configuration is not None and not includes(configuration, str(kept.path)):
        _rewrite(kept, kept.configuration, configuration, with_include(configuration, str(kept.path)))
        changed = True
    return changed


def drop(kept: Kept) -> None:
    """Take the line away, then the file: a line that includes no file would keep every rule of the host from being loaded.

    :raises UpkeepError: when the line cannot be taken away.
    """
    configuration = None if kept.configuration is None else _read(kept.configuration)
    if kept.configuration is not None and configuration is not None:
        changed = without_include(configuration, str(kept.path))
        if changed != configuration:
            _rewrite(kept, kept.configuration, configuration, changed)
    written = _read(kept.path)
    if written is not None:
        write_atomically(kept.state / PREVIOUS_RULES, written.encode())
        kept.path.unlink()
        sync_directory(kept.path.parent)


def _rewrite(kept: Kept, path: Path, before: str, after: str) -> None:
    write_atomically(kept.state / PREVIOUS_CONFIGURATION, before.encode())
    status = os.stat(path)
    write_atomically(path, after.encode(), stat.S_IMODE(status.st_mode))


def _read(path: Path) -> str | None:
    """Return a file of root's, or None.

    :raises UpkeepError: when it is no file, or cannot be read.
    """
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise UpkeepError(f"{path} is no file")
            data = stream.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise UpkeepError(f"cannot read {path}: {exc.strerror}") from exc
    if len(data) > _MAX_BYTES:
        raise UpkeepError(f"{path} is too large")
    try:
        return data.decode()
    except UnicodeDecodeError as exc:
        raise UpkeepError(f"{path} is no text in UTF-8") from exc
