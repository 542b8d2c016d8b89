"""Let ansible-test make its virtual environments where it cannot download its own pip installer.

ansible-test fetches ``get-pip`` from a site of the Ansible project. Where that site cannot be reached but a package index
can, this puts a few lines with the same effect where ansible-test keeps the download. It does nothing where the download
is there already or works.
"""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import ansible_test
from ansible_test._internal.python_requirements import get_venv_packages

SETUP = Path(ansible_test.__file__).parent / "_util/target/setup/requirements.py"

STAND_IN = '''\
# Stands in for get-pip {version}, which could not be downloaded: installs pip from the wheel beside this file.
import os, sys
wheel = os.path.join(os.path.dirname(os.path.abspath(__file__)), "{wheel}")
sys.path.insert(0, wheel)
from pip._internal.cli.main import main
options = [option for option in sys.argv[1:] if option not in ("--no-setuptools", "--no-wheel", "pip=={version}")]
sys.exit(main(["install", "--upgrade", "--force-reinstall", *options, wheel]))
'''


def can_be_downloaded(version: str) -> bool:
    """Tell whether ansible-test's own download would work (also when its address is not found: then it shall try)."""
    address = re.search(r"url = '(https://\S+)' % pip_version", SETUP.read_text(encoding="utf-8"))
    if address is None:
        return True
    try:
        with urllib.request.urlopen(address.group(1) % version, timeout=15):
            return True
    except OSError:
        return False


def main() -> int:
    version = get_venv_packages(SimpleNamespace(version="3.13"))["pip"]  # type: ignore[arg-type]
    cache = Path("~/.ansible/test/cache").expanduser()
    installer = cache / f"get_pip_{version.replace('.', '_')}.py"
    if installer.exists() or can_be_downloaded(version):
        return 0
    cache.mkdir(parents=True, exist_ok=True)
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*download, "--dest", str(cache), f"pip=={version}"], check=True)
    installer.write_text(STAND_IN.format(version=version, wheel=f"pip-{version}-py3-none-any.whl"), encoding="utf-8")
    print(f"ansible-test's pip installer cannot be downloaded; {installer} stands in for it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
