# From a clean clone, with nothing but make and Python 3.11 or newer.
#   make demo   a small simulated company, end to end
#   make test   every check, in environments of its own (tox)
#   make dev    what you need to work on it, in .venv, and checks before each commit

VENV := .venv
BIN := $(VENV)/bin
PLUGINS := $(wildcard plugins/*/setup.cfg)
FITS := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
# Tests make thousands of small stores, and each commit of theirs waits for the disk: where memory is plenty, it is the disk.
MEMORY := $(shell grep -s ' /dev/shm ' /proc/mounts | grep -qv noexec && df -Pk /dev/shm | awk 'NR == 2 && $$4 > 4000000 {print $$6}')
PYTHON ?= $(firstword $(shell for p in python3 python3.11 python3.12 python3.13 python3.14 python; do \
	$$p -c '$(FITS)' 2>/dev/null && echo $$p; done))

.PHONY: demo test dev bench fuzz soak clean
.DELETE_ON_ERROR:

demo: $(VENV)/.gateway
	@$(BIN)/gateway demo --once
	@echo "Keep it running, and look around in it:  $(BIN)/gateway demo"

test: $(VENV)/.tox
	$(if $(MEMORY),TMPDIR=$(MEMORY) )$(BIN)/tox run $(TOXARGS)

dev: $(VENV)/.gateway
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test,dev,bench]'
	$(BIN)/pre-commit install

bench fuzz soak: $(VENV)/.tox
	$(BIN)/tox run -e $@

clean:
	rm -rf $(VENV) .tox build dist *.egg-info plugins/*/*.egg-info plugins/*/build

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed; say which: make PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The stamps make the second time fast; a changed setup.cfg installs again.
$(VENV)/.gateway: setup.cfg pyproject.toml $(PLUGINS) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e . $(PLUGINS:%/setup.cfg=-e %)
	@touch $@

$(VENV)/.tox: tox.ini | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'tox>=4.22'
	@touch $@
