"""What all tests have in common."""

import gc
import os
import pathlib
import sys

import pytest

# Before a test imports TensorFlow: it settles how TensorFlow computes, and tests that
# compare with other processes would not find the same bits.
import deeprke_tf  # noqa: F401

if "PYTEST_XDIST_WORKER" in os.environ:
    # Tests run beside each other: threads of TensorFlow's and NumPy's would be in their
    # way, all the more as those of NumPy's wait by turning.
    for name in ("TF_NUM_INTRAOP_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")

# A network leaves objects by the ten thousand: collecting garbage as often as Python
# does would be a tenth of all the time.
gc.set_threshold(100_000, 20, 20)

# Doctests import it before a test asks for it.
pytest.register_assert_rewrite(
    *("tests.support.beam", "tests.support.benchmark_fixtures"),
    "tests.support.run_fixtures",
)


def pytest_xdist_auto_num_workers():
    """One process more than there are cores, as some tests wait for other processes."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) + 1
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session", autouse=True)
def fold_cache_of_the_session(tmp_path_factory):
    """Tests fold into a cache of their own: the user's is never read or filled."""
    directory = tmp_path_factory.mktemp("fold_cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPRKE_CACHE", str(directory))
        yield directory


@pytest.fixture(scope="session", autouse=True)
def models_of_the_session(tmp_path_factory):
    """Tests have models of their own: the user's are never read, added or removed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPRKE_MODELS", str(tmp_path_factory.mktemp("models")))
        yield


@pytest.fixture(scope="session", autouse=True)
def graphs_are_run_as_traced():
    """Leaves out TensorFlow's graph optimization, which takes longer than it saves."""
    # Where no test file imports TensorFlow, it is not imported for this.
    if "tensorflow" in sys.modules:
        from tests.support.fresh_processes import run_graphs_as_traced

        run_graphs_as_traced()


@pytest.fixture(scope="session", autouse=True)
def modules_are_no_garbage():
    """Takes what was imported out of what each collection of garbage looks through.

    Keras collects after each of several trainings: for seconds, without this.
    """
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def networks_are_loaded_once():
    """Loads and compiles the network of a run once for all tests of a process."""
    if "tensorflow" not in sys.modules:
        yield
        return
    from tests.support.loaded_networks import loaded_once

    with loaded_once():
        yield


class Figures:
    """Whether figures are drawn: for tests marked `draws` and their fixtures."""

    are_drawn = False


@pytest.fixture(scope="session", autouse=True)
def figures_are_empty():
    """Leaves the drawing of figures out where no test marked `draws` looks at them.

    It would take as long as the training of a small network.
    """
    from matplotlib.figure import Figure

    draw = Figure.savefig

    def savefig(figure, path, **settings):
        if Figures.are_drawn:
            draw(figure, path, **settings)
        else:
            pathlib.Path(path).touch()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", savefig)
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    # Before fixtures of modules, which are made for the first test that needs them.
    Figures.are_drawn = "draws" in item.keywords


def pytest_collection_modifyitems(items):
    """Puts files with slow tests first: no process waits for the last of them."""
    slow = {item.path for item in items if "slow" in item.keywords}
    items.sort(key=lambda item: item.path not in slow)
