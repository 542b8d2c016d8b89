# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Isolation over a restart of the host: a unit that loads the rules before the network is up."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import sync_directory, write_atomically
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.revert_timer import systemctl
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

UNIT = "upkeep-isolation.service"
RULES_FILE = "isolation.nft"


def unit_text(nft: str, rules_file: Path) -> str:
    """Return the unit. The system's own rules come first: theirs begin with a flush of everything."""
    return (
        "[Unit]\nDescription=Isolation of this host\nDefaultDependencies=no\n"
        f"RequiresMountsFor={_escaped(str(rules_file))}\n"
        "After=nftables.service\nWants=network-pre.target\nBefore=network-pre.target\n\n"
        f"[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart={_escaped(nft)} -f {_escaped(str(rules_file))}\n\n"
        "[Install]\nWantedBy=sysinit.target\n"
    )


def is_installed(unit_directory: Path) -> bool:
    """Tell whether the host would be isolated after a restart."""
    return (unit_directory / UNIT).exists()


def install(unit_directory: Path, state_directory: Path, nft: str, ruleset: str) -> None:
    """Let the host be isolated after a restart, with these rules.

    :raises UpkeepError: when it cannot be.
    """
    rules_file = state_directory / RULES_FILE
    write_atomically(rules_file, ruleset.encode())
    write_atomically(unit_directory / UNIT, unit_text(nft, rules_file).encode(), 0o644)
    for arguments in (["daemon-reload"], ["enable", UNIT]):
        done = systemctl(*arguments)
        if not done.succeeded:
            remove(unit_directory, state_directory)  # is_installed() believes the unit
            raise UpkeepError(
                f"the host is isolated, but would not be after a restart: systemctl {arguments[0]} failed"
                f" ({plain(done.problem or done.stderr, 200)})."
            )


def remove(unit_directory: Path, state_directory: Path) -> None:
    """Let the host start as ever."""
    if is_installed(unit_directory):
        systemctl("disable", UNIT)
        (unit_directory / UNIT).unlink(missing_ok=True)
        sync_directory(unit_directory)
        systemctl("daemon-reload")
    (state_directory / RULES_FILE).unlink(missing_ok=True)


def _escaped(text: str) -> str:
    for character, written in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        text = text.replace(character, written)
    return f'"{text}"'
