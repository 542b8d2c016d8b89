"""Writers of logs for the fault tests: each appends numbered lines as fast as it can, and opens its log again on SIGUSR1."""

from __future__ import annotations

import gzip
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.upkeep.runbook.tests.faults.house import PATIENCE_SECONDS

_WRITER = """
import os, signal, sys, time
path, pause = sys.argv[1], float(sys.argv[2])
flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
moved, stopped = [], []
signal.signal(signal.SIGUSR1, lambda *_: moved.append(1))
signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
log, number = os.open(path, flags, 0o640), 0
while not stopped:
    if moved:
        moved.clear()
        os.close(log)
        log = os.open(path, flags, 0o640)
    os.write(log, b"line %d of a log\\n" % number)
    number += 1
    if number % 100 == 0:
        time.sleep(pause)
print(number)
"""
_LINE = re.compile(rb"line (\d+) of a log\n")
_ARCHIVE = re.compile(r"-\d{8}T\d{6}Z-[0-9a-f]{8}(\.gz)?$")


class Writer:
    """A running writer.

    :ivar written: how many lines it wrote, once it was stopped.
    """

    def __init__(self, log: Path, pause: float) -> None:
        self.log = log
        self.written = 0
        self.process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(log), str(pause)], stdout=subprocess.PIPE, text=True
        )
        end = time.monotonic() + PATIENCE_SECONDS
        while not log.exists() or log.stat().st_size == 0:
            assert time.monotonic() < end and self.process.poll() is None
            time.sleep(0.01)

    def stop(self) -> int:
        """Let it write its last line; return how many there are."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.written = int(self.process.communicate(timeout=PATIENCE_SECONDS)[0])
        return self.written


@contextmanager
def writing(log: Path, pause: float = 0.0005) -> Iterator[Writer]:
    """Write to a log while the block runs."""
    writer = Writer(log, pause)
    try:
        yield writer
    finally:
        if writer.process.poll() is None:
            writer.process.kill()
            writer.process.wait()


def archives(log: Path) -> list[Path]:
    """Return the archives of a log, the oldest first."""
    return sorted(path for path in log.parent.iterdir() if path.name.startswith(f"{log.name}-") and _ARCHIVE.search(path.name))


def content_of(path: Path) -> bytes:
    """Return what a log or an archive holds."""
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def numbers(log: Path) -> list[int]:
    """Return the numbers of the lines in the archives and the log, in the order in which they stand there."""
    found: list[int] = []
    for path in [*archives(log), log]:
        content = content_of(path)
        whole = _LINE.findall(content)
        assert b"".join(b"line %s of a log\n" % number for number in whole) == content, f"{path} holds torn lines"
        found += [int(number) for number in whole]
    return found


def leftovers(log: Path) -> list[str]:
    """Return the files beside the log that are neither the log nor a packed archive."""
    return sorted(
        path.name for path in log.parent.iterdir() if path != log and not re.search(r"-\d{8}T\d{6}Z-[0-9a-f]{8}\.gz$", path.name)
    )


def numbers_of_whole_lines(log: Path) -> list[int]:
    """Return the numbers of whole lines alone: a truncation may tear the line that is being written."""
    return [int(number) for path in [*archives(log), log] for number in _LINE.findall(content_of(path))]
