"""The set-up scripts: broken Pythons are passed over, a missing tool is named, one failed gate does not hide the others."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from checkout import CHECKOUT

SCRIPTS = CHECKOUT / "scripts"
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


def test_every_gate_runs_and_the_last_line_counts_them(tmp_path: Path) -> None:
    executable(tmp_path / "scripts" / "gates.sh", (SCRIPTS / "gates.sh").read_text())
    (tmp_path / "Makefile").write_text("good:\n\t@echo fine\nbad:\n\t@echo no tool; exit 1\nlast:\n\t@echo still runs\n")
    environment = {**os.environ, "MAKEFLAGS": ""}
    done = subprocess.run(
        [str(tmp_path / "scripts" / "gates.sh"), "good", "bad", "last"],
        env=environment, capture_output=True, text=True, check=False,
    )
    assert done.returncode == 1
    assert "still runs" in done.stdout
    assert "Failed: bad." in done.stdout
    assert done.stdout.splitlines()[-1] == "2 passed, 1 failed"


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
