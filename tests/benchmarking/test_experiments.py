import itertools

import pytest

from deeprke_tf.benchmarking import experiments
from deeprke_tf.benchmarking import tasks as benchmark_tasks
from deeprke_tf.errors import UserError
from deeprke_tf.system import shards

LONG = "18_ICLIP_hnRNPL_all-hnRNPL-hg19--ensembl59_from_2337-2339-741+kd"


@pytest.fixture
def files(tmp_path):
    """Returns a directory with empty files of these names."""

    def make(*names):
        for name in names:
            (tmp_path / name).touch()
        return tmp_path

    return make


def test_rbp31_is_found_by_number_with_all_its_signs(files):
    data = files(
        *(f"{LONG}.{split}.fa.gz" for split in ("train", "test")),
        *("2_A.train.fa.gz", "2_A.test.fa.gz", "10_B.test.fa.gz", "notes.txt"),
    )
    found = experiments.find("rbp31", data)
    assert [one.name for one in found] == ["2_A", "10_B", LONG]
    assert [one.missing for one in found] == ["", "training sites", ""]
    assert experiments.select(found, ["18", "2_A"]) == [found[0], found[2]]
    assert experiments.select(found, []) == found
    with pytest.raises(UserError, match="No experiment '3'; there are: 2_A, 10_B"):
        experiments.select(found, ["3"])


def test_rbp24_is_found_as_pairs_and_processed_tables(files):
    pair = ("positives.fa.gz", "negatives.fa.gz")
    data = files(
        *(f"QKI.{split}.{part}" for split in ("train", "test") for part in pair),
        *(f"SFRS1.test.{part}" for part in pair),
        "SFRS1.train.processed.tsv.gz",
        *(f"FUS.test.{part}" for part in pair),
    )
    found = {one.name: one for one in experiments.find("rbp24", data)}
    assert found["FUS"].missing == "training sites"
    assert not found["QKI"].missing and not found["SFRS1"].missing
    assert found["QKI"].edges_are_marked and not found["SFRS1"].edges_are_marked
    assert [label for _path, label in found["QKI"].train] == [1, 0]


def test_the_folder_of_the_benchmark_may_be_named_from_above(files, tmp_path):
    (tmp_path / "rbp31").mkdir()
    files("rbp31/1_A.test.fa.gz")
    assert len(experiments.find("rbp31", tmp_path)) == 1
    with pytest.raises(UserError, match="holds no file named as rbp24 files"):
        experiments.find("rbp24", tmp_path)
    with pytest.raises(UserError, match="is not a directory"):
        experiments.find("rbp24", tmp_path / "none")


def plan(found, **given):
    settings = {
        "presets": ["oli"],
        "seeds": [1, 2],
        "protocols": ["frozen"],
        "masks": ["none", "3prime-edge"],
    }
    return benchmark_tasks.plan("rbp24", found, **(settings | given))


def test_a_plan_masks_only_where_the_site_is_marked_and_skips_what_is_missing(files):
    pair = ("positives.fa.gz", "negatives.fa.gz")
    data = files(
        *(f"QKI.{split}.{part}" for split in ("train", "test") for part in pair),
        *(f"SFRS1.test.{part}" for part in pair),
        "SFRS1.train.processed.tsv.gz",
        *(f"FUS.test.{part}" for part in pair),
    )
    tasks = plan(experiments.find("rbp24", data))
    assert [(task.experiment.name, task.mask, task.seed) for task in tasks] == [
        *(("QKI", mask, seed) for mask in ("none", "3prime-edge") for seed in (1, 2)),
        *(("SFRS1", "none", seed) for seed in (1, 2)),
    ]
    paths = {task.result_path(data) for task in tasks}
    assert len(paths) == len({task.lock_path(data) for task in tasks}) == len(tasks)


def test_an_unknown_preset_is_refused_with_the_known_ones():
    with pytest.raises(
        UserError, match="No preset 'papr'; there are: deeprke, deeprke-no-"
    ):
        plan([], presets=["papr"])


def test_shards_share_all_experiments_among_them():
    numbers = list(range(7))
    parts = [shards.share_of(numbers, f"{i}/3") for i in (1, 2, 3)]
    assert sorted(itertools.chain(*parts)) == numbers
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("part", ["", "0/3", "4/3", "1", "a/b", "1/0", "-1/3"])
def test_a_shard_that_is_none_is_refused(part):
    with pytest.raises(UserError, match=f"shard must be such as 1/3, got {part!r}"):
        shards.share_of([1], part)
