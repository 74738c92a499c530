import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from deeprke_tf.errors import UserError
from deeprke_tf.evaluation import figures, metrics
from deeprke_tf.evaluation.reliability import calibration_measures

pytestmark = pytest.mark.draws

LABELS = [0, 0, 1, 0, 1, 1]
PROBABILITIES = [0.1, 0.3, 0.3, 0.6, 0.7, 0.9]
HISTORY = [
    {"epoch": 1, "loss": 0.7, "val_loss": 0.7, "val_auroc": 0.5},
    {"epoch": 2, "loss": 0.5, "val_loss": 0.6, "val_auroc": 0.8},
    {"epoch": 3, "loss": 0.3, "val_loss": 0.8, "val_auroc": 0.7},
]
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

DRAW = {
    "learning_curves": lambda path: figures.learning_curves(HISTORY, 2, path),
    "roc_curve": lambda path: figures.roc_curve(
        LABELS, PROBABILITIES, path, title="RBP", interval=[0.5, 1.0]
    ),
    "precision_recall_curve": lambda path: figures.precision_recall_curve(
        LABELS, PROBABILITIES, path, title="RBP", interval=[0.5, 1.0]
    ),
}


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


def line_of(figure, label):
    (axes,) = figure.axes
    (line,) = (line for line in axes.lines if line.get_label().startswith(label))
    return line


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
def test_a_figure_is_one_png_file(draw, tmp_path):
    draw(tmp_path / "figure.png")
    assert [path.name for path in tmp_path.iterdir()] == ["figure.png"]
    assert (tmp_path / "figure.png").read_bytes().startswith(PNG_SIGNATURE)


def test_a_figure_cut_short_leaves_the_earlier_one(tmp_path, monkeypatch):
    def save_half(figure, path, **kwargs):
        path.write_bytes(PNG_SIGNATURE)
        raise OSError("No space left on device")

    path = tmp_path / "figure.png"
    path.write_text("the earlier figure")
    monkeypatch.setattr(Figure, "savefig", save_half)
    with pytest.raises(OSError, match="No space left"):
        DRAW["roc_curve"](path)
    assert path.read_text() == "the earlier figure"
    assert list(tmp_path.iterdir()) == [path]


def test_drawing_leaves_the_settings_of_matplotlib_as_they_are(tmp_path):
    before = dict(mpl.rcParams)
    DRAW["learning_curves"](tmp_path / "figure.png")
    assert dict(mpl.rcParams) == before


def test_learning_curves_show_the_history_and_mark_the_best_epoch(drawn, tmp_path):
    figures.learning_curves(pd.DataFrame(HISTORY), 2, tmp_path / "figure.png")
    losses, aurocs = drawn[0].axes
    assert [list(line.get_ydata()) for line in losses.lines[:2]] == [
        [0.7, 0.5, 0.3],
        [0.7, 0.6, 0.8],
    ]
    assert list(aurocs.lines[0].get_ydata()) == [0.5, 0.8, 0.7]
    for axes in (losses, aurocs):
        assert axes.texts[0].get_text() == "Best epoch: 2"
        assert list(axes.lines[-1].get_xdata()) == [2, 2]


def test_one_epoch_is_drawn_with_a_whole_number_at_its_axis(drawn, tmp_path):
    figures.learning_curves(HISTORY[:1], 1, tmp_path / "figure.png")
    ticks = drawn[0].axes[0].get_xticks()
    assert [tick for tick in ticks if 0.5 < tick < 1.5] == [1]
    assert all(tick == round(tick) for tick in ticks)


def test_a_history_without_a_column_is_refused(tmp_path):
    history = pd.DataFrame(HISTORY).drop(columns="val_auroc")
    with pytest.raises(ValueError, match=r"no \['val_auroc'\], only \['epoch'"):
        figures.learning_curves(history, 2, tmp_path / "figure.png")


def test_a_best_epoch_outside_the_history_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"best_epoch 4 .* epochs 1 to 3"):
        figures.learning_curves(HISTORY, 4, tmp_path / "figure.png")


@pytest.mark.parametrize("draw", [figures.roc_curve, figures.precision_recall_curve])
def test_one_class_alone_has_no_curve(draw, tmp_path):
    with pytest.raises(UserError, match="got 2 bound and 0 background"):
        draw([1, 1], [0.5, 0.6], tmp_path / "figure.png", title="RBP")
    assert not list(tmp_path.iterdir())


def test_the_area_is_in_the_legend_with_its_interval(drawn, tmp_path):
    DRAW["roc_curve"](tmp_path / "figure.png")
    (legend,) = drawn[0].legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "AUROC 0.833 (95% CI 0.500 to 1.000)",
        "Chance: AUROC 0.500",
    ]


@pytest.mark.parametrize("n_sites", [6, 20_000])
def test_the_drawn_curves_have_the_areas_of_the_metrics(drawn, tmp_path, n_sites):
    rng = np.random.default_rng(0)
    labels = np.arange(n_sites) % 5 == 0
    probabilities = 1 / (1 + np.exp(-rng.normal(labels)))
    figures.roc_curve(labels, probabilities, tmp_path / "roc.png", title="RBP")
    figures.precision_recall_curve(
        labels, probabilities, tmp_path / "precision_recall.png", title="RBP"
    )
    rates = line_of(drawn[0], "AUROC").get_xydata()
    area = np.sum(np.diff(rates[:, 0]) * (rates[1:, 1] + rates[:-1, 1]) / 2)
    assert area == pytest.approx(metrics.auroc(labels, probabilities), abs=1e-3)
    recall, precision = line_of(drawn[1], "AUPRC").get_xydata().T
    area = np.sum(-np.diff(recall) * precision[:-1])
    assert area == pytest.approx(metrics.auprc(labels, probabilities), abs=1e-3)
    assert len(rates) <= 2000
    assert len(recall) <= 2000


def test_roc_curves_of_cv_folds_are_drawn_with_that_of_all_their_sites(drawn, tmp_path):
    folds = {"first": (LABELS, PROBABILITIES), "second": (LABELS, [0.5] * 6)}
    figures.roc_curves(folds, tmp_path / "roc.png", title="RBP")
    pooled = metrics.auroc(LABELS * 2, [*PROBABILITIES, *[0.5] * 6])
    expected = {"first": metrics.auroc(LABELS, PROBABILITIES), "second": 0.5}
    for name, area in (expected | {"Pooled": pooled}).items():
        line = line_of(drawn[0], name)
        assert line.get_label() == f"{name}: AUROC {area:.3f}"
        x, y = line.get_xydata().T
        assert np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2) == pytest.approx(area)


def test_the_diagram_shows_the_bins_before_and_after(drawn, tmp_path):
    probabilities = np.random.default_rng(0).random(1_000)
    labels = np.random.default_rng(1).random(1_000) < probabilities
    after = calibration_measures(labels, probabilities)
    before = calibration_measures(labels, probabilities**3)
    path = tmp_path / "reliability.png"
    figures.reliability_diagram(before, after, path, title="QKI")
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


def test_a_single_site_can_be_drawn(tmp_path):
    measures = calibration_measures([1], [0.5])
    figures.reliability_diagram(measures, measures, tmp_path / "one.png", title="QKI")
    assert (tmp_path / "one.png").stat().st_size > 0
