import numpy as np
import pytest

from deeprke_tf.scanning.figures import track_figure
from deeprke_tf.scanning.windows import Tiling, call_sites

pytestmark = pytest.mark.draws


@pytest.mark.parametrize("contexts", [None, "FFSSSHHHHSSSMM SSSSHHHSSSSTTTT" * 2])
def test_a_picture_is_written_in_the_format_of_its_name(tmp_path, contexts):
    starts, ends = Tiling(20, 5).place(60)
    probabilities = np.linspace(0, 1, len(starts))
    probabilities[2:7] = np.nan
    paths = [tmp_path / "one.svg", tmp_path / "one.png", tmp_path / "again.svg"]
    track_figure(
        paths,
        title="QKI on <tx1>",
        starts=starts,
        ends=ends,
        probabilities=probabilities,
        sites=call_sites(starts, ends, probabilities, 0.5),
        threshold=0.5,
        contexts=contexts,
    )
    assert paths[0].read_bytes().startswith(b"<?xml")
    assert paths[1].read_bytes().startswith(b"\x89PNG")
    assert paths[2].read_bytes() == paths[0].read_bytes()
    assert len(list(tmp_path.iterdir())) == 3


def test_an_rna_without_any_probability_is_drawn(tmp_path):
    starts, ends = Tiling(20, 5).place(10)
    track_figure(
        [tmp_path / "one.png"],
        title="QKI on tx1",
        starts=starts,
        ends=ends,
        probabilities=np.array([np.nan]),
        sites=[],
        threshold=np.inf,
    )
    assert (tmp_path / "one.png").exists()
