"""Groups of sites that stay together in a cross-validation.

chromosome  sites of one chromosome
gene        sites of one gene; those without a gene as by overlap
overlap     sites whose sequences share a stretch of letters, directly or through others
"""

import dataclasses
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from deeprke_tf.data import overlap
from deeprke_tf.data.description import Dataset
from deeprke_tf.errors import UserError
from deeprke_tf.rna.loci import Locus

Kind: TypeAlias = Literal["chromosome", "gene", "overlap"]
Groups: TypeAlias = Literal["auto", "chromosome", "gene", "overlap"]

# The test split is for the final model.
SPLITS = ("train", "validation")

_FEATURES = ("label", "sequence_kmers", "locus", "gene")


@dataclasses.dataclass(frozen=True)
class GroupedSites:
    """The training and validation sites of a dataset, in the order of their shards.

    Attributes:
      kind: By what they are grouped.
      groups: Group of each, numbers from 0, int [n_sites].
      labels: 1 bound, 0 background, int [n_sites].
      n_kmers: Length of each, in k-mers, int [n_sites].
    """

    kind: Kind
    groups: np.ndarray
    labels: np.ndarray
    n_kmers: np.ndarray

    @property
    def n_groups(self) -> int:
        """The number of groups."""
        return int(self.groups.max()) + 1


def read_groups(info: Dataset, groups: Groups, seed: int) -> GroupedSites:
    """Reads the training sites of a dataset and groups them.

    Args:
      info: The dataset.
      groups: "auto": by gene where most sites have one, else by chromosome where all
        have coordinates, else by overlap.
      seed: Of the hashes by which equal sequences are found.

    Raises:
      UserError: No such kind of group, or the records lack what it takes.
    """
    if groups not in get_args(Groups):
        allowed = ", ".join(map(repr, get_args(Groups)))
        raise UserError(f"`groups` must be one of {allowed}; got {groups!r}.")
    labels, n_kmers = [], []
    chromosomes: list[str] = []
    genes: list[str] = []
    for features in _features(info):
        labels.append(features["label"].numpy())
        n_kmers.append(features["sequence_kmers"].row_lengths().numpy())
        chromosomes += map(_chromosome, features["locus"])
        genes += features["gene"]
    kind = _kind(groups, np.array(chromosomes), np.array(genes), info)
    names = {"chromosome": chromosomes, "gene": genes}.get(kind) or [""] * len(genes)
    if not all(names):
        numbers = overlap.overlap_groups(_sequences(info), seed).tolist()
        both = zip(names, numbers, strict=True)
        names = [f"{kind} {name}" if name else f"{number}" for name, number in both]
    found = np.unique(np.array(names), return_inverse=True)[1]
    return GroupedSites(kind, found, np.concatenate(labels), np.concatenate(n_kmers))


def _kind(
    asked: Groups, chromosomes: np.ndarray, genes: np.ndarray, info: Dataset
) -> Kind:
    """Returns the kind of group that the records allow.

    Raises:
      UserError: They do not allow the one that was asked for.
    """
    n_unplaced, has_gene = int((chromosomes == "").sum()), genes != ""
    if asked == "auto":
        if has_gene.mean() > 0.5:
            return "gene"
        return "overlap" if n_unplaced else "chromosome"
    if asked == "chromosome" and n_unplaced:
        raise UserError(
            f"`groups` is 'chromosome', but {n_unplaced:,} of {len(chromosomes):,} "
            f"sites of {info.directory} have no coordinates; preprocess a table with "
            "the columns chrom, start, end and strand, or group by 'overlap'."
        )
    if asked == "gene" and not has_gene.any():
        raise UserError(
            f"`groups` is 'gene', but no site of {info.directory} has one; preprocess "
            "a table with the column gene, or group by 'overlap'."
        )
    return asked


def _features(info: Dataset) -> Iterator[dict[str, Any]]:
    from deeprke_tf.data import stored_sites

    for records in read_records(info):
        features = stored_sites.parse(records, _FEATURES)
        texts = {
            name: stored_sites.as_texts(features[name]) for name in ("locus", "gene")
        }
        yield features | texts


def read_records(info: Dataset) -> Iterator[Any]:
    """Yields the records of all training sites, tensors of some thousand at once.

    Raises:
      UserError: A shard is missing.
    """
    from deeprke_tf.data import stored_sites

    paths = [
        path
        for split in SPLITS
        if split in info.splits
        for path in stored_sites.shard_paths(info, split)
    ]
    yield from stored_sites.open_records(paths).batch(4_096)


def _chromosome(locus: str) -> str:
    return Locus.parse(locus).chrom if locus else ""


def _sequences(info: Dataset) -> Iterator[list[str]]:
    vocabulary = info.encoding.sequence_vocabulary
    for features in _features(info):
        kmers = features["sequence_kmers"]
        sites = np.split(kmers.values.numpy(), kmers.row_splits.numpy()[1:-1])
        yield list(map(vocabulary.letters, sites))
