#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: cert_expiry
short_description: Look at certificates in files and as they are served, and at the time they have left
version_added: 0.1.0
author:
  - upkeep.runbook contributors (!UNKNOWN)
description:
  - Looks at any number of files and servers in one call and returns one check for each thing that can be wrong with a
    certificate. It has expired or will soon, is not valid yet, is for other names, is not trusted, is weak, does not
    belong to its private key, or is not the one that is served.
  - Time is exact to the second. A certificate that expired twelve hours ago has RV(certificates[].days_left) of
    V(-0.5) and is V(critical).
  - Whatever cannot be read is V(unknown) in a check of its own, C(certificate.readable), with the reason. A file that
    is missing, empty, damaged, too large, no file, or locked by another passphrase; a wildcard that matches nothing; a
    server that refuses, stays silent or speaks something else.
  - Reads files and asks servers, nothing else. To a server it sends what begins TLS, and never a name or password.
extends_documentation_fragment:
  - upkeep.runbook.attributes
  - upkeep.runbook.attributes.inspecting
  - upkeep.runbook.checks
options:
  paths:
    description:
      - Absolute paths of files, folders, or wildcards (C(*), C(?), C([…]), and C(**) for any number of folders).
      - Links to folders below a folder or C(**) are not followed; name such a folder itself.
      - A file may be PEM, with any number of certificates, DER or PKCS#12. Its content decides, not its name. At most 8
        MiB are read.
      - In a folder and those below it the files are looked at whose names end like those of certificates (C(.pem),
        C(.crt), C(.cer), C(.cert), C(.der), C(.p12), C(.pfx)). Of these, private keys, requests and parameters are
        passed over.
      - A private key in the same file must belong to the first certificate of the file.
    type: list
    elements: path
    default: []
  endpoints:
    description:
      - Servers to ask, each as C(host:port), or as a mapping with C(host), C(port) and, if wanted, C(server_name),
        C(starttls) and C(ca_file).
      - C(server_name) is the name to ask for (SNI) and to find in the certificate, when it is not C(host).
      - C(starttls) is the protocol in which TLS is started, V(smtp), V(imap), V(pop3), V(ftp), V(ldap),
        V(postgresql) (or V(postgres)) or V(mysql).
      - C(ca_file) overrides O(ca_file) for this server.
    type: list
    elements: raw
    default: []
  served_by:
    description:
      - Files whose first certificate a server must present. After a renewal the two differ until the server is
        reloaded, which is a warning.
      - The endpoints are looked at as those of O(endpoints) are, and need not be listed there.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path of the file.
        type: path
        required: true
      endpoint:
        description: The server, as in O(endpoints).
        type: raw
        required: true
      hint:
        description: The next step when it presents another certificate. By default, to reload the server.
        type: str
  private_keys:
    description:
      - Absolute paths of private keys, folders or wildcards, as in O(paths). Each must belong to the first certificate
        of a file in the same folder, when O(paths) names any there; otherwise to that of any file or server.
      - Only the public half of a key is compared.
    type: list
    elements: path
    default: []
  passphrase:
    description: The passphrase of PKCS#12 files and of encrypted private keys.
    type: str
  passphrases:
    description: Further passphrases. Each is tried until one fits.
    type: list
    elements: str
  warning_days:
    description: This many days left or fewer are a warning.
    type: float
    default: 30.0
  critical_days:
    description: This many days left or fewer are critical. An expired certificate always is.
    type: float
    default: 7.0
  warning_lifetime_percent:
    description:
      - This much of the whole lifetime left, or less, is a warning, in percent.
      - Together with O(warning_days) the smaller remaining time applies. V(33) and 30 days are 30 days for a
        certificate of a year and 2 days for one of six.
    type: float
  critical_lifetime_percent:
    description: The same for critical, together with O(critical_days).
    type: float
  ca_file:
    description:
      - PEM file on the host with the authorities that clients of the endpoints trust, instead of those of the system.
    type: path
  verify_chain:
    description:
      - Whether to check that the certificate of an endpoint leads to a trusted authority.
      - The verdict is that of OpenSSL, which looks for any good chain. A root that has expired and was signed by
        another one across is therefore no trouble.
    type: bool
    default: true
  timeout_seconds:
    description: How long an endpoint may take for everything, V(0.1) to V(300), in seconds.
    type: float
    default: 5.0
  concurrency:
    description: How many endpoints are asked at a time, V(1) to V(256).
    type: int
    default: 32
notes:
  - Revocation is not checked.
  - The certificates between that of a server and its root are looked at with Python 3.13 or newer (Debian 13). Earlier ones do
    not tell them; whether they are valid is part of C(certificate.chain) everywhere.
  - Files on a network file system that does not answer hold the call up. M(upkeep.runbook.resource_metrics) finds such
    file systems without waiting for them.
requirements:
  - The Python library cryptography 38 or newer on the host. The playbook C(upkeep.runbook.prepare) installs it. Without
    it everything is V(unknown), with the reason.
seealso:
  - module: upkeep.runbook.health_probe
"""

EXAMPLES = r"""
- name: Look at what certbot renews, at what is served, and whether the two are the same
  upkeep.runbook.cert_expiry:
    paths:
      - /etc/letsencrypt/live/*/fullchain.pem
    private_keys:
      - /etc/letsencrypt/live/*/privkey.pem
    endpoints:
      - www.example.com:443
      - {host: mail.example.com, port: 25, starttls: smtp}
    served_by:
      - path: /etc/letsencrypt/live/www.example.com/fullchain.pem
        endpoint: www.example.com:443
        hint: "Reload it: systemctl reload nginx"
    warning_lifetime_percent: 33
    critical_lifetime_percent: 10
  register: certificates_result

- name: Look at a keystore
  upkeep.runbook.cert_expiry:
    paths: [/etc/app/identity.p12]
    passphrase: "{{ app_keystore_passphrase }}"

- name: Look at a server behind an authority of our own, by its address
  upkeep.runbook.cert_expiry:
    endpoints:
      - {host: 192.0.2.10, port: 8443, server_name: app.internal}
    ca_file: /etc/ssl/own/authority.pem
"""

RETURN = r"""
status:
  description: The worst status of the checks, V(ok), V(warning), V(unknown) or V(critical).
  type: str
  returned: success
  sample: warning
checks:
  description:
    - One check result for each finding. Their ids are C(certificate.expiry), C(certificate.validity) (not valid yet),
      C(certificate.strength), C(certificate.hostname), C(certificate.chain), C(certificate.served),
      C(certificate.key_match) and C(certificate.readable), the last one only for what could not be read.
  type: list
  elements: dict
  returned: success
  sample:
    - check: certificate.expiry
      subject: /etc/letsencrypt/live/www.example.com/fullchain.pem
      status: warning
      summary: >-
        /etc/letsencrypt/live/www.example.com/fullchain.pem: the certificate of www.example.com expires in 12.3 days,
        on 2026-12-04T10:00:00Z (warning from 30 days, critical from 7 days).
      value: 12.345678
      unit: days
      warning: 30.0
      critical: 7.0
      hint: "certbot.timer ran 5 hours ago (2026-11-22T05:00:00Z) and failed (exit-code): journalctl -u certbot.service -n 50"
certificates:
  description: The certificates that are not ok, or all of them with O(return_all).
  type: list
  elements: dict
  returned: success
  contains:
    source:
      description: The file, or the server as C(host:port).
      type: str
    position:
      description: Its place in the file or in the chain; 1 is the first.
      type: int
    subject:
      description: Whose it is, in the form of RFC 4514.
      type: str
    issuer:
      description: Who signed it.
      type: str
    serial_number:
      description: Hexadecimal digits.
      type: str
    sans:
      description: The names and addresses that it is for; at most 1000.
      type: list
      elements: str
    not_before:
      description: When it became valid, UTC.
      type: str
    not_after:
      description: When it expires, UTC.
      type: str
    days_left:
      description: Days until then, with fractions; negative afterwards.
      type: float
    lifetime_left_percent:
      description: Share of its lifetime that is left, in percent; negative afterwards.
      type: float
    key_type:
      description: V(RSA), V(EC), V(DSA), V(Ed25519), V(Ed448) or V(unknown).
      type: str
    key_size:
      description: Bits of its key; null when unknown.
      type: int
    signature_algorithm:
      description: Name or object identifier.
      type: str
    fingerprint_sha256:
      description: Hexadecimal digits.
      type: str
    self_signed:
      description: Whether its own key signed it.
      type: bool
    status:
      description: The worst of the checks about it by itself and, for the first one of a server, of its name and chain.
      type: str
totals:
  description:
    - Counts of C(files), C(endpoints), C(certificates), C(unreadable) sources and files that were C(passed_over) in
      folders, and C(earliest_not_after), when the first of all certificates expires, or null.
  type: dict
  returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.inspection import inspect_certificates
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    served_by = {
        "path": {"type": "path", "required": True},
        "endpoint": {"type": "raw", "required": True},
        "hint": {"type": "str"},
    }
    return {
        "paths": {"type": "list", "elements": "path", "default": []},
        "endpoints": {"type": "list", "elements": "raw", "default": []},
        "served_by": {"type": "list", "elements": "dict", "options": served_by, "default": []},
        "private_keys": {"type": "list", "elements": "path", "default": [], "no_log": False},
        "passphrase": {"type": "str", "no_log": True},
        "passphrases": {"type": "list", "elements": "str", "no_log": True},
        "warning_days": {"type": "float", "default": 30.0},
        "critical_days": {"type": "float", "default": 7.0},
        "warning_lifetime_percent": {"type": "float"},
        "critical_lifetime_percent": {"type": "float"},
        "ca_file": {"type": "path"},
        "verify_chain": {"type": "bool", "default": True},
        "timeout_seconds": {"type": "float", "default": 5.0},
        "concurrency": {"type": "int", "default": 32},
        "return_all": {"type": "bool", "default": False},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = inspect_certificates(module.params, now=utc_now())
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
