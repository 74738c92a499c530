"""Sites, settings and commands of small runs; `run_fixtures` makes some."""

import random
import subprocess
import sys

from pipelines import preprocess

MOTIF = "UGUAUAUA"

# A network and a training that take a second.
TINY = (
    *("--preset", "paper"),
    *("--filters", "8", "6", "--kernel-sizes", "6", "3"),
    *("--lstm-units", "0", "--dense-units", "16"),
    *("--vector-size", "5", "--vector-sites", "50"),
    *("--batch-size", "15", "--learning-rate", "0.01"),
)
ONE_EPOCH = (*TINY, "--epochs", "1")
# The least there is, for tests that ask little of the network.
QUICK = (*ONE_EPOCH, "--preset", "no-structure", "--lstm-units", "0")
# Of the runs of `tests.support.run_fixtures`.
RUN = (*TINY, "--epochs", "3", "--warmup-epochs", "0", "--kmer-weight", "0.3")
# NumPy takes 32 bits for a seed; any must do.
SEQUENCE_RUN = (
    *(*QUICK, "--epochs", "2", "--warmup-epochs", "2"),
    *("--seed", str(2**40)),
)
ENSEMBLE = (
    *(*QUICK, "--epochs", "2", "--warmup-epochs", "0"),
    *("--ensemble", "2", "--seed", "7"),
)

JOINT = (
    *("--joint", "--preset", "deeprke-no-structure", "--filters", "8"),
    *("--kernel-sizes", "6", "--union-filters", "6", "--union-kernel-sizes", "3"),
    *("--union-size", "8", "--lstm-units", "0", "--dense-units", "8"),
    *("--vector-size", "5", "--vector-sites", "50", "--position-size", "2"),
    *("--batch-size", "30", "--epochs", "2", "--learning-rate", "0.01"),
)


def make_sites(n_sites, seed):
    """Name, sequence, label and structure of sites; every third has the motif."""
    rng = random.Random(seed)
    sites = []
    for i in range(n_sites):
        length = rng.randint(25, 40)
        letters = rng.choices("ACGU", k=length)
        if i % 3 == 0:
            start = rng.randrange(length - len(MOTIF))
            letters[start : start + len(MOTIF)] = MOTIF
        stem = rng.randint(2, 6)
        dot_bracket = "(" * stem + "." * (length - 2 * stem) + ")" * stem
        sites.append((f"site{i}", "".join(letters), int(i % 3 == 0), dot_bracket))
    return sites


def write_table(path, sites):
    """Writes a sites file that names, labels and folds its sites."""
    rows = [("name", "sequence", "label", "structure"), *sites]
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    return path


def make_data(directory, *flags):
    """Preprocesses into `directory`; returns it."""
    arguments = [*map(str, flags), "--out", str(directory)]
    assert preprocess.main(arguments) == 0
    return directory


def run_command(command, *flags, **options):
    """Runs `python -m deeprke_tf.<command>` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", f"deeprke_tf.{command}", *map(str, flags)],
        capture_output=True,
        text=True,
        **options,
    )
