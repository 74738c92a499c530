import concurrent.futures
import multiprocessing
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


def test_a_pool_ends_whose_processes_died_before_they_read_their_tasks():
    # More than a pipe holds, so that a thread waits for room in it.
    pool = concurrent.futures.ProcessPoolExecutor(
        2, mp_context=processes.SpawnContext()
    )
    tasks = [pool.submit(len, bytes(200_000)) for _ in range(20)]
    for child in multiprocessing.active_children():
        child.kill()
    with pytest.raises(concurrent.futures.BrokenExecutor):
        tasks[-1].result(timeout=60)
    processes.shut_down(pool)
