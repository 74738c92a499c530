import numpy as np
import pytest

from deeprke_tf.scanning.window_shares import fit_shares


def kind(center, n, seed):
    """Probabilities around the logistic of a center."""
    rng = np.random.default_rng(seed)
    return 1 / (1 + np.exp(-rng.normal(center, 1.5, n)))


@pytest.mark.parametrize("shares", [(0.02, 0.1, 0.88), (0.1, 0.9, 0), (0.05, 0, 0.95)])
def test_the_shares_of_mixed_windows_are_found(shares):
    centers = (3, 0, -4)
    kinds = [kind(center, 1_000, seed) for seed, center in enumerate(centers)]
    windows = np.concatenate(
        [
            kind(center, round(20_000 * share), 10 + seed)
            for seed, (center, share) in enumerate(zip(centers, shares, strict=True))
        ]
    )
    assert fit_shares(windows, kinds) == pytest.approx(shares, abs=0.02)


def test_kinds_that_look_alike_share_evenly():
    bound, other = kind(4, 500, 0), kind(-4, 500, 1)
    shares = fit_shares(np.concatenate([bound, other]), [bound, other, other])
    assert shares[1] == pytest.approx(shares[2])
    assert shares.sum() == pytest.approx(1)


def test_no_windows_tell_no_shares():
    assert fit_shares(np.zeros(0), [np.ones(3), np.zeros(3)]).tolist() == [0.5, 0.5]
