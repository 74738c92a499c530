"""What a run has learned: explanations, effects of variants, and a report."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from deeprke_tf.data import description
from deeprke_tf.data.description import Dataset
from deeprke_tf.errors import UserError
from deeprke_tf.rna.sites import Site
from deeprke_tf.runs import run
from deeprke_tf.system.arguments import checked
from deeprke_tf.system.paths import PathLike, optional_path
from deeprke_tf.system.progress import Progress, as_progress

if TYPE_CHECKING:
    from deeprke_tf.explaining.result import Explanation
    from deeprke_tf.explaining.variants import Variants


class ExplainingRun(run.Run):
    """A run that is explained, and that scores variants."""

    @checked
    def explain(
        self,
        sites: PathLike | Iterable[str | Site] | None = None,
        *,
        data: PathLike | Dataset | None = None,
        split: str = "test",
        out: PathLike | None = None,
        top: int = 1000,
        method: Literal["gradients", "mutagenesis"] = "gradients",
        check: int = 100,
        refold: bool = False,
        known: PathLike | None = None,
        backgrounds: int = 100,
        seed: int = 1,
        max_length: int = 5000,
        batch_size: int = 512,
        workers: int | None = None,
        fold_cache: PathLike | None = None,
        overwrite: bool = False,
        progress: bool | Progress = False,
    ) -> "Explanation":
        """Shows what the model reads: attributions, motifs and their loops.

        Args:
          sites: A FASTA file or table, plain or compressed; or sequences or `Site`s.
          data: In place of `sites`: a dataset, or the directory of one.
          split: With `data`: "train", "validation" or "test".
          out: Directory for the files; by default none are written.
          top: Sites to explain, those with the largest log odds; the others are
            compared with them.
          method: Integrated gradients, or every mutant of every site.
          check: Explained sites that the other method is applied to, to measure how far
            the two agree.
          refold: Also score mutants with structures of their own.
          known: Motif file in MEME format to compare with; needs memelite.
          backgrounds: Shuffled sites that motifs are set into.
          seed: Random seed of shuffles and comparisons.
          max_length: Longest site, in nucleotides; longer ones are skipped.
          batch_size: Sites that a network scores at once.
          workers: Folding processes; all cores by default.
          fold_cache: File of known folds, if not the one in the user's cache directory.
          overwrite: Replace the explanation in `out`.
          progress: Show a progress bar, or call this for each stage.

        Returns:
          The explanation: `motifs` is a table, `findings` has the motifs themselves,
          `attributions` what nucleotides and loop contexts add; `write(out)` writes it.

        Raises:
          UserError: An argument is out of range, no site can be used, or a file cannot
            be read or written.
        """
        from deeprke_tf.explaining.inputs import explain_sites
        from deeprke_tf.explaining.settings import ExplainSettings

        if data is not None and not isinstance(data, Dataset):
            data = description.read(Path(data))
        settings = (top, method, check, refold, backgrounds, batch_size, seed)
        return explain_sites(
            *(self, sites, data, split, ExplainSettings(*settings)),
            max_length=max_length,
            known=optional_path(known),
            out=optional_path(out),
            workers=workers,
            fold_cache=optional_path(fold_cache),
            overwrite=overwrite,
            progress=as_progress(progress),
        )

    @checked
    def variants(
        self,
        vcf: PathLike | None = None,
        *,
        out: PathLike,
        genome: PathLike | None = None,
        gtf: PathLike | None = None,
        regions: PathLike | None = None,
        strand: Literal["+", "-", "both"] | None = None,
        sites: PathLike | None = None,
        mutations: PathLike | None = None,
        window: int | None = None,
        windows: Literal["center", "all"] = "center",
        transcripts: bool = False,
        background: int = 0,
        seed: int = 1,
        plot: str | Sequence[str] = (),
        batch_size: int = 256,
        workers: int | None = None,
        fold_cache: PathLike | None = None,
        overwrite: bool = False,
        progress: bool | Progress = False,
    ) -> "Variants":
        """Tells what variants do to binding: both alleles are folded and scored.

        Each allele is scored alone in the reference sequence; other variants nearby,
        phased or not, are ignored. Alleles that cannot be scored are listed.

        Args:
          vcf: VCF, plain or compressed, or a table with columns `chrom`, `pos` and, if
            wanted, `ref`, `alt` and `name`.
          out: Directory to make.
          genome: FASTA (plain, gzip or bgzip) or UCSC 2bit.
          gtf: GTF, GFF3 or BED12: variants in transcripts, introns included, are read
            on the strands of their genes.
          regions: In place of `gtf`: BED; variants in its regions are read on the
            regions' strands, or on both.
          strand: In place of both: the strands that every variant is read on.
          sites: In place of a genome: FASTA of RNAs.
          mutations: With `sites`: table with columns `name` (of the RNA), `position`
            (from 1), `alt` and, if wanted, `ref`.
          window: Length of a window in nucleotides; by default that of the longest
            training site.
          windows: "center": the window with the variant in its middle; "all": every
            window that covers it as well.
          transcripts: Read variants in exons on the spliced canonical transcript of
            their gene.
          background: Random variants of each kind, for an empirical p-value.
          seed: Seed of the random variants.
          plot: Name of a variant to draw, or several.
          batch_size: Windows that the network scores at once.
          workers: Folding processes; all cores by default.
          fold_cache: File of known folds, if not the one in the user's cache directory.
          overwrite: Replace scored variants that `out` already holds.
          progress: Show a progress bar, or call this for each stage.

        Returns:
          The scored variants: `table` has a row for each allele and RNA; `windows`,
          with `windows="all"`, one for each window.

        Raises:
          UserError: An argument is out of range or missing, a file cannot be read, or
            `out` holds something else.
        """
        from deeprke_tf.explaining.variants import score_variants
        from deeprke_tf.explaining.variants_inputs import Inputs
        from deeprke_tf.explaining.variants_settings import VariantSettings

        inputs = Inputs(
            vcf=optional_path(vcf),
            genome=optional_path(genome),
            gtf=optional_path(gtf),
            regions=optional_path(regions),
            strand=strand,
            sites=optional_path(sites),
            mutations=optional_path(mutations),
        )
        return score_variants(
            *(self, inputs, Path(out)),
            VariantSettings(
                *(window, windows, transcripts, background, seed),
                *((plot,) if isinstance(plot, str) else tuple(plot), batch_size),
            ),
            workers=workers,
            fold_cache=optional_path(fold_cache),
            overwrite=overwrite,
            progress=as_progress(progress),
        )

    @checked
    def report(
        self,
        out: PathLike,
        *,
        explain: PathLike | None = None,
        audit: PathLike | None = None,
        evaluation: PathLike | None = None,
        extraction: PathLike | None = None,
    ) -> Path:
        """Writes one HTML page about the model that needs nothing else.

        What is not given is looked for where `run_workflow` puts it.

        Args:
          out: HTML file to write or replace.
          explain: Directory of an explanation.
          audit: Directory of an audit, written by its `write`.
          evaluation: Directory of an evaluation, written by its `write`; by default the
            run directory, if it has one.
          extraction: Directory of `extract_sites`.

        Returns:
          The file.

        Raises:
          UserError: A directory is not what it should be, `out` cannot be written, or
            several runs were loaded together.
        """
        from deeprke_tf.explaining.report import write_report

        if self.given:
            raise UserError(
                "Runs that were loaded together have no report; train an ensemble."
            )
        return write_report(
            *(self.directory, Path(out)),
            explain=optional_path(explain),
            audit=optional_path(audit),
            evaluation=optional_path(evaluation),
            extraction=optional_path(extraction),
        )
