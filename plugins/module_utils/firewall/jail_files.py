# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files of jails and filters below the configuration of fail2ban: read with suspicion, written whole, taken away."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import sync_directory, write_atomically
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.jail_record import Files

MAX_FILE_BYTES = 1024 * 1024


def write_files(configuration: Path, files: Files) -> None:
    """Write files, and take those away that shall not be there.

    :raises UpkeepError: when one cannot be written.
    """
    for name, text in files.items():
        path = configuration / name
        if text is not None:
            write_atomically(path, text.encode(), 0o644)
        elif path.exists():
            path.unlink()
            sync_directory(path.parent)


def read_file(path: Path) -> str | None:
    """Return a file of fail2ban, or None.

    :raises UpkeepError: when it is a link or no file, or cannot be read.
    """
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise UpkeepError(f"{path} is no file")
            data = stream.read(MAX_FILE_BYTES + 1)
            if len(data) > MAX_FILE_BYTES:
                raise UpkeepError(f"{path} is larger than {MAX_FILE_BYTES // 1024} KiB")
            return data.decode()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as exc:
        raise UpkeepError(f"cannot read {path}: {exc.strerror if isinstance(exc, OSError) else 'it is no text in UTF-8'}") from exc


def shown_files(files: Files) -> str:
    """Return files for a diff."""
    return "".join(f"# {name}\n{text}" for name, text in sorted(files.items()) if text is not None)
