"""Asks a server for probabilities: sites are read and folded here, scored there.

The server is TF Serving, or what speaks as it does, with a model of `deeprke export`:

    http://host:8501/v1/models/QKI  REST, also https
    grpc://host:8500/QKI            gRPC, not encrypted

Both may go on with /versions/3 or /labels/stable. Without, the newest version when work
begins scores all of it: one table is of one model. Letters are sent, to the signature
`serving_default`; what k-mers are is the server's own business.
"""

import concurrent.futures
import dataclasses
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from deeprke_tf.errors import UserError
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.rna.sites import Site, SkippedSite, skip_site
from deeprke_tf.serving.answers import (
    CALIBRATED,
    PROBABILITY,
    SD,
    Inputs,
    checked,
    describe_model,
)

BACK_OFF = 0.5  # seconds; doubles from one try to the next
LONGEST_BACK_OFF = 30.0  # seconds

NOT_SCORED = "no probability from the server"
_NOT_SCORED_DETAIL = "shorter than k, or no k-mer without N"

_SITES_AT_ONCE = 2_048


@dataclasses.dataclass(frozen=True)
class RequestSettings:
    """How a server is asked."""

    timeout: float = 60.0
    """Seconds to wait for an answer of --server."""
    tries: int = 5
    """Times to send a request while the server is away or busy, waiting in between."""
    requests_at_once: int = 4
    """Requests under way at the same time."""

    def __post_init__(self):
        if not 0 < self.timeout < math.inf:
            raise UserError(f"timeout must be above 0 seconds, got {self.timeout:g}.")
        for name in ("tries", "requests_at_once"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} must be at least 1.")


class Client(Protocol):
    """One served model, asked in one protocol, from several threads if wanted.

    Both methods raise a `UserError` that says what the server answered.
    """

    def describe(self) -> tuple[int, Any]:
        """Returns the version, asked from here on, and the signatures by name.

        Signatures are as SignatureDef messages are in JSON.
        """

    def ask(self, inputs: Inputs, outputs: Sequence[str]) -> dict[str, Any]:
        """Returns the outputs of these names for a batch, as nested lists."""

    def close(self) -> None:
        """Ends all connections."""


class ServedModel:
    """A model of this package on a server; a context manager.

    Attributes:
      url: As given.
      version: The version that scores.
      reads_structure: Whether it wants a dot-bracket with each sequence.
      outputs: What it is asked for: `probability`; `calibrated_probability`, but for an
        export of a version of this package that had none; `probability_sd` of an
        ensemble.

    Raises:
      UserError: `url` is not of a form of this module, the server cannot be reached, or
        what it serves is not a model of `deeprke export`.
    """

    def __init__(self, url: str, settings: RequestSettings):
        self.url = url
        self._n_at_once = settings.requests_at_once
        self._client = _client(url, settings)
        self.version, signatures = self._client.describe()
        self.reads_structure, self.outputs = describe_model(signatures, url)

    def __enter__(self) -> "ServedModel":
        return self

    def __exit__(self, *_exception: object) -> None:
        self._client.close()

    def score(
        self,
        sites: Iterable[Site | SkippedSite],
        pool: FoldingPool,
        batch_size: int = 256,
    ) -> Iterator["ScoredSite"]:
        """Scores sites as they come, some thousand at a time.

        While the server scores some, the next are folded.

        Args:
          sites: From `readers.SitesFile(path, k=1, labelled=False)`, or made.
          pool: Folds as the training data of the model were folded; not used for a
            model without structure.
          batch_size: Sites in a request; servers have a limit.

        Yields:
          Each site in order with its probabilities; NaN with a skipped site, which it
          becomes if the server has no probability for it.

        Raises:
          UserError: The server refuses, fails for too long or answers nonsense.
        """
        threads = concurrent.futures.ThreadPoolExecutor(self._n_at_once)
        stream = iter(sites)
        chunks = iter(lambda: list(itertools.islice(stream, _SITES_AT_ONCE)), [])
        asked = (self._ask(chunk, pool, batch_size, threads) for chunk in chunks)
        try:
            scored = itertools.chain.from_iterable(map(_scored, _one_ahead(asked)))
            for row, (site, answer) in enumerate(scored, start=1):
                if isinstance(site, Site) and math.isnan(answer[0]):
                    site = skip_site(site.name, row, NOT_SCORED, _NOT_SCORED_DETAIL)
                yield ScoredSite(site, *answer)
        finally:
            threads.shutdown(cancel_futures=True)

    def _ask(
        self,
        sites: list[Site | SkippedSite],
        pool: FoldingPool,
        batch_size: int,
        threads: concurrent.futures.Executor,
    ) -> "_Asked":
        """Folds sites and sends them off, batched by length: the server pads."""
        numbered = enumerate(sites)
        usable = [(i, site) for i, site in numbered if isinstance(site, Site)]
        usable.sort(key=lambda item: len(item[1].sequence))
        places = [place for place, _site in usable]
        inputs = self._inputs([site for _place, site in usable], pool)
        requests = []
        for start in range(0, len(places), batch_size):
            end = start + batch_size
            batch = {name: values[start:end] for name, values in inputs.items()}
            future = threads.submit(self._probabilities, batch)
            requests.append((places[start:end], future))
        return _Asked(sites, requests)

    def _inputs(self, sites: list[Site], pool: FoldingPool) -> Inputs:
        inputs = {"sequence": [site.sequence for site in sites]}
        if self.reads_structure:
            folds = pool.structures(s.sequence for s in sites if not s.dot_bracket)
            inputs["dot_bracket"] = [
                site.dot_bracket or folds[site.sequence] for site in sites
            ]
        return inputs

    def _probabilities(self, inputs: Inputs) -> list[tuple[float, ...]]:
        """Returns what a `ScoredSite` has, of each site; NaN for a row that is none."""
        n_sites = len(inputs["sequence"])
        answer = self._client.ask(inputs, self.outputs)
        unknown = [math.nan] * n_sites
        columns = [
            checked(answer[name], n_sites, self.url)
            if name in self.outputs
            else unknown
            for name in (PROBABILITY, CALIBRATED, SD)
        ]
        return list(zip(*columns, strict=True))


class ScoredSite(NamedTuple):
    """A site and what the server says of it.

    Attributes:
      site: A skipped one has NaN.
      probability: In [0, 1].
      calibrated_probability: In [0, 1]; NaN too where the model has no such output.
      probability_sd: The same.
    """

    site: Site | SkippedSite
    probability: float
    calibrated_probability: float = math.nan
    probability_sd: float = math.nan


class _Asked(NamedTuple):
    """Sites, and requests for the probabilities of those that are not skipped.

    Attributes:
      sites: In the order of the input.
      requests: Places in `sites`, and their outputs to come.
    """

    sites: list[Site | SkippedSite]
    requests: list[tuple[list[int], concurrent.futures.Future[list[tuple[float, ...]]]]]


def _scored(
    asked: _Asked,
) -> Iterator[tuple[Site | SkippedSite, tuple[float, ...]]]:
    """Yields sites with their outputs; NaN where there is none."""
    answers: list[tuple[float, ...]] = [(math.nan,)] * len(asked.sites)
    for places, future in asked.requests:
        for place, answer in zip(places, future.result(), strict=True):
            answers[place] = answer
    yield from zip(asked.sites, answers, strict=True)


def _one_ahead(items: Iterable[_Asked]) -> Iterator[_Asked]:
    """Yields each item when the one after it has been made."""
    waiting: list[_Asked] = []
    for item in items:
        yield from waiting
        waiting = [item]
    yield from waiting


def _client(url: str, settings: RequestSettings) -> Client:
    """Returns the client of the URL's protocol."""
    if url.startswith("grpc://"):
        from deeprke_tf.system import tensorflow

        tensorflow.import_tensorflow()
        from deeprke_tf.serving.grpc_client import GrpcClient

        return GrpcClient(url, settings)
    from deeprke_tf.serving.rest_client import RestClient

    return RestClient(url, settings)
