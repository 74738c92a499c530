"""Times what a model without structure saves: `predict` and `scan` need no folding.

    python benchmarks/no_folding.py [--n-sites 10000] [--n-rnas 20]

Whole commands, start-up included, with a run of preset deeprke and one of
deeprke-no-structure in turn; no fold is known before. The runs are trained for one
epoch first: how good a model is does not change how fast it is.
"""

import tempfile
from pathlib import Path

import synthetic
from predict import trained_run
from side_by_side import Figure, alternate, deeprke, flags_parser, report, seconds

PRESETS = ("deeprke", "deeprke-no-structure")
SITE, RNA = 101, 3_000  # nt


def main():
    """Prints a row for each command and preset."""
    parser = flags_parser(__doc__)
    parser.add_argument("--n-sites", type=int, default=10_000, help="of 101 nt")
    parser.add_argument("--n-rnas", type=int, default=20, help="of 3,000 nt")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        sites, rnas = (
            synthetic.write_sites(scratch / f"{length}.fa", n, (length, length), 2)
            for length, n in ((SITE, flags.n_sites), (RNA, flags.n_rnas))
        )
        runs = {}
        for preset in PRESETS:
            (scratch / preset).mkdir()
            runs[preset] = trained_run(scratch / preset, preset)
        inputs = {
            "predict": ("--sites", sites),
            "scan": ("--fasta", rnas, "--window", SITE),
        }
        numbers = {"predict": flags.n_sites * SITE, "scan": flags.n_rnas * RNA}

        def timed(command: str, preset: str) -> float:
            with tempfile.TemporaryDirectory() as new:
                given = ("--model", runs[preset], *inputs[command])
                written = ("--out", f"{new}/out", "--fold-cache", f"{new}/folds")
                return seconds(deeprke(command, *given, *written))

        figures = []
        for command, n_nt in numbers.items():
            measured = alternate(
                {
                    f"{command}, {preset}": lambda c=command, p=preset: timed(c, p)
                    for preset in PRESETS
                },
                flags.repeats,
            )
            (name, with_structure), (other_name, without) = measured.items()
            base = Figure(name, "nt/s", [n_nt / s for s in with_structure])
            rates = [n_nt / s for s in without]
            figures += [base, Figure(other_name, "nt/s", rates, base=base)]
            figures += [Figure(n, "s", values) for n, values in measured.items()]
    report(flags, figures)


if __name__ == "__main__":
    main()
