r"""Tells which RBPs of a model of many bind RNAs, and more than a background.

python -m deeprke_tf.panel --sites peaks.fa --out panels/peaks
python -m deeprke_tf.panel --model runs/joint --sites peaks.fa --background other.fa \
    --out panels/peaks

`deeprke_tf.panels.files` says what the directory will hold.
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deeprke_tf import api, cli
from deeprke_tf.errors import UserError
from deeprke_tf.panels.settings import PanelSettings
from deeprke_tf.system.messages import counted
from deeprke_tf.system.tables import text_table

if TYPE_CHECKING:
    from deeprke_tf.panels.result import Panel

_SHOWN = 10  # RBPs in the summary


@dataclasses.dataclass(frozen=True)
class PanelFlags:
    """Tells which RBPs of a joint run bind RNAs, and more than a background.

    Scores each site by all RBPs in one pass; calls them at one FDR over all sites and
    RBPs; and compares how many sites each RBP binds with a background. Writes tables, a
    clustered heatmap, and panel.html with all of it. Sites that cannot be scored are
    listed in skipped.tsv.
    """

    sites: Path
    """FASTA or table, plain or gzip; - reads standard input. RNAs much longer than the
    training sites are for `deeprke scan`."""
    out: Path
    """Directory to make."""
    model: Path = Path("rbp31")
    """Joint run of `deeprke train`, or a name that `deeprke models` lists."""
    settings: PanelSettings = PanelSettings()
    workers: int | None = None
    """Folding processes; all cores by default."""
    fold_cache: Path | None = None
    """File of known folds, if not the one in the user's cache directory."""
    overwrite: bool = False
    """Replace the panel that --out already holds."""


def panel(flags: PanelFlags) -> None:
    """Makes a panel and prints a summary.

    Raises:
      UserError: An argument cannot be used, or the model is of one RBP.
    """
    model = api.load_run(flags.model)
    if not isinstance(model, api.JointRun):
        raise UserError(
            f"`model` {flags.model} is of one RBP; a panel needs a joint run. "
            "`deeprke predict` scores sites by one RBP."
        )
    found = model.panel(
        flags.sites,
        out=flags.out,
        **dataclasses.asdict(flags.settings),
        workers=flags.workers,
        fold_cache=flags.fold_cache,
        overwrite=flags.overwrite,
        progress=True,
    )
    print(_summary(found))


def _summary(found: "Panel") -> str:
    counts = found.contents["counts"]
    rows = [["sites", f"{counts['sites']:,} scored"]]
    rows += [["skipped", f"{n:,}: {why}"] for why, n in counts["skipped"].items()]
    fdr = found.contents["settings"]["fdr"]
    rows.append(["called", f"{counts['called']:,} of sites and RBPs at FDR {fdr:g}"])
    if counts["background"]:
        rows.append(["background", counted(counts["background"], "site")])
    names = ", ".join(sorted(path.name for path in found.directory.iterdir()))
    rows.append(["wrote", f"{found.directory}: {names}"])
    return f"{_best(found)}\n\n{text_table(rows)}"


def _best(found: "Panel") -> str:
    """Returns the RBPs that stand out as lines."""
    called = {row["rbp"]: row["n_called"] for row in found.contents["rbps"]}
    more = len(called) - _SHOWN
    rest = [[f"and {more} more"]] if more > 0 else []
    if found.enrichment is None:
        most = sorted(
            found.contents["rbps"], key=lambda row: (-row["n_called"], -row["n_bound"])
        )
        rows = [["RBP", "called", "bound"]]
        for row in most[:_SHOWN]:
            rows.append([row["rbp"], f"{row['n_called']:,}", f"{row['n_bound']:,}"])
        return text_table([*rows, *rest])
    rows = [["RBP", "called", "bound", "background", "odds ratio", "q-value"]]
    # Of RBPs that differ no more from the background than by chance, those with calls.
    shown = sorted(
        found.enrichment.itertuples(),
        key=lambda row: (row.q_value > 0.05, (row.q_value > 0.05) * -called[row.rbp]),
    )
    for row in shown[:_SHOWN]:
        ends = f"{row.odds_ratio_low:.2f} to {row.odds_ratio_high:.2f}"
        bound = f"{row.fraction_bound:.1%}", f"{row.fraction_background_bound:.1%}"
        ratio = f"{row.odds_ratio:.2f} ({ends})"
        rows.append(
            [row.rbp, f"{called[row.rbp]:,}", *bound, ratio, f"{row.q_value:.2g}"]
        )
    return text_table([*rows, *rest])


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run("panel", PanelFlags, panel, argv)


if __name__ == "__main__":
    sys.exit(main())
