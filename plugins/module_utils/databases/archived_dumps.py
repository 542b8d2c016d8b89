# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Take the dumps out of a backup, read once and to its end, so that every checksum of the archive was looked at."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack

from ansible_collections.upkeep.runbook.plugins.module_utils.archives import formats
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Budget, Limits
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import ArchiveProblem, Unread
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.streams import Peekable, ReadAhead, file_chunks
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.tar_stream import TarReader
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.unpacking import unpack
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.zstd_pipe import unpack_zstd
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import MEMBER_NAME
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest_reading import read_manifest
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.unnamed_files import Kept, kept_aside
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

_PREFIX = "dumps/"


def take_dumps(stack: ExitStack, path: str, specs: Sequence[DumpSpec], directory: str, deadline: float) -> dict[str, Kept]:
    """Return the dumps of a backup by their names; they are kept until the stack is closed.

    :param directory: on whose file system they are kept.
    :raises UpkeepError: when the backup cannot be read or is damaged, when a dump is missing, is of another type, is cut off
        or is not the one that the manifest lists.
    """
    try:
        # Between a look at it and now a pipe or a link may have taken its place.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        raise UpkeepError(f"cannot open the backup {path}: {exc.strerror}") from exc
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UpkeepError(f"{path} is no file, so it is no backup")
        taking = _Taking(stack, {spec.member.encode() for spec in specs}, directory)
        with _unpacked(descriptor, deadline) as chunks:
            taking.read(chunks)
    except ArchiveProblem as problem:
        hint = f" {problem.hint}" if isinstance(problem, Unread) and problem.hint else ""
        raise UpkeepError(f"the backup {path} {problem.message}; nothing was restored.{hint}") from None
    finally:
        os.close(descriptor)
    _refuse_wrong(path, specs, taking)
    return {spec.name: taking.kept[spec.member] for spec in specs}


def _unpacked(descriptor: int, deadline: float) -> ReadAhead:
    budget = Budget(Limits(deadline), os.fstat(descriptor).st_size)
    source = Peekable(file_chunks(descriptor, budget))
    kind = formats.outer_format(source.peek(formats.HEAD_BYTES))
    if kind == formats.TAR:
        return ReadAhead(chunk for chunk in source)
    if kind == formats.ZSTD:
        return ReadAhead(unpack_zstd(source, budget, lambda: None))
    if kind in (formats.GZIP, formats.XZ, formats.BZIP2):
        return ReadAhead(unpack(source, kind, budget, lambda: None))
    raise Unread("is no tar archive, so it holds no dump")


class _Taking:
    """The dumps that are taken while a backup is read.

    :ivar kept: by the name of the member.
    :ivar hashes: SHA-256 of each.
    :ivar there: every dump that the backup holds.
    :ivar listed: SHA-256 of each by the manifest; None when the backup has no manifest.
    """

    def __init__(self, stack: ExitStack, wanted: set[bytes], directory: str) -> None:
        self._stack = stack
        self._wanted = wanted
        self._directory = directory
        self.kept: dict[str, Kept] = {}
        self.hashes: dict[str, str] = {}
        self.there: list[str] = []
        self.listed: dict[str, str] | None = None

    def read(self, chunks: Iterable[bytes]) -> None:
        reader = TarReader(chunks)
        for member in reader:
            if member.name.startswith(_PREFIX.encode()) and len(self.there) < 1000:
                self.there.append(member.name.decode("utf-8", "backslashreplace"))
            if member.name in self._wanted and member.is_file:
                self._keep(member.name.decode(), reader.contents())
            elif member.name == MEMBER_NAME.encode() and member.is_file:
                _header, members = read_manifest(reader.contents())
                self.listed = {one.name: one.sha256 for one in members if one.name.startswith(_PREFIX)}

    def _keep(self, name: str, contents: Iterator[bytes]) -> None:
        if name in self.kept:
            raise UpkeepError(f"the backup holds {name} twice, and nobody can say which is right; nothing was restored")
        hashed = hashlib.sha256()

        def watched() -> Iterator[bytes]:
            for chunk in contents:
                hashed.update(chunk)
                yield chunk

        self.kept[name] = self._stack.enter_context(kept_aside(watched(), self._directory))
        self.hashes[name] = hashed.hexdigest()


def _refuse_wrong(path: str, specs: Sequence[DumpSpec], taking: _Taking) -> None:
    for spec in specs:
        kept = taking.kept.get(spec.member)
        if kept is None:
            there = ", ".join(name[len(_PREFIX) :] for name in taking.there[:20]) or "none"
            raise UpkeepError(f"the backup {path} has no dump {spec.name}; its dumps: {there}. Nothing was restored")
        problem = kept.look.problem(spec.type)
        if problem:
            raise UpkeepError(f"the dump {spec.name} in {path} {problem}; nothing was restored")
        if taking.listed is not None and taking.listed.get(spec.member) != taking.hashes[spec.member]:
            raise UpkeepError(f"the dump {spec.name} in {path} is not the one that its manifest lists; nothing was restored")
