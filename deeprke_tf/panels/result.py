"""A finished panel: its directory, its tables and what they say."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deeprke_tf.panels import files
from deeprke_tf.system.messages import counted

if TYPE_CHECKING:
    import pandas as pd


class Panel:
    """Which RBPs bind which sites.

    Args:
      directory: Where its files lie; `deeprke_tf.panels.files` lists them.
      contents: Of `panel.json`.

    Attributes:
      directory: As above.
      contents: As above.
    """

    def __init__(self, directory: Path, contents: dict[str, Any]):
        self.directory = directory
        self.contents = contents

    def __repr__(self) -> str:
        counts = self.contents["counts"]
        return (
            f"<Panel of {counted(counts['sites'], 'site')} and "
            f"{counted(len(self.contents['rbps']), 'RBP')}: "
            f"{counted(counts['called'], 'call')}>"
        )

    @functools.cached_property
    def table(self) -> "pd.DataFrame":
        """The rows of `panel.tsv`."""
        return _read(self.directory / files.TABLE)

    @functools.cached_property
    def enrichment(self) -> "pd.DataFrame | None":
        """The rows of `enrichment.tsv`; None: there was no background."""
        path = self.directory / files.ENRICHMENT
        return _read(path) if path.exists() else None

    @functools.cached_property
    def skipped(self) -> "pd.DataFrame":
        """The sites that were not scored, and why."""
        return _read(self.directory / files.SKIPPED)


def _read(path: Path) -> "pd.DataFrame":
    import pandas as pd

    # A site may be called NA; a number never is.
    texts = dict.fromkeys(["name", "rbp", "gene", "blocks", "detail"], str)
    keep = {"keep_default_na": False, "na_values": {"start": [""], "end": [""]}}
    return pd.read_csv(path, sep="\t", dtype=texts, **keep)
