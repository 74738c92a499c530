r"""Variants: what they do to the binding of an RBP.

python -m deeprke_tf.variants --model runs/QKI --vcf clinvar.vcf.gz --genome hg38.fa \
    --gtf gencode.gtf.gz --out variants/QKI
python -m deeprke_tf.variants --model runs/QKI --sites rnas.fa --mutations mutants.tsv \
    --out variants/QKI

`deeprke_tf.explaining.variants_files` says what the directory will hold.
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from deeprke_tf import api, cli
from deeprke_tf.explaining.variants_settings import VariantSettings
from deeprke_tf.system.messages import counted
from deeprke_tf.system.tables import text_table

if TYPE_CHECKING:
    from deeprke_tf.explaining.variants import Variants


@dataclasses.dataclass(frozen=True)
class VariantsFlags:
    """Tells what variants do to binding: both alleles are folded and scored.

    Each allele is scored alone in the reference sequence; other variants nearby, phased
    or not, are ignored. Alleles that cannot be scored are listed with their reason.
    """

    model: tuple[Path, ...]
    """Run or ensemble of `deeprke train`, or a name that `deeprke models` lists;
    several are averaged."""
    out: Path
    """Directory to make."""
    rbp: str | None = None
    """Of a joint run: the RBP to use."""
    vcf: Path | None = None
    """VCF, plain or compressed, or a table with columns chrom, pos and, if wanted, ref,
    alt and name."""
    genome: Path | None = None
    """FASTA (plain, gzip or bgzip) or UCSC 2bit."""
    gtf: Path | None = None
    """GTF, GFF3 or BED12: variants in transcripts, introns included, are read on the
    strands of their genes."""
    regions: Path | None = None
    """In place of --gtf: BED; variants in its regions are read on the regions' strands,
    or on both."""
    strand: Literal["+", "-", "both"] | None = None
    """In place of both: the strands that every variant is read on."""
    sites: Path | None = None
    """In place of --vcf and --genome: FASTA of RNAs."""
    mutations: Path | None = None
    """With --sites: table with columns name (of the RNA), position (from 1), alt and,
    if wanted, ref."""
    settings: VariantSettings = VariantSettings()
    workers: int | None = None
    """Folding processes; all cores by default."""
    fold_cache: Path | None = None
    """File of known folds, if not the one in the user's cache directory."""
    overwrite: bool = False
    """Replace scored variants that --out already holds."""


def variants(flags: VariantsFlags) -> None:
    """Scores variants and prints a summary.

    Raises:
      UserError: An argument cannot be used.
    """
    given = {
        field.name: getattr(flags, field.name) for field in dataclasses.fields(flags)
    }
    run = api.load_single(*given.pop("model"), rbp=given.pop("rbp"))
    given |= dataclasses.asdict(given.pop("settings"))
    print(_summary(run.variants(**given, progress=True)))


def _summary(found: "Variants") -> str:
    counts = found.contents["counts"]
    rows = [
        ["read", counted(counts["records"], "record")],
        ["scored", f"{counts['scored']:,} alleles, counted on each strand"],
    ]
    rows += [["not scored", f"{n:,}: {why}"] for why, n in counts["reasons"].items()]
    if background := found.contents["background"]:
        n, kinds = background["random_variants"], background["kinds"]
        rows.append(["background", f"{n:,} random variants of {kinds:,} kinds"])
    names = ", ".join(sorted(path.name for path in found.directory.iterdir()))
    return text_table([*rows, ["wrote", f"{found.directory}: {names}"]])


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run("variants", VariantsFlags, variants, argv, uses_tensorflow=True)


if __name__ == "__main__":
    sys.exit(main())
