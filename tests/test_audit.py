import json
import random

import pandas as pd
import pytest

import deeprke_tf
from deeprke_tf import audit
from tests.support.small_runs import make_sites, write_table

pytestmark = pytest.mark.draws


def flanked(n_sites, seed, fraction_of_g, extra=0):
    """RBP-24's kind: an upper-case site in lower-case flanks, its last base often G."""
    rng = random.Random(seed)

    def letters(n):
        return "".join(rng.choices("acgu", k=n))

    records = []
    for i in range(n_sites):
        last = "G" if rng.random() < fraction_of_g else rng.choice("ACU")
        site = letters(rng.randint(12, 20)).upper() + last
        records.append(
            f">{i};chr1\n{letters(30)}{site}{letters(rng.randint(30, 36) + extra)}\n"
        )
    return "".join(records)


@pytest.fixture
def leaking_pair(tmp_path):
    """Positives and negatives, 300 each, whose sites end on G in 97 and in 21 %."""
    for name, seed, fraction in (("positives", 1, 0.97), ("negatives", 2, 0.21)):
        (tmp_path / f"{name}.fa").write_text(flanked(300, seed, fraction))
    return [
        *("--positives", str(tmp_path / "positives.fa")),
        *("--negatives", str(tmp_path / "negatives.fa")),
    ]


def audited(out, *flags):
    assert audit.main([*map(str, flags), "--out", str(out)]) == 0
    return json.loads((out / "audit.json").read_text())


def test_a_biased_last_base_is_found(leaking_pair, tmp_path, capsys):
    found = audited(tmp_path / "out", *leaking_pair, "--max-folded", 0)
    best = found["rules"][0]
    assert best["rule"] == "last base of the site"
    assert best["auroc"] == pytest.approx(0.88, abs=0.03)
    assert best["better_than_chance"]
    warning = found["warnings"][0]
    assert "last base of the site alone separates" in warning
    assert "enzyme that cut" in warning
    shown = capsys.readouterr().out
    assert f"WARNING: {warning}" in shown
    assert "G in 9" in best["telling"]


def test_skipped_sites_are_counted(tmp_path, capsys):
    rng = random.Random(1)
    rows = [(f"n{i}", "N" * 20, 0, "") for i in range(40)]
    rows += [(f"long{i}", "A" * 101, 1, "") for i in range(3)]
    for i in range(60):
        rows.append((f"s{i}", "".join(rng.choices("ACGU", k=20)), i % 2, "." * 20))
    table = write_table(tmp_path / "sites.tsv", rows)
    found = audited(tmp_path / "out", "--sites", table, "--max-length", "100")
    assert found["n_sites"] == 60
    assert found["inputs"][0]["n_skipped"] == 43
    shown = capsys.readouterr().out
    assert f"read {table}: table (tab), 103 sites, 43 skipped" in shown


def test_sites_without_a_shortcut_get_no_warning(tmp_path, capsys):
    for name, seed in (("a", 1), ("b", 2)):
        (tmp_path / f"{name}.fa").write_text(flanked(300, seed, 0.25))
    found = audited(
        tmp_path / "out",
        *("--positives", tmp_path / "a.fa", "--negatives", tmp_path / "b.fa"),
        *("--max-folded", 0),
    )
    assert found["warnings"] == found["notes"] == []
    assert "no rule reaches an AUROC of 0.65" in capsys.readouterr().out


def test_few_sites_give_no_false_alarm(tmp_path):
    for seed in range(2):
        for name in ("a", "b"):
            path = tmp_path / f"{name}.fa"
            path.write_text(flanked(12, f"{seed}{name}", 0.25))
        found = audited(
            tmp_path / "out",
            *("--positives", tmp_path / "a.fa", "--negatives", tmp_path / "b.fa"),
            *("--max-folded", 0),
        )
        assert found["warnings"] == []


def test_a_difference_in_length_is_a_warning(tmp_path):
    (tmp_path / "a.fa").write_text(flanked(100, 1, 0.25, extra=20))
    (tmp_path / "b.fa").write_text(flanked(100, 2, 0.25))
    found = audited(
        tmp_path / "out",
        *("--positives", tmp_path / "a.fa", "--negatives", tmp_path / "b.fa"),
        *("--max-folded", 0),
    )
    assert any("No protein reads the length" in text for text in found["warnings"])


def test_composition_is_a_note_and_no_warning(tmp_path):
    rng = random.Random(3)
    rows = [
        (f"s{i}", "".join(rng.choices("ACGUU" if i % 2 else "ACGU", k=60)), i % 2, "")
        for i in range(400)
    ]
    found = audited(
        tmp_path / "out",
        *("--sites", write_table(tmp_path / "sites.tsv", rows), "--max-folded", 0),
        *("--threshold", 0.6),
    )
    assert found["warnings"] == []
    assert any("content of U alone separates" in text for text in found["notes"])


def test_structure_is_folded_for_a_sample_of_sites(tmp_path, capsys):
    sites = write_table(tmp_path / "sites.tsv", make_sites(90, seed=1))
    found = audited(tmp_path / "out", "--sites", sites, "--max-folded", 45)
    assert found["n_folded"] == 45
    of_structure = [rule for rule in found["rules"] if rule["kind"] == "structure"]
    assert {rule["n_sites"] for rule in of_structure} == {45}
    assert "rules of structure on 45 sites" in capsys.readouterr().out
    table = pd.read_csv(tmp_path / "out" / "audit.tsv", sep="\t")
    assert list(table["rule"]) == [rule["rule"] for rule in found["rules"]]
    assert (tmp_path / "out" / "audit.png").read_bytes().startswith(b"\x89PNG")


def test_sequences_in_train_and_test_are_a_warning(tmp_path):
    sites = make_sites(60, seed=1)
    found = audited(
        tmp_path / "out",
        *("--sites", write_table(tmp_path / "train.tsv", sites)),
        *("--test-sites", write_table(tmp_path / "test.tsv", sites[:4])),
        *("--max-folded", 0),
    )
    assert any("4 sequences are in train and test" in w for w in found["warnings"])


def test_the_same_seed_gives_the_same_audit(leaking_pair, tmp_path):
    flags = [*leaking_pair, "--max-folded", 0]
    one, other = (audited(tmp_path / name, *flags) for name in ("one", "other"))
    assert one == other


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "No input: give --sites"),
        (["--positives", "{few}"], "Give either --sites, or --positives"),
        (["--positives", "{few}", "--negatives", "{few}"], "3 distinct background"),
        (
            ["--sites", "{few}", "--threshold", "0.4"],
            "--threshold must be between 0.5 and 1",
        ),
        (
            ["--sites", "{few}", "--max-folded", "-1"],
            "--max-folded must be at least 0, got -1",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_flags_end_with_one_line(flags, message, tmp_path, capsys):
    (tmp_path / "few.fa").write_text(flanked(3, 1, 0.5))
    given = [flag.format(few=tmp_path / "few.fa") for flag in flags]
    assert audit.main([*given, "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("deeprke audit: error: ") and message in error
    assert not (tmp_path / "out").exists()


def test_the_python_interface_returns_the_audit(leaking_pair, tmp_path, capsys):
    _, positives, _, negatives = leaking_pair
    audited = deeprke_tf.audit_sites(
        positives=positives, negatives=negatives, max_folded=0
    )
    assert audited.rules[0].feature.name == "last base of the site"
    assert "enzyme that cut" in audited.warnings[0]
    assert repr(audited) == (
        f"<Audit of 600 sites: {len(audited.rules)} rules, "
        f"{len(audited.warnings)} warnings>"
    )
    assert capsys.readouterr() == ("", "")
    assert sorted(path.name for path in audited.write(tmp_path / "out")) == [
        *("audit.json", "audit.png", "audit.tsv")
    ]
