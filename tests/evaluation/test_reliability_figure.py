import numpy as np
import pytest
from matplotlib.figure import Figure

from deeprke_tf.evaluation import reliability, reliability_figure

pytestmark = pytest.mark.draws


def calibrated_sites(n_sites, seed=0):
    rng = np.random.default_rng(seed)
    probabilities = rng.random(n_sites) ** 3
    return (rng.random(n_sites) < probabilities).astype(int), probabilities


@pytest.fixture
def drawn(monkeypatch):
    """The figures saved so far."""
    saved = []
    savefig = Figure.savefig

    def save(figure, *args, **kwargs):
        saved.append(figure)
        savefig(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", save)
    return saved


def test_the_diagram_shows_the_bins_before_and_after(drawn, tmp_path):
    labels, probabilities = calibrated_sites(1_000)
    after = reliability.calibration_measures(labels, probabilities)
    before = reliability.calibration_measures(labels, probabilities**3)
    path = tmp_path / "reliability.png"
    reliability_figure.reliability_diagram(before, after, path, title="QKI")
    assert [path.name for path in tmp_path.iterdir()] == ["reliability.png"]
    axes, counts = drawn[0].axes
    _, raw, calibrated = axes.lines
    for line, measures in ((raw, before), (calibrated, after)):
        assert line.get_xydata().tolist() == [
            [b["mean_probability"], b["fraction_bound"]] for b in measures["bins"]
        ]
    assert [list(p.get_data().values) for p in counts.patches] == [
        before["histogram"],
        after["histogram"],
    ]
    (legend,) = drawn[0].legends
    assert [text.get_text() for text in legend.get_texts()] == [
        f"Calibrated: ECE {after['ece']:.3f}, Brier {after['brier']:.3f}",
        f"Raw: ECE {before['ece']:.3f}, Brier {before['brier']:.3f}",
        "Perfectly calibrated",
    ]


def test_the_intervals_of_the_bins_are_those_of_wilson():
    # 5 of 10: the textbook interval is 0.2366 to 0.7634; 0 of 10: 0 to 0.2775.
    low, high = reliability_figure._wilson_interval(np.array([0.5, 0.0]), [10, 10])
    np.testing.assert_allclose(low, [0.2366, 0], atol=1e-4)
    np.testing.assert_allclose(high, [0.7634, 0.2775], atol=1e-4)


def test_a_single_site_can_be_drawn(tmp_path):
    measures = reliability.calibration_measures([1], [0.5])
    reliability_figure.reliability_diagram(
        measures, measures, tmp_path / "one.png", title="QKI"
    )
    assert (tmp_path / "one.png").stat().st_size > 0
