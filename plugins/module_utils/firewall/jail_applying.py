# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bringing jails of fail2ban up to date: tried in a copy, written, reloaded, and put back when they do not run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall import fail2ban
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.addresses import LOOPBACK, Network, network_of, read_network
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.jail_answer import Row, answer_acting, answer_query
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.jail_files import MAX_FILE_BYTES, read_file, write_files
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.jail_record import Files, Record, read_record, write_record
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.jail_rules import not_ignored, read_filters, read_name
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.jail_running import reload_and_wait, running
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.jail_trial import clear_left_trials, trial, try_configuration, try_filter
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.operators import find_operator
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import CONTAINMENT_LOCK_FILE, LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

_RANGES = {"wait_seconds": (1, 600), "lock_wait_seconds": (0, 86_400)}


def apply_jails(params: Mapping[str, Any], *, now: datetime, check_mode: bool) -> Row:
    """Do what the options ask for and return what the module returns.

    :param params: the options of the module.
    :raises UpkeepError: when an option, a jail or a filter is wrong, or the jails do not run afterwards.
    """
    refuse_out_of_range(params, _RANGES)
    state, configuration = Path(params["state_directory"]), Path(params["config_directory"])
    ask = fail2ban.client(params["socket"], str(configuration))
    if params["state"] == "query":
        return answer_query(state, configuration, ask)
    if ask is None:
        raise UpkeepError("fail2ban is not installed here (the program fail2ban-client). Install it: apt install fail2ban.")
    work = _Work(params, state, configuration, ask, now)
    if check_mode:
        return work.do(check_mode=True)
    owner = LockOwner(params["run_id"] or "-", "fail2ban_jails", to_iso(now))
    with exclusive_lock(state / CONTAINMENT_LOCK_FILE, owner, wait_seconds=params["lock_wait_seconds"]):
        clear_left_trials()
        return work.do(check_mode=False)


class _Work:
    """One call that acts."""

    def __init__(self, params: Mapping[str, Any], state: Path, configuration: Path, ask: fail2ban.Ask, now: datetime) -> None:
        self.params, self.state, self.configuration, self.ask, self.now = params, state, configuration, ask, now
        wants = params["state"] == "present"
        self.filters = read_filters(params["filters"]) if wants else []
        name = read_name(params["name"], "name")
        self.files = {f"filter.d/{one.name}.local": _ended(one.content) for one in self.filters}
        if wants and not (params["jails"] or "").strip():
            raise UpkeepError("jails: give the text of a file of jails.")
        if wants:
            self.files[f"jail.d/{name}.local"] = _ended(params["jails"])
        for one, text in self.files.items():
            if len(text.encode()) > MAX_FILE_BYTES:
                raise UpkeepError(f"{one} would be larger than {MAX_FILE_BYTES // 1024} KiB. Nothing was changed.")
        self.needed = _needed(params["ignored"])

    def do(self, *, check_mode: bool) -> Row:
        record = read_record(self.state)
        try:
            runs = running(self.ask)
        except UpkeepError as exc:
            if record is None or not record.pending or check_mode:
                raise UpkeepError(f"{exc.message} Nothing was changed.") from exc
            # What the killed run has written may be what keeps the server from starting.
            write_files(self.configuration, record.before)
            raise UpkeepError(f"{exc.message} The files from before a run that was killed are back.") from exc
        interrupted = record is not None and record.pending
        if record is not None and record.pending and not check_mode:
            record = self.put_back(record)
            runs = running(self.ask)
        owned = record.owned if record else []
        wanted: dict[str, str | None] = {**dict.fromkeys(owned), **self.files}
        present = {name: read_file(self.configuration / name) for name in wanted}
        if interrupted and check_mode and record is not None:
            present.update({name: record.before[name] for name in wanted if name in record.before})
        strange = [name for name, text in self.files.items() if name not in owned and present[name] not in (None, text)]
        if strange:
            raise UpkeepError(
                f"{self.configuration / strange[0]} is there, and not from this module, which would take it away one day. It was not touched: choose"
                " another name, or move it away."
            )
        jails = self.judge(wanted)
        missing = sorted(set(jails) - set(runs))
        changed = present != wanted or bool(missing)
        if changed and not check_mode:
            self.change(wanted, present, jails, owned)
        return answer_acting(wanted, present, jails, changed=changed or interrupted, done=not check_mode)

    def judge(self, wanted: Files) -> dict[str, list[str]]:
        """Return the jails that the files make; nothing is changed.

        :raises UpkeepError: when fail2ban does not accept them, a filter does not find what it should, or they may ban an operator.
        """
        with trial(self.configuration, wanted) as copy:
            for one in self.filters:
                try_filter(copy, one)
            jails = try_configuration(copy)
        banned = {} if self.params["allow_unignored"] else not_ignored(jails, self.needed)
        if banned:
            told = "; ".join(f"{name} may ban {', '.join(missing[:5])}" for name, missing in list(banned.items())[:5])
            raise UpkeepError(
                f"{plain(told, 300)}: an operator would lock himself out. Name the networks in ignoreip, below [DEFAULT], or give"
                " allow_unignored. Nothing was changed."
            )
        return jails

    def change(self, wanted: Files, present: Files, jails: Iterable[str], owned: list[str]) -> None:
        """Write the files, and see the jails run.

        :param owned: files that are this collection's before that.
        :raises UpkeepError: when they do not; the files from before are back then.
        """
        record = Record(True, to_iso(self.now), self.params["run_id"] or "", wanted, present, owned)
        write_record(self.state, record)
        try:
            write_files(self.configuration, wanted)
            reload_and_wait(self.ask, jails, self.params["wait_seconds"])
        except UpkeepError as exc:
            try:
                self.put_back(record)
            except UpkeepError as worse:
                raise UpkeepError(f"{exc.message}; and the files from before are not back, or not read: {worse.message}") from exc
            raise UpkeepError(f"{exc.message}; the files from before are back, and fail2ban has read them.") from exc
        written = [name for name, text in wanted.items() if text is not None]
        write_record(self.state, dataclasses.replace(record, pending=False, owned=written))

    def put_back(self, record: Record) -> Record:
        """Put the files from before back, and return what is noted of them.

        :raises UpkeepError: when they cannot be written, or fail2ban does not read them.
        """
        write_files(self.configuration, record.before)
        reload_and_wait(self.ask, [], self.params["wait_seconds"])
        before = dataclasses.replace(record, pending=False, files={name: record.before.get(name) for name in record.owned}, before={})
        write_record(self.state, before)
        return before


def _needed(ignored: Sequence[str]) -> list[Network]:
    """Return whom no jail may ban: those of the option, and whoever started this run."""
    networks = [read_network(text, f"ignored[{number}]") for number, text in enumerate(ignored)]
    ours = [network_of(address) for address in sorted(find_operator().addresses, key=str)]
    return [one for one in dict.fromkeys([*networks, *ours]) if one not in LOOPBACK]


def _ended(text: str) -> str:
    return text.strip("\n") + "\n"
