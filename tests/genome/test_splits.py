import itertools
import random

import numpy as np
import pandas as pd
import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.genome.settings import SplitSettings
from deeprke_tf.genome.splits import groups_by_gene, split_sites


def sites_of(*rows):
    return pd.DataFrame(rows, columns=["chrom", "start", "end", "gene"])


def random_sites(seed, n=300):
    rng = random.Random(seed)
    rows = []
    for _ in range(n):
        chrom, start = f"chr{rng.randint(1, 20)}", rng.randrange(20_000)
        gene = rng.choice(["", f"{chrom}.{start // 700}"])
        rows.append((chrom, start, start + rng.choice([21, 101]), gene))
    return sites_of(*rows)


def test_nothing_is_split_where_no_split_is_asked_for():
    assert set(split_sites(random_sites(1), SplitSettings())) == {""}


def test_chromosomes_are_tested_and_validated_on():
    sites = sites_of(*((f"chr{i}", 1, 5, "") for i in (1, 2, 8, 9, 2)))
    settings = SplitSettings(
        test_chromosomes=("chr8", "9"), validation_chromosomes=("2",)
    )
    assert split_sites(sites, settings).tolist() == [
        *("train", "validation", "test", "test", "validation"),
    ]


@pytest.mark.parametrize("split_by", ["chromosome", "gene"])
@pytest.mark.parametrize("seed", range(5))
def test_a_fraction_is_drawn_by_groups(split_by, seed):
    sites = random_sites(seed)
    settings = SplitSettings(
        test_fraction=0.2, validation_fraction=0.1, split_by=split_by, seed=seed
    )
    splits = split_sites(sites, settings)
    counts = {name: (splits == name).mean() for name in set(splits)}
    assert counts["test"] == pytest.approx(0.2, abs=0.06)
    assert counts["validation"] == pytest.approx(0.1, abs=0.06)
    order = np.random.default_rng(seed).permutation(len(sites))
    shuffled = split_sites(sites.iloc[order], settings)
    assert (shuffled == splits[order]).all()


def test_another_seed_draws_other_groups():
    sites = random_sites(1)
    first, second = (
        split_sites(sites, SplitSettings(test_fraction=0.3, seed=seed))
        for seed in (1, 2)
    )
    assert (first != second).any()


@pytest.mark.parametrize("seed", range(5))
def test_sites_of_a_gene_and_all_that_overlap_them_stay_together(seed):
    sites = random_sites(seed, n=120)
    groups = groups_by_gene(sites)
    rows = list(sites.itertuples())
    linked = {i: {i} for i in range(len(rows))}
    for i, j in itertools.combinations(range(len(rows)), 2):
        a, b = rows[i], rows[j]
        overlap = a.chrom == b.chrom and a.start < b.end and b.start < a.end
        if overlap or (a.gene and a.gene == b.gene):
            joined = linked[i] | linked[j]
            for k in joined:
                linked[k] = joined
    for i, j in itertools.combinations(range(len(rows)), 2):
        assert (groups[i] == groups[j]) == (j in linked[i])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"test_chromosomes": ("chr7",)},
            "`test_chromosomes` chr7: no site lies on it",
        ),
        ({"test_chromosomes": ("chr1", "chr2")}, "The train split has no site"),
        ({"test_fraction": 0.01}, "The test split has no site: there are 2 groups"),
    ],
)
def test_a_split_without_sites_is_refused(settings, message):
    sites = sites_of(("chr1", 1, 5, ""), ("chr2", 1, 5, ""))
    with pytest.raises(UserError, match=message):
        split_sites(sites, SplitSettings(**settings))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"test_fraction": 1.5}, "`test_fraction` must be between 0 and 1"),
        ({"test_fraction": 0.6, "validation_fraction": 0.4}, "leave nothing"),
        (
            {"test_fraction": 0.1, "test_chromosomes": ("1",)},
            "`test_fraction` or `test_chromosomes`, not both",
        ),
        (
            {"validation_chromosomes": ("1",), "test_chromosomes": ("1",)},
            "share 1",
        ),
        ({"seed": -1}, "`seed` must not be negative"),
        ({"split_by": "site"}, "`split_by` must be one of"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(UserError, match=message):
        SplitSettings(**settings)
