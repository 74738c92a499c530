import logging
import multiprocessing
import os
import signal
import threading
import time

import pytest

from deeprke_tf.tuning import process
from tests.support import trial_children


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
@pytest.mark.parametrize(
    ("child", "message"),
    [
        (trial_children.succeeds, ""),
        (trial_children.fails, "no sites"),
        (trial_children.is_killed, "killed by the system, most likely out of memory"),
        (trial_children.crashes, "ended by SIGABRT"),
        (trial_children.ends, "ended with status 3"),
    ],
)
def test_the_end_of_the_process_is_reported(child, message):
    assert process.failure_of(child) == message


def test_messages_of_the_process_are_logged_here(caplog):
    caplog.set_level(logging.INFO, logger="deeprke_tf")
    assert process.failure_of(trial_children.succeeds) == ""
    assert caplog.record_tuples == [("deeprke_tf.child", logging.WARNING, "3 epochs")]


@pytest.fixture
def interrupts():
    """Ctrl-C raises KeyboardInterrupt, also in a job that a shell put in background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_ends_the_process(tmp_path, interrupts):
    started = tmp_path / "started"

    def interrupt_once_started():
        while not started.exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt_once_started).start()
    with pytest.raises(KeyboardInterrupt):
        process.failure_of(trial_children.sleeps, started)
    assert not multiprocessing.active_children()


def test_a_lack_of_memory_is_reported_as_such():
    import tensorflow as tf

    errors = [
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating\nmore"),
        MemoryError("Unable to allocate 9 GiB"),
        ZeroDivisionError("division by zero"),
        ZeroDivisionError(),
    ]

    def fail(error):
        raise error

    assert [process.failure_here(fail, error) for error in errors] == [
        "out of memory: OOM when allocating",
        "out of memory: Unable to allocate 9 GiB",
        "ZeroDivisionError: division by zero",
        "ZeroDivisionError: ",
    ]
