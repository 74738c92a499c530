"""`deeprke explain` from sites to files, with small runs."""

import errno
import json

import numpy as np
import pytest

import deeprke_tf as dk
from deeprke_tf import explain
from deeprke_tf.explaining import report
from deeprke_tf.explaining.meme import read_meme
from deeprke_tf.rna.structure import loop_contexts

pytest_plugins = ["tests.support.run_fixtures"]

SETTINGS = {"top": 12, "check": 4, "backgrounds": 4, "workers": 1}


@pytest.fixture(scope="module")
def explained(run, tmp_path_factory):
    """An explanation of sites with coordinates, one of them spliced, and its files."""
    directory = tmp_path_factory.mktemp("explained")
    sequence = "GGGCUGUAUAUAGCCCAAUUGGACUUGUAUAUACC"
    rows = ["name\tsequence\tchrom\tstart\tend\tstrand\tblocks"]
    for number in range(14):
        letters = sequence[number:] + sequence[:number]
        place = (100 * number, 100 * number + len(letters), "-+"[number % 2], "")
        if number == 3:
            place = (300, 400, "+", "300-310,375-400")
        cells = (f"site{number}", letters, "chr1", *place)
        rows.append("\t".join(map(str, cells)))
    (directory / "sites.tsv").write_text("\n".join([*rows, "bad\tZZZZ" + 5 * "\t"]))
    out = directory / "out"
    found = dk.load_run(run).explain(
        directory / "sites.tsv", out=out, refold=True, **SETTINGS
    )
    return found, out


def test_the_arrays_have_a_row_for_each_nucleotide(explained):
    _found, out = explained
    arrays = np.load(out / "attributions.npz")
    lengths = [len(sequence) for sequence in arrays["sequences"]]
    assert np.diff(arrays["offsets"]).tolist() == lengths == 12 * [35]
    assert len(arrays["sequence"]) == len(arrays["structure"]) == sum(lengths)
    assert arrays["nucleotide_changes"].shape == (4 * 35, 4)
    assert arrays["refolded_changes"].shape == (4 * 35, 4)
    assert arrays["loop_changes"].shape == (4 * 35, 6)
    assert (np.diff(arrays["log_odds"]) <= 0).all()
    assert set(arrays["labels"]) == {-1}
    for dot_bracket, contexts in zip(
        arrays["dot_brackets"], arrays["loop_contexts"], strict=True
    ):
        assert loop_contexts(dot_bracket) == contexts


def test_explain_json_has_counts_and_measures(explained):
    found, out = explained
    contents = json.loads((out / "explain.json").read_text())
    assert contents["sites"]["read"] == 14
    assert contents["sites"]["explained"] == 12
    assert contents["sites"]["skipped"] == {"letters that are not nucleotides": 1}
    assert contents["measures"]["agreement"]["n_sites"] == 4
    assert set(contents["files"]) == {
        f"{path.name}/" if path.is_dir() else path.name
        for path in out.iterdir()
        if path.name != "explain.json"
    }
    assert len(contents["motifs"]) == len(found.motifs)


def test_tracks_have_the_attribution_of_each_nucleotide_on_its_strand(explained):
    found, out = explained
    rows = [
        line.split("\t")
        for strand in ("plus", "minus")
        for line in (out / f"attributions_{strand}.bedgraph").read_text().splitlines()
    ]
    by_place = {int(start): float(value) for _chrom, start, _end, value in rows}
    values = found.attributions.of_nucleotides
    for site, of_site in zip(found.attributions.sites, values, strict=True):
        first = site.locus.end - 1 if site.locus.strand == "-" else site.locus.start
        assert by_place[first] == pytest.approx(of_site[0], abs=1e-3)
    assert len(by_place) == 12 * 35


def test_an_explanation_without_room_for_its_report_leaves_nothing(
    explained, tmp_path, monkeypatch
):
    found, _out = explained

    def fill(*_arguments, **_settings):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(report, "write_report", fill)
        with pytest.raises((OSError, dk.UserError), match="No space left"):
            found.write(tmp_path / "out")
    assert not list(tmp_path.iterdir())
    assert "report.html" in found.write(tmp_path / "out")
    assert (tmp_path / "out" / "report.html").exists()


def test_an_ensemble_has_a_spread(ensemble, data):
    found = dk.load_run(ensemble).explain(data=data, method="mutagenesis", **SETTINGS)
    assert [rows.shape[0] for rows in found.attributions.sequence] == 12 * [2]
    assert not any(rows.any() for rows in found.attributions.structure)


def test_the_command_explains_a_split(run, data, tmp_path, capsys):
    flags = ["--model", run, "--data", data, "--out", tmp_path / "out", "--top", "30"]
    flags += ["--check", "2", "--backgrounds", "2", "--workers", "1"]
    assert explain.main(list(map(str, flags))) == 0
    printed = capsys.readouterr().out
    assert "30 explained of 40" in printed
    assert "completeness error" in printed
    motifs = json.loads((tmp_path / "out/explain.json").read_text())["motifs"]
    if motifs:
        assert len(read_meme(tmp_path / "out/motifs.meme")) == len(motifs)


def test_a_directory_with_other_files_is_refused_before_work(run, tmp_path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(dk.UserError, match="is not empty"):
        dk.load_run(run).explain(["GGGCUGUAUAUAGCCC"], out=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "Give `sites` or `data`, one of the two"),
        ({"sites": ["ACGU"], "method": "magic"}, "`method`.*'magic'"),
        ({"sites": ["ZZZZ"]}, "No site can be explained: all 1 were skipped, letters"),
        ({"sites": []}, "No site can be explained: `sites` is empty"),
        ({"sites": ["ACGU"], "known": "none.meme"}, "Cannot read `known` none.meme"),
    ],
)
def test_what_cannot_be_explained_is_said_in_one_line(arguments, message, run):
    with pytest.raises(dk.UserError, match=message):
        dk.load_run(run).explain(**arguments, workers=1)
