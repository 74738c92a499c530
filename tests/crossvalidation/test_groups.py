"""By what sites are grouped, and the datasets of the cv folds."""

import dataclasses
import random

import numpy as np
import pytest

from deeprke_tf.crossvalidation import datasets
from deeprke_tf.crossvalidation.groups import read_groups
from deeprke_tf.data import description, records, stored_sites
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.errors import UserError
from deeprke_tf.system.progress import no_progress

REGIONS = 30


def letters(n, seed):
    return "".join(random.Random(seed).choices("ACGU", k=n))


def region_sites(n_regions=REGIONS):
    """Three windows of each region, of which neighbors share 61 letters."""
    for region in range(n_regions):
        sequence = letters(181, region)
        for number, start in enumerate((0, 40, 80)):
            place = 1000 * region + start
            locus = f"chr{region % 7}:{place}-{place + 101}(+)"
            yield {
                "name": f"{region}-{number}",
                "sequence": sequence[start : start + 101],
                "label": (region + number) % 2,
                "locus": locus,
                "gene": f"gene{region % 11}",
            }


def write(directory, sites, left_out=()):
    """A dataset of sites; every fifth is in the validation split."""
    directory.mkdir()
    sites = list(sites)
    splits = {}
    vocabulary = Encoding().sequence_vocabulary
    for split, some in (
        ("train", [site for i, site in enumerate(sites) if i % 5]),
        ("validation", sites[::5]),
    ):
        path = directory / records.shard_name(split, 0, 1)
        facts = [{**site, **dict.fromkeys(left_out, "")} for site in some]
        with records.ShardWriter(path) as writer:
            writer.write(
                records.serialize_all(
                    [site["name"] for site in facts],
                    [vocabulary.encode(site["sequence"]) for site in facts],
                    None,
                    [site["label"] for site in facts],
                    [site["locus"] for site in facts],
                    [site["gene"] for site in facts],
                )
            )
        shard = {"file": path.name, "sha256": writer.sha256, "n_sites": len(some)}
        splits[split] = {
            "n_sites": len(some),
            "n_positive": sum(site["label"] for site in some),
            "longest_site": max(len(site["sequence"]) for site in some),
            "shards": [shard],
        }
    encoding = {"k": 3}
    contents = {"encoding": encoding, "structure": False, "splits": splits}
    description.write(directory, contents)
    return description.read(directory)


def names_of(info, split):
    found = stored_sites.sites_of_split(info, split)
    return found["name"]


def in_order(sites):
    sites = list(sites)
    return [site for i, site in enumerate(sites) if i % 5] + sites[::5]


def partition_of(groups):
    """The groups as sets of places, whatever their numbers."""
    return {frozenset(np.flatnonzero(groups == group)) for group in set(groups)}


def expected(sites, key):
    keys = [key(site) for site in in_order(sites)]
    return partition_of(np.unique(keys, return_inverse=True)[1])


def region_of(site):
    return site["name"].split("-")[0]


@pytest.mark.parametrize(
    ("asked", "left_out", "kind", "key"),
    [
        ("auto", (), "gene", lambda site: site["gene"]),
        ("auto", ("gene",), "chromosome", lambda site: site["locus"].split(":")[0]),
        ("auto", ("gene", "locus"), "overlap", region_of),
        ("chromosome", (), "chromosome", lambda site: site["locus"].split(":")[0]),
        ("overlap", (), "overlap", region_of),
    ],
)
def test_sites_are_grouped_by_what_the_records_have(
    asked, left_out, kind, key, tmp_path
):
    info = write(tmp_path / "data", region_sites(), left_out)
    sites = read_groups(info, asked, seed=1)
    assert sites.kind == kind
    assert partition_of(sites.groups) == expected(region_sites(), key)
    assert sites.n_groups == len(set(sites.groups))
    assert sites.labels.tolist() == [site["label"] for site in in_order(region_sites())]


def test_sites_without_a_gene_are_grouped_by_overlap(tmp_path):
    sites = list(region_sites())
    for site in sites[:30]:
        site["gene"] = ""
    found = read_groups(write(tmp_path / "data", sites), "gene", seed=1)
    keys = expected(sites, lambda site: site["gene"] or region_of(site))
    assert partition_of(found.groups) == keys


def test_equal_sequences_are_together_however_short(tmp_path):
    sites = [
        {"name": f"{i}", "sequence": letters(12, i % 10), "label": i % 2}
        | {"locus": "", "gene": ""}
        for i in range(40)
    ]
    sites[0]["sequence"] = "NNACGUNN"
    found = read_groups(write(tmp_path / "data", sites), "overlap", seed=1)
    assert partition_of(found.groups) == expected(sites, lambda site: site["sequence"])


@pytest.mark.parametrize(
    ("asked", "left_out", "message"),
    [
        ("chromosome", ("locus",), "'chromosome', but 90 of 90 sites of .* have no"),
        ("gene", ("gene",), "'gene', but no site of .* has one; preprocess"),
        ("exon", (), "`groups` must be one of 'auto', 'chromosome', .*; got 'exon'"),
    ],
)
def test_groups_that_the_records_do_not_allow_are_refused(
    asked, left_out, message, tmp_path
):
    info = write(tmp_path / "data", region_sites(), left_out)
    with pytest.raises(UserError, match=message):
        read_groups(info, asked, seed=1)


# === The datasets of the cv folds ===


def test_each_cv_fold_has_all_sites_once_and_no_group_in_two_splits(tmp_path):
    info = write(tmp_path / "data", region_sites())
    sites = read_groups(info, "overlap", seed=1)
    splits = datasets.deal_splits(sites, 3, seed=1, data=info.directory)
    settings = {"folds": 3}
    datasets.write_datasets(info, sites, splits, tmp_path / "cv", settings, no_progress)
    held_out = []
    for number in (1, 2, 3):
        fold = description.read(tmp_path / "cv" / datasets.name_of(number))
        names = {split: names_of(fold, split) for split in records.SPLITS}
        regions = {s: {n.split("-")[0] for n in some} for s, some in names.items()}
        assert sum(map(len, regions.values())) == REGIONS
        assert len(set().union(*names.values())) == 3 * REGIONS
        for split in records.SPLITS:
            stored_sites.verify_shards(fold, split)
            assert fold.split(split).n_sites == len(names[split])
            assert fold.split(split).longest_site == 101
        assert fold.contents["crossvalidation"]["groups"] == "overlap"
        held_out += names["test"]
    assert sorted(held_out) == sorted(site["name"] for site in region_sites())


def test_records_are_copied_as_they_are(tmp_path):
    info = write(tmp_path / "data", region_sites())
    sites = read_groups(info, "gene", seed=1)
    splits = datasets.deal_splits(sites, 2, seed=1, data=info.directory)
    datasets.write_datasets(info, sites, splits, tmp_path / "cv", {}, no_progress)
    fold = description.read(tmp_path / "cv" / "cv-fold-2")
    of_data, of_fold = (
        {
            (name, label, locus, gene)
            for split in some.splits
            for name, label, locus, gene in zip(
                *(stored_sites.sites_of_split(some, split)[fact] for fact in FACTS),
                strict=True,
            )
        }
        for some in (info, fold)
    )
    assert of_fold == of_data


FACTS = ("name", "label", "locus", "gene")


def test_too_few_groups_are_refused(tmp_path):
    info = write(tmp_path / "data", region_sites())
    sites = read_groups(info, "chromosome", seed=1)
    with pytest.raises(
        UserError, match=r"in 7 groups \(by chromosome\), too few for 8 `folds`"
    ):
        datasets.deal_splits(sites, 8, seed=1, data=info.directory)


def test_a_dataset_to_test_on_alone_is_refused(tmp_path):
    info = write(tmp_path / "data", region_sites())
    splits = {"test": info.splits["train"]}
    with pytest.raises(UserError, match="has no 'train' split; it has: test"):
        datasets.all_sites(dataclasses.replace(info, splits=splits))


def test_a_cv_fold_without_both_classes_is_refused(tmp_path):
    sites = [site | {"label": int(site["gene"] == "gene1")} for site in region_sites()]
    info = write(tmp_path / "data", sites)
    found = read_groups(info, "gene", seed=1)
    with pytest.raises(
        UserError, match=r"cv fold \d has \d+ bound .* needs both: give"
    ):
        datasets.deal_splits(found, 2, seed=1, data=info.directory)
