#!/usr/bin/env bash
# Makes sure that the programs that gates need are installed, with apt when that is allowed here.
#
#   scripts/system_packages.sh GATE...
#
# As root, or where sudo asks for no password, it installs what is missing; otherwise it says exactly what is missing and fails.
set -euo pipefail

# One line for each need: the gate, the command or file that must exist, the Debian package that brings it.
needs() {
    cat <<'TABLE'
venv      python3                                           python3
venv      /usr/share/doc/python3-venv                       python3-venv
units     logrotate                                         logrotate
units     zstd                                              zstd
units     openssl                                           openssl
units     igzip                                             isal
units     git                                               git
sanity    shellcheck                                        shellcheck
lint      shellcheck                                        shellcheck
browser   chromium                                          chromium
faults    ssh                                               openssh-client
faults    sshd                                              openssh-server
faults    fail2ban-client                                   fail2ban
faults    nft                                               nftables
faults    ip                                                iproute2
faults    mount                                             mount
faults    unshare                                           util-linux
faults    zstd                                              zstd
faults    logrotate                                         logrotate
integration  psql                                           postgresql-client
integration  /usr/share/doc/postgresql                      postgresql
integration  mariadbd                                       mariadb-server
integration  mariadb-dump                                   mariadb-client
integration  redis-server                                   redis-server
integration  redis-cli                                      redis-tools
integration  restic                                         restic
integration  zstd                                           zstd
integration  sshd                                           openssh-server
integration  ssh-keygen                                     openssh-client
integration  unshare                                        util-linux
integration  nft                                            nftables
integration  iptables-nft                                   iptables
integration  fail2ban-client                                fail2ban
integration  ip                                             iproute2
integration  jq                                             jq
integration  mount                                          mount
integration  usermod                                        passwd
integration  conntrack                                      conntrack
integration  openssl                                        openssl
integration  /lib/systemd/systemd-journald                  systemd
integration  nginx                                          nginx
integration  visudo                                         sudo
integration  lynis                                          lynis
faults    /lib/systemd/systemd-journal-remote               systemd-journal-remote
faults    igzip                                             isal
bench     logrotate                                         logrotate
bench     zstd                                              zstd
bench     igzip                                             isal
bench     restic                                            restic
bench     goaccess                                          goaccess
bench     mawk                                              mawk
bench     borg                                              borgbackup
bench     aide                                              aide
molecule  ssh                                               openssh-client
molecule  ssh-keygen                                        openssh-client
molecule  podman                                            podman
molecule  runc                                              runc
molecule  iptables                                          iptables
molecule  /usr/lib/podman/netavark                          netavark
molecule  /usr/lib/podman/aardvark-dns                      aardvark-dns
molecule  newuidmap                                         uidmap
molecule  mmdebstrap                                        mmdebstrap
molecule  /usr/share/keyrings/debian-archive-keyring.gpg    debian-archive-keyring
TABLE
}

PATH=$PATH:/usr/sbin:/sbin
missing=()
while read -r of_gate need package; do
    if [[ " $* " == *" $of_gate "* && ! -e $need ]] && ! command -v "$need" >/dev/null; then missing+=("$package"); fi
done < <(needs)
if ((${#missing[@]} == 0)); then exit 0; fi

if ((EUID == 0)); then
    as_root=(env)
elif sudo --non-interactive true 2>/dev/null; then
    as_root=(sudo --non-interactive env)
else
    as_root=()
fi
if ((${#as_root[@]} == 0)) || ! command -v apt-get >/dev/null; then
    echo "make $* needs programs that are not installed here. Install these packages, then run it again:" >&2
    echo "    apt-get install ${missing[*]}" >&2
    exit 1
fi

echo "Installing for make $*: ${missing[*]}"
# Gates run side by side, and apt does not wait for another apt.
apt=(flock --close /var/lib/dpkg "${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get --quiet=2)
"${apt[@]}" update
"${apt[@]}" install --yes --no-install-recommends "${missing[@]}" >/dev/null
