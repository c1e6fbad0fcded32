# Every task sets up what it needs, once: see tools/setup.sh. ARGS are passed on, e.g. make check ARGS='--lane server'.
ARGS ?=

.PHONY: help setup check test selftest load lint docs reference vectors published-trackers screenshots faults serve clean

help:
	@echo "make check   check the bundled reference tracker and server (ARGS='--lane server', …)"
	@echo "make test    run the tests of this project"
	@echo "make selftest   try the referee on every known fault (ARGS=--quick: 7 minutes)"
	@echo "make load    load the bundled server, beside yardsticks (two minutes; writes clickport-load.html and .json)"
	@echo "make lint    ruff, mypy, and the order of imports"
	@echo "make docs    build the pages of docs/ into build/docs; a dead link or a page without a link to it fails"
	@echo "make reference   write docs/reference.md anew"
	@echo "make vectors   write the cases of fixtures/transformations.toml into fixtures/vectors anew"
	@echo "make published-trackers   measure others' trackers and write docs/published-trackers.md anew (hours)"
	@echo "make faults  break the server under load in one way after another and count what is left"
	@echo "make screenshots   make the pictures of docs/dashboard.md anew"
	@echo "make serve   run the reference server (ARGS='--port 8000')"
	@echo "make clean   remove what these commands made, .venv included"

setup:
	@tools/setup.sh

check: setup
	@.venv/bin/clickport check --require-all $(ARGS)

test: setup
	@.venv/bin/python -m pytest -n 3 --dist loadfile $(ARGS)

selftest: setup
	@.venv/bin/clickport selftest $(ARGS)

load: setup
	@.venv/bin/clickport load --for 30s --yardsticks --report html=clickport-load.html --report json=clickport-load.json $(ARGS)

lint: setup
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/mypy
	@.venv/bin/lint-imports

docs: setup
	@.venv/bin/mkdocs build --strict $(ARGS)

reference: setup
	@.venv/bin/python tools/reference.py

vectors: setup
	@.venv/bin/python tools/vectors.py

published-trackers: setup
	@.venv/bin/python benchmarks/published_trackers.py $(ARGS)

faults: setup
	@.venv/bin/python -m benchmarks.faults $(ARGS)

screenshots: setup
	@CLICKPORT_PICTURES=docs/images .venv/bin/python -m pytest tests/dashboard/test_pictures.py $(ARGS)

serve: setup
	@.venv/bin/clickport serve $(ARGS)

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis tracker/node_modules benchmarks/published/node_modules fixtures/frameworks/node_modules fixtures/frameworks/dist reference_server/web/dashboard/npm/node_modules reference_server/web/dashboard/static/vendor .clickport/published build clickport-run.jsonl clickport-load.*
