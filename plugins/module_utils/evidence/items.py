# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is collected, and in which order: what is gone first is taken first."""

from __future__ import annotations

CLOCK = "clock"
#: Taken in one go from what the kernel and its tools tell.
STATE_ITEMS = ("processes", "network", "sessions", "modules", "mounts")
JOURNAL = "journal"
#: Files by their names.
FILE_ITEMS = ("logs", "persistence", "files")
METADATA = "metadata"

#: Order of volatility.
ITEMS = (CLOCK, *STATE_ITEMS, JOURNAL, "logs", "persistence", METADATA, "files")

LOGS = ("/var/log",)

#: What starts something again, or lets somebody in again.
PERSISTENCE = (
    "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/sudoers", "/etc/sudoers.d", "/etc/pam.d", "/etc/security",
    "/etc/ssh", "/root/.ssh", "/home/*/.ssh",
    "/etc/crontab", "/etc/cron.*", "/etc/anacrontab", "/var/spool/cron", "/var/spool/at",
    "/etc/systemd", "/run/systemd/system", "/run/systemd/transient", "/root/.config/systemd", "/home/*/.config/systemd",
    "/root/.config/autostart", "/home/*/.config/autostart",
    "/etc/init.d", "/etc/rc.local", "/etc/rc*.d", "/etc/udev/rules.d", "/etc/modules", "/etc/modules-load.d", "/etc/modprobe.d",
    "/etc/ld.so.preload", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
    "/etc/profile", "/etc/profile.d", "/etc/bash.bashrc", "/etc/zsh", "/etc/environment", "/etc/skel",
    "/root/.*rc", "/root/.*profile", "/root/.*login", "/root/.*logout", "/root/.*_history",
    "/home/*/.*rc", "/home/*/.*profile", "/home/*/.*login", "/home/*/.*logout", "/home/*/.*_history",
    "/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/apt/apt.conf.d", "/etc/update-motd.d",
)

#: Where the metadata of files is listed.
METADATA_PATHS = ("/dev/shm", "/tmp", "/var/tmp", "/root", "/home", "/etc", "/usr/local", "/var/spool")
