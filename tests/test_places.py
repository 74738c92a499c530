"""Coordinates from a sites file to predictions, evaluation and BED."""

import random
import re

import pandas as pd
import pytest

from deeprke_tf import load_run, predict
from deeprke_tf.data.preprocessing import preprocess
from deeprke_tf.rna.loci import Locus
from deeprke_tf.rna.sites import Site
from tests.support.small_runs import make_sites

pytest_plugins = ["tests.support.run_fixtures"]

PLACES = ["chrom", "start", "end", "strand", "blocks", "gene"]
COLUMNS = ["name", "sequence", "label", *PLACES, "split"]


def placed_sites():
    rng = random.Random(5)
    rows = []
    for i, (name, sequence, label, _structure) in enumerate(make_sites(40, seed=9)):
        chrom, start, n = f"chr{rng.randint(1, 9)}", rng.randrange(10**6), len(sequence)
        end, blocks = start + n, ""
        if i % 4 == 0:
            end = start + n + 1000
            blocks = f"{start}-{start + 9},{start + 1009}-{end}"
        place = (chrom, start, end, rng.choice("+-"), blocks, f"gene{i}")
        split = ("test", "train", "validation")[i // 6 % 3]
        rows.append((name, sequence, label, *(place if i else ("",) * 6), split))
    return rows


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("places") / "sites.tsv"
    lines = ["\t".join(map(str, row)) for row in [COLUMNS, *placed_sites()]]
    path.write_text("\n".join(lines) + "\n")
    return path


def places_of(frame):
    places = frame[["name", *PLACES]].astype(object)
    return places.where(places.notna(), "").to_numpy().tolist()


EXPECTED = [[row[0], *row[3:9]] for row in placed_sites()]


def predicted(run, table, tmp_path, *flags):
    out = tmp_path / "out.tsv"
    argv = ["--model", run, "--sites", table, "--out", out, *flags]
    assert predict.main(list(map(str, argv))) == 0
    return out


def test_predictions_have_the_coordinates_of_their_sites_last(
    sequence_run, ensemble, table, tmp_path
):
    for run, n_before in ((sequence_run, 5), (ensemble, 6)):
        written = pd.read_table(predicted(run, table, tmp_path), comment="#")
        frame = load_run(run).predict(table)
        assert list(written) == list(frame) and list(frame)[n_before:] == PLACES
        assert places_of(written) == places_of(frame) == EXPECTED


def test_sites_given_one_by_one_keep_their_coordinates(sequence_run):
    locus = Locus.parse("chr1:100-108,200-204(-)")
    sites = [Site("a", "NNACGUACGUAC", locus=locus, gene="QKI"), Site("b", "ACGUACGU")]
    tables = load_run(sequence_run).predict(sites, chunks=1)
    places = [cells for table in tables for cells in places_of(table)]
    assert places[0] == ["a", "chr1", 100, 202, "-", "100-108,200-202", "QKI"]
    assert places[1] == ["b", "", "", "", "", "", ""]


def test_sites_without_coordinates_have_no_such_columns(sequence_run):
    assert list(load_run(sequence_run).predict(["ACGUACGU"]))[5:] == []


def test_evaluation_has_the_coordinates_of_every_site(sequence_run, table, tmp_path):
    data = preprocess(table, out=tmp_path / "data", structure=False)
    evaluation = load_run(sequence_run).evaluate(data, n_bootstrap=10)
    evaluation.write(tmp_path / "evaluated")
    written = pd.read_table(tmp_path / "evaluated" / "predictions.tsv")
    of_test = {row[0] for row in placed_sites() if row[-1] == "test"}
    expected = sorted(row for row in EXPECTED if row[0] in of_test)
    for sites in (written, evaluation.sites):
        assert sorted(places_of(sites)) == expected
        assert list(sites)[4:] == PLACES


def bed_rows(path):
    lines = path.read_text().splitlines()
    assert lines[3].startswith('track name="bound sites" ')
    return [line.split("\t") for line in lines[4:]]


def test_bed_has_the_bound_sites_in_order_and_within_its_ranges(
    sequence_run, table, tmp_path, capsys
):
    flags = ("--bed", tmp_path / "sites.bed", "--threshold", "0.3")
    out = predicted(sequence_run, table, tmp_path, *flags)
    bound = pd.read_table(out, comment="#").query("bound == 1 and chrom.notna()")
    rows = bed_rows(tmp_path / "sites.bed")
    assert f"wrote {tmp_path / 'sites.bed'}: {len(bound)} bound sites" in (
        capsys.readouterr().err
    )
    assert rows == sorted(rows, key=lambda row: (row[0], int(row[1]), int(row[2])))
    by_name = bound.set_index("name")
    assert sorted(row[3] for row in rows) == sorted(by_name.index)
    for row in rows:
        site = by_name.loc[row[3]]
        assert row[:3] == [site.chrom, str(int(site.start)), str(int(site.end))]
        assert row[4:6] == [str(round(1000 * site.probability)), site.strand]
        sizes, starts = ([int(x) for x in cell.split(",")] for cell in row[10:])
        assert len(sizes) == int(row[9]) == (1 if pd.isna(site.blocks) else 2)
        assert starts[0] == 0 and starts[-1] + sizes[-1] == int(row[2]) - int(row[1])
        assert row[1] <= row[6] and row[7] <= row[2] and row[8] == "0"


@pytest.mark.parametrize(
    ("sites", "flags", "words"),
    [
        (">a\nACGUACGU\n", (), "--bed needs coordinates, and .*sites.fa has none"),
        (">a::chr1:0-8(+)\nACGUACGU\n", ("--out", "{bed}"), "--bed and --out are one"),
    ],
)
def test_bed_that_cannot_be_written_is_refused(
    sequence_run, sites, flags, words, tmp_path, capsys
):
    fasta, bed = tmp_path / "sites.fa", tmp_path / "sites.bed"
    fasta.write_text(sites)
    argv = ["--model", sequence_run, "--sites", fasta, "--bed", bed, *flags]
    assert predict.main([str(arg).format(bed=bed) for arg in argv]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(words, error)
    assert not bed.exists()
