"""Extraction of sites without background: files, names, selection, messages."""

import hashlib
import json
import random

import pandas as pd
import pytest

import deeprke_tf as dk
from deeprke_tf import extract
from deeprke_tf.errors import UserError
from deeprke_tf.genome.genome import reverse_complement
from deeprke_tf.genome.skips import Reason
from deeprke_tf.rna.loci import Locus
from deeprke_tf.rna.site_files import SitesFile

RNG = random.Random(1)
LETTERS = {f"chr{i}": "".join(RNG.choices("ACGTacgt", k=2000)) for i in (1, 2, 3)}
LETTERS["chr1"] = LETTERS["chr1"][:1500] + "N" * 200 + LETTERS["chr1"][1700:]
GTF = """\
1\tx\texon\t401\t600\t.\t-\t.\tgene_id "g1"; transcript_id "t1"; gene_name "ABC";
1\tx\texon\t701\t900\t.\t-\t.\tgene_id "g1"; transcript_id "t1"; gene_name "ABC";
2\tx\texon\t101\t900\t.\t+\t.\tgene_id "g2"; transcript_id "t2";
"""
PEAKS = """\
chr1\t450\t470\tpeak\t9\t-
chr1\t590\t600\tpeak\t8\t-
chr1\t1550\t1560\tin_n\t7\t+
chr1\t1990\t1999\tedge\t6\t+
chr2\t500\t520\t.\t5\t+
chr2\t510\t530\tweak "one"\t4\t+
chr3\t500\t520\tthird\t3\t-
chrX\t500\t520\tx\t3\t-
chr3\t1500\t1400\tback\t3\t-
"""


@pytest.fixture
def files(tmp_path):
    """Genome, annotation and peaks, as arguments."""
    texts = {
        "genome": "".join(f">{name}\n{text}\n" for name, text in LETTERS.items()),
        "gtf": GTF,
        "peaks": PEAKS,
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return {name: tmp_path / name for name in texts}


def extracted(files, tmp_path, **settings):
    settings = {"background": "none", "window": 41} | settings
    return dk.extract_sites(**files, out=tmp_path / "out", **settings)


def test_sites_have_the_letters_of_their_places_and_peaks_in_upper_case(
    files, tmp_path
):
    found = extracted(files, tmp_path, overlaps="keep", transcripts=True)
    assert len(found.sites) == 5
    for site in found.sites.itertuples():
        blocks = site.blocks or f"{site.start}-{site.end}"
        locus = Locus.parse(f"{site.chrom}:{blocks}({site.strand})")
        letters = "".join(LETTERS[site.chrom][start:end] for start, end in locus.blocks)
        letters = reverse_complement(letters) if site.strand == "-" else letters
        assert site.sequence.upper() == letters.upper()
        assert len(site.sequence) == 41
        marked = site.sequence.strip("acgt")
        assert marked.isupper()
    assert found.sites["blocks"].tolist()[1] == "574-600,700-715"
    assert found.sites["gene"].tolist() == ["g1", "g1", "g2", "g2", ""]
    assert set(found.sites["region"]) == {"ncRNA", "intergenic"}
    assert found.contents["counts"]["spliced"] == 1


def test_every_peak_is_a_site_or_listed_with_its_reason(files, tmp_path):
    found = extracted(files, tmp_path, overlaps="keep")
    listed = pd.read_csv(tmp_path / "out/skipped.tsv", sep="\t", keep_default_na=False)
    assert dict(zip(listed["line"], listed["reason"], strict=True)) == {
        3: Reason.TOO_MANY_N,
        4: Reason.LEAVES_CHROMOSOME,
        8: Reason.CHROMOSOME,
        9: Reason.REVERSED,
    }
    assert listed["chrom"].tolist() == ["chr1", "chr1", "chrX", "chr3"]
    counts = found.contents["counts"]
    assert counts["peaks"] == 9 == counts["bound"] + sum(counts["skipped"].values())


def test_names_are_unique_and_mean_something(files, tmp_path):
    names = extracted(files, tmp_path, overlaps="keep").sites["name"].tolist()
    assert names == [
        *("peak|chr1:439-480(-)", "peak|chr1:574-615(-)", "chr2:490-531(+)"),
        *("weak_one", "third"),
    ]


def test_the_files_hold_the_sites_and_what_they_came_from(files, tmp_path):
    found = extracted(files, tmp_path, transcripts=True, test_chromosomes=("2",))
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} == {
        *("sites.tsv", "sites.bed", "skipped.tsv", "extract.json"),
    }
    table = pd.read_csv(out / "sites.tsv", sep="\t", keep_default_na=False)
    pd.testing.assert_frame_equal(table, found.sites, check_dtype=False)
    rows = [line.split("\t") for line in (out / "sites.bed").read_text().splitlines()]
    assert [row[3] for row in rows] == table["name"].tolist()
    assert rows[1][1:3] + rows[1][9:] == ["574", "715", "2", "26,15", "0,126"]
    contents = json.loads((out / "extract.json").read_text())
    assert contents["settings"]["windows"]["window"] == 41
    digests = {one["role"]: one["sha256"] for one in contents["inputs"]}
    assert digests == {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in files.items()
    }
    assert contents["counts"]["splits"]["test"] == {"bound": 1, "background": 0}
    assert contents["counts"]["splits"]["train"] == {"bound": 3, "background": 0}


def test_sites_files_are_read_as_they_are(files, tmp_path):
    found = extracted(files, tmp_path, transcripts=True, test_chromosomes=("2",))
    sites = list(SitesFile(tmp_path / "out/sites.tsv", k=3))
    assert [site.name for site in sites] == found.sites["name"].tolist()
    assert [site.split for site in sites] == found.sites["split"].tolist()
    assert sites[1].locus == Locus("chr1", ((574, 600), (700, 715)), "-")
    assert sites[1].gene == "g1"


def test_the_same_inputs_give_the_same_bytes(files, tmp_path):
    first, second = (
        dk.extract_sites(**files, out=tmp_path / out, window=41, background="none")
        for out in ("one", "two")
    )
    for name in ("sites.tsv", "sites.bed", "skipped.tsv", "extract.json"):
        one, two = ((run.directory / name).read_bytes() for run in (first, second))
        assert one == two


@pytest.mark.parametrize(
    ("overlaps", "places"),
    [
        ("merge", ["chr2:495-536(+)"]),
        ("best", ["chr2:490-531(+)"]),
        ("keep", ["chr2:490-531(+)", "chr2:500-541(+)"]),
    ],
)
def test_overlapping_peaks_are_merged_thinned_or_kept(
    overlaps, places, files, tmp_path
):
    sites = extracted(files, tmp_path, overlaps=overlaps).sites
    columns = (sites[name] for name in ("chrom", "start", "end", "strand"))
    found = [f"{c}:{s}-{e}({x})" for c, s, e, x in zip(*columns, strict=True)]
    assert [place for place in found if place.startswith("chr2")] == places


def test_the_best_sites_are_kept(files, tmp_path):
    found = extracted(files, tmp_path, top=2, overlaps="keep")
    assert found.sites["name"].str.startswith("peak").all()
    assert found.contents["counts"]["skipped"][Reason.NOT_TOP] == 3


def test_equal_windows_are_one_site(files, tmp_path):
    files["peaks"].write_text(PEAKS + "chr3\t505\t515\ttwin\t9\t-\n")
    found = extracted(files, tmp_path, overlaps="keep")
    assert "twin" in set(found.sites["name"])
    skipped = found.skipped[found.skipped["reason"] == Reason.SAME_WINDOW]
    assert skipped["name"].tolist() == ["third"]


def test_a_blacklist_and_replicates_leave_peaks_out(files, tmp_path):
    (tmp_path / "black.bed").write_text("1\t0\t480\n")
    (tmp_path / "second.bed").write_text(
        "chr1\t440\t600\tp\t1\t-\nchr3\t1\t9\tp\t1\t-\n"
    )
    files["peaks"] = [files["peaks"], tmp_path / "second.bed"]
    found = extracted(files, tmp_path, blacklist=tmp_path / "black.bed", in_at_least=2)
    assert found.sites["name"].tolist() == ["peak"]
    assert found.contents["counts"]["skipped"][Reason.BLACKLISTED] == 1
    assert found.contents["counts"]["skipped"][Reason.FEW_FILES] == 6


def test_the_command_prints_a_summary(files, tmp_path, capsys, monkeypatch):
    arguments = [f"--{name}={path}" for name, path in files.items() if name != "peaks"]
    arguments += ["--peaks", str(files["peaks"]), "--out", str(tmp_path / "out")]
    arguments += ["--window", "41", "--background", "none", "--test-chromosomes", "2"]
    assert extract.main(arguments) == 0
    shown = capsys.readouterr().out
    for line in (
        "note: chromosome names of",
        "read 9 peaks",
        "skipped 1: chromosome is not in the genome",
        "regions: intergenic 1, ncRNA 3",
        "test: 1 bound",
        f"wrote {tmp_path / 'out'}",
    ):
        assert line in shown
    assert extract.main(arguments) == 1
    assert "--out" in capsys.readouterr().err


def test_a_strand_is_given_on_the_command_line(files, tmp_path, capsys):
    files["peaks"].write_text("chr1\t450\t470\n")
    arguments = ["--peaks", str(files["peaks"]), "--genome", str(files["genome"])]
    arguments += ["--out", str(tmp_path / "out"), "--background", "none"]
    assert extract.main(arguments) == 1
    assert "give --strand" in capsys.readouterr().err
    assert extract.main([*arguments, "--strand", "-"]) == 0
    assert "chr1:409-510(-)" in (tmp_path / "out/sites.tsv").read_text()


@pytest.mark.parametrize(
    ("peaks", "settings", "message"),
    [
        ("chrZ\t5\t9\tp\t1\t+\n", {}, "the chromosomes of .* are chrZ, those .* chr1,"),
        ("chr1\t5\t9000\tp\t1\t+\n", {}, "1 lie past the end .* another assembly"),
        ("chr1\t5\t9\tp\t1\t+\n", {}, "No peak became a site. window leaves the"),
        ("chr1\t5\t9\tp\t1\t+\n", {"min_score": 3}, "below the minimum score: 1"),
        (
            PEAKS,
            {"gtf": None, "transcripts": True},
            "`transcripts` needs an annotation",
        ),
        (PEAKS, {"in_at_least": 2}, "`in_at_least` 2 needs as many files"),
        (PEAKS, {"windows": 5}, "`windows` is no argument of `extract_sites`"),
        (PEAKS, {"top": 0}, "`top` must be at least 1"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    peaks, settings, message, files, tmp_path
):
    files["peaks"].write_text(peaks)
    files |= {name: settings.pop(name) for name in ["gtf"] if name in settings}
    with pytest.raises(UserError, match=message) as error:
        extracted(files, tmp_path, **settings)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_an_annotation_of_other_chromosomes_is_refused(files, tmp_path):
    files["gtf"].write_text(GTF.replace("1\tx", "chrU\tx").replace("2\tx", "chrV\tx"))
    with pytest.raises(UserError, match=r"its chromosomes are chrU, chrV, those of"):
        extracted(files, tmp_path)


def test_another_assembly_is_noticed(files, tmp_path, caplog):
    n_past = "".join(f"chr3\t{5000 + i}\t{5010 + i}\tp\t1\t+\n" for i in range(5))
    files["peaks"].write_text(PEAKS + n_past)
    exons = "".join(
        f'1\tx\texon\t{i + 1}\t{i + 9}\t.\t+\t.\ttranscript_id "a{i // 80}";\n'
        for i in range(0, 1400, 20)
    )
    files["gtf"].write_text(exons + GTF.replace("900", "90000"))
    found = extracted(files, tmp_path)
    peaks, *annotation = sorted(found.warnings, key=lambda text: "annotation" in text)
    assert "5 of 13 peaks lie past the end of a chromosome" in peaks
    assert (
        "2 transcripts of the annotation end behind their chromosome" in annotation[0]
    )
    assert "introns of the annotation begin with GT" in annotation[1]
    assert peaks in caplog.text


def test_spliced_junctions_of_the_right_assembly_are_no_warning(files, tmp_path):
    letters = list(LETTERS["chr3"])
    rows = []
    for i in range(30):
        start = 60 * i
        letters[start + 20 : start + 22], letters[start + 48 : start + 50] = "GT", "AG"
        rows += [
            f'3\tx\texon\t{a + 1}\t{b}\t.\t+\t.\ttranscript_id "a{i}";\n'
            for a, b in ((start, start + 20), (start + 50, start + 60))
        ]
    files["genome"].write_text(
        files["genome"].read_text().replace(LETTERS["chr3"], "".join(letters))
    )
    files["gtf"].write_text("".join(rows))
    assert not any("intron" in one for one in extracted(files, tmp_path).warnings)
