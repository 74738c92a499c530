import math

import pytest
from PIL import Image

from deeprke_tf.tuning import figure as tune_figure
from deeprke_tf.tuning.space import Choices, Range

pytestmark = pytest.mark.draws

SPACE = {
    "filters": Choices(((128, 64, 32), (64, 32, 16))),
    "batch_norm": Choices((False, True)),
    "learning_rate": Range(1e-4, 1e-2, sampling="log"),
    "dropout": Range(0.0, 0.5),
}
SETTINGS = [
    {
        "filters": SPACE["filters"].values[i % 2],
        "batch_norm": bool(i % 3),
        "learning_rate": 10 ** (-4 + i / 4),
        "dropout": i / 20,
    }
    for i in range(8)
]
AUROCS = [0.8, 0.82, 0.85, math.nan, 0.86, 0.84, 0.5, 0.87]


@pytest.mark.parametrize(
    ("names", "start"), [(list(SPACE), 0), (["dropout"], None), (["batch_norm"], 3)]
)
def test_a_figure_is_drawn_of_any_space(names, start, tmp_path):
    space = {name: SPACE[name] for name in names}
    path = tmp_path / "objective.png"
    tune_figure.objective_figure(
        path, space, SETTINGS, AUROCS, start=start, title="8 trials"
    )
    with Image.open(path) as image:
        assert image.format == "PNG"
    assert [path.name for path in tmp_path.iterdir()] == ["objective.png"]


def test_trials_of_one_choice_lie_side_by_side_around_it():
    values = [False, True, False, False]
    x = tune_figure.positions(SPACE["batch_norm"], values)
    assert x[1] == 1
    assert x[[0, 2, 3]].mean() == pytest.approx(0)
    assert len(set(x)) == 4 and abs(x[[0, 2, 3]]).max() < 0.5
