"""Ends of a process that trains; without TensorFlow, which takes seconds to load."""

import os
import signal
import sys
import time


def succeeds(result, _task, _run, _run_config):
    result.send("")


def fails(result, _task, _run, _run_config):
    result.send("out of memory")


def is_killed(_result, _task, _run, _run_config):
    os.kill(os.getpid(), signal.SIGKILL)


def crashes(_result, _task, _run, _run_config):
    os.abort()


def ends(_result, _task, _run, _run_config):
    sys.exit(3)


def sleeps(_result, _task, run, _run_config):
    run.mkdir()
    time.sleep(100)
