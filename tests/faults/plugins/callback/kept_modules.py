# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lets the runs of one session of tests share what Ansible packs and compiles, which is a quarter of the work of a run otherwise."""

from __future__ import annotations

DOCUMENTATION = r"""
name: kept_modules
type: notification
short_description: Keep packed modules and compiled code in a folder that other runs of the same checkout use, too
description:
  - For tests. Ansible packs a module under a lock of its own, so that runs may share the folder at the same time.
  - What runs is the same source; it is only not compiled again by each process.
author: upkeep.runbook contributors
options:
  folder:
    description: The folder. It is made when it is missing.
    required: true
    env:
      - name: KEPT_MODULES_FOLDER
"""

import base64
import hashlib
import io
import marshal
import os
import zipfile
from importlib._bootstrap_external import _code_to_hash_pyc  # type: ignore[import-not-found]
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path
from types import CodeType
from typing import Any

import jinja2.environment
from ansible import constants
from ansible.executor import module_common
from ansible.plugins.callback import CallbackBase
from ansible.utils.collection_loader import _collection_finder

#: Ansible looks every millisecond whether a task is done, which takes more of a busy machine than it gives.
_POLL_SECONDS = 0.01


class CallbackModule(CallbackBase):
    """Puts a link where Ansible keeps what it has packed until a run ends, and keeps what is compiled beside that."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "kept_modules"

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Do so before the first module is packed and the first process of a task is forked."""
        folder = Path(self.get_option("folder"))
        _Compiler.folder = folder / "code"
        _Compiler.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        Path(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache").symlink_to(folder)
        # A collection's code and templates are compiled by the process of each task that needs them; nothing else keeps that.
        for module in (_collection_finder, jinja2.environment):
            module.compile = _Compiler.compile
        module_common._CachedModule.dump = _dump_with_compiled_code
        constants.DEFAULT_INTERNAL_POLL_INTERVAL = _POLL_SECONDS


class _Compiler:
    """Compiles what no run has compiled before."""

    folder: Path

    @classmethod
    def compile(cls, source: str | bytes, filename: str, mode: str, **_flags: Any) -> CodeType:
        """Stand in for the builtin function; none of the callers needs its flags."""
        content = source if isinstance(source, bytes) else source.encode("utf-8", "surrogatepass")
        key = b"\0".join((MAGIC_NUMBER, os.fsencode(filename), mode.encode(), content))
        path = cls.folder / hashlib.sha256(key).hexdigest()
        try:
            kept: CodeType = marshal.loads(path.read_bytes())
            return kept
        except FileNotFoundError:
            pass
        code: CodeType = compile(source, filename, mode, dont_inherit=True)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_bytes(marshal.dumps(code))
        part.rename(path)
        return code


_dump = module_common._CachedModule.dump


def _dump_with_compiled_code(packed: Any, path: str) -> None:
    """Pack a module together with its compiled code, so that not each run of it compiles all that it imports.

    Another Python than the one of the tests passes over that and takes the source.
    """
    content = io.BytesIO(base64.b64decode(packed.zip_data))
    with zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED) as archive:
        for entry in list(archive.infolist()):
            source = archive.read(entry)
            if entry.filename.endswith(".py"):
                code = compile(source, entry.filename, "exec", dont_inherit=True)
                archive.writestr(entry.filename + "c", bytes(_code_to_hash_pyc(code, source_hash(source), False)))
    object.__setattr__(packed, "zip_data", base64.b64encode(content.getvalue()))
    _dump(packed, path)
