"""A panel from sites to files, with a joint run that is known by hand."""

import gzip
import json
import random

import numpy as np
import pandas as pd
import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.panels import clustering, figures
from deeprke_tf.panels.run import run_panel
from deeprke_tf.panels.settings import PanelSettings
from deeprke_tf.rna.sites import Site
from tests.panels.hand_made import HandMade

MOTIFS = {"QKI": "ACUAACACUAAC", "PUM2": "UGUAAAUAUGUA", "HuR": "UUUUUUUUUUUU"}


@pytest.fixture
def model():
    return HandMade(MOTIFS)


def random_rna(rng, motif=""):
    letters = "".join(rng.choices("ACGU", k=40))
    return letters[:10] + motif + letters[10:]


def sites_of(rbp, n, seed=1):
    rng = random.Random(seed)
    return [random_rna(rng, MOTIFS.get(rbp, "")) for _ in range(n)]


def fasta(path, sequences):
    lines = [f">s{i}\n{sequence}\n" for i, sequence in enumerate(sequences)]
    path.write_text("".join(lines))
    return path


def test_sites_with_a_motif_are_called_for_its_rbp_alone(model, tmp_path):
    sequences = sites_of("QKI", 20) + sites_of("", 20, seed=2)
    found = run_panel(model, sequences, tmp_path / "out")
    called = found.table[found.table.called == 1]
    assert set(called.rbp) == {"QKI"} and len(called) == 20
    assert set(called.name) == {f"site{i}" for i in range(1, 21)}
    assert found.contents["counts"]["called"] == 20
    assert (found.table.groupby("name").rbp.agg(list).map(len) == 3).all()
    assert (
        found.table.calibrated_probability * 2 - found.table.probability
    ).abs().max() < 1e-4


def test_a_motif_is_enriched_against_shuffled_sites(model, tmp_path):
    found = run_panel(model, sites_of("PUM2", 30), tmp_path / "out")
    best = found.enrichment.iloc[0]
    assert best.rbp == "PUM2" and best.q_value < 1e-6 and best.odds_ratio_low > 10
    assert best.n_background == 30 and best.n_background_bound <= 1
    assert "Altschul" in found.contents["methods"][2]


def test_a_file_of_background_sites_is_compared_with(model, tmp_path):
    other = fasta(tmp_path / "other.fa", sites_of("QKI", 25, seed=3))
    settings = PanelSettings(background=str(other))
    found = run_panel(model, sites_of("QKI", 20), tmp_path / "out", settings)
    of_qki = found.enrichment.set_index("rbp").loc["QKI"]
    assert of_qki.n_background == of_qki.n_background_bound == 25
    assert of_qki.odds_ratio_low < 1 < of_qki.odds_ratio_high
    assert of_qki.q_value == 1


def test_without_background_there_is_no_enrichment(model, tmp_path):
    settings = PanelSettings(background="none")
    found = run_panel(model, sites_of("QKI", 3), tmp_path / "out", settings)
    assert found.enrichment is None
    assert not (tmp_path / "out/enrichment.tsv").exists()
    assert "Enrichment" not in (tmp_path / "out/panel.html").read_text()


def test_too_few_background_sites_for_any_call_are_noted(tmp_path, caplog):
    model = HandMade(MOTIFS, background=np.linspace(0, 0.6, 9))
    settings = PanelSettings(background="none")
    with caplog.at_level("INFO"):
        run_panel(model, ["ACUAACACUAAC", "ACGU"], tmp_path / "out", settings)
    assert "the lowest q-value is 0.6, and the fewest background sites" in caplog.text


def test_the_wide_table_has_a_row_for_each_site(model, tmp_path):
    sequences = sites_of("QKI", 4)
    long = run_panel(model, sequences, tmp_path / "long").table
    settings = PanelSettings(wide=True)
    wide = run_panel(model, sequences, tmp_path / "wide", settings).table
    assert list(wide)[:5] == ["name", "QKI", "QKI q_value", "PUM2", "PUM2 q_value"]
    for name, value in (("", "calibrated_probability"), (" q_value", "q_value")):
        pivoted = long.pivot(index="name", columns="rbp", values=value)
        for rbp in MOTIFS:
            assert np.allclose(pivoted[rbp][wide.name], wide[rbp + name])


def test_skipped_sites_are_counted_and_listed_and_not_scored(model, tmp_path):
    sequences = [*sites_of("QKI", 3), "ACXZ", "A", "ACGU" * 20]
    settings = PanelSettings(max_length=60)
    found = run_panel(model, sequences, tmp_path / "out", settings)
    assert found.contents["counts"]["sites"] == 3
    assert found.contents["counts"]["skipped"] == {
        "letters that are not nucleotides": 1,
        "shorter than k": 1,
        "longer than the maximum length": 1,
    }
    assert found.skipped[["of", "row"]].values.tolist() == [
        *(["sites", row] for row in (4, 5, 6))
    ]
    assert "longer than the maximum length" in (tmp_path / "out/panel.html").read_text()


def test_names_and_places_of_a_file_come_back_as_they_are(model, tmp_path):
    text = "name\tsequence\tchrom\tstart\tend\tstrand\n"
    text += f"NA\t{'ACGU' * 10}\tchr1\t100\t140\t-\n"
    text += f"site #2\t{'ACGU' * 10}\t\t\t\t\n"
    (tmp_path / "sites.tsv.gz").write_bytes(gzip.compress(text.encode()))
    found = run_panel(model, tmp_path / "sites.tsv.gz", tmp_path / "out")
    assert list(found.table.name[::3]) == ["NA", "site #2"]
    assert found.table.start[0] == 100 and pd.isna(found.table.start[3])


def test_a_name_with_tabs_and_quotation_marks_survives(model, tmp_path):
    site = Site('a\t"b"', "ACGU" * 10)
    found = run_panel(model, [site], tmp_path / "out")
    assert found.table.name[0] == 'a\t"b"'


def test_results_do_not_depend_on_how_many_sites_are_scored_at_once(
    model, tmp_path, monkeypatch
):
    sequences = sites_of("QKI", 20) + sites_of("HuR", 25)
    run_panel(model, sequences, tmp_path / "one")
    for module in ("scoring", "store"):
        monkeypatch.setattr(f"deeprke_tf.panels.{module}._SITES_AT_ONCE", 7)
    run_panel(model, sequences, tmp_path / "other")
    for name in ("panel.tsv", "enrichment.tsv", "skipped.tsv"):
        one, other = ((tmp_path / d / name).read_bytes() for d in ("one", "other"))
        assert one == other


def test_the_directory_holds_the_files_of_a_panel_and_no_others(model, tmp_path):
    run_panel(model, sites_of("QKI", 3), tmp_path / "out")
    expected = {"panel.tsv", "enrichment.tsv", "skipped.tsv", "heatmap.png"}
    expected |= {"panel.html", "panel.json"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == expected
    with pytest.raises(UserError, match="not empty"):
        run_panel(model, sites_of("QKI", 3), tmp_path / "out")
    run_panel(model, sites_of("QKI", 4), tmp_path / "out", overwrite=True)
    contents = json.loads((tmp_path / "out/panel.json").read_text())
    assert contents["counts"]["sites"] == 4


def test_the_page_has_all_rbps_and_asks_nothing_of_the_network(model, tmp_path):
    run_panel(model, sites_of("QKI", 3), tmp_path / "out")
    page = (tmp_path / "out/panel.html").read_text()
    assert all(f"<td>{rbp}</td>" in page for rbp in MOTIFS)
    assert "default-src 'none'" in page and "://" not in page


def test_where_nothing_can_be_scored_the_reasons_are_told(model, tmp_path):
    with pytest.raises(UserError, match="No site can be scored: 2 shorter than k"):
        run_panel(model, ["A", "C"], tmp_path / "out")
    other = fasta(tmp_path / "other.fa", ["A"])
    with pytest.raises(UserError, match="No `background` site can be scored: 1 shor"):
        settings = PanelSettings(background=str(other))
        run_panel(model, sites_of("QKI", 2), tmp_path / "out", settings)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("setting", "told"),
    [({"fdr": 0}, "`fdr` must be in"), ({"prior": 1.5}, "`prior` must be in")],
)
def test_settings_out_of_range_are_refused(setting, told):
    with pytest.raises(UserError, match=told):
        PanelSettings(**setting)


# === Heatmap ===


def test_alike_sites_and_rbps_lie_side_by_side():
    values = np.array([[0.9, 0, 0.8], [0, 0.9, 0], [0.8, 0.1, 0.9], [0.1, 0.8, 0]])
    names = ["a", "b", "c", "d"]
    heatmap = clustering.heatmap_of_sites(values, names, "XYZ", values > 0.5)
    first = {names[row] for row in heatmap.row_order[:2]}
    assert first in ({"a", "c"}, {"b", "d"})
    assert heatmap.column_order[1] != 1


def test_many_sites_become_clusters_whose_sizes_add_up(monkeypatch):
    rng = np.random.default_rng(1)
    sample = rng.random((300, 4)) * 0.1
    sample[:100, 0] = sample[100:, 1] = 0.9
    monkeypatch.setattr(clustering, "MOST_CLUSTERS", 2)
    heatmap = clustering.heatmap_of_clusters(sample, "ABCD", 300)
    assert sorted(heatmap.rows) == ["100 sites", "200 sites"]
    of_sample = clustering.heatmap_of_clusters(sample, "ABCD", 3000)
    assert sorted(of_sample.rows) == ["33.3% of sites", "66.7% of sites"]


@pytest.mark.draws
@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (1, 3), (25, 9)])
def test_heatmaps_of_any_shape_are_drawn(shape, tmp_path):
    values = np.random.default_rng(1).random(shape)
    names = [rf"site{i} $\nothing$" for i in range(shape[0])]
    rbps = [f"RBP{i}" for i in range(shape[1])]
    heatmap = clustering.heatmap_of_sites(values, names, rbps, values > 0.9)
    figures.draw_heatmap(heatmap, tmp_path / "heatmap.svg")
    drawn = (tmp_path / "heatmap.svg").read_text()
    assert drawn.count("<path") > values.size
