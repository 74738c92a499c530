r"""Writes the report of a model: one HTML page.

python -m deeprke_tf.report --model runs/QKI --explain explained/QKI \
    --audit audits/QKI --out QKI.html
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from deeprke_tf import cli


@dataclasses.dataclass(frozen=True)
class ReportFlags:
    """Writes one HTML page that shows a model to people, and needs nothing else.

    What the model is, how good it is, what to doubt, what it reads, single sites, and
    how it was made. What is not given is looked for where `deeprke run` puts it; what
    is not found is left out, and the page says how to get it.
    """

    model: Path
    """Run or ensemble of `deeprke train`, or a name that `deeprke models` lists."""
    out: Path
    """HTML file to write."""
    rbp: str | None = None
    """Of a joint run: the RBP to use."""
    explain: Path | None = None
    """Directory of `deeprke explain`."""
    audit: Path | None = None
    """Directory of `deeprke audit`."""
    evaluation: Path | None = None
    """Directory of `deeprke evaluate`; by default the run directory, if it has one."""
    extraction: Path | None = None
    """Directory of `deeprke extract`, for its warnings about the background."""


def report(flags: ReportFlags) -> None:
    """Writes the page and says where it is."""
    from deeprke_tf.explaining.report import write_report
    from deeprke_tf.runs import catalog, joint_network

    given = dict(vars(flags))
    rbp = given.pop("rbp")
    given["model"] = joint_network.directory_of(catalog.resolve(flags.model), rbp)
    print(f"wrote {write_report(**given)}")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run("report", ReportFlags, report, argv)


if __name__ == "__main__":
    sys.exit(main())
