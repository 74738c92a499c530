"""Scored variants, end to end, with models that are known by hand."""

import json
import math
import random
import shutil
import subprocess

import pandas as pd
import pysam
import pytest

from deeprke_tf import api, variants
from deeprke_tf.errors import UserError
from deeprke_tf.genome.genome import reverse_complement
from deeprke_tf.rna import folding
from tests.support.hand_made_runs import ensemble_of, motif_run, stem_run
from tests.support.real_genomes import GENOMES, needs_real_genomes

pytest_plugins = ["tests.support.run_fixtures"]

MOTIF = "TGTATATA"
# Where the motif lies on chr1, from 0, and on which strand.
PLUS, MINUS = 200, 500
HEAD = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


def chromosome():
    letters = random.Random(4).choices("ACGT", k=700)
    for place, motif in ((PLUS, MOTIF), (MINUS, reverse_complement(MOTIF))):
        # Without flanks a variant might complete a shifted motif.
        letters[place - 3 : place + len(motif) + 3] = f"CCC{motif}CCC"
    return "".join(letters)


CHR1 = chromosome()


@pytest.fixture
def genome(tmp_path):
    path = tmp_path / "genome.fa"
    path.write_text(f">chr1\n{CHR1}\n")
    return path


def write_vcf(tmp_path, rows, head=HEAD):
    path = tmp_path / "given.vcf"
    path.write_text(head + "".join("\t".join(map(str, row)) + "\n" for row in rows))
    return path


def substitutions(first, last):
    """Every other letter at every position, from 0, as rows of VCF."""
    for place in range(first, last):
        for alt in "ACGT".replace(CHR1[place], ""):
            yield ("1", place + 1, ".", CHR1[place], alt, ".", "PASS", "AF=0.5")


@pytest.mark.parametrize(("place", "strand"), [(PLUS, "+"), (MINUS, "-")])
def test_variants_in_the_motif_weaken_binding_and_others_do_not(
    tmp_path, genome, place, strand
):
    vcf = write_vcf(tmp_path, substitutions(place - 12, place + 20))
    found = motif_run(MOTIF.replace("T", "U")).variants(
        vcf, genome=genome, strand=strand, out=tmp_path / "out"
    )
    table = found.table
    inside = table["pos"].between(place + 1, place + len(MOTIF))
    assert (table["delta_log_odds"][inside] <= -1).all()
    assert (table["delta_log_odds"][~inside] == 0).all()
    assert (table["log_odds_ref"] == 3).all()
    assert (table["probability_ref"] - 1 / (1 + math.exp(-3))).abs().max() < 1e-6


def test_indels_and_several_alternatives_are_scored_apart(tmp_path, genome):
    before, first = CHR1[PLUS - 1], CHR1[PLUS + 3]
    rows = [
        ("chr1", PLUS, "ins", before, before + "C", ".", ".", "."),
        ("chr1", PLUS + 4, "in", first, f"{first}GG,C,<DEL>", ".", ".", "."),
        ("chr1", PLUS, "del", before + MOTIF, before, ".", ".", "."),
    ]
    found = motif_run("UGUAUAUA").variants(
        write_vcf(tmp_path, rows), genome=genome, strand="+", out=tmp_path / "out"
    )
    delta = found.table.set_index(["name", "alt"])["delta_log_odds"]
    assert delta["ins", before + "C"] == 0
    assert delta["del", before] <= -3
    assert delta["in", first + "GG"] < 0 and delta["in", "C"] < 0
    assert math.isnan(delta["in", "<DEL>"])
    reasons = found.table.set_index("alt")["reason"]
    assert reasons["<DEL>"] == "symbolic allele"
    assert found.contents["counts"] == {
        **{"records": 3, "scored": 4, "not_scored": 1},
        "reasons": {"symbolic allele": 1},
    }


def test_all_windows_that_cover_a_variant_are_summed_up_and_listed(tmp_path, genome):
    row = ("1", PLUS + 3, "rs1", CHR1[PLUS + 2], "A", ".", ".", ".")
    found = motif_run("UGUAUAUA").variants(
        write_vcf(tmp_path, [row]),
        **{"genome": genome, "strand": "+", "windows": "all"},
        out=tmp_path / "out",
    )
    windows, (summary,) = found.windows, found.table.to_dict("records")
    assert windows["before"].tolist() == list(range(41)) and summary["n_windows"] == 41
    middle = windows.set_index("before").loc[20]
    assert middle["delta_log_odds"] == summary["delta_log_odds"]
    deltas = windows["delta_log_odds"]
    assert summary["strongest_delta_log_odds"] == deltas.min()
    assert summary["mean_delta_log_odds"] == pytest.approx(deltas.mean(), rel=1e-5)
    # With the motif cut off there is less to lose.
    assert deltas[0] > deltas[20]


def test_both_alleles_are_folded_and_each_window_once(tmp_path, monkeypatch):
    folded, fold = [], folding.fold
    monkeypatch.setattr(
        folding, "fold", lambda *one: folded.append(one[0]) or fold(*one)
    )
    rnas = tmp_path / "rnas.fa"
    rnas.write_text(">hairpin\nAAGGGCGCGAAAAGCGCCCAA\n")
    mutations = tmp_path / "mutations.tsv"
    rows = ["hairpin\t6\tC\tA", "hairpin\t11\tA\tC", "hairpin\t6\tC\tA,U"]
    mutations.write_text("\n".join(["name\tposition\tref\talt", *rows, ""]))
    given = {"sites": rnas, "mutations": mutations, "fold_cache": tmp_path / "folds"}
    found = stem_run().variants(**given, out=tmp_path / "out")
    stem, loop, again, _other = found.table["delta_log_odds"]
    assert stem < 0 and loop == 0 and again == stem
    assert len(folded) == len(set(folded)) == 4
    stem_run().variants(**given, out=tmp_path / "again")
    assert len(folded) == 4
    assert not (tmp_path / "out" / "variants.vcf.gz").exists()
    assert found.table["name"].tolist()[:2] == ["hairpin:6:C>A", "hairpin:11:A>C"]


def test_models_that_read_no_structure_fold_nothing(tmp_path, genome, monkeypatch):
    monkeypatch.delattr(folding, "fold")
    row = ("1", 100, ".", CHR1[99], "N", ".", ".", ".")
    rows = [row, *substitutions(300, 302)]
    found = motif_run("UGU").variants(
        write_vcf(tmp_path, rows), genome=genome, strand="both", out=tmp_path / "out"
    )
    assert found.contents["counts"]["scored"] == 12


def test_an_ensemble_gives_mean_and_spread_of_its_members(tmp_path, genome):
    run = ensemble_of(motif_run("UGUAUAUA", 1.0), motif_run("UGUAUAUA", 2.0))
    vcf = write_vcf(tmp_path, substitutions(PLUS + 3, PLUS + 4))
    found = run.variants(vcf, genome=genome, strand="+", out=tmp_path / "out")
    single = motif_run("UGUAUAUA").variants(
        vcf, genome=genome, strand="+", out=tmp_path / "single"
    )
    delta = single.table["delta_log_odds"]
    assert found.table["delta_log_odds"].tolist() == (1.5 * delta).tolist()
    spread = (delta.abs() / math.sqrt(2)).tolist()
    assert found.table["delta_sd"].tolist() == pytest.approx(spread, rel=1e-5)
    assert "delta_sd" not in single.table


def test_random_variants_tell_how_rare_a_difference_is(tmp_path, genome):
    vcf = write_vcf(tmp_path, [*substitutions(PLUS + 2, PLUS + 4)])
    given = {"genome": genome, "strand": "+", "background": 30}
    found = motif_run("UGUAUAUA").variants(vcf, **given, out=tmp_path / "out")
    again = motif_run("UGUAUAUA").variants(vcf, **given, out=tmp_path / "again")
    pd.testing.assert_frame_equal(found.table, again.table)
    assert found.table["p_value"].between(1 / 31, 0.35).all()
    # 700 nt do not have 30 places with the same neighbors.
    assert found.contents["background"]["kinds_by_match"] == {"REF and ALT": 6}
    assert (found.table["n_background"] == 30).all()


def test_the_vcf_keeps_its_records_and_is_read_by_pysam(tmp_path, genome):
    head = HEAD.replace(
        "#CHROM", '##INFO=<ID=AF,Number=A,Type=Float,Description="f">\n#CHROM', 1
    )
    rows = [
        ("1", PLUS + 3, "rs1", "T", "A,<DEL>,G", 50, "PASS", "AF=0.5,0.1,0.1"),
        ("1", PLUS + 3, "wrong", "C", "A", ".", ".", "."),
        ("1", "x", "bad", "C", "A", ".", ".", "."),
    ]
    vcf = write_vcf(tmp_path, rows, head)
    run = motif_run("UGUAUAUA")
    out = tmp_path / "out"
    found = run.variants(vcf, genome=genome, strand="both", out=out)
    with pysam.VariantFile(str(out / "variants.vcf.gz")) as file:
        first, wrong = list(file)
        assert file.header.contigs["1"].length == len(CHR1)
    assert (first.id, first.pos, first.qual) == ("rs1", PLUS + 3, 50)
    assert first.info["AF"] == pytest.approx((0.5, 0.1, 0.1))
    plus = found.table[found.table["strand"] == "+"].set_index("alt")
    a, deleted, g = first.info["DEEPRKE_DELTA_PLUS"]
    assert (a, g) == (plus["delta_log_odds"]["A"], plus["delta_log_odds"]["G"])
    assert deleted is None
    assert first.info["DEEPRKE_REASON"] == (".", "symbolic_allele", ".")
    assert wrong.info["DEEPRKE_REASON"] == ("REF_differs_from_the_genome",)
    assert found.table["reason"].tolist()[-1] == "line is not a variant"
    # Its own output can be scored again.
    again = tmp_path / "again"
    run.variants(out / "variants.vcf.gz", genome=genome, strand="+", out=again)
    with pysam.VariantFile(str(again / "variants.vcf.gz")) as file:
        assert "DEEPRKE_DELTA_MINUS" not in next(file).info
    if shutil.which("bcftools"):
        said = subprocess.run(
            ["bcftools", "view", "-Ob", "-o", "x.bcf", "again/variants.vcf.gz"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert (said.returncode, said.stderr) == (0, "")


def test_a_table_without_ref_becomes_a_vcf_with_it(tmp_path, genome):
    table = tmp_path / "table.tsv"
    rows = [f"rs5\tchr1\t{PLUS + 3}\t", "rs6\tchr1\t9999\t", "rs7\tchr9\t5\tA,C"]
    table.write_text("\n".join(["rs\tchrom\tpos\talt", *rows, ""]))
    out = tmp_path / "out"
    motif_run("UGU").variants(table, genome=genome, strand="+", out=out)
    with pysam.VariantFile(str(out / "variants.vcf.gz")) as file:
        first, past_end, elsewhere = list(file)
    assert (first.id, first.ref, first.alts) == ("rs5", "T", None)
    assert (past_end.id, past_end.ref, past_end.alts) == ("rs6", "N", None)
    assert len(elsewhere.info["DEEPRKE_REASON"]) == len(elsewhere.alts) == 2


def test_a_table_without_alt_means_every_other_letter(tmp_path, genome):
    table = tmp_path / "table.tsv"
    table.write_text(f"rs chrom pos\nrs5 chr1 {PLUS + 3}\n")
    out = tmp_path / "out"
    found = motif_run("UGU").variants(table, genome=genome, strand="+", out=out)
    assert found.table["alt"].tolist() == ["A", "C", "G"]
    with pysam.VariantFile(str(out / "variants.vcf.gz")) as file:
        assert next(file).alts == ("A", "C", "G")


@pytest.mark.draws
def test_pictures_show_both_alleles_of_the_variants_asked_for(tmp_path, caplog):
    rnas = tmp_path / "rnas.fa"
    rnas.write_text(">hairpin\nAAGGGCGCGAAAAGCGCCCAA\n")
    mutations = tmp_path / "mutations.tsv"
    mutations.write_text("name\tposition\talt\nhairpin\t6\tA,U\n")
    given = {"sites": rnas, "mutations": mutations, "fold_cache": tmp_path / "folds"}
    names = ["hairpin:6:C>A", "other"]
    stem_run().variants(**given, plot=names, out=tmp_path / "out")
    (picture,) = (tmp_path / "out").glob("*.png")
    assert picture.name == "variant_hairpin_6_C_A.png"
    assert "no scored variant is named other" in caplog.text
    # A model that reads no structure has no picture of it: the figure is lower.
    motif_run("UGU").variants(**given, plot=names[0], out=tmp_path / "flat")
    (flat,) = (tmp_path / "flat").glob("*.png")
    heights = [
        int.from_bytes(path.read_bytes()[20:24], "big") for path in (picture, flat)
    ]
    assert heights[0] > heights[1]


def test_another_assembly_is_noticed(tmp_path, genome, caplog):
    vcf = write_vcf(tmp_path, [("1", 5, ".", "ACGT".replace(CHR1[4], "")[0], CHR1[4])])
    motif_run("UGU").variants(vcf, genome=genome, strand="+", out=tmp_path / "out")
    assert "no variant of" in caplog.text
    assert "REF differs from the genome for 1 of 1 alleles" in caplog.text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"vcf": "v.vcf"}, "Give `vcf` and `genome`"),
        ({"vcf": "v", "genome": "g"}, "Give one of `gtf`, `regions` and `strand`"),
        (
            {"vcf": "v", "genome": "g", "gtf": "a", "strand": "+"},
            "Give one of `gtf`, `regions` and `strand`",
        ),
        ({"sites": "s"}, "need `sites` and `mutations`.*got `sites`"),
        (
            {"vcf": "v", "genome": "g", "strand": "+", "transcripts": True},
            "`transcripts` needs an annotation",
        ),
        (
            {"vcf": "v", "genome": "g", "strand": "+", "background": -1},
            "`background` must be from 0 to .*, got -1",
        ),
        (
            {"vcf": "v", "genome": "g", "strand": "+", "windows": "centre"},
            "`windows` must be 'center' or 'all'; got 'centre'",
        ),
        (
            {"vcf": "v", "genome": "g", "strand": "up"},
            "`strand` must be",
        ),
        (
            {"vcf": "v", "genome": "g", "strand": "+", "window": 2},
            "`window` must be at least k, 3 nt here, got 2",
        ),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(tmp_path, given, said):
    with pytest.raises(UserError, match=said):
        motif_run("UGU").variants(**given, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_scores_as_predict_does(run, tmp_path, genome, capsys):
    row = ("1", PLUS + 3, "rs1", CHR1[PLUS + 2], "A", ".", ".", ".")
    vcf = write_vcf(tmp_path, [row])
    out = tmp_path / "out"
    flags = ["--model", run, "--vcf", vcf, "--genome", genome, "--strand", "-"]
    assert variants.main([*map(str, flags), "--out", str(out)]) == 0
    assert "1 alleles, counted on each strand" in capsys.readouterr().out
    contents = json.loads((out / "variants.json").read_text())
    window = contents["settings"]["window"]
    table = pd.read_csv(out / "variants.tsv", sep="\t", comment="#")
    # The mirror image of a window of the plus strand.
    first = PLUS + 2 - (window - window // 2 - 1)
    letters = CHR1[first : first + window]
    alt = letters[: PLUS + 2 - first] + "A" + letters[PLUS + 3 - first :]
    sites = [reverse_complement(one) for one in (letters, alt)]
    expected = api.load_run(run).predict(sites)["probability"].tolist()
    found = table[["probability_ref", "probability_alt"]].iloc[0].tolist()
    assert found == pytest.approx(expected, abs=1e-5)
    assert variants.main([*map(str, flags), "--out", str(out)]) == 1
    assert "is not empty; name another, or give --overwrite" in capsys.readouterr().err


@needs_real_genomes
def test_published_vcf_files_are_read_and_annotated(tmp_path, genome):
    folder = GENOMES / "variants"
    for name in ("mmsplice.BRCA1.clinvar.hg19.vcf.gz", "spliceai.input.vcf"):
        out = tmp_path / name
        motif_run("UGU").variants(folder / name, genome=genome, strand="+", out=out)
        with (
            pysam.VariantFile(str(folder / name)) as given,
            pysam.VariantFile(str(out / "variants.vcf.gz")) as written,
        ):
            kept = [(one.chrom, one.pos, one.alleles) for one in written]
            assert kept == [(one.chrom, one.pos, one.alleles) for one in given]
