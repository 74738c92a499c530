import numpy as np
import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.fleets import packs
from deeprke_tf.fleets.packs import PackedSites

SITES = {
    "train": PackedSites(
        ["ACGUN", "NNG", "UUUUUUU"], ["FFHHM", "SST", "FSIHIST"], np.array([1, 0, 1])
    ),
    "test": PackedSites(["GG"], ["SS"], np.array([0])),
}


def test_packed_sites_read_back_as_they_were_written(tmp_path):
    packs.write(SITES, tmp_path / "sites.npz")
    read = packs.read(tmp_path / "sites.npz")
    assert list(read) == ["train", "test"]
    for split, sites in SITES.items():
        assert read[split].sequences == sites.sequences
        assert read[split].contexts == sites.contexts
        assert read[split].labels.tolist() == sites.labels.tolist()


def test_a_site_takes_little_more_than_two_bits_a_letter(tmp_path):
    rng = np.random.default_rng(1)
    sequences = ["".join(rng.choice(list("ACGU"), 100)) for _ in range(500)]
    sites = PackedSites(sequences, ["F" * 100] * 500, np.zeros(500))
    packs.write({"train": sites}, tmp_path / "sites.npz")
    assert (tmp_path / "sites.npz").stat().st_size < 500 * 30


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", None])
def test_a_damaged_or_missing_pack_is_named(tmp_path, damage):
    path = tmp_path / "sites.npz"
    if damage:
        packs.write(SITES, path)
        path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=r"Cannot read the packed dataset .*sites\.npz"):
        packs.read(path)
