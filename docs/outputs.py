"""Runs the commands that the documents show, and shows what they print now.

    make docs-outputs                        # all pages
    python docs/outputs.py docs/scan.md      # one

Each page with `console` or `shell-session` blocks is run in a directory of its own,
which holds what a reader has by then (`_PREPARED`). Trainings give the same numbers on
one machine and one set of versions only; tests compare the outputs of other commands of
`console` blocks.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support import documents  # noqa: E402

PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
NOTEBOOK = ROOT / "docs" / "tutorial_python.ipynb"
# Figures that a page's commands make, and where the page shows them.
PICTURES = {
    "explaining.md": ("explained/QKI/logos/motif_1.png", "docs/explaining/motif.png"),
}
# What a reader has: sites, a genome, and a model of each.
_PREPARED = """
deeprke simulate --genome-out genome
deeprke run --peaks genome/peaks.bed --genome genome/genome.fa --gtf genome/genes.gtf \
    --known docs/known.meme --epochs 10 --out MYRBP
deeprke simulate --out train.fa.gz --test-out test.fa.gz --seed 1
deeprke simulate --out new.fa --n-sites 20 --seed 2
deeprke preprocess --sites train.fa.gz --test-sites test.fa.gz --out tfrecords/QKI
deeprke train --data tfrecords/QKI --out runs/QKI --preset paper --batch-norm --epochs 8
"""


def _run(command: str, directory: Path) -> list[str]:
    """Runs a command of a page in bash; returns the lines that it prints."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    cache = directory.parent / "cache"
    ended = subprocess.run(
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
    if ended.returncode:
        sys.exit(f"$ {command}\n{ended.stdout}\nended with status {ended.returncode}")
    return documents.printed(ended.stdout)


def _prepare(directory: Path) -> None:
    """Makes what all pages begin with."""
    directory.mkdir(parents=True)
    (directory / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "known.meme", directory / "docs")
    shutil.copytree(ROOT / "tfrecords" / "sample", directory / "tfrecords" / "sample")
    for command in _PREPARED.strip().splitlines():
        print(f"$ {command}", flush=True)
        _run(command, directory)


def refresh(page: Path, directory: Path) -> None:
    """Runs the commands of a page in a directory, and shows what they print."""
    lines = page.read_text(encoding="utf-8").splitlines()
    for session in documents.sessions(lines, documents.LANGUAGES):
        print(f"$ {session.command}", flush=True)
        output = _run(session.command, directory)
        fresh, lost = documents.refreshed(session.shown, output)
        lines[session.first : session.first + len(fresh)] = fresh
        for line in lost:
            print(f"{page.name}: no line like {line!r} in:", *output, sep="\n  ")
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if page.name == "README.md":
        import overview

        overview.draw(directory / "MYRBP", directory / "docs" / "known.meme")
    if page.name in PICTURES:
        made, shown = PICTURES[page.name]
        shutil.copy(directory / made, ROOT / shown)


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
    with tempfile.TemporaryDirectory(prefix="deeprke-docs-") as made:
        # A directory that is kept saves the trainings of the next call.
        base = Path(os.environ.get("DEEPRKE_DOCS", made))
        if not (base / "prepared").exists():
            _prepare(base / "prepared")
        for page in chosen:
            directory = base / page.stem
            shutil.rmtree(directory, ignore_errors=True)
            shutil.copytree(base / "prepared", directory)
            if page.suffix == ".ipynb":
                execute_notebook(page, directory)
            else:
                refresh(page, directory)


if __name__ == "__main__":
    main(sys.argv[1:])
