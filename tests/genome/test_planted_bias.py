"""What a background is worth where the truth is known: only a motif is bound.

Peaks of the simulated genome prefer regions and GC; motif and decoy agree in letters
and dinucleotides. So whatever a rule of the audit tells is bias.
"""

import random

import pytest

import deeprke_tf as dk
from deeprke_tf import train
from deeprke_tf.genome.simulation import DECOY, MOTIF, simulate_genome
from pipelines import preprocess
from tests.support.small_runs import TINY

HIGHEST = 0.6  # AUROC of a rule where nothing is to be told


@pytest.fixture(scope="module")
def extracted(tmp_path_factory):
    """Extracts sites of a simulated genome with a kind of background."""
    directory = tmp_path_factory.mktemp("planted")
    simulated = simulate_genome(directory, n_genes=150)

    def extract(background, **settings):
        return dk.extract_sites(
            simulated.peaks,
            genome=simulated.fasta,
            gtf=simulated.gtf,
            out=directory / background,
            background=background,
            window=61,
            gap=20,
            **settings,
        )

    return extract


def audited(extraction):
    """Rules of the audit on the files of an extraction, the best first."""
    audit = dk.audit_sites(extraction.directory / "sites.tsv", max_folded=0)
    return {rule.feature.name: rule.auroc for rule in audit.rules}


def test_background_of_the_same_genes_removes_the_planted_bias(extracted):
    found = extracted("same-genes")
    before, after = (
        {rule.feature.name: rule.auroc for rule in rules}
        for rules in (found.report.rules_before, found.report.rules_after)
    )
    assert before["region"] > 0.7 and before["GC content"] > 0.7
    assert max(after.values()) < 0.65
    assert max(audited(found).values()) < HIGHEST
    assert not found.report.findings and not found.warnings
    assert sum(found.contents["background"]["missing"].values()) < 10


def test_background_of_the_genome_does_not_though_gc_is_matched(extracted):
    found = extracted("genome")
    rules = audited(found)
    assert rules["GC content"] < HIGHEST
    assert max(rules.values()) > 0.7
    warning = found.report.warnings[0]
    assert "The region alone separates bound from background" in warning
    assert "take it from the same genes and regions" in warning
    assert "The dinucleotide" in found.report.notes[0]


@pytest.mark.slow
def test_a_model_trained_on_matched_sites_finds_the_motif(extracted, tmp_path):
    splits = {"test_chromosomes": ["chr3"], "validation_chromosomes": ["chr2"]}
    found = extracted("same-genes", overwrite=True, **splits)
    data, out = tmp_path / "data", tmp_path / "run"
    sites = ["--sites", str(found.directory / "sites.tsv"), "--no-structure"]
    assert preprocess.main([*sites, "--out", str(data)]) == 0
    flags = ["--preset", "no-structure", "--lstm-units", "0", "--kmer-weight", "0.3"]
    flags += ["--epochs", "1", "--warmup-epochs", "0"]
    assert train.main([*TINY, *flags, "--data", str(data), "--out", str(out)]) == 0
    run = dk.load_run(out)
    assert run.evaluate(data, n_bootstrap=5).auroc > 0.9
    # It is the motif, not its surroundings: the same letters with motif or decoy.
    rng = random.Random(1)
    flanks = ["".join(rng.choices("ACGU", k=26)) for _ in range(200)]
    bound, decoys = (
        run.predict([flank + word.replace("T", "U") + flank for flank in flanks])
        for word in (MOTIF, DECOY)
    )
    assert (bound["probability"] > decoys["probability"]).mean() > 0.95
