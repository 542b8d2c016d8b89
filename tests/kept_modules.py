"""Lets runs of Ansible share the modules that it has packed and the code that it has compiled, a quarter of the work of each run otherwise."""

from __future__ import annotations

import os
from pathlib import Path

CALLBACKS = Path(__file__).resolve().parent / "faults/plugins/callback"


def kept_modules(folder: Path, *callbacks: str, others: str = "") -> dict[str, str]:
    """Return the variables with which ansible-playbook keeps packed modules and compiled code for other runs.

    :param folder: where, outside of what a test looks at.
    :param callbacks: names of other callbacks to enable.
    :param others: further folders of callbacks.
    """
    return {
        "ANSIBLE_CALLBACK_PLUGINS": os.pathsep.join(filter(None, (str(CALLBACKS), others))),
        "ANSIBLE_CALLBACKS_ENABLED": ",".join((*callbacks, "kept_modules")),
        "KEPT_MODULES_FOLDER": str(folder / "kept-modules"),
    }
