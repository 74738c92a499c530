import concurrent.futures
import os
import signal

import pytest

from deeprke_tf.system import processes


@pytest.mark.skipif(os.name == "nt", reason="Windows has no blocked signals")
def test_an_interrupt_cannot_end_a_process_while_it_starts():
    """Only its parent: it would print a traceback of its imports."""
    context = processes.SpawnContext()
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        blocked = pool.submit(signal.pthread_sigmask, signal.SIG_BLOCK, ()).result()
    assert signal.SIGINT in blocked
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
