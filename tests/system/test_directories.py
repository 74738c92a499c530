import os
import signal
import sys
from pathlib import Path

import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.system import directories, locks
from deeprke_tf.system.directories import Kind, directory_aside

KIND = Kind("dataset", "dataset.json", r".*\.gz")
NEW = {"dataset.json": "new", "train.gz": "new"}


def contents(directory):
    return {path.name: path.read_text() for path in directory.iterdir()}


def write(out, files=NEW, overwrite=False):
    with directory_aside(out, overwrite, KIND) as aside:
        for name, text in files.items():
            (aside / name).write_text(text)


@pytest.fixture
def old(tmp_path):
    out = tmp_path / "data"
    write(out, {"dataset.json": "old", "test.gz": "old"})
    (out / "notes.txt").write_text("mine")
    return out


def test_a_directory_appears_when_it_is_complete(tmp_path):
    with directory_aside(tmp_path / "data", False, KIND) as aside:
        (aside / "dataset.json").touch()
        assert not (tmp_path / "data").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_an_error_leaves_what_was_there(old):
    before = contents(old)
    with (
        pytest.raises(KeyboardInterrupt),
        directory_aside(old, overwrite=True, kind=KIND),
    ):
        raise KeyboardInterrupt
    assert contents(old) == before
    assert [path.name for path in old.parent.iterdir()] == ["data"]


@pytest.mark.parametrize("in_it", [False, True], ids=["from outside", "from in it"])
def test_overwriting_keeps_other_files(old, in_it, monkeypatch):
    if in_it:
        monkeypatch.chdir(old)
    write(Path("." if in_it else old), overwrite=True)
    assert contents(old) == {**NEW, "notes.txt": "mine"}
    assert [path.name for path in old.parent.iterdir()] == ["data"]
    assert not in_it or os.path.samefile(".", old)


def test_only_a_directory_of_the_kind_is_replaced(old):
    with pytest.raises(UserError, match=r"`out` .* is not empty; .*`overwrite=True`"):
        write(old)
    (old / "dataset.json").unlink()
    with pytest.raises(UserError, match="holds other files but no dataset"):
        write(old, overwrite=True)


def test_a_second_process_is_refused(old):
    with (
        locks.held(old),
        pytest.raises(UserError, match="Another process is writing `out`"),
    ):
        write(old, overwrite=True)


def killed(out, moment):
    """Overwrites in another process, which is killed before its n-th rename."""
    child = os.fork()
    if not child:
        for function in (os.replace, os.rmdir, os.unlink):

            def call(*arguments, real=function, **options):
                nonlocal moment
                moment -= 1
                if not moment:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*arguments, **options)

            setattr(os, function.__name__, call)
        write(out, overwrite=True)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")
@pytest.mark.parametrize("swaps", [True, False], ids=["swap", "two renames"])
@pytest.mark.parametrize("moment", range(1, 9))
def test_after_a_kill_the_same_call_goes_on(old, swaps, moment, monkeypatch):
    if not swaps:
        # As on systems that cannot swap two directories in one step.
        monkeypatch.delattr(directories.ctypes, "CDLL")
    if not killed(old, moment):
        assert moment > 4
    elif swaps:
        found = contents(old)
        assert (found["dataset.json"] == "new") == ("train.gz" in found)
    write(old, overwrite=True)
    assert contents(old) == {**NEW, "notes.txt": "mine"}
    assert [path.name for path in old.parent.iterdir()] == ["data"]
