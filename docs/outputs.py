"""Runs the commands that the documents show, and shows what they print now.

    make docs-outputs                        # all pages
    python docs/outputs.py docs/scan.md      # one

Each page with `console` or `shell-session` blocks is run in a directory of its own,
which holds what a reader has by then: the commands of docs/how-to.md make it. Trainings
give the same numbers on one machine and one set of versions only; tests compare the
outputs of other commands of `console` blocks. A command that ends in `&` runs until the
end of its page.
"""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support import documents  # noqa: E402

PAGES = [
    ROOT / "README.md",
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("docs/serving/*.md")),
]
NOTEBOOK = ROOT / "docs" / "tutorial_python.ipynb"
# Figures that a page's commands make, and where the page shows them.
PICTURES = {
    "explaining.md": ("explained/QKI/logos/motif_1.png", "docs/explaining/motif.png"),
}


def _bash(command: str, directory: Path) -> subprocess.Popen:
    """Starts a command of a page in bash; it prints into one pipe."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    cache = directory.parent / "cache"
    return subprocess.Popen(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={
            **os.environ,
            **{"PATH": path, "PYTHONPATH": str(ROOT), "DEEPRKE_CACHE": str(cache)},
            **{"COLUMNS": "80", "TF_CPP_MIN_LOG_LEVEL": "3"},
            # How many cores there are would change the last digits.
            "TF_NUM_INTRAOP_THREADS": "1",
        },
    )


def _run(command: str, directory: Path) -> list[str]:
    """Runs a command to its end; returns the lines that it prints.

    The machine is called "lab" in them.
    """
    ended = _bash(command, directory)
    output = ended.communicate()[0]
    if ended.returncode:
        sys.exit(f"$ {command}\n{output}\nended with status {ended.returncode}")
    return documents.printed(output.replace(socket.gethostname(), "lab"))


@contextlib.contextmanager
def _served(session: documents.Session, directory: Path) -> Iterator[list[str]]:
    """Keeps a command running; gives what it prints until all shown lines are there."""
    server = _bash(f"exec {session.command.removesuffix('&')}", directory)
    try:
        lines: list[str] = []
        while documents.refreshed(session.shown, lines)[1]:
            line = server.stdout.readline()
            if not line:
                sys.exit(f"$ {session.command}\nended with status {server.wait()}")
            lines += documents.printed(line.removesuffix("\n"))
        yield lines
    finally:
        server.terminate()
        server.wait()


def _prepare(directory: Path) -> None:
    """Makes what all pages begin with."""
    directory.mkdir(parents=True)
    (directory / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "known.meme", directory / "docs")
    shutil.copytree(ROOT / "tfrecords" / "sample", directory / "tfrecords" / "sample")
    (directory / "tests" / "serving").mkdir(parents=True)
    shutil.copy(ROOT / "tests/serving/saved_model.c", directory / "tests" / "serving")
    how_to = (ROOT / "docs" / "how-to.md").read_text(encoding="utf-8")
    block = re.search(r"```sh\n(.*?)\n```", how_to, re.DOTALL)[1]
    for command in re.split(r"(?<!\\)\n", block):
        print(f"$ {command}", flush=True)
        _run(command, directory)


def refresh(page: Path, directory: Path) -> int:
    """Runs the commands of a page in a directory, and shows what they print.

    Returns:
      How many of the shown lines are no longer like any line that is printed.
    """
    n_lost, lines = 0, page.read_text(encoding="utf-8").splitlines()
    with contextlib.ExitStack() as servers:
        for session in documents.sessions(lines, documents.LANGUAGES):
            print(f"$ {session.command}", flush=True)
            if session.command.endswith(" &"):
                output = servers.enter_context(_served(session, directory))
            else:
                output = _run(session.command, directory)
            fresh, lost = documents.refreshed(session.shown, output)
            lines[session.first : session.first + len(fresh)] = fresh
            n_lost += len(lost)
            for line in lost:
                print(f"{page.name}: no line like {line!r} in:", *output, sep="\n  ")
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if page == ROOT / "README.md":
        import overview

        overview.draw(directory / "MYRBP", directory / "docs" / "known.meme")
    if page.name in PICTURES:
        made, shown = PICTURES[page.name]
        shutil.copy(directory / made, ROOT / shown)
    return n_lost


def execute_notebook(path: Path, directory: Path) -> None:
    """Executes a notebook in a directory, and keeps what its cells show."""
    import nbclient
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    os.environ["PYTHONPATH"] = str(ROOT)
    resources = {"metadata": {"path": str(directory)}}
    nbclient.NotebookClient(
        notebook, timeout=600, resources=resources, record_timing=False
    ).execute()
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            output.pop("execution_count", None)
        cell.metadata.pop("execution", None)
    notebook.metadata.pop("language_info", None)
    nbformat.write(notebook, path)


def main(names: list[str]) -> None:
    """Refreshes the named pages, or all."""
    chosen = [Path(name).resolve() for name in names] or [*PAGES, NOTEBOOK]
    n_lost = 0
    with tempfile.TemporaryDirectory(prefix="deeprke-docs-") as made:
        # A directory that is kept saves the trainings of the next call.
        base = Path(os.environ.get("DEEPRKE_DOCS", made))
        if not (base / "prepared").exists():
            _prepare(base / "prepared")
        for page in chosen:
            directory = base / "_".join(page.relative_to(ROOT).with_suffix("").parts)
            shutil.rmtree(directory, ignore_errors=True)
            shutil.copytree(base / "prepared", directory)
            if page.suffix == ".ipynb":
                execute_notebook(page, directory)
            else:
                n_lost += refresh(page, directory)
    if n_lost:
        sys.exit(f"{n_lost} shown lines are not printed any more: mend the pages")


if __name__ == "__main__":
    main(sys.argv[1:])
