# Two commands for a newcomer: `make demo` and `make test`. Each sets up what it needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEEPRKE := $(BIN)/deeprke
# A file of tests stays in one process, and with it what its tests share; slow ones first.
PYTEST := -n auto --maxprocesses=4 --dist loadfile --no-loadscope-reorder

# Commands and tests start many processes: what these import is compiled once.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo test test-fast lint docs docs-outputs wheel sample clean

help:
	@echo "make demo       train, evaluate, predict and export on the sample, into demo/"
	@echo "make test       install what the tests need and run all of them"
	@echo "make test-fast  the same without the slow ones"
	@echo "make lint       form, style and types"
	@echo "make docs       build the site of the documents, into site/"
	@echo "make docs-outputs  run the commands that the documents show, and show what they print"
	@echo "make wheel      build the wheel and try it in an empty environment"
	@echo "make sample     simulate tfrecords/sample anew"
	@echo "make clean      delete .venv, demo/ and site/"

install: $(VENV)/.installed

$(VENV)/.installed: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(None if (3, 10) <= sys.version_info < (3, 14) else "Python 3.10 to 3.13 is needed; try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@

demo: install
	rm -rf demo
	$(DEEPRKE) train --data tfrecords/sample --out demo/run --preset paper --batch-norm --epochs 8
	$(DEEPRKE) evaluate --model demo/run --data tfrecords/sample
	$(DEEPRKE) predict --model demo/run --sites tfrecords/sample/new_sites.fa --out demo/predictions.tsv
	@head -n 7 demo/predictions.tsv
	$(DEEPRKE) export --model demo/run --out demo/serving/sample

test: install
	$(BIN)/python -m pytest $(PYTEST)

test-fast: install
	$(BIN)/python -m pytest $(PYTEST) -m "not slow"

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/.installed-docs: $(VENV)/.installed
	$(BIN)/python -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "The documents are built with Python 3.11 to 3.13; try: make docs PYTHON=python3.12")'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	touch $@

docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs site
	@echo "open site/index.html"

docs-outputs: $(VENV)/.installed-docs
	$(BIN)/python docs/outputs.py

wheel:
	PYTHON=$(PYTHON) .ci/wheel

sample: install
	$(DEEPRKE) simulate --out sample.train.fa.gz --test-out sample.test.fa.gz --n-sites 4000 --test-sites 1000 --seed 1
	$(DEEPRKE) preprocess --sites sample.train.fa.gz --test-sites sample.test.fa.gz --out tfrecords/sample --overwrite
	$(DEEPRKE) simulate --out tfrecords/sample/new_sites.fa --n-sites 20 --seed 2
	rm sample.train.fa.gz sample.test.fa.gz

clean:
	rm -rf $(VENV) demo site
