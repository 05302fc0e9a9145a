# Everything installs into .venv from requirements/dev.lock; the first `make` on a machine sets that up.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MEMBERS := $(wildcard libs/*/pyproject.toml services/*/pyproject.toml)
READY := $(VENV)/.ready
TORCH := .venv-torch
SERVICES := dataset detector model gateway
TOUR ?= 1
ONCE ?= 0
PEERS ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup run test test-failed check format lock lock-upgrade migrate image image-test charts-test mesh-test mesh-soak parts-test torch-test chaos fault-test bench clients-test mutants

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## the environment, .venv (a minute the first time)

$(READY): requirements/dev.lock pyproject.toml $(MEMBERS) tools/setup
	@tools/setup "$(PYTHON)" "$(VENV)"
	@touch $@

run: $(READY) ## the whole suite on this machine with a guided tour; TOUR=0 only serves, ONCE=1 ends after the tour
	@$(BIN)/pynomaly up $(if $(filter 1,$(TOUR)),--run examples/tour.py) $(if $(filter 1,$(ONCE)),--once)

test: $(READY) ## every test that needs wheels alone (15 minutes on two cores)
	@mkdir -p build && $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile; ended=$$?; echo $$ended >build/test-ended; exit $$ended

test-failed: $(READY) ## what failed in the last `make test`, once more, one at a time; fails where not every test was run
	@[ "$$(cat build/test-ended)" = 1 ] && $(BIN)/python -m pytest --last-failed --last-failed-no-failures none

parts-test: $(READY) ## what needs Debian's Prometheus, Redis and faketime, which it installs (1 minute)
	@{ command -v promtool && command -v redis-server && command -v faketime; } >/dev/null || { apt-get update -qq && apt-get install -qq -y --no-install-recommends prometheus redis-server faketime; } >/dev/null
	@$(BIN)/python -m pytest tests/parts

portability-test: $(READY) ## every algorithm's graph under WebAssembly and the C API; needs npm, go and a C compiler (2 minutes)
	@tests/portability/install
	@$(BIN)/python -m pytest tests/portability

torch-test: $(TORCH)/.ready ## PyOD's neural networks, with PyTorch in an environment of its own, .venv-torch, of 7 GB (10 minutes)
	@$(TORCH)/bin/python -m pytest tests/networks services/detector/tests/test_algorithms.py -n auto --maxprocesses 4 --timeout 900
	@names=$$($(TORCH)/bin/python -c "from detector_service.compile.networks import NETWORKS; print(' or '.join(NETWORKS))"); \
	$(TORCH)/bin/python -m pytest services/detector/tests/test_compile.py services/detector/tests/test_compile_properties.py \
		services/detector/tests/test_training.py -k "$$names" -n auto --maxprocesses 4 --timeout 900

$(TORCH)/.ready: requirements/dev.lock requirements/torch.lock pyproject.toml $(MEMBERS) tools/setup
	@tools/setup "$(PYTHON)" "$(TORCH)" requirements/torch.lock
	@touch $@

fault-test: $(READY) ## kill -9 at 50 instants per service, databases and disks and storage that fail, hostile input (15 minutes); FAULT_SEED=1 the same instants again
	@$(BIN)/python -m pytest tests/faults -n 2 --dist loadfile --timeout 900

chaos: $(READY) ## faults between and kill -9 of real processes, in mid-work; ends with a table of figures (8 minutes)
	@$(BIN)/python -m pytest tests/chaos --timeout 900

bench: $(READY) ## what a prediction costs, beside MLServer, MLflow, BentoML, KServe, and what data costs (20 minutes, and 2.8 GB the first time); PEERS=0 leaves them out, ONLY="one_row start" other works, WRITE=1 puts the figures into the documents
	@$(BIN)/python tests/bench/run.py $(if $(filter 0,$(PEERS)),--no-peers) $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick) $(if $(WRITE),--write)

clients-test: $(READY) ## clients that others wrote against the real suite: tritonclient, KServe's, MLflow's, MLServer's (1 minute, and 0.9 GB the first time)
	@$(BIN)/python -m pytest tests/clients

mutants: $(READY) ## small changes to the resilience library that no test notices; MODULES="breaker retry" (hours for all)
	@tools/mutants $(MODULES)

check: $(READY) ## style, types, layers, generated files and locks
	@tools/check

format: $(READY) ## put the code in order
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lock: $(READY) ## requirements/*.lock from the pyproject files, keeping the pins that are there
	@tools/lock

lock-upgrade: $(READY) ## requirements/*.lock at the newest versions
	@tools/lock --upgrade

image: ## an image per service and one of an S3 server, tagged TAG=dev; by Docker, podman or the tool that CLUSTER names (5 minutes)
	@tools/image "$(or $(TAG),dev)"

image-test: $(READY) image ## every image and the compose file really start; needs what `make image` needs (6 minutes)
	@! command -v podman >/dev/null || [ -x /usr/lib/podman/aardvark-dns ] || { apt-get update -qq && apt-get install -qq -y --no-install-recommends netavark aardvark-dns; } >/dev/null
	@TAG="$(or $(TAG),dev)" $(BIN)/python -m pytest tests/images

charts-test: $(READY) ## the charts as Helm renders them, without a cluster; needs helm on PATH or in CLUSTER (1 minute)
	@$(BIN)/python -m pytest tests/charts -n auto --maxprocesses 4

mesh-test: $(READY) ## the charts on the cluster of KUBECONFIG, or on one that CLUSTER brings up (15 minutes); build/mesh-report.md
	@TAG="$(or $(TAG),dev)" $(BIN)/python -m pytest tests/mesh --timeout 1800

mesh-soak: $(READY) ## the same upgrades and kills again and again: 20 rolling restarts under load (40 minutes)
	@TAG="$(or $(TAG),dev)" MESH_RESTARTS=20 $(BIN)/python -m pytest tests/mesh/test_upgrades.py --timeout 3600

migrate: $(READY) ## bring the local databases to the newest schema, without serving
	@$(BIN)/pynomaly migrate
