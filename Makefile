# Everything that people type. `make` alone lists it.

SHELL := bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
PYTHON := $(VENV)/bin/python
READY := $(VENV)/.ready

# Tests that look at the clock have the computer to themselves; of the others, three files run at a time,
# also with two cores: two files left those idle for a quarter of the time.
CLOCK := tests/attacks/test_rates.py tests/attacks/test_slow_client.py tests/attacks/test_timing.py
BY_THREE := -n 3 --dist loadfile --no-loadscope-reorder -p tests.side_by_side

# Containers: what else the image is built from, and Compose, or where it is not there its predecessor.
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)".*/\1/p' nochat/__init__.py)
BUILD_ARGUMENTS = --build-arg VERSION=$(VERSION) \
  $(foreach it,http_proxy https_proxy no_proxy,$(if $(filter-out http://127.% http://localhost%,$($(it))),--build-arg $(it))) \
  $(addprefix --build-arg BASE_IMAGE=,$(or $(BASE_IMAGE),$(if $(NOCHAT_OFFLINE),nochat/python$(if $(filter 12,$(NOCHAT_DEBIAN)),-12)))) $(BUILD_CA:%=--secret id=ca,src=%)
COMPOSE = $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)
ifneq ($(filter-out docker/%,$(subst :, ,$(or $(COMPOSE_FILE),/))),)
# None is named, or that of another project, which `make down` would stop.
COMPOSE_FILE := docker/compose.yaml$(if $(NOCHAT_OFFLINE),:docker/compose.offline.yaml)
unexport COMPOSE_PROJECT_NAME COMPOSE_PATH_SEPARATOR
endif
export COMPOSE_FILE

LOCK = $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-annotate --no-header

# The environment's own tools come first, and no other environment is in the way. Python reads its own
# variables before it reads our code, which settles all others: nochat/lab/surroundings.py.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
unexport VIRTUAL_ENV CONDA_PREFIX CDPATH BASH_ENV
unexport $(filter-out PYTHONUNBUFFERED,$(filter PYTHON%,$(.VARIABLES)))
export LC_ALL := C.UTF-8
export PYTHONUTF8 := 1

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-21s %s\n", $$1, $$2}' Makefile

lab: $(READY)  ## open the course in JupyterLab
	@$(PYTHON) tools/lab.py

chat: $(READY)  ## run the chat alone, without the course
	@$(VENV)/bin/nochat up

check: $(READY)  ## the tests for all day: under two minutes
	@$(PYTHON) -m pytest -m "not slow" -p no:schemathesis $(BY_THREE)

test: $(READY)  ## everything: Debian's packages, lint, every test
	@tools/apt-install
	@$(MAKE) lint
	@$(PYTHON) -m pytest $(CLOCK)
	@$(PYTHON) -m pytest $(BY_THREE) $(CLOCK:%=--ignore=%)

attack: $(READY)  ## every attack: on the chat alone, then on the chat in containers; minutes
	@$(PYTHON) -m pytest $(CLOCK)
	@$(PYTHON) -m pytest $(BY_THREE) $(CLOCK:%=--ignore=%) tests/attacks
	@$(PYTHON) -m pytest -s -m attack tests/containers

test-machines: $(READY)  ## machines by Docker and LXC, provisioned, and their notebooks: minutes
	@$(PYTHON) -m pytest $(BY_THREE) -m machines

test-openstack: $(READY)  ## real OpenStack on one machine, and a server in it: minutes
	@$(PYTHON) -m pytest -s -m openstack tests/machines

azure-collection: build/azure-collection/.ready  ## what playbooks/azure.yml needs: 1.3 GB

build/azure-collection/.ready: playbooks/azure-requirements.txt | $(READY)
	@$(VENV)/bin/uv venv --quiet --clear build/azure-collection
	@$(VENV)/bin/uv pip install --quiet --compile-bytecode --requirements $< \
	  --python build/azure-collection/bin/python
	@touch $@

test-azure-collection: azure-collection  ## Azure by Ansible's collection, against a stand-in: minutes
	@$(PYTHON) -m pytest -s -m azure_collection tests/machines

test-cluster: $(READY)  ## three machines, and one of them dies: minutes
	@$(PYTHON) -m pytest -s -m cluster tests/machines

test-libvirt: $(READY)  ## boot and provision a virtual machine, emulated: minutes
	@$(PYTHON) -m pytest -s -m libvirt tests/machines

test-mongodb: $(READY)  ## what stores in MongoDB, on the one that NOCHAT_TEST_MONGODB_URL names
	@: $${NOCHAT_TEST_MONGODB_URL:?is not set; it names a MongoDB, as in CONTRIBUTING.md}
	@$(PYTHON) -m pytest -m "" tests/stores/test_activity.py tests/stores/test_second.py tests/cli/test_restore.py

test-lowest: build/lowest/.ready  ## the tests for all day, on the lowest versions in pyproject.toml: minutes
	@PATH=$(CURDIR)/build/lowest/bin:$$PATH build/lowest/bin/python -m pytest -W default -m "not slow" $(BY_THREE)

# Of each package the lowest version that there is for this Python; what it says is deprecated is.
build/lowest/.ready: pyproject.toml | $(READY)
	@$(VENV)/bin/uv venv --quiet --clear build/lowest
	@$(VENV)/bin/uv pip install --quiet --python build/lowest/bin/python --resolution lowest-direct \
	  --only-binary :all: --no-binary nochat --editable '.[azure,lab,docs,dev]'
	@touch $@

lint: $(READY)  ## style, types, spelling, secrets, stripped notebooks
	@tools/lint

course: $(READY)  ## execute every notebook that this machine can run, then build the site
	@$(PYTHON) -m nochat.lab.course
	@tools/site

student: $(READY)  ## the notebooks for students, without solutions, in build/student
	@$(PYTHON) -m nochat.lab.course.editions student

teacher: $(READY)  ## the notebooks for teachers, solved, with notes and timings, in build/teacher
	@$(PYTHON) -m nochat.lab.course.editions teacher

docs: $(READY)  ## build the site; executes only the notebooks that changed
	@$(PYTHON) -m nochat.lab.course --stale
	@tools/site

base-image:  ## build what the chat's image can start from, out of Debian's packages
	@tools/box python

image: $(if $(NOCHAT_OFFLINE),base-image)  ## build the chat's image
	@DOCKER_BUILDKIT=1 docker build --file docker/Dockerfile --tag nochat $(BUILD_ARGUMENTS) .

up: image  ## the whole chat in containers, at http://localhost:8000
	@docker/secrets
	@$(COMPOSE) up --detach

down:  ## stop these containers; what the chat stored stays
	@$(COMPOSE) down

box:  ## build the machines' own base system, for Docker, LXC and libvirt
	@tools/box

bench: $(READY)  ## measure the chat against its peers: 20 minutes, with nothing else running
	@$(PYTHON) -m benchmarks
	@$(PYTHON) -m benchmarks.publish

bench-quick: $(READY)  ## try every case of it, in two minutes: the figures say little
	@$(PYTHON) -m benchmarks --quick --json build/bench-quick.json

bench-containers: $(READY)  ## measure the chat's containers against a voting app's; as root
	@$(PYTHON) -m benchmarks.containers

dist: $(READY)  ## the wheel and the source archive, as a release has them, in dist
	@rm -rf dist
	@$(PYTHON) -m build --no-isolation --outdir dist >build/dist.log 2>&1 || { tail -n 20 build/dist.log; exit 1; }
	@ls dist/*

lock: $(READY)  ## renew requirements.lock, package-lock.json and the locks of the image
	@$(LOCK) --all-extras --upgrade pyproject.toml -o requirements.lock
	@$(LOCK) --constraint requirements.lock pyproject.toml -o docker/chat.lock
	@printf 'hatchling\nnodejs-wheel\n' | \
	  $(LOCK) --constraint requirements.lock - -o docker/build.lock
	@npm update --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund
	@echo "The locks are renewed; the next make installs what they say."

clean:  ## remove what make made
	@rm -rf build 2>/dev/null || { echo "Machines wrote into build as root: sudo rm -rf build"; exit 1; }
	@rm -rf $(VENV) node_modules dist nochat/services/web/static/vendor nochat/services/bots/node_modules *.egg-info
	@rm -rf docs/api docs/messages docs/notebooks docs/services
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -prune -exec rm -rf {} +

# The stamp is written last and holds the folder's path: an environment that was interrupted, moved
# or left without its Python is made again.
ifneq ($(wildcard $(PYTHON))$(shell cat $(READY) 2>/dev/null),$(PYTHON)$(CURDIR))
$(READY): remake
endif
$(READY): pyproject.toml requirements.lock package-lock.json tools/environment
	@tools/environment

.PHONY: help lab chat check test test-machines azure-collection test-azure-collection test-cluster test-libvirt test-lowest test-mongodb test-openstack base-image image up down box lint course student teacher docs bench bench-quick bench-containers dist lock clean remake
