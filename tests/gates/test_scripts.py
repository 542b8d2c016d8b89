"""The set-up scripts: broken Pythons are passed over, a missing tool is named, one failed gate does not hide the others."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from checkout import CHECKOUT

SCRIPTS = CHECKOUT / "scripts"
PATIENCE_SECONDS = 60
THIS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def find_python(tmp_path: Path, *versions: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{tmp_path / 'shims'}:/usr/bin:/bin", "PYENV_ROOT": str(tmp_path / "pyenv"), "HOME": str(tmp_path)}
    return subprocess.run(
        [str(SCRIPTS / "find_python.sh"), *versions], env=environment, capture_output=True, text=True, check=False
    )


def test_a_python_on_path_that_does_not_run_is_passed_over(tmp_path: Path) -> None:
    executable(tmp_path / "shims" / f"python{THIS_PYTHON}", "#!/bin/sh\nexit 127\n")
    real = executable(
        tmp_path / "pyenv" / "versions" / f"{THIS_PYTHON}.99" / "bin" / f"python{THIS_PYTHON}",
        f'#!/bin/sh\nexec {sys.executable} "$@"\n',
    )
    found = find_python(tmp_path, THIS_PYTHON)
    assert (found.returncode, found.stdout.strip()) == (0, str(real)), found.stderr


def test_a_python_of_another_version_is_not_taken_for_the_one_asked_for(tmp_path: Path) -> None:
    executable(tmp_path / "shims" / "python3.99", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    found = find_python(tmp_path, "3.99", "3.98")
    assert found.returncode == 1
    assert "3.99, 3.98" in found.stderr and "venv" in found.stderr


GATES = """
good:
\t@echo fine
bad:
\t@echo no tool; exit 1
last:
\t@echo still runs
endless endless_too:
\t@echo $$$$ > $@.pid; mv $@.pid $@; exec sleep 1000
"""


def gates(tmp_path: Path, *lanes: str) -> subprocess.Popen[str]:
    """Start gates of a small project, in a session of its own as a shell with a terminal starts it.

    Who runs these tests in the background ignores interrupts, and a shell cannot take that back.
    """
    for script in ("gates.sh", "gate_lane.sh"):
        executable(tmp_path / "scripts" / script, (SCRIPTS / script).read_text())
    (tmp_path / "Makefile").write_text(GATES)
    return subprocess.Popen(
        ["env", "--default-signal=INT", str(tmp_path / "scripts" / "gates.sh"), *lanes],
        env={**os.environ, "MAKEFLAGS": ""}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )


def test_every_gate_runs_and_the_last_line_counts_them(tmp_path: Path) -> None:
    with gates(tmp_path, "good bad last") as process:
        output, _errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    assert "still runs" in output
    assert "Failed: bad." in output
    assert output.splitlines()[-1] == "2 passed, 1 failed"


def test_what_runs_beside_counts_too_and_its_output_stays_in_one_piece(tmp_path: Path) -> None:
    with gates(tmp_path, "good last", "bad missing") as process:
        output, _errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    assert output.splitlines()[-1] == "2 passed, 2 failed"
    assert "Failed: bad missing." in output
    shown = output.index("no tool")
    assert output.index("still runs") < output.rindex("=== bad (gate 1 of 2, beside the others): make bad") < shown
    assert shown < output.index("=== missing (gate 2 of 2, beside the others)") < output.index("=== Summary")
    assert output.count("no tool") == 1


def endless_processes(process: subprocess.Popen[str], tmp_path: Path, lanes: tuple[str, ...]) -> list[int]:
    """Wait until the gates that never end are under way, and return their process ids."""
    endless = [tmp_path / gate for gate in " ".join(lanes).split() if gate.startswith("endless")]
    while not all(path.exists() for path in endless):
        assert process.poll() is None
        time.sleep(0.01)
    return [int(path.read_text()) for path in endless]


def test_a_lane_that_is_killed_has_not_passed(tmp_path: Path) -> None:
    lanes = ("good", "endless last")
    with gates(tmp_path, *lanes) as process:
        (endless,) = endless_processes(process, tmp_path, lanes)
        os.killpg(os.getsid(endless), signal.SIGKILL)
        output, _errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    assert output.splitlines()[-1] == "1 passed, 2 failed"


@pytest.mark.parametrize("lanes", [("endless good", "good"), ("good", "endless last"), ("endless last", "endless_too last")])
def test_an_interrupt_ends_every_lane(tmp_path: Path, lanes: tuple[str, ...]) -> None:
    with gates(tmp_path, *lanes) as process:
        endless = endless_processes(process, tmp_path, lanes)
        # What a terminal does at Ctrl-C.
        os.killpg(process.pid, signal.SIGINT)
        output, _errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130, output
    assert "Summary" not in output and "still runs" not in output
    for pid in endless:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_without_the_right_to_install_the_missing_packages_are_named() -> None:
    script = (SCRIPTS / "system_packages.sh").read_text().replace("PATH=$PATH:/usr/sbin:/sbin\n", "")
    nobody = 65534 if os.geteuid() == 0 else None
    # Not in tmp_path, which is readable by its owner alone.
    with tempfile.TemporaryDirectory() as programs:
        os.chmod(programs, 0o755)
        os.symlink(str(shutil.which("cat")), f"{programs}/cat")
        done = subprocess.run(
            [str(shutil.which("bash")), "-s", "sanity"],
            input=script, env={"PATH": programs}, user=nobody, capture_output=True, text=True, check=False,
        )
    assert done.returncode == 1
    assert "make sanity needs" in done.stderr
    assert "apt-get install shellcheck" in done.stderr
