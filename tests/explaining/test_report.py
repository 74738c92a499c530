"""The report of a model: what the page says, without and with a browser."""

import html.parser
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

import deeprke_tf as dk
from deeprke_tf import report
from deeprke_tf.errors import UserError
from deeprke_tf.explaining.report import write_report
from deeprke_tf.system.arrays import read_arrays, write_arrays
from tests.support.reported_run import (
    SHA,
    make_explanation,
    make_reported_run,
    write,
)

pytest_plugins = ["tests.support.run_fixtures"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_reported_run(tmp_path_factory.mktemp("report") / "QKI")


@pytest.fixture
def copied(made, tmp_path):
    return shutil.copytree(made, tmp_path / "QKI")


VOID = {"meta", "link", "br", "img"}


class Page(html.parser.HTMLParser):
    """Text, tables and references of a page; refuses tags that do not match."""

    def __init__(self, text):
        super().__init__()
        self.source = text
        self.text, self.ids, self.references, self.external = "", [], [], []
        self.labels, self._open = [], []
        self.tables, self.headings, self.badges = [], [], []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag not in VOID:
            self._open.append(tag)
        self._note(tag, given)

    def handle_startendtag(self, tag, attributes):
        self._note(tag, dict(attributes))

    def _note(self, tag, given):
        if "id" in given:
            self.ids.append(given["id"])
        if given.get("role") == "img":
            self.labels.append(given.get("aria-label"))
        for name in ("src", "href", "xlink:href"):
            value = given.get(name, "")
            if value.startswith("#"):
                self.references.append(value[1:])
            elif value and not value.startswith("data:"):
                self.external.append(value)
        if tag == "table":
            self.tables.append([])
        if tag == "tr" and self.tables:
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] in ("script", "style"):
            return
        self.text += data
        if self._open[-1:] == ["h3"] and "article" in self._open and data.strip():
            self.headings.append(data.strip())
        if self._open[-1:] == ["span"] and "article" in self._open:
            self.badges.append(data)
        if "table" in self._open and {"td", "th"} & set(self._open):
            self.tables[-1][-1][-1] += data

    def table(self, head):
        """The rows of the table whose first column has this head."""
        return next(rows[1:] for rows in self.tables if rows[0][0] == head)


def page_of(directory, tmp_path, **given):
    out = write_report(directory / "model", tmp_path / "page.html", **given)
    return Page(out.read_text())


def test_the_page_says_what_the_model_is_how_good_and_what_to_doubt(made, tmp_path):
    page = page_of(made, tmp_path)
    assert "QKI" in page.text
    assert "80 test sites, which had no part in the training" in page.text
    for warning in (
        "A rule of the edge: mask these bases.",
        "GC content alone reaches 0.7.",
        "Few peaks.",
        "Background is nearer to the transcript end.",
        "very good: of a bound and a background site",
        "3 warnings.",
    ):
        assert warning in page.text
    assert "deeprke run --peaks 'my peaks.bed' --out RBP" in page.text
    names = [row[0] for row in page.table("measure")]
    assert names == [
        *("AUROC", "AUPRC", "MCC", "F1", "accuracy", "recall", "precision"),
        *("specificity", "Brier score", "calibration error"),
    ]
    # An AUROC below one half is that of the rule turned round.
    assert page.table("property")[0] == ["GC content", "0.6", "0.59", "0.800", "0.510"]
    assert page.table("file") == [["sites.tsv", "380", "–", SHA[:16]]]


def test_calls_right_and_wrong_are_listed_with_their_places(made, tmp_path):
    rows = page_of(made, tmp_path).table("what")
    found, wrong, missed = (
        [row for row in rows if row[0] == kind]
        for kind in ("bound, found", "background, called bound", "bound, missed")
    )
    assert len(found) == 8 and wrong and missed
    probabilities = [float(row[3]) for row in found]
    assert probabilities == sorted(probabilities, reverse=True)
    assert all(float(row[3]) < 0.4 for row in missed)
    assert all(row[2].startswith("chr1:") or not row[2] for row in rows)


@pytest.mark.draws
def test_every_figure_has_a_text_and_nothing_is_asked_of_the_network(made, tmp_path):
    page = page_of(made, tmp_path)
    assert len(page.labels) == 5 and all(page.labels)
    assert page.labels[0].startswith("ROC curve of the test sites: AUROC 0.")
    assert page.external == []
    assert len(page.ids) == len(set(page.ids))
    assert set(page.references) <= set(page.ids)


@pytest.mark.draws
def test_the_same_run_gives_the_same_page(made, tmp_path):
    pages = [tmp_path / name for name in ("a.html", "b.html")]
    for page in pages:
        write_report(made / "model", page)
    assert pages[0].read_bytes() == pages[1].read_bytes()


def test_names_of_sites_are_no_html(copied, tmp_path):
    path = copied / "evaluation" / "predictions.tsv"
    head, *lines = path.read_text().splitlines()
    lines = [line for line in lines if "<b>site</b>" in line or "NA" in line[:2]]
    path.write_text("\n".join([head, *lines]) + "\n")
    names = {row[1] for row in page_of(copied, tmp_path).table("what")}
    assert names <= {"NA", "<b>site</b>"} and names


def test_a_run_alone_is_shown_by_its_validation_sites_and_told_so(copied, tmp_path):
    (copied / "workflow.json").unlink()
    page = page_of(copied, tmp_path)
    assert "Not a test. These are validation sites" in page.text.replace("\n", " ")
    assert "No audit was given" in page.text
    assert "deeprke explain finds motifs" in page.text
    assert len(page.labels) == 4  # without a reliability diagram
    # Without `deeprke run`, the model has the name of its directory.
    assert "DeepRKE model report" in page.text and "model –" in page.text


def test_training_sites_are_no_test(copied, tmp_path):
    path = copied / "evaluation" / "metrics.json"
    path.write_text(path.read_text().replace('"split": "test"', '"split": "train"'))
    text = page_of(copied, tmp_path).text
    assert "These are train sites, from which the model has learned" in text


def test_what_is_given_is_taken_in_place_of_what_is_found(copied, tmp_path):
    given = {name: tmp_path / name for name in ("audit", "evaluation")}
    for name, directory in given.items():
        (copied / name).rename(directory)
    page = page_of(copied, tmp_path, **given)
    assert "A rule of the edge" in page.text and "80 test sites" in page.text


def test_an_evaluation_of_another_model_is_refused(made, tmp_path):
    other = make_reported_run(tmp_path / "other")
    manifest = (other / "model" / "manifest.json").read_text()
    changed = manifest.replace('"threshold": 0.4', '"threshold": 0.5')
    (other / "model" / "manifest.json").write_text(changed)
    with pytest.raises(UserError, match=r"`evaluation` .* is of another model: its"):
        write_report(other / "model", tmp_path / "page.html")


def test_an_audit_of_other_sites_is_shown_with_a_warning(copied, tmp_path):
    path = copied / "audit" / "audit.json"
    path.write_text(path.read_text().replace(SHA, "00" * 32))
    assert "audit is of other files of sites" in page_of(copied, tmp_path).text


def test_an_ensemble_shows_the_curves_of_its_first_member(copied, tmp_path):
    model = copied / "model"
    shutil.copytree(model, copied / "seed-1")
    (copied / "seed-1").rename(model / "seed-1")
    (model / "history.csv").unlink()
    manifest = (model / "manifest.json").read_text()
    members = '"members": [{"directory": "seed-1"}, {"directory": "seed-2"}]'
    (model / "manifest.json").write_text(manifest.replace("{", f"{{{members}, ", 1))
    page = page_of(copied, tmp_path)
    assert "of the first of 2 members" in page.labels[-1]
    assert "an ensemble of 2 trainings" in page.text


def test_the_command_names_what_is_wrong(made, tmp_path, capsys):
    flags = ["--model", str(made / "model"), "--out", str(tmp_path / "page.html")]
    assert report.main(flags) == 0
    assert f"wrote {tmp_path / 'page.html'}" in capsys.readouterr().out
    assert report.main([*flags, "--audit", str(tmp_path)]) == 1
    assert f"--audit {tmp_path} has no audit.json" in capsys.readouterr().err
    assert report.main([*flags[:2], "--out", str(tmp_path)]) == 1
    assert "is a directory; name a file" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert report.main(["--model", str(tmp_path / "empty"), *flags[2:]]) == 1
    assert "is not a run of `deeprke train`" in capsys.readouterr().err
    damaged = tmp_path / "damaged"
    write(damaged / "metrics.json", {"threshold": 0.4})
    (damaged / "predictions.tsv").write_text("name\tlabel\nx\t1\n")
    assert report.main([*flags, "--evaluation", str(damaged)]) == 1
    assert "there is no column probability" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "key", "value", "command"),
    [
        ("model/manifest.json", "encoding", 7, "train"),
        ("model/manifest.json", "data", {}, "train"),
        ("evaluation/metrics.json", "confusion", {}, "evaluate"),
        ("evaluation/metrics.json", "auroc", "high", "evaluate"),
        ("explain/explain.json", "motifs", [{}], "explain"),
        ("explain/explain.json", "sites", None, "explain"),
        ("audit/audit.json", "warnings", None, "audit"),
        ("audit/audit.json", "inputs", "all", "audit"),
        ("sites/extract.json", "background", [], "extract"),
        ("sites/matching.json", "properties", [3], "extract"),
    ],
)
def test_a_damaged_file_is_one_line_that_names_its_directory(
    copied, tmp_path, path, key, value, command
):
    make_explanation(copied / "explain")
    damaged = copied / path
    damaged.write_text(json.dumps(json.loads(damaged.read_text()) | {key: value}))
    with pytest.raises(UserError) as error:
        page_of(copied, tmp_path)
    assert str(error.value).startswith(f"{damaged.parent} has a damaged file")
    assert f"make it again with `deeprke {command}`." in str(error.value)
    assert not (tmp_path / "page.html").exists()


def test_motifs_are_shown_with_their_names_and_the_loops_they_want(made, tmp_path):
    explain = make_explanation(tmp_path / "explain")
    page = page_of(made, tmp_path, explain=explain)
    assert "Of 80 sites the 4 with the highest log odds were explained; 2 motifs" in (
        page.text
    )
    assert "0.90 for the sequence. The closer" in page.text
    first, second = page.table("motif")
    assert first[0] == "motif 1" and "PUM2" in first[6] and first[7] == "0.0001"
    assert second == ["motif 2", "GCAU", "1", "+0.20", "–", "–", "–", "–"]
    for sentence in (
        "M1 PUM2 (q = 0.0001)",
        "90% of its nucleotides lie in a hairpin loop, 30% in matched sites without",
        "it counts most in a hairpin loop",
        "not compared (--known)",
    ):
        assert sentence in page.text
    assert "M2 other" not in page.text
    assert "Sequence logo of UGUA" in page.labels
    assert (
        "Interaction of two motifs by distance: motifs 1 and 2 at most -0.80 log odds, "
        "2 nucleotides apart."
    ) in page.labels
    assert set(page.references) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_sites_are_shown_by_what_the_model_says_of_them(copied, tmp_path):
    path = copied / "evaluation" / "predictions.tsv"
    path.write_text(
        "name\tlabel\tprobability\tcalibrated_probability\n"
        "peak2\t1\t0.3\t0.2\npeak3\t0\t0.6\t0.5\nelsewhere\t1\t0.9\t0.9\n"
        "<b>site</b>\t0\t0.1\t0.1\n"
    )
    page = page_of(copied, tmp_path, explain=make_explanation(tmp_path / "explain"))
    assert page.headings[2:] == ["elsewhere", "peak3", "peak2"]
    assert page.badges[2:] == [
        "bound, found",
        "background, called bound",
        "bound, missed",
    ]
    drawn = [text for text in page.labels if text.startswith("Secondary structure")]
    # Of peak3 no structure is known.
    assert drawn == [
        f"Secondary structure of {name}: ((((........))))...."
        for name in ("elsewhere", "peak2")
    ]
    assert "deeprke explain --model RBP/model --out RBP/explain" in page.text


def test_without_an_evaluation_labels_and_log_odds_of_the_explanation_are_shown(
    copied, tmp_path
):
    (copied / "workflow.json").unlink()
    page = page_of(copied, tmp_path, explain=make_explanation(tmp_path / "explain"))
    assert page.badges[2:] == [
        "bound, found",
        *["background, called bound"] * 2,
        "called bound, label not known",
    ]
    assert page.headings[2:] == ["peak2", "peak3", "<b>site</b>", "elsewhere"]
    assert "0.982" in page.text  # log odds of 4


def test_sites_of_an_ensemble_show_how_far_its_members_differ(made, tmp_path):
    explain = make_explanation(tmp_path / "explain")
    assert "standard deviation" not in page_of(made, tmp_path, explain=explain).text
    arrays = read_arrays(explain / "attributions.npz")
    spread = np.where(arrays["sequence"] > 0, 0.25, 0).astype(np.float32)
    write_arrays(arrays | {"sequence_sd": spread}, explain / "attributions.npz")
    page = page_of(made, tmp_path, explain=explain)
    assert "one standard deviation over the members" in page.text
    # Half as long, to both sides, as the highest letters, which are 54 high.
    drawn = re.findall(r'class="spread" d="M\S+ (\S+)V(\S+)"', page.source)
    assert set(drawn) == {("-15.0", "39.0")}


def test_an_explanation_of_another_model_is_refused(made, tmp_path):
    explain = make_explanation(tmp_path / "explain")
    path = explain / "explain.json"
    path.write_text(path.read_text().replace("cd" * 32, "ef" * 32))
    with pytest.raises(UserError, match=r"`explain` .* is of another model"):
        page_of(made, tmp_path, explain=explain)


@pytest.mark.slow
def test_the_page_is_written_without_tensorflow(made, tmp_path):
    command = (
        "import sys\n"
        "from deeprke_tf import report\n"
        "assert report.main(sys.argv[1:]) == 0\n"
        "print({'tensorflow', 'keras'} & set(sys.modules))"
    )
    flags = ["--model", made / "model", "--out", tmp_path / "page.html"]
    done = subprocess.run(
        [sys.executable, "-c", command, *map(str, flags)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "set()"
    assert done.stderr == ""


def test_a_run_and_an_ensemble_of_train_have_reports(
    run, sequence_run, ensemble, tmp_path
):
    for directory in (run, ensemble):
        loaded = dk.load_run(directory)
        page = Page(loaded.report(tmp_path / "page.html").read_text())
        assert loaded.name in page.text
        assert "Not a test. These are validation sites" in page.text
    assert "an ensemble of 2 trainings" in page.text
    together = dk.load_run(run, sequence_run)
    with pytest.raises(UserError, match="have no report"):
        together.report(tmp_path / "page.html")


def test_one_rbp_of_a_joint_run_has_the_training_of_all(joint_run, tmp_path):
    page = Page(
        dk.load_run(joint_run, rbp="A").report(tmp_path / "page.html").read_text()
    )
    assert f"{joint_run.name}/A" in page.text
    assert "one of 2 RBPs of one network" in page.text
    assert "2 epochs, of which epoch" in page.text
    assert "The losses are of all RBPs, the AUROC of this one." in page.text
    (facts, _other) = json.loads((joint_run / "manifest.json").read_text())["rbps"]
    without = "train, without overlaps with validation and test sites of all RBPs"
    (row,) = [row for table in page.tables for row in table if row[0] == without]
    assert row[1] == str(facts["n_sites"])


def test_measures_on_test_without_predictions_are_those_of_the_report(
    joint_run, tmp_path
):
    run = shutil.copytree(joint_run, tmp_path / "joint") / "rbps" / "A"
    measures = json.loads((run / "metrics.json").read_text())
    (run / "metrics.json").write_text(json.dumps({**measures, "split": "test"}))
    (run / "predictions.tsv").unlink(missing_ok=True)
    page = Page(write_report(run, tmp_path / "page.html").read_text())
    assert "test sites, which had no part in the training" in page.text
    assert "ROC curve" not in page.text
