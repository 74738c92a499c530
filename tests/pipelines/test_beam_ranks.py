"""Keys at wanted ranks, and parts of numbers."""

import random

import pytest

beam = pytest.importorskip("apache_beam", reason="Apache Beam is not installed")

from apache_beam.pvalue import AsSingleton  # noqa: E402
from apache_beam.testing.util import assert_that, equal_to  # noqa: E402

from pipelines.beam import ranks as beam_ranks  # noqa: E402
from pipelines.beam.job import BeamJob  # noqa: E402


def test_the_keys_at_ranks_are_those_of_a_sorted_list():
    rng = random.Random(1)
    spread = [(rng.randrange(-(1 << 63), 1 << 63), i) for i in range(300)]
    crowded = [(5, rng.randrange(1000), i) for i in range(50)]
    ranks = {"spread": [0, 17, 18, 299], "crowded": [0, 25, 49]}
    expected = [
        ("spread", [sorted(spread)[rank] for rank in ranks["spread"]]),
        ("crowded", [sorted(crowded)[rank] for rank in ranks["crowded"]]),
    ]

    def build(pipeline):
        wanted = pipeline | "Ranks" >> beam.Create([ranks])
        keys = [("spread", key) for key in spread]
        keys += [("crowded", key) for key in crowded] + [("not asked for", (1,))]
        found = (
            pipeline | beam.Create(keys) | beam_ranks.KeysAtRanks(AsSingleton(wanted))
        )
        assert_that(found, equal_to(expected))

    BeamJob("DirectRunner", []).run(build)


def test_parts_are_ordered_as_keys_are():
    rng = random.Random(2)
    keys = sorted((rng.randrange(-(1 << 63), 1 << 63),) for _ in range(1000))
    parts = [beam_ranks.part_of(key) for key in keys]
    assert parts == sorted(parts)
    assert min(parts) >= 0 and max(parts) < 1 << 16
