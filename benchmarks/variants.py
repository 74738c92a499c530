"""Times `variants` with cold and warm folds.

    python benchmarks/variants.py [--n-variants 8000] [--model RUN]

The whole command on random substitutions of a random genome, on one strand, start-up
included, measured in turn with an empty fold cache and with the filled one. Without
--model, a run of preset `paper` is trained for one epoch first: how good a model is
does not change how fast it is.
"""

import random
import tempfile
from pathlib import Path

from predict import trained_run
from side_by_side import Figure, alternate, deeprke, flags_parser, report, seconds

WINDOW = 101


def main():
    """Prints variants/s, cold and warm."""
    parser = flags_parser(__doc__)
    parser.add_argument("--model", type=Path, help="run that reads both views")
    parser.add_argument("--n-variants", type=int, default=8_000)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        run = flags.model or trained_run(scratch)
        measured = end_to_end(scratch, run, flags.n_variants, flags.repeats)
    cold_name, warm_name = measured
    values = {
        name: [flags.n_variants / one for one in measured[name]] for name in measured
    }
    cold = Figure(cold_name, "variants/s", values[cold_name])
    report(flags, [cold, Figure(warm_name, "variants/s", values[warm_name], base=cold)])


def end_to_end(
    scratch: Path, run: Path, n_variants: int, repeats: int
) -> dict[str, list[float]]:
    """Measures the command on as many variants; returns seconds of each round."""
    genome, vcf = write_files(scratch, n_variants)
    cache = scratch / "folds.sqlite"

    def variants(is_cold: bool) -> float:
        if is_cold:
            for part in scratch.glob(f"{cache.name}*"):
                part.unlink()
        flags = ["--model", run, "--vcf", vcf, "--genome", genome, "--strand", "+"]
        flags += ["--window", WINDOW, "--fold-cache", cache, "--overwrite"]
        return seconds(deeprke("variants", *flags, "--out", scratch / "out"))

    return alternate(
        {
            f"{WINDOW} nt: cold": lambda: variants(is_cold=True),
            f"{WINDOW} nt: warm": lambda: variants(is_cold=False),
        },
        repeats,
    )


def write_files(scratch: Path, n_variants: int) -> tuple[Path, Path]:
    """Writes a random genome and random substitutions of it as VCF."""
    rng = random.Random(1)
    letters = "".join(rng.choices("ACGT", k=50 * n_variants))
    genome, vcf = scratch / "genome.fa", scratch / "variants.vcf"
    genome.write_text(f">chr1\n{letters}\n")
    lines = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    for i in range(n_variants):
        place = 50 * i + rng.randrange(50)
        alt = rng.choice("ACGT".replace(letters[place], ""))
        lines.append(f"chr1\t{place + 1}\t.\t{letters[place]}\t{alt}\t.\t.\t.")
    vcf.write_text("\n".join([*lines, ""]))
    return genome, vcf


if __name__ == "__main__":
    main()
