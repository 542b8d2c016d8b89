# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Small records in the state directory, each a file of JSON with the number of its schema."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

MAX_BYTES = 16 * 1024 * 1024
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC

Record = TypeVar("Record")


def read_state_record(path: Path, schema: int, build: Callable[[Any], Record], *, otherwise: str) -> Record | None:
    """Return what ``build`` makes of the record in a file, or None when there is no file.

    :param build: raises whatever it likes of those errors that a wrong value causes.
    :param otherwise: what a file with anything else in it is, and what to do then; completes "<path> is …".
    :raises UpkeepError: when it cannot be read, or is not such a record.
    """
    try:
        with open(os.open(path, _FLAGS), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise UpkeepError(f"{path} is {otherwise}")
            record = json.loads(stream.read(MAX_BYTES))
        written = record["schema"]
        found = build(record) if written == schema else None
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise UpkeepError(f"cannot read {path}: {exc.strerror}") from exc
    except (UpkeepError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as exc:
        raise UpkeepError(f"{path} is {otherwise}") from exc
    if found is None:
        raise UpkeepError(f"{path} was written by another version (schema {written!r}); update the collection")
    return found
