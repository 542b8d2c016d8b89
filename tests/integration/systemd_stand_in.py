"""Programs that stand in for systemd where it does not run: timers are real processes that sleep, and really run their command."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

_SYSTEMD_RUN = """#!{python} -SE
import os, subprocess, sys, time
folder, arguments = {folder!r}, sys.argv[1:]
if os.path.exists(f"{{folder}}/broken"):
    sys.exit("System has not been booted with systemd as init system (PID 1). Can't operate.")
options = dict(one.partition("=")[::2] for one in arguments[: arguments.index("--")])
command = arguments[arguments.index("--") + 1 :]
seconds, unit = float(options["--on-active"].rstrip("s")), options["--unit"]
note = f"{{folder}}/{{unit}}.timer"
if os.path.exists(note):
    sys.exit(f"Failed to start transient timer unit: Unit {{unit}}.timer was already loaded")
read, write = os.pipe()
if os.fork() == 0:
    os.setsid()
    with open(note, "w") as stream:
        stream.write(str(os.getpid()))
    quiet = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(quiet, descriptor)
    os.close(write)
    os.close(read)
    end = time.monotonic() + seconds
    while time.monotonic() < end and not os.path.exists(f"{{folder}}/now"):
        time.sleep(0.02)
    service = f"{{folder}}/{{unit}}.service"
    os.rename(note, service)
    while os.path.exists(f"{{folder}}/slow"):
        time.sleep(0.02)
    subprocess.run(command)
    os.unlink(service)
    os._exit(0)
os.close(write)
os.read(read, 1)  # until the timer is there
"""
_SYSTEMCTL = """#!{python} -SE
import os, signal, sys
folder, arguments = {folder!r}, [one for one in sys.argv[1:] if not one.startswith("-")]
with open(f"{{folder}}/log", "a") as stream:
    stream.write(" ".join(arguments) + "\\n")
if os.path.exists(f"{{folder}}/broken"):
    sys.exit("System has not been booted with systemd as init system (PID 1). Can't operate.")
if os.path.exists(f"{{folder}}/silent") and arguments[0] in ("is-active", "stop"):
    sys.exit("Failed to connect to bus: Connection refused")
if arguments[0] == "is-active":
    there = [os.path.exists(f"{{folder}}/{{unit}}") for unit in arguments[1:]]
    print("\\n".join("active" if one else "inactive" for one in there))
    sys.exit(0 if any(there) else 3)
if arguments[0] == "enable" and os.path.exists(f"{{folder}}/refuses"):
    sys.exit("Failed to enable unit: Access denied")
if arguments[0] == "stop":
    failed = []
    for unit in arguments[1:]:
        try:
            with open(f"{{folder}}/{{unit}}") as stream:
                os.kill(int(stream.read()), signal.SIGKILL)
            os.unlink(f"{{folder}}/{{unit}}")
        except (FileNotFoundError, ProcessLookupError):
            failed.append(f"Failed to stop {{unit}}: Unit {{unit}} not loaded.")
    if failed:
        sys.exit("; ".join(failed))
"""


class Systemd:
    """The stand-ins.

    :ivar programs: folder for the front of PATH.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.programs = folder / "systemd", folder / "programs"
        self.folder.mkdir()
        self.programs.mkdir()
        for name, text in (("systemd-run", _SYSTEMD_RUN), ("systemctl", _SYSTEMCTL)):
            (self.programs / name).write_text(text.format(python=sys.executable, folder=str(self.folder)))
            (self.programs / name).chmod(0o755)

    @property
    def path(self) -> str:
        """PATH with the stand-ins first."""
        return f"{self.programs}:{os.environ['PATH']}:/usr/sbin:/sbin"

    def timers(self) -> list[str]:
        """Return the timers that run."""
        return sorted(note.stem for note in self.folder.glob("*.timer"))

    def fire(self) -> None:
        """Let the time of every timer be over."""
        (self.folder / "now").touch()

    def fire_slowly(self) -> list[str]:
        """Let the time of every timer be over, and its service wait; return the services."""
        (self.folder / "slow").touch()
        self.fire()
        while self.timers():
            time.sleep(0.02)
        return sorted(note.stem for note in self.folder.glob("*.service"))

    def go_on(self) -> None:
        """Let services wait no longer."""
        (self.folder / "slow").unlink()

    def refuse_to_enable(self) -> None:
        """Let no unit be enabled."""
        (self.folder / "refuses").touch()

    def rearm(self) -> None:
        """Let later timers wait again."""
        (self.folder / "now").unlink(missing_ok=True)

    def break_down(self) -> None:
        """Answer as where systemd does not run."""
        (self.folder / "broken").touch()

    def fall_silent(self) -> None:
        """Say nothing of units any more, and stop none; timers sleep on and can be armed."""
        (self.folder / "silent").touch()

    def speak(self) -> None:
        """Answer again."""
        for name in ("silent", "broken"):
            (self.folder / name).unlink(missing_ok=True)

    def calls(self) -> list[str]:
        """Return what systemctl was asked."""
        log = self.folder / "log"
        return log.read_text().splitlines() if log.exists() else []

    def close(self) -> None:
        """End the timers that still sleep."""
        for note in [*self.folder.glob("*.timer"), *self.folder.glob("*.service")]:
            try:
                os.kill(int(note.read_text()), signal.SIGKILL)
            except (ValueError, ProcessLookupError, FileNotFoundError):
                pass
