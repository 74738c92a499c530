"""An exported network, and a run served by REST and gRPC."""

import pytest

from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.serving import retries, signatures
from tests.support import serving_stub
from tests.support.served_run import N_SITES, serve, tiny_run
from tests.support.signature_inputs import ENCODING
from tests.support.small_models import trained_model
from tests.support.small_runs import make_sites, write_table


@pytest.fixture(autouse=True)
def _loopback_without_waiting(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(retries, "BACK_OFF", 0.01)


@pytest.fixture(scope="session")
def tiny():
    """A run of a network that reads both views."""
    return tiny_run("cnn-only")


@pytest.fixture(scope="session")
def served(tiny, tmp_path_factory):
    """The stub of `tiny`, and its URL by protocol."""
    stub = serve(tiny, tmp_path_factory.mktemp("serving") / "QKI")
    with serving_stub.urls(stub) as urls:
        yield stub, urls


@pytest.fixture
def stub(served):
    stub, _urls = served
    stub.faults.clear()
    stub.batches.clear()
    stub.n_at_once = 0
    return stub


@pytest.fixture
def rest_url(served):
    return served[1]["REST"]


@pytest.fixture
def grpc_url(served):
    return served[1]["gRPC"]


@pytest.fixture(params=["REST", "gRPC"])
def url(served, request):
    return served[1][request.param]


@pytest.fixture
def pool():
    with FoldingPool(workers=1) as pool:
        yield pool


@pytest.fixture(scope="session")
def sites(tmp_path_factory):
    path = tmp_path_factory.mktemp("sites") / "sites.tsv"
    return write_table(path, make_sites(N_SITES, seed=2))


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """Directory of the SavedModel of the network that reads both views."""
    directory = tmp_path_factory.mktemp("exported") / "1"
    signatures.save(trained_model("paper"), ENCODING, directory)
    return directory
