"""The stand-in registry of the test platform, for benchmarks of the audit."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from measuring import CHECKOUT

REGISTRY = CHECKOUT / "molecule/platform/tree/opt/registry-standin/registry.py"


@contextmanager
def registry(advisories: Path, *, delay_seconds: float = 0.0) -> Iterator[str]:
    """Run a registry that serves the advisories of a file; yield its URL.

    :param delay_seconds: how far away it is.
    """
    command = [sys.executable, str(REGISTRY), "--port", "0", "--advisories", str(advisories), "--delay-seconds", str(delay_seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    # It must not wait for somebody to read its lines.
    threading.Thread(target=process.stdout.read, daemon=True).start()
    try:
        yield url
    finally:
        process.kill()
        process.wait()
