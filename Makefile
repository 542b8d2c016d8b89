# The commands of the project. `make help` lists them; each is small enough to be read here.
# What needs more than a line or two of shell is a script in scripts/.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Two lanes of `make test`, side by side: all other gates, and the containers, which take as long as those together.
GATES := lint types contracts docs units units-oldest sanity matrix integration faults check-mode package browser
GATES_BESIDE := molecule

PYTEST := .venv/bin/python -m pytest

# The unit tests that another ansible-core, or the library of another Python, could fail; and those of them that start a module or a
# playbook each time, which take minutes.
MEETS_ANSIBLE := tests/unit/plugins/filter tests/unit/plugins/module_utils/archives tests/unit/plugins/module_utils/restoring
STARTS_MODULES := tests/unit/plugins/modules tests/unit/roles

export PATH := $(CURDIR)/.venv/bin:$(PATH):/usr/sbin:/sbin
# A playbook started here sees the settings of this checkout, whatever the shell that called make had set.
unexport ANSIBLE_CONFIG
unexport ANSIBLE_COLLECTIONS_PATH
# Where this is set, as in many images, each of a thousand processes would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

##@ Try it
.PHONY: help
help: ## List these commands
	@awk -f scripts/makefile_help.awk Makefile

.PHONY: daily
daily: venv ## Run the daily cadence on this machine with the demo inventory; writes only its own history and reports
	@ANSIBLE_DISPLAY_OK_HOSTS=no ANSIBLE_DISPLAY_SKIPPED_HOSTS=no ansible-playbook -i inventories/demo upkeep.runbook.daily

##@ Work on it
.PHONY: venv
venv: .collections/ansible_collections/upkeep/runbook ## Make .venv with what the playbooks need, on the newest suitable Python found
	@scripts/venv.sh .venv "3.13 3.12 3.11" requirements.txt

.PHONY: venv-test
venv-test: .collections/ansible_collections/upkeep/runbook ## Make .venv with what the tests need, on Python 3.13
	@scripts/venv.sh .venv "3.13" requirements.txt requirements-test.txt

# Ansible finds a collection by its path, so the checkout is given one.
.collections/ansible_collections/upkeep/runbook:
	@mkdir -p $(@D) && ln -sfn ../../.. $@

.PHONY: build
build: venv ## Build the collection's tarball into .cache/build
	@ansible-galaxy collection build --force --output-path .cache/build

.PHONY: clean
clean: ## Remove the virtual environments, caches and whatever else was made here
	rm -rf .venv .venv-* .collections .cache .ansible .mypy_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

##@ Test it
.PHONY: test
test: ## Run every gate below, go on after a failure, end with `N passed, N failed`
	@# All packages first: one that is replaced while containers run makes this machine one with processes that need a restart.
	@scripts/system_packages.sh $(GATES) $(GATES_BESIDE) || true # each gate says again what it lacks
	@# Faults that need a certain moment are tried less often here than in `make faults`.
	@FAULT_RUNS=$${FAULT_RUNS:-3} scripts/gates.sh "$(GATES)" "$(GATES_BESIDE)"

.PHONY: units
units: venv-test ## Unit tests on this Python
	@scripts/system_packages.sh units
	@$(PYTEST) --numprocesses auto tests/unit

.PHONY: units-oldest
units-oldest: venv-test ## Unit tests of what runs on targets, on Python 3.9
	@scripts/system_packages.sh units
	@scripts/venv.sh .venv-3.9 "3.9" requirements-units.txt
	@scripts/ansible_test.sh units --python 3.9 --python-interpreter $(CURDIR)/.venv-3.9/bin/python

.PHONY: sanity
sanity: venv-test ## ansible-test sanity, with no ignore file
	@scripts/system_packages.sh sanity
	@PATH="$$(dirname "$$(scripts/find_python.sh 3.9)"):$$PATH" scripts/ansible_test.sh sanity --requirements \
		--controller origin:python=3.13 --target-python 3.9 --target-python 3.13

.PHONY: lint
lint: venv-test ## ansible-lint (production profile), yamllint and shellcheck
	@scripts/system_packages.sh lint
	@shellcheck scripts/*.sh .ci/run molecule/run molecule/images/build molecule/platform/tree/opt/manual/*
	@yamllint --strict .
	@ansible-lint --offline --strict

.PHONY: types
types: venv-test ## mypy over the plugins
	@mypy --package ansible_collections.upkeep.runbook.plugins

.PHONY: contracts
contracts: venv-test ## What must stay equal: defaults and specs, promised roles and play 1, docs and code
	@$(PYTEST) tests/gates -m "not documentation and not package and not check_mode"

.PHONY: docs
docs: venv-test ## ansible-doc renders every module, role and filter
	@$(PYTEST) tests/gates -m documentation

.PHONY: check-mode
check-mode: venv-test ## `--check` of every playbook: the same statuses, and nothing written anywhere
	@$(PYTEST) tests/gates -m check_mode

.PHONY: package
package: venv-test ## The built tarball is small and clean, installs, and runs from an empty directory
	@$(PYTEST) tests/gates -m package

.PHONY: matrix
matrix: .collections/ansible_collections/upkeep/runbook ## Unit tests that meet Ansible or another Python's library, and the daily run, on ansible-core 2.19 and 2.20; every other gate runs on 2.21
	@scripts/system_packages.sh units
	@# What is plain Python runs on the oldest and the newest one as it is, and modules and roles do with the oldest and the newest
	@# ansible-core. On the one between the daily run has to be enough.
	@scripts/controller.sh .venv-2.19 3.11 $(MEETS_ANSIBLE) $(STARTS_MODULES)
	@scripts/controller.sh .venv-2.20 3.12 $(MEETS_ANSIBLE)

.PHONY: browser
browser: venv-test ## The HTML report in headless Chromium
	@scripts/system_packages.sh browser
	@$(PYTEST) tests/browser

.PHONY: integration
integration: venv-test ## Real database servers, which the tests start: dumps, restores, drills
	@scripts/system_packages.sh integration
	@$(PYTEST) --numprocesses auto --dist worksteal tests/integration

.PHONY: faults
faults: venv-test ## What must survive: dead hosts, full disks, two runs at once, SIGKILL
	@scripts/system_packages.sh faults
	@# What the tests of a file share, a run over many hosts mostly, is made once.
	@FAULT_RUNS=$${FAULT_RUNS:-20} $(PYTEST) --numprocesses auto --dist loadfile tests/faults

.PHONY: molecule
molecule: venv-test ## The daily run on a real platform in systemd containers
	@scripts/system_packages.sh molecule
	@molecule/run

.PHONY: bench
bench: venv-test ## Speed and memory, as ratios; not part of `make test`
	@scripts/system_packages.sh bench
	@.venv/bin/python tests/benchmarks/probes.py
	@.venv/bin/python tests/benchmarks/dependencies.py
	@.venv/bin/python tests/benchmarks/certificates.py
	@.venv/bin/python tests/benchmarks/backup_create.py
	@.venv/bin/python tests/benchmarks/backup_restore.py
	@.venv/bin/python tests/benchmarks/backup_verify.py
	@.venv/bin/python tests/benchmarks/log_rotation.py
	@.venv/bin/python tests/benchmarks/log_scan.py
	@.venv/bin/python tests/benchmarks/access_logs.py
	@.venv/bin/python tests/benchmarks/file_integrity.py
	@.venv/bin/python tests/benchmarks/daily.py
	@.venv/bin/python tests/benchmarks/whole_daily.py
