"""Processes that have loaded TensorFlow but not started it: two devices, kill -9.

Loading takes seconds, so it is done once: all are forked from one process that did
nothing else.
"""

import multiprocessing
import os
import pathlib
import sys
import time

_PRELOADED = ("training.run", "evaluate", "export", "tuning.search")

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([f"deeprke_tf.{name}" for name in _PRELOADED])


def start(function, *arguments, out):
    """Calls a function in a new process; what it prints goes into the file `out`.

    Its exit status is what the function returns, as a command's main does.
    """
    process = _context.Process(target=_call, args=(out, function, arguments))
    process.start()
    return process


def run_graphs_as_traced():
    """Turns TensorFlow's graph optimization off, for this process."""
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def leave_figures_empty():
    """Makes figures files without contents, for this process.

    To draw one takes as long as the training of a small network.
    """
    from matplotlib.figure import Figure

    Figure.savefig = lambda _figure, path, **_settings: pathlib.Path(path).touch()


def _call(out, function, arguments):
    descriptor = os.open(out, os.O_WRONLY | os.O_CREAT)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    # As in the process of the tests, so that both find the same bits.
    run_graphs_as_traced()
    leave_figures_empty()
    sys.exit(function(*arguments))


def finish(process, out, timeout=600):
    """Waits for a process; fails with what it printed unless its status is 0."""
    process.join(timeout)
    process.kill()
    assert process.exitcode == 0, out.read_text()[-4000:]


def wait_until(is_so, *processes):
    """Waits for something that running processes do."""
    while not is_so():
        assert all(process.is_alive() for process in processes)
        time.sleep(0.05)
