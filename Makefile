# Every task first sets up what it needs, once: see tools/setup.sh.
# ARGS are passed on to the command: make check ARGS='--lane server'.
ARGS ?=

# Tests and checks start Python hundreds of times: some environments, such as images for containers, forbid the
# byte code that keeps it from compiling every file again.
unexport PYTHONDONTWRITEBYTECODE

# Removed by `make clean`, beside .venv.
MADE = .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .clickport/published build dist \
	tracker/node_modules benchmarks/published/node_modules fixtures/frameworks/node_modules fixtures/frameworks/dist \
	fixtures/shop/dist tests/site/typescript/node_modules \
	reference_server/web/dashboard/npm/node_modules reference_server/web/dashboard/static/vendor \
	clickport-run.jsonl clickport-load.*

.DEFAULT_GOAL := help
.PHONY: help setup check serve cluster test lint format docs selftest load bench bench-check faults cluster-faults exits-by-protocol \
	dist lock reference vectors screenshots certificate published-trackers clean

help: ## show this list
	@awk 'BEGIN { FS = ":.*## " } \
		/^## / { printf "\n%s\n", substr($$0, 4) } \
		/^[a-z-]+:.*## / { printf "  make %-20s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@printf "\nARGS are passed on: make check ARGS='--lane server --browser chromium'\n"

## Use it
setup: ## create .venv and install the browsers (once; the other targets do it too)
	@tools/setup.sh

check: setup ## check the bundled tracker and server in every browser
	@.venv/bin/clickport check --require-all $(ARGS)

serve: setup ## run the reference server and its dashboard (ARGS='--port 8000')
	@.venv/bin/clickport serve $(ARGS)

cluster: setup ## run it as two nodes on two shards, behind a front (ARGS='--shards 3')
	@.venv/bin/clickport cluster $(ARGS)

## Change it
test: setup ## run the tests of this project (ARGS=tests/harness: those of a folder)
	@.venv/bin/python -m pytest -n 5 $(ARGS)

lint: setup ## ruff, mypy and the order of imports
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/mypy
	@.venv/bin/lint-imports

format: setup ## format the code and fix what ruff can fix
	@.venv/bin/ruff check --fix
	@.venv/bin/ruff format

docs: setup ## build the pages of docs/ into build/docs; a dead link or an orphan page fails
	@.venv/bin/mkdocs build --strict $(ARGS)

selftest: setup ## run the checks on every known fault (ARGS=--quick: about 8 minutes)
	@.venv/bin/clickport selftest $(ARGS)

## Measure it
load: setup ## 30 s of load beside yardsticks; writes clickport-load.html and .json (about 2 minutes)
	@.venv/bin/clickport load --for 30s --yardsticks --report html=clickport-load.html --report json=clickport-load.json $(ARGS)

bench: setup ## the most events a second beside yardsticks, then the time of each dashboard panel
	@.venv/bin/clickport load --shape flood --yardsticks $(ARGS)
	@.venv/bin/python benchmarks/panel_times.py 1e6

bench-check: setup ## the lanes of `make check` beside the bare costs of their pages, requests and rows
	@.venv/bin/python -m benchmarks.check_limits $(ARGS)

faults: setup ## break the server under load in each known way and count what is stored
	@.venv/bin/python -m benchmarks.faults $(ARGS)

cluster-faults: setup ## the same for a cluster: shards, nodes, front, network, disk
	@.venv/bin/python -m benchmarks.faults.cluster $(ARGS)

exits-by-protocol: setup ## docs/protocols.md: every exit over TLS and HTTP/2, 50 times in each browser (hours)
	@.venv/bin/python -m benchmarks.exits_by_protocol $(ARGS)

## Release it
dist: ## wheel and sdist in dist/, with the browser files that npm provides (needs npm, not .venv)
	@tools/dist.sh

## Write generated files again
lock: setup ## tools/constraints.txt, from the versions in .venv
	@.venv/bin/python tools/lock.py

reference: setup ## docs/reference.md, from the commands and the requirements
	@.venv/bin/python tools/reference.py

vectors: setup ## the cases of fixtures/transformations.toml in fixtures/vectors
	@.venv/bin/python tools/vectors.py

screenshots: setup ## the pictures of docs/dashboard.md and docs/watch-events.md
	@CLICKPORT_PICTURES=docs/images .venv/bin/python -m pytest tests/dashboard/test_pictures.py tests/site/test_watch_page.py $(ARGS)

certificate: setup ## docs/certificate.md, from 50 tries of each exit, all mutants, load and faults (hours; it continues)
	@.venv/bin/python -m benchmarks.certificate $(ARGS)

published-trackers: setup ## docs/published-*.md, from measurements of other trackers (hours)
	@.venv/bin/python -m benchmarks.published_trackers $(ARGS)

## Clean up
clean: ## remove .venv and everything that these commands made
	rm -rf .venv $(MADE)
