"""Models of a user: added from runs, removed, and moved as one file."""

import hashlib
import json
import re
import stat
import zipfile
from pathlib import Path

import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.runs import catalog, packing


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """Empty directories of models."""
    monkeypatch.setenv("DEEPRKE_MODELS", str(tmp_path / "user"))
    monkeypatch.setattr(catalog, "PACKAGED", tmp_path / "packaged")


def make_run(directory, weights=b"weights", **manifest):
    """A finished run, as far as these functions look at it."""
    (directory / "figures").mkdir(parents=True)
    (directory / "figures/roc.png").touch()
    digest = {"model_sha256": hashlib.sha256(weights).hexdigest()}
    for name in ("config.json", "metrics.json"):
        (directory / name).write_text("{}")
    (directory / "manifest.json").write_text(json.dumps(digest | manifest))
    (directory / "model.keras").write_bytes(weights)
    (directory / "sequence_vectors.npy").write_bytes(b"vectors")
    (directory / "predictions.tsv").write_text("of private sites")
    return directory


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "run")


@pytest.fixture
def joint(tmp_path):
    directory = tmp_path / "joint"
    rbps = [{"name": "QKI", "directory": "rbps/QKI"}]
    network = {"file": "../../model.keras", "output": 0}
    (make_run(directory / "rbps/QKI", network=network) / "model.keras").unlink()
    (directory / "rbps/QKI/predictions.tsv").write_text("")
    return make_run(directory, rbps=rbps)


def names_in(directory):
    paths = (path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix() for path in paths}


OF_A_RUN = {"config.json", "manifest.json", "metrics.json"}
OF_A_TRAINING = {*OF_A_RUN, "model.keras", "sequence_vectors.npy", "SHA256SUMS"}


def test_a_run_becomes_a_model_without_figures_and_private_sites(run):
    entry = packing.add(run, "MYRBP")
    assert catalog.resolve("MYRBP") == entry.directory
    assert names_in(entry.directory) == OF_A_TRAINING


def test_an_ensemble_is_added_with_its_members(tmp_path):
    member = {"directory": "seed-1"}
    directory = make_run(tmp_path / "both", members=[member])
    make_run(directory / "seed-1", b"of seed 1")
    added = names_in(packing.add(directory, "QKI").directory)
    assert added >= {"seed-1/model.keras", "seed-1/config.json"}


def test_a_joint_run_is_added_with_its_rbps(joint):
    added = names_in(packing.add(joint, "two").directory)
    assert added == OF_A_TRAINING | {f"rbps/QKI/{name}" for name in OF_A_RUN}


def test_one_rbp_of_a_joint_run_has_no_network_to_take_along(joint):
    with pytest.raises(UserError, match=r"one RBP of a joint run.*add the joint run"):
        packing.add(joint / "rbps/QKI", "QKI")


def test_a_damaged_or_unfinished_run_is_not_added(run, tmp_path):
    (run / "model.keras").write_bytes(b"cut")
    with pytest.raises(UserError, match="is not the file of its manifest"):
        packing.add(run, "MYRBP")
    (run / "manifest.json").unlink()
    with pytest.raises(UserError, match="is an unfinished run"):
        packing.add(run, "MYRBP")
    assert not catalog.entries()


ODD_PARTS = ["..", "../other", "rbps/../..", ".", "", "/etc", 3, None, {}, "rbps/none"]


@pytest.mark.parametrize("place", ODD_PARTS)
@pytest.mark.parametrize("part", ["rbps", "members"])
def test_nothing_is_copied_from_or_to_other_places_than_the_run(part, place, tmp_path):
    make_run(tmp_path / "other")
    run = make_run(tmp_path / "run", **{part: [{"name": "QKI", "directory": place}]})
    before = names_in(tmp_path)
    with pytest.raises(UserError, match=r"is damaged|is not a run"):
        packing.add(run, "MYRBP")
    assert names_in(tmp_path) == before


@pytest.mark.parametrize(
    "text", ["[]", "null", "3", '"x"', '{"rbps": 3}', '{"rbps": [3]}', '{"network": 1}']
)
def test_a_run_with_an_edited_manifest_is_refused(text, run):
    (run / "manifest.json").write_text(text)
    with pytest.raises(UserError, match="is damaged"):
        packing.add(run, "MYRBP")


@pytest.mark.parametrize(
    ("card", "told"),
    [
        ("no JSON", "card.json"),
        ('["a list"]', "must be a JSON object; got ['a list']"),
        ('{"licence": "MIT"}', "no key 'licence'; keys are about, data, data_license"),
        ('{"not_for": "plants"}', "`not_for` must be a list of sentences"),
        ('{"license": 4}', "`license` must be text; got 4"),
    ],
)
def test_a_run_with_a_card_that_is_none_is_refused(card, told, run):
    (run / "card.json").write_text(card)
    with pytest.raises(UserError, match=re.escape(told)):
        packing.add(run, "MYRBP")


def test_a_name_is_given_once(run, tmp_path):
    packing.add(run, "MYRBP")
    with pytest.raises(UserError, match="There is a model MYRBP already"):
        packing.add(run, "MYRBP")
    make_run(tmp_path / "packaged/rbp31")
    with pytest.raises(UserError, match="rbp31 is a model of this package; take ano"):
        packing.add(run, "rbp31")


def test_a_removed_model_is_gone_and_a_packaged_one_stays(run, tmp_path):
    entry = packing.add(run, "MYRBP")
    packing.remove("MYRBP")
    assert not list(entry.directory.parent.iterdir())
    with pytest.raises(UserError, match="There is no model 'MYRBP'"):
        packing.remove("MYRBP")
    make_run(tmp_path / "packaged/rbp31")
    with pytest.raises(UserError, match="of this package and cannot be removed"):
        packing.remove("rbp31")


def test_removing_a_link_keeps_the_run_that_it_leads_to(run, tmp_path):
    (tmp_path / "user").mkdir()
    (tmp_path / "user/linked").symlink_to(run)
    packing.remove("linked")
    assert not (tmp_path / "user/linked").is_symlink()
    assert (run / "manifest.json").exists()


# === As one file ===


@pytest.fixture
def packed(joint, tmp_path):
    """The file of a joint model, which is then removed."""
    file = tmp_path / "two.zip"
    packing.pack(packing.add(joint, "two"), file)
    return file


def test_a_model_comes_back_from_its_file_as_it_was(packed):
    before = catalog.entry_of("two").directory
    entry = packing.unpack(packed, "again")
    assert names_in(entry.directory) == names_in(before)
    for name in names_in(before):
        assert (entry.directory / name).read_bytes() == (before / name).read_bytes()
    packing.remove("two")
    assert packing.unpack(packed).name == "two"


def test_the_same_model_gives_the_same_file(packed, tmp_path):
    other = tmp_path / "other.zip"
    packing.pack(catalog.entry_of("two"), other)
    assert other.read_bytes() == packed.read_bytes()


def rewritten(file, change):
    """The archive with the list of its entries and contents changed."""
    with zipfile.ZipFile(file) as archive:
        entries = [(m, archive.read(m)) for m in archive.infolist()]
    with zipfile.ZipFile(file, "w") as archive:
        for member, contents in change(entries):
            archive.writestr(member, contents)


def with_added(name, mode=stat.S_IFREG | 0o644):
    member = zipfile.ZipInfo(name)
    member.external_attr = mode << 16
    return lambda entries: [*entries, (member, b"x")]


def changed_weights(entries):
    return [
        (m, b"others!" if m.filename == "two/model.keras" else contents)
        for m, contents in entries
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (with_added("two/../../evil.py"), "a path that is none of a model"),
        (with_added("/etc/evil"), "a path that is none of a model"),
        (with_added("two\\..\\evil"), "a path that is none of a model"),
        (with_added("evil"), "a path that is none of a model"),
        (with_added("C:/two/evil"), "a path that is none of a model"),
        (with_added("two/x.npy", stat.S_IFLNK | 0o777), "something else than one"),
        (with_added("two/sub/"), "something else than one file"),
        (with_added("three/model.keras"), "holds no model, which is one directory"),
        (with_added("two/evil.py"), "evil.py is missing, or is no file of a model"),
        (with_added("two/more.npy"), "more.npy has no digest in SHA256SUMS"),
        (changed_weights, "model.keras is not the file"),
        (lambda entries: entries[1:], "holds no whole model"),
        (lambda entries: entries[:-1], "SHA256SUMS is missing"),
    ],
)
def test_a_file_that_is_not_just_a_model_is_refused_and_leaves_nothing(
    change, told, packed, tmp_path
):
    packing.remove("two")
    rewritten(packed, change)
    before = names_in(tmp_path)
    with pytest.raises(UserError, match=told):
        packing.unpack(packed)
    assert names_in(tmp_path) == before
    assert not catalog.entries()


def packed_as(method, file):
    """An archive with one file; returns its bytes and where the file begins in it."""
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("two/model.keras", bytes(range(256)) * 20)
    return file.read_bytes(), 30 + len("two/model.keras")


def test_damaged_contents_are_told_in_one_line(tmp_path):
    file = tmp_path / "file.zip"
    whole, start = packed_as(zipfile.ZIP_DEFLATED, file)
    file.write_bytes(whole[: start + 9] + b"\xff" * 40 + whole[start + 49 :])
    with pytest.raises(UserError, match="cannot be read as a model"):
        packing.unpack(file)
    assert not catalog.entries()


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_to_pack_are_refused(method, tmp_path):
    packed_as(method, tmp_path / "file.zip")
    with pytest.raises(UserError, match="packed in another way"):
        packing.unpack(tmp_path / "file.zip")


def test_a_name_in_no_encoding_is_told_in_one_line(tmp_path):
    file = tmp_path / "file.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("two/\u00e4\u00e4\u00e4", b"x")
    file.write_bytes(file.read_bytes().replace("\u00e4".encode(), b"\xff\xff"))
    with pytest.raises(UserError, match="cannot be read as a model"):
        packing.unpack(file)


@pytest.mark.parametrize("contents", [b"", b"PK\x03\x04", b"not a zip"])
def test_another_file_is_refused(contents, tmp_path):
    file = tmp_path / "file.zip"
    file.write_bytes(contents)
    with pytest.raises(UserError, match="cannot be read as a model of `deeprke models"):
        packing.unpack(file)
    with pytest.raises(UserError, match="No such file or directory"):
        packing.unpack(Path("none.zip"))
