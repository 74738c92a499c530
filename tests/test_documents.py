"""The code in the documents runs, and what they show is what commands print.

Each page runs in a directory that holds what a reader has by then: sites files, a
genome, datasets of them, and runs. A page's Python blocks are one script; lines that
begin with `$` in its `console` blocks run one after the other.
`tests.support.documents` says how outputs are compared.
"""

import dataclasses
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from deeprke_tf import cli, presets, simulate
from deeprke_tf.genome.simulation import simulate_genome
from tests.support import documents
from tests.support.small_models import CONFIGS

pytest_plugins = ["tests.support.run_fixtures"]

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("docs/serving/*.md")),
    ROOT / "tfrecords/README.md",
]
NOTEBOOK = ROOT / "docs/tutorial_python.ipynb"
# One epoch of few sites shows as well that the commands fit together.
SMALLER = {
    "--epochs 8": "--epochs 1",
    "--epochs 10": "--epochs 1 --no-explain",
    "--seed 1": "--seed 1 --n-sites 150 --test-sites 40",
}
SMALLER_GENOME = {"--genome-out genome": "--genome-out genome --n-genes 20"}
SMALLER_NOTEBOOK = {
    "n_genes=60": "n_genes=12",
    "lstm_units=8": "lstm_units=0",
    "epochs=12": "epochs=1",
}
# Commands whose output depends on their input alone, not on how a machine rounds.
EXACT = ("audit", "extract", "preprocess", "simulate")


def blocks(page, language):
    """The fenced blocks of a page in a language."""
    return [
        token.content
        for token in MarkdownIt().parse(page.read_text(encoding="utf-8"))
        if token.type == "fence" and token.info.strip() == language
    ]


def sessions(page):
    """The commands of a page's `console` blocks."""
    lines = page.read_text(encoding="utf-8").splitlines()
    return documents.sessions(lines, ["console"])


def in_order_of_work(pages):
    """Pages as parameters, named by their path."""
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in pages]


@pytest.fixture(autouse=True)
def networks_are_small(monkeypatch):
    """Gives presets a few units in each layer, and few steps: all that pages need."""
    one_layer = {"filters": (4,), "kernel_sizes": (4,), "lstm_units": 0}
    deeprke = dataclasses.replace(
        CONFIGS["positions, narrow union, k-mer counts"], **one_layer
    )
    for name, network in (
        ("paper", dataclasses.replace(CONFIGS["cnn-only"], **one_layer)),
        ("deeprke", deeprke),
        ("deeprke-no-structure", dataclasses.replace(deeprke, structure=False)),
    ):
        settings = presets.preset(name)
        train = dataclasses.replace(settings.train, min_steps=0)
        small = dataclasses.replace(settings, model=network, train=train)
        monkeypatch.setitem(presets.PRESETS, name, small)


WITH_PYTHON = [page for page in PAGES if blocks(page, "python")]
WITH_COMMANDS = [page for page in PAGES if sessions(page)]


@pytest.fixture(scope="session")
def lab(made_once):
    """A small genome in genome/, sites around its peaks in MYRBP/sites, and others."""

    def make(directory):
        made = simulate_genome(directory / "genome", n_genes=20, seed=1)
        flags = ["--test-fraction", "0.2", "--validation-fraction", "0.1"]
        flags += ["--peaks", made.peaks, "--genome", made.fasta, "--gtf", made.gtf]
        flags += ["--out", directory / "MYRBP" / "sites"]
        assert cli.main(["extract", *map(str, flags)]) == 0
        sites = ["--n-sites", "150", "--test-sites", "40", "--seed", "1"]
        files = ["--out", str(directory / "train.fa.gz")]
        files += ["--test-out", str(directory / "test.fa.gz")]
        assert simulate.main([*files, *sites]) == 0
        new = ["--out", str(directory / "new.fa"), "--n-sites", "20", "--seed", "2"]
        assert simulate.main(new) == 0

    return made_once("lab", make)


@pytest.fixture
def workspace(tmp_path, run, data, lab):
    """The directory of a reader who has followed the README so far."""
    shutil.copytree(lab, tmp_path, dirs_exist_ok=True)
    for model in ("runs/QKI", "MYRBP/model"):
        shutil.copytree(run, tmp_path / model)
    for dataset in ("tfrecords/QKI", "tfrecords/sample", "MYRBP/dataset"):
        shutil.copytree(data, tmp_path / dataset)
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "known.meme", tmp_path / "docs")
    return tmp_path


def execute(command, workspace):
    """Runs a command in the workspace; what it said, if it failed."""
    scripts = Path(sys.executable).parent
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    ended = subprocess.run(
        command,
        cwd=workspace,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(paths),
        },
    )
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"


def smaller(text, replaced):
    """A command or a cell that does less work."""
    for old, new in replaced.items():
        text = text.replace(old, new)
    return text


def test_there_are_pages_with_code():
    assert ROOT / "README.md" in WITH_PYTHON and ROOT / "README.md" in WITH_COMMANDS


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 150


@pytest.mark.slow
@pytest.mark.parametrize("page", in_order_of_work(WITH_PYTHON))
def test_the_python_of_a_page_runs(page, workspace, monkeypatch):
    # In this process, which has loaded TensorFlow.
    monkeypatch.chdir(workspace)
    exec("\n".join(blocks(page, "python")), {})


@pytest.mark.slow
def test_the_notebook_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    exec(smaller("\n".join(code), SMALLER_NOTEBOOK), {})


def test_the_notebook_shows_what_each_cell_returns():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] for cell in code), "run `make docs-outputs`"


@pytest.mark.slow
@pytest.mark.parametrize("page", in_order_of_work(WITH_COMMANDS))
def test_the_commands_of_a_page_run(page, workspace, monkeypatch, capsys):
    monkeypatch.chdir(workspace)
    # The tutorial takes the genome as it is, so that its outputs can be compared.
    whole = page.name == "tutorial.md"
    replaced = SMALLER if whole else {**SMALLER, **SMALLER_GENOME}
    if any("deeprke run" in session.command for session in sessions(page)):
        shutil.rmtree(workspace / "MYRBP")
    if any("--genome-out" in session.command for session in sessions(page)):
        shutil.rmtree(workspace / "genome")
    shell = []  # Lines of one script, as one may set a variable for the next.
    for session in sessions(page):
        if not session.command.startswith("deeprke "):
            shell.append(session.command)
            continue
        if shell:
            execute(["bash", "-euc", "\n".join(shell)], workspace)
            shell = []
        # In this process, which has loaded TensorFlow.
        arguments = shlex.split(smaller(session.command, replaced).replace("\\\n", " "))
        capsys.readouterr()
        assert cli.main(arguments[1:]) == 0, session.command
        output = documents.printed(capsys.readouterr().out)
        if whole and arguments[1] in EXACT:
            stale = documents.missing_line(session.shown, output)
            assert stale is None, f"run `make docs-outputs`: {stale!r} not in {output}"
    if shell:
        execute(["bash", "-euc", "\n".join(shell)], workspace)
