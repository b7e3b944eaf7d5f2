# SPDX-License-Identifier: GPL-3.0-or-later
# Every target sets up what it needs; a second run finds it there. See docs/development.md.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The bpy module exists for Python 3.11 (Blender 5.0) and 3.13 (Blender 5.3). A Python without ensurepip (Debian's
# without python3-venv) cannot make environments.
usable = import sys, ensurepip; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 13)))
PYTHON ?= $(shell for name in python3 python3.11 python3.13; do \
	"$$name" -c '$(usable)' 2>/dev/null && { echo "$$name"; exit; }; done; \
	command -v uv >/dev/null && uv python find --managed-python 3.11 2>/dev/null)

VENV := .venv
VENV_BLENDER := .venv-blender
BACKEND := $(VENV)/.installed
HEADLESS := $(VENV_BLENDER)/.installed
BPY_3.11 := bpy==5.0.1
BPY_3.13 := bpy==5.3.0
# Other Blenders to test with too, for instance ALSO='4.2 4.5 5.2 5.3': up to 5.0 they need Python 3.11, then 3.13.
ALSO ?=
OTHERS := $(ALSO:%=$(VENV_BLENDER)-%/.installed)

# What runs inside Blender, but for the backend that it carries.
BLENDERS_SIDE := operators panels scene_sync viewport $(filter-out __init__,$(basename $(wildcard *.py)))

.PHONY: help setup demo demo-plan scenes race test test-gui extension bench soak fuzz attack lint types train-card check-card

help:
	@echo 'make setup      the backend in .venv (command: .venv/bin/worldfm), Blender as a module in .venv-blender'
	@echo 'make demo       build the demo scene and render its fly-through into outputs/demo'
	@echo 'make scenes     artist scenes by Cycles and by the product: a table, sheets in outputs/scenes (an hour)'
	@echo 'make race       the demo by Cycles with few samples and by the product: time against quality'
	@echo 'make test       the tests, but for those that need a window'
	@echo 'make test-gui   the tests in a real Blender under Xvfb (BLENDER=/path/to/blender to use yours)'
	@echo 'make extension  one zip per platform into dist'
	@echo 'make bench      measure this machine: outputs/bench.json'
	@echo 'make fuzz       damaged files to every reader for MINUTES (30): outputs/fuzz.json'
	@echo 'make attack     a hundred kills and full disks of each work, and more: outputs/attack.json'
	@echo 'make soak       an hour of small frames: outputs/soak.json says what they leave in memory'
	@echo 'make check-card MINUTES=3   a graphics card: its tests, conformance, speed of both models: outputs/card-checks'
	@echo 'make train-card MINUTES=8   the same, then training on it till time is up: outputs/card'
	@echo 'make lint       ruff'
	@echo 'make types      mypy over the backend and over what runs inside Blender'

setup: $(BACKEND) $(HEADLESS)

define require_python
	@test -n '$(PYTHON)' || { echo 'Error: WorldFM needs Python 3.11 or 3.13 with the venv module, because the bpy' \
		'module exists for these only; install one and run make again with PYTHON=/path/to/python3.11' \
		'(with uv: uv python install 3.11, then make again).' >&2; exit 1; }
	@'$(PYTHON)' -c '$(usable)' 2>/dev/null || { echo 'Error: $(PYTHON) is not a Python 3.11 or 3.13 with the venv module;' \
		'run make again with PYTHON=/path/to/python3.11.' >&2; exit 1; }
endef

$(BACKEND): pyproject.toml
	$(require_python)
	@echo 'Setting up the backend in $(VENV) (a few minutes the first time)'
	@test -x $(VENV)/bin/python || '$(PYTHON)' -m venv $(VENV)
	@$(VENV)/bin/python wheels/install_backend.py $(VENV) train,dev
	@echo 'Compiling what lights scenes'
	@$(VENV)/bin/python -m backend warm > /dev/null
	@touch $@

$(HEADLESS): Makefile
	$(require_python)
	@echo 'Setting up Blender as a Python module in $(VENV_BLENDER) (about 350 MB the first time)'
	@test -x $(VENV_BLENDER)/bin/python || '$(PYTHON)' -m venv $(VENV_BLENDER)
	@version=$$($(VENV_BLENDER)/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	case $$version in 3.11) bpy='$(BPY_3.11)';; 3.13) bpy='$(BPY_3.13)';; esac; \
	$(VENV_BLENDER)/bin/python -m pip install --disable-pip-version-check "$$bpy" numpy
	@touch $@

$(VENV_BLENDER)-%/.installed:
	$(require_python)
	@echo 'Setting up Blender $* as a Python module in $(@D)'
	@case '$*' in 4.*|5.0) needed=3.11;; *) needed=3.13;; esac; \
	for python in '$(PYTHON)' "python$$needed" "$$(uv python find --managed-python $$needed 2>/dev/null)" \
		"$$(ls -d "$$HOME"/.pyenv/versions/$$needed.*/bin/python 2>/dev/null | tail -1)"; do \
		test -n "$$python" && test "$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" \
			= "$$needed" && break; python=; \
	done; \
	test -n "$$python" || { echo "Error: Blender $* as a module needs Python $$needed; install it and run make again." >&2; exit 1; }; \
	test -x $(@D)/bin/python || "$$python" -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check 'bpy==$*.*' numpy
	@touch $@

# What is not here yet is said before any of it is fetched.
demo-plan:
	@test -e $(BACKEND) && test -e $(HEADLESS) || echo 'make demo sets up first:'
	@test -e $(BACKEND) || echo '  the backend in $(VENV): its packages, about 0.5 GB without an accelerator, 3 GB with one'
	@test -e $(HEADLESS) || echo '  Blender as a Python module in $(VENV_BLENDER): about 350 MB'
	@ls wheels/uv-*.whl >/dev/null 2>&1 || echo '  the wheels of the extension for this system: about 25 MB'

demo: demo-plan
	@$(MAKE) --no-print-directory $(BACKEND) $(HEADLESS)
	@$(VENV_BLENDER)/bin/python wheels/fetch.py --this
	@$(VENV_BLENDER)/bin/python wheels/build_extension.py --this dist
	@$(VENV_BLENDER)/bin/python -m demo.run --backend-python $(VENV)/bin/python --output outputs/demo

# SCENES='cube,room' makes these alone; what Cycles rendered is kept
SCENES ?=

scenes: $(BACKEND) $(HEADLESS)
	@$(VENV_BLENDER)/bin/python -m demo.scenes.render --output outputs/scenes --only '$(SCENES)' --curve
	@$(VENV)/bin/python -m demo.scenes.compare outputs/scenes --only '$(SCENES)' --blender-python $(VENV_BLENDER)/bin/python

race: $(BACKEND) $(HEADLESS)
	@$(VENV_BLENDER)/bin/python -m demo.scenes.render --output outputs/scenes --only '$(or $(SCENES),demo)' --curve
	@$(VENV)/bin/python -m demo.scenes.compare outputs/scenes --only '$(or $(SCENES),demo)' --modes none,3,6 --race \
		--blender-python $(VENV_BLENDER)/bin/python

test: $(BACKEND) $(OTHERS) extension
	@zip=$$($(VENV)/bin/python wheels/build_extension.py dist --which); \
	WORLDFM_TEST_ZIP="$$PWD/$$zip" $(VENV)/bin/python -m pytest tests --ignore=tests/gui --ignore=tests/soak

test-gui: $(BACKEND) extension
	@$(VENV)/bin/python -m pytest tests/gui

extension: $(HEADLESS)
	@$(VENV_BLENDER)/bin/python wheels/fetch.py
	@$(VENV_BLENDER)/bin/python wheels/build_extension.py dist

bench: $(BACKEND) extension
	@mkdir -p outputs
	@$(VENV)/bin/worldfm bench --json > outputs/.bench.json.tmp
	@$(VENV_BLENDER)/bin/python -m demo.measure --into outputs/.bench.json.tmp > /dev/null
	@mv outputs/.bench.json.tmp outputs/bench.json
	@cat outputs/bench.json

# WORLDFM_SOAK_FRAMES (2000) and WORLDFM_SOAK_MINUTES (10) make it shorter or longer
soak: $(BACKEND) extension
	@zip=$$($(VENV)/bin/python wheels/build_extension.py dist --which); \
	WORLDFM_TEST_ZIP="$$PWD/$$zip" $(VENV)/bin/python -m pytest tests/soak -s

types: $(BACKEND)
	@$(VENV)/bin/python -m mypy
	@mkdir -p build/types && ln -sfn ../.. build/types/worldfm
	@$(VENV)/bin/python -m mypy --config-file .ci/mypy-blender.ini $(BLENDERS_SIDE:%=-p worldfm.%)

INPUTS ?= 0

fuzz: MINUTES ?= 30
fuzz: $(BACKEND)
	@$(VENV)/bin/python -m tests.fuzz.run --minutes $(MINUTES) --inputs $(INPUTS)

# DEVICE=cpu tries both out without a card; CARD has further options of `worldfm train card`
DEVICE ?= cuda
VECTORS ?= $(wildcard conformance)
CARD ?=
card = $(VENV)/bin/python -m backend train card --minutes $(MINUTES) --device $(DEVICE) $(VECTORS:%=--vectors %) $(CARD)

check-card: MINUTES ?= 3
check-card: $(BACKEND)
	@$(card) --checks --overwrite -o outputs/card-checks

train-card: MINUTES ?= 8
train-card: $(BACKEND)
	@$(card) -o outputs/card

MOMENTS ?= 100

attack: $(BACKEND) extension
	@$(VENV)/bin/python -m tests.attack.run --moments $(MOMENTS)

lint: $(BACKEND)
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
