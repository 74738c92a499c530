"""The code in the documents runs: Python blocks, and the shell blocks of the tutorial.

Each page runs in a directory that holds what a reader has by then: sites files, a
dataset of them in tfrecords/QKI, and a run in runs/QKI. A page's Python blocks are one
script; lines that begin with `$` in its `console` blocks run one after the other.
"""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from deeprke_tf import cli, simulate

pytest_plugins = ["tests.support.run_fixtures"]

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("docs/serving/*.md")),
    ROOT / "tfrecords/README.md",
]


def blocks(page, language):
    """The fenced blocks of a page in a language."""
    return [
        token.content
        for token in MarkdownIt().parse(page.read_text(encoding="utf-8"))
        if token.type == "fence" and token.info.strip() == language
    ]


def commands(page):
    """The commands of a page's `console` blocks, each joined over continued lines."""
    lines = "".join(blocks(page, "console")).splitlines()
    found, goes_on = [], False
    for line in lines:
        if goes_on:
            found[-1] += "\n" + line
        elif line.startswith("$ "):
            found.append(line.removeprefix("$ "))
        goes_on = line.endswith("\\") and (goes_on or line.startswith("$ "))
    return found


def in_order_of_work(pages):
    """Pages as parameters, named by their path."""
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in pages]


WITH_PYTHON = [page for page in PAGES if blocks(page, "python")]
WITH_COMMANDS = [page for page in PAGES if commands(page)]


@pytest.fixture
def workspace(tmp_path, run, data):
    """The directory of a reader who has followed the README so far."""
    sites = ["--n-sites", "300", "--test-sites", "60", "--seed", "1"]
    files = ["--out", str(tmp_path / "train.fa.gz")]
    files += ["--test-out", str(tmp_path / "test.fa.gz")]
    assert simulate.main([*files, *sites]) == 0
    new = ["--out", str(tmp_path / "new.fa"), "--n-sites", "20", "--seed", "2"]
    assert simulate.main(new) == 0
    shutil.copytree(data, tmp_path / "tfrecords" / "QKI")
    shutil.copytree(ROOT / "tfrecords" / "sample", tmp_path / "tfrecords" / "sample")
    shutil.copytree(run, tmp_path / "runs" / "QKI")
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


def test_there_are_pages_with_code():
    assert ROOT / "README.md" in WITH_PYTHON


@pytest.mark.slow
@pytest.mark.parametrize("page", in_order_of_work(WITH_PYTHON))
def test_the_python_of_a_page_runs(page, workspace, monkeypatch):
    # In this process, which has loaded TensorFlow.
    monkeypatch.chdir(workspace)
    exec("\n".join(blocks(page, "python")), {})


@pytest.mark.slow
@pytest.mark.parametrize("page", in_order_of_work(WITH_COMMANDS))
def test_the_commands_of_a_page_run(page, workspace, monkeypatch):
    monkeypatch.chdir(workspace)
    shell = []  # Lines of one script, as one may set a variable for the next.
    for command in commands(page):
        if not command.startswith("deeprke "):
            shell.append(command)
            continue
        if shell:
            execute(["bash", "-euc", "\n".join(shell)], workspace)
            shell = []
        # In this process, which has loaded TensorFlow. One epoch shows as well as eight
        # that the commands fit together.
        command = command.replace("--epochs 8", "--epochs 1").replace("\\\n", " ")
        assert cli.main(shlex.split(command)[1:]) == 0, command
    if shell:
        execute(["bash", "-euc", "\n".join(shell)], workspace)
