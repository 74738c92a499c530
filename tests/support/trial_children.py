"""Ends of a process that trains; without TensorFlow, which takes seconds to load."""

import logging
import os
import signal
import sys
import time

from deeprke_tf.errors import UserError


def succeeds():
    logging.getLogger("deeprke_tf.child").warning("%d epochs", 3)


def fails():
    raise UserError("no sites")


def is_killed():
    os.kill(os.getpid(), signal.SIGKILL)


def crashes():
    os.abort()


def ends():
    sys.exit(3)


def sleeps(started):
    started.touch()
    time.sleep(100)
