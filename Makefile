# Two commands do all: `make demo` and `make test`. Both build .venv on first use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint unit docs system bench lock sbom clean

demo: $(VENV)/installed
	@rm -rf demo
	$(BIN)/calcimetry phantom hand -o demo/phantom
	$(BIN)/calcimetry measure demo/phantom/scan -o demo/result
	@$(BIN)/python tools/demo.py demo
	@echo "Open demo/result/report.html in a browser."

test: lint unit docs

lint: $(VENV)/developer
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry src

# Kernels are compiled once, for all processes that the tests start.
unit: $(VENV)/developer system
	$(BIN)/calcimetry info --warm > /dev/null
	$(BIN)/pytest -n 2 --dist loadgroup

docs: $(VENV)/developer
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir build/site

# What the integration tests need from Debian, where it may be installed.
system:
	@sh tools/debian-packages

# The peers are measured beside us and are no dependency (one of them is LGPL).
bench: $(VENV)/developer
	@test -n "$(CHEST)" || { echo "Name a chest CT: make bench CHEST=chest_ct.nii.gz"; exit 2; }
	$(BIN)/pip install -q -e '.[bench]' simpleitk connected-components-3d
	$(BIN)/python -m benchmarks.speed $(CHEST) --write

# What runs, pinned with hashes, for installations that must not change by themselves.
lock: $(VENV)/bin/python
	$(BIN)/pip install -q uv
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --extra all \
	  --generate-hashes --no-header --no-annotate --no-emit-package calcimetry --upgrade --quiet \
	  --output-file requirements-lock.txt

# The software bill of materials of what is installed here (CycloneDX).
sbom: $(VENV)/installed
	@mkdir -p build
	$(BIN)/calcimetry info --sbom > build/sbom.json
	@echo "Written: build/sbom.json"

clean:
	rm -rf $(VENV) build demo dist

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install -q -e '.[all]'
	@touch $@

$(VENV)/developer: $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install -q -e '.[dev]'
	@touch $@ $(VENV)/installed
