"""The command `simulate`."""

import pytest

from deeprke_tf import simulate
from deeprke_tf.rna import site_files


def test_the_command_writes_sites_and_independent_test_sites(tmp_path, capsys):
    out, test_out = tmp_path / "train.fa.gz", tmp_path / "test.fa"
    files = ["--out", str(out), "--test-out", str(test_out)]
    assert simulate.main([*files, "--n-sites", "8", "--test-sites", "8"]) == 0
    assert f"{out}: 4 positives, 4 background sites" in capsys.readouterr().out
    train = {site.sequence for site in site_files.SitesFile(out, k=3)}
    test = {site.sequence for site in site_files.SitesFile(test_out, k=3)}
    assert (len(train), len(test), len(train & test)) == (8, 8, 0)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--motif", "UGXA"], "--motif 'UGXA' has letters that are not IUPAC"),
        (["--test-out", "x.fa"], "--out and --test-out are one file"),
        (["--test-sites", "0"], "--test-sites must be at least 1"),
    ],
)
def test_the_command_names_the_wrong_flag_and_writes_nothing(
    tmp_path, monkeypatch, capsys, flags, words
):
    monkeypatch.chdir(tmp_path)
    assert simulate.main(["--out", "x.fa", *flags]) == 1
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
