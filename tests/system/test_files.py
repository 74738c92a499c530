import errno
import os
import threading
from pathlib import Path

import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.system import files, locks


@pytest.fixture
def older(tmp_path):
    path = tmp_path / "sites.bed"
    path.write_text("old")
    return path


def test_an_interrupted_write_leaves_the_older_file(older):
    with pytest.raises(KeyboardInterrupt), files.written_aside(older) as file:
        file.write("new")
        raise KeyboardInterrupt
    assert [path.name for path in older.parent.iterdir()] == ["sites.bed"]
    assert older.read_text() == "old"


def test_a_write_clears_what_a_killed_process_left(older):
    for name in files.unfinished_names(older.name):
        older.with_name(name).write_text("half")
    with files.written_aside(older) as file:
        file.write("new")
    assert [path.name for path in older.parent.iterdir()] == ["sites.bed"]
    assert older.read_text() == "new"


def test_a_link_stays_and_its_target_is_replaced(older):
    link = older.with_name("link.bed")
    link.symlink_to(older)
    with files.written_aside(link) as file:
        file.write("new")
    assert link.is_symlink() and older.read_text() == "new"


def test_a_pipe_is_written_to(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_text()))
    reader.start()
    with files.bytes_written_aside(pipe) as file:
        file.write(b"new")
    reader.join()
    assert received == ["new"] and pipe.is_fifo()


def test_a_file_behind_standard_output_is_appended_to(older):
    with open(older, "a") as shell:
        with files.written_aside(Path(f"/dev/fd/{shell.fileno()}")) as file:
            file.write(" and new")
        assert [path.name for path in older.parent.iterdir()] == ["sites.bed"]
    assert older.read_text() == "old and new"


def test_a_second_process_is_refused(older, monkeypatch):
    monkeypatch.setattr(files, "SECONDS_TO_WAIT", 0.0)
    with (
        locks.held(older),
        pytest.raises(UserError, match=r"Another process is writing .*sites\.bed"),
        files.written_aside(older),
    ):
        pass
    assert older.read_text() == "old"


@pytest.mark.parametrize("name", ["missing/sites.bed", "sites.bed"])
def test_an_error_names_the_file_itself(tmp_path, name):
    path = tmp_path / name
    with pytest.raises(OSError) as caught, files.written_aside(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.filename == str(path)
