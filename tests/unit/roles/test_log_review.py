"""What the role looks for by itself finds what Node.js, the kernel and systemd write in trouble, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

DEFAULTS = yaml.safe_load((Path(__file__).parents[3] / "roles" / "log_review" / "defaults" / "main.yml").read_text(encoding="utf-8"))
BLOCKED, MEMORY = "blocking operations", "out of memory"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("WARN Event loop blocked for 812 ms in onTick", BLOCKED),
        ("warn: event loop lag 300 ms", BLOCKED),
        ("Slow query (2.1 s): select * from ticks", BLOCKED),
        ("Error: connect ETIMEDOUT 192.0.2.7:5035", BLOCKED),
        ("FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory", MEMORY),
        ("INFO event loop is idle, no query was slow", None),
        ("INFO memory 61 %", None),
    ],
)
def test_lines(tmp_path: Path, line: str, found: str | None) -> None:
    log = tmp_path / "backend.log"
    log.write_text(f"{line}\n" * 5)
    options = {
        "groups": [{"name": "backend", "paths": [str(log)]}],
        "patterns": DEFAULTS["log_review_patterns"],
        "since": "beginning",
        "state_directory": str(tmp_path / "state"),
        "return_all": True,
    }
    statuses = {check["subject"]: check["status"] for check in run_module("log_scan", options)["checks"] if check["check"] == "log.pattern"}
    expected = {f"backend/{BLOCKED}": "ok", f"backend/{MEMORY}": "ok"}
    if found:
        expected[f"backend/{found}"] = "warning" if found == BLOCKED else "critical"
    assert statuses == expected


def found_in(tmp_path: Path, group: str, text: str) -> set[str]:
    """Return which patterns of the system fit a line of a group."""
    log = tmp_path / "system.log"
    log.write_text(f"{text}\n")
    patterns = [pattern for pattern in DEFAULTS["log_review_system_patterns"] if pattern["groups"] == [group]]
    options = {
        "groups": [{"name": group, "paths": [str(log)]}], "patterns": patterns, "since": "beginning", "cursor": False, "return_all": True,
        "state_directory": str(tmp_path / "state"),
    }  # fmt: skip
    counted = run_module("log_scan", options)["groups"][0]["patterns"]
    assert len(counted) == len(patterns)
    return {row["name"] for row in counted if row["count"]}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Out of memory: Killed process 812 (node) total-vm:1184312kB, anon-rss:902312kB, file-rss:0kB", "out of memory"),
        ("Memory cgroup out of memory: Killed process 4242 (node) total-vm:88kB", "out of memory"),
        ("I/O error, dev nvme0n1, sector 96 op 0x0:(READ) flags 0x80700 phys_seg 1 prio class 2", "disk errors"),
        ("blk_update_request: I/O error, dev sda, sector 2048 op 0x1:(WRITE) flags 0x0", "disk errors"),
        ("blk_update_request: critical medium error, dev sdb, sector 7 op 0x0:(READ)", "disk errors"),
        ("Buffer I/O error on dev vda1, logical block 1, lost async page write", "disk errors"),
        ("sd 0:0:0:0: [sda] tag#0 Add. Sense: Unrecovered read error - auto reallocate failed", "disk errors"),
        ("ata1.00: failed command: READ FPDMA QUEUED", "disk errors"),
        ("nvme nvme0: I/O tag 12 (000c) opcode 0x2 (I/O Cmd) QID 3 timeout, aborting req_op:READ(0) size:4096", "disk errors"),
        ("md/raid1:md0: Disk failure on sdb1, disabling device.", "disk errors"),
        ("blk_update_request: I/O error, dev fd0, sector 0 op 0x0:(READ)", None),
        ("I/O error, dev sr0, sector 0 op 0x0:(READ)", None),
        ("EXT4-fs error (device sda1): ext4_find_entry:1455: inode #2: comm node: reading directory lblock 0", "file system errors"),
        ("XFS (sda1): Metadata corruption detected at xfs_inode_buf_verify+0x1/0x2 [xfs]", "file system errors"),
        ("BTRFS error (device sda1): parent transid verify failed on 1 wanted 2 found 3", "file system errors"),
        ("Aborting journal on device sda1-8.", "file system errors"),
        ("EXT4-fs (sda1): mounted filesystem 3d1 r/w with ordered data mode. Quota mode: none.", None),
        ("EXT4-fs (sda1): Remounting filesystem read-only", "read-only remounts"),
        ("BTRFS info (device sda1): forced readonly", "read-only remounts"),
        ("EXT4-fs (sda1): re-mounted 3d1 ro. Quota mode: none.", None),
        ("node[812]: segfault at 10 ip 000055d0 sp 00007ffe error 4 in node[55d0+1000]", "crashed programs"),
        ("traps: node[99] general protection fault ip:7f12 sp:7ffd error:0 in libc.so.6[7f12+1]", "crashed programs"),
        ("traps: node[99] trap int3 ip:7f12 sp:7ffd error:0", "crashed programs"),
        ("INFO: task jbd2/sda1-8:231 blocked for more than 120 seconds.", "hung tasks"),
        ("watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [node:812]", "stalled processors"),
        ("rcu: INFO: rcu_preempt self-detected stall on CPU", "stalled processors"),
        ("BUG: unable to handle page fault for address: ffffffff", "kernel faults"),
        ("general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP", "kernel faults"),
        ("mce: [Hardware Error]: Machine check events logged", "machine checks"),
        ("EDAC MC0: 1 CE memory read error on CPU_SrcID#0_MC#0 (channel:0 slot:0)", "machine checks"),
        ("EDAC MC: Ver: 3.0.0", None),
        ("CPU0: Core temperature above threshold, cpu clock throttled (total events = 1)", "overheating"),
        ("nf_conntrack: nf_conntrack: table full, dropping packet", "network limits"),
        ("Linux version 6.1.0-28-amd64 (debian-kernel@lists.debian.org)", None),
        ("audit: type=1400 apparmor=\"STATUS\" operation=\"profile_load\"", None),
    ],
)
def test_lines_of_the_kernel(tmp_path: Path, text: str, found: str | None) -> None:
    assert found_in(tmp_path, "kernel", text) == ({found} if found else set())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("nginx.service: Failed with result 'exit-code'.", "failed units"),
        ("Dependency failed for tick-backend.service - Ticks.", "failed units"),
        ("nginx.service: Start request repeated too quickly.", "units in a crash loop"),
        ("tick-backend.service: A process of this unit has been killed by the OOM killer.", "units out of memory"),
        ("tick-backend.service: systemd-oomd killed 3 process(es) in this unit.", "units out of memory"),
        ("nginx.service: Deactivated successfully.", None),
        ("Started nginx.service - A high performance web server.", None),
    ],
)
def test_lines_of_systemd(tmp_path: Path, text: str, found: str | None) -> None:
    assert found_in(tmp_path, "units", text) == ({found} if found else set())
