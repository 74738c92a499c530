"""The model card says what the run says."""

import json
import shutil

from deeprke_tf.data import description
from deeprke_tf.runs import layout
from deeprke_tf.runs.run import Run
from deeprke_tf.serving import model_card

pytest_plugins = ["tests.support.run_fixtures"]


def test_the_card_has_the_facts_of_the_run(run, data, tmp_path):
    loaded = Run.load(run)
    model_card.write_model_card(loaded, "QKI", tmp_path, "CC-BY-4.0")
    card = json.loads((tmp_path / model_card.JSON).read_text())
    measured = json.loads((run / layout.METRICS).read_text())
    assert card["name"] == "QKI"
    assert card["license"] == "CC-BY-4.0"
    assert card["metrics"] == [measured]
    assert card["threshold"] == loaded.threshold
    assert card["calibration"] == loaded.manifest["calibration"]
    assert card["model"]["sha256"] == loaded.manifest["model_sha256"]
    train = description.read(data).split("train")
    assert card["data"]["splits"]["train"] == {
        "n_sites": train.n_sites,
        "n_positive": train.n_positive,
    }
    assert [source["file"] for source in card["data"]["inputs"]] == [
        "train.tsv",
        "test.tsv",
    ]


def test_the_markdown_says_the_same(run, data):
    train = description.read(data).split("train")
    card = model_card.model_card(Run.load(run), "QKI", "CC-BY-4.0")
    text = model_card.as_markdown(card)
    (measured,) = card["metrics"]
    low, high = measured["auroc_ci"]
    assert text.startswith("# QKI\n")
    assert "License: CC-BY-4.0" in text
    text = " ".join(text.split())  # Columns are padded.
    assert f"| auroc | {measured['auroc']:.4f} | {low:.4f} to {high:.4f} |" in text
    assert f"| train | {train.n_sites} | {train.n_positive} |" in text
    assert f"- method: {card['calibration']['method']}" in text
    assert "The threshold applies to `probability`" in text
    assert f"{train.n_positive} of its {train.n_sites} sites were bound" in text
    assert all(limit in text for limit in card["limits"])


def test_a_test_split_comes_before_validation(run, tmp_path):
    copied = shutil.copytree(run, tmp_path / "run")
    validation = json.loads((run / layout.METRICS).read_text())
    both = validation | {"split": "test", "validation": validation}
    (copied / layout.METRICS).write_text(json.dumps(both))
    card = model_card.model_card(Run.load(copied), "QKI", "CC0-1.0")
    assert [measured["split"] for measured in card["metrics"]] == ["test", "validation"]
    text = model_card.as_markdown(card)
    assert text.index("On the test split") < text.index("On the validation split")


def test_a_model_without_structure_needs_no_fold(run, sequence_run):
    limits = {
        directory: model_card.model_card(Run.load(directory), "QKI", "CC0-1.0")[
            "limits"
        ]
        for directory in (run, sequence_run)
    }
    assert any("ViennaRNA" in limit for limit in limits[run])
    assert not any("ViennaRNA" in limit for limit in limits[sequence_run])
