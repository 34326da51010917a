# Two commands for newcomers: "make demo" and "make check".  Both install what they need.
# Progress is visible all the time, so recipes do not capture output.

MAKEFLAGS += --no-builtin-rules --no-print-directory
SHELL := /bin/bash
.ONESHELL:
.SHELLFLAGS := -euo pipefail -c

# Every recipe that needs the Python environment starts with this line.
ENTER = python=$$(bash tests/bootstrap.sh); export PYTHONPATH=$(CURDIR) PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# Runs on the patched machine: Python 3.6 must understand it.
OLD_PYTHON = kpatch/__init__.py kpatch/errors.py kpatch/log.py kpatch/run.py kpatch/data.py kpatch/version.py \
             $(wildcard kpatch/host/*.py kpatch/cli/__init__.py kpatch/cli/main.py kpatch/cli/kpatch.py dnf-plugin/*.py)
# Two machines at a time: a guest under emulation keeps about one processor busy.  Modules stay whole and in order.
WORKERS = -n 2 --dist loadfile --no-loadscope-reorder
PYTEST = $$python -m pytest -p no:cacheprovider $(PYTEST_ARGS)

# What vm-kernels runs on each kernel of another release: all that meets the kernel, fast ones first.
KERNEL_TESTS = build build_modules signed livepatch core core_modules core_interplay \
               livepatch_chain installroot doors scenarios

.PHONY: help demo check lint unit vm vm-kernels bench clean

help:
	@echo "make demo    the main job: a source diff becomes a hot patch that dnf update puts into a running kernel"
	@echo "make check   everything that must hold: lint, unit tests, virtual machines running the stock kernel"
	@echo "make lint    ruff, mypy --strict, vermin"
	@echo "make unit    the tests that need no virtual machine"
	@echo "make vm      the tests that boot the stock kernel; PYTEST_ARGS='-k install' for some of them"
	@echo "             on a busy machine: KPATCH_TEST_PATIENCE=3 gives the guests three times as long"
	@echo "make vm-kernels   the tests on stock kernels of other releases, built for in chroots (hours)"
	@echo "make bench   all measurements: build/bench.json and the results page"
	@echo "make clean   remove build/; the download cache is \$${XDG_CACHE_HOME:-~/.cache}/kpatch, safe to delete"

demo:
	@$(ENTER)
	$$python -m tests.vm.demo

check: lint
	@$(ENTER)
	$(PYTEST) $(WORKERS) tests -m "not kernels"

lint:
	@$(ENTER)
	$$python -m ruff check .
	$$python -m ruff format --check .
	$$python -m mypy --strict
	$${python%/*}/vermin --quiet --no-tips --violations -t=3.6- $(OLD_PYTHON)
	for script in .ci/run tests/bootstrap.sh; do bash -n $$script; done

unit:
	@$(ENTER)
	$(PYTEST) tests -m "not vm"

vm:
	@$(ENTER)
	$(PYTEST) $(WORKERS) tests/vm -m "vm and not kernels"

vm-kernels:
	@$(ENTER)
	failed=
	$(PYTEST) tests/vm/test_kernels.py || failed=1
	for suite in trixie sid bullseye; do
	    echo "== the stock kernel of $$suite"
	    KPATCH_TEST_SUITE=$$suite $(PYTEST) $(addprefix tests/vm/test_,$(addsuffix .py,$(KERNEL_TESTS))) || failed=1
	done
	test -z "$$failed"

bench:
	@$(ENTER)
	$$python -m bench

clean:
	rm -rf build
	find . -name __pycache__ -prune -exec rm -rf {} +
