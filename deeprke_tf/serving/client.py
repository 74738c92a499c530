"""Client of a served model: sites are folded here and scored on the server.

The server is TF Serving, or one that speaks its protocols, with a model that
`deeprke export` wrote:

    http://host:8501/v1/models/QKI  REST, also https
    grpc://host:8500/QKI            gRPC, not encrypted

Both URLs may end with /versions/3 or /labels/stable. Otherwise the version that is the
newest at the start scores all sites, so that one table comes from one model. The client
sends letters to the signature `serving_default`; the server computes the k-mers.
"""

import concurrent.futures
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.rna.sites import Site, SkippedSite, skip_site
from deeprke_tf.serving.answers import (
    CALIBRATED,
    PROBABILITY,
    RBPS_SIGNATURE,
    SD,
    Inputs,
    checked,
    checked_names,
    describe_model,
)
from deeprke_tf.serving.protocol import Client, RequestSettings

NOT_SCORED = "no probability from the server"
_NOT_SCORED_DETAIL = "shorter than k, or no k-mer without N"

SITES_AT_ONCE = 2_048  # folded and sent off together


class ServedModel:
    """A model of this package on a server; a context manager.

    Attributes:
      url: URL of the model.
      version: Version that scores.
      reads_structure: Whether the model takes a dot-bracket with each sequence.
      outputs: Names of the outputs to ask for: `probability`, `calibrated_probability`
        unless the export is too old, and `probability_sd` of an ensemble.
      rbps: Of a joint model: the names of the RBPs, in the order of its outputs.

    Raises:
      UserError: The URL has another form, the server cannot be reached, or it serves a
        model that `deeprke export` did not write.
    """

    def __init__(self, url: str, settings: RequestSettings):
        self.url = url
        self._n_at_once = settings.requests_at_once
        self._client = _client(url, settings)
        self.version, signatures = self._client.describe()
        self.reads_structure, self.outputs = describe_model(signatures, url)
        self.rbps: tuple[str, ...] = ()
        if RBPS_SIGNATURE in signatures:
            self.rbps = checked_names(self._client.ask_names(), url)

    def __enter__(self) -> "ServedModel":
        return self

    def __exit__(self, *_exception: object) -> None:
        self._client.close()

    def score(
        self,
        sites: Iterable[Site | SkippedSite],
        pool: FoldingPool | None,
        batch_size: int = 256,
        rbps: Sequence[str] = (),
    ) -> Iterator["ScoredSite"]:
        """Scores sites as they come, some thousand at a time.

        The next sites are folded while the server scores.

        Args:
          sites: With any number of letters: the server finds sites shorter than k.
          pool: Folds with the settings of the training data; may be None for a model
            without structure.
          batch_size: Sites in a request; servers have a limit.
          rbps: Of a joint model, names of its RBPs; all by default.

        Yields:
          Each site in order with its probabilities, of a joint model once for each
          RBP. A site that the server cannot score becomes a skipped site; skipped sites
          have NaN.

        Raises:
          UserError: The server refuses, fails on every try, or sends no valid answer.
        """
        threads = concurrent.futures.ThreadPoolExecutor(self._n_at_once)
        stream = iter(sites)
        chunks = iter(lambda: list(itertools.islice(stream, SITES_AT_ONCE)), [])
        asked = (self._ask(chunk, pool, batch_size, threads) for chunk in chunks)
        try:
            n_rbps = len(self.rbps) or 1
            scored = itertools.chain.from_iterable(
                _scored(some, n_rbps) for some in _one_ahead(asked)
            )
            names = rbps or self.rbps
            outputs = [(name, self.rbps.index(name)) for name in names] or [("", 0)]
            for row, (site, answers) in enumerate(scored, start=1):
                if isinstance(site, Site) and math.isnan(answers[0][0]):
                    site = skip_site(site.name, row, NOT_SCORED, _NOT_SCORED_DETAIL)
                for rbp, place in outputs:
                    yield ScoredSite(site, *answers[place], rbp)
        finally:
            threads.shutdown(cancel_futures=True)

    def _ask(
        self,
        sites: list[Site | SkippedSite],
        pool: FoldingPool | None,
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

    def _inputs(self, sites: list[Site], pool: FoldingPool | None) -> Inputs:
        inputs = {"sequence": [site.sequence for site in sites]}
        if self.reads_structure:
            if pool is None:
                raise ValueError("The model reads structure: it needs a folding pool.")
            inputs["dot_bracket"] = pool.structures_of(sites)
        return inputs

    def _probabilities(self, inputs: Inputs) -> list["Answers"]:
        """Returns the probabilities of a batch, site by site."""
        n_sites, n_rbps = len(inputs["sequence"]), len(self.rbps) or 1
        answer = self._client.ask(inputs, self.outputs, n_rbps)
        unknown = [[math.nan] * n_rbps] * n_sites
        outputs = [
            checked(answer[name], n_sites, self.url, n_rbps)
            if name in self.outputs
            else unknown
            for name in (PROBABILITY, CALIBRATED, SD)
        ]
        return [
            list(zip(*of_site, strict=True))
            for of_site in zip(outputs[0], outputs[1], outputs[2], strict=True)
        ]


# The probabilities of a `ScoredSite` for each RBP.
Answers: TypeAlias = list[tuple[float, float, float]]


class ScoredSite(NamedTuple):
    """A site and its probabilities from the server.

    Attributes:
      site: The site, or why it was skipped.
      probability: In [0, 1]; NaN for a skipped site.
      calibrated_probability: In [0, 1]; NaN also where the model lacks this output.
      probability_sd: At least 0; NaN also where the model is no ensemble.
      rbp: Of a joint model, the RBP; else empty.
    """

    site: Site | SkippedSite
    probability: float
    calibrated_probability: float = math.nan
    probability_sd: float = math.nan
    rbp: str = ""


class _Asked(NamedTuple):
    """Sites, and the requests under way for them.

    Attributes:
      sites: Sites in the order of the input.
      requests: For each request the indices in `sites` and the future outputs.
    """

    sites: list[Site | SkippedSite]
    requests: list[tuple[list[int], concurrent.futures.Future[list[Answers]]]]


def _scored(asked: _Asked, n_rbps: int) -> Iterator[tuple[Site | SkippedSite, Answers]]:
    """Yields sites with their outputs; NaN for skipped sites."""
    unknown = [(math.nan, math.nan, math.nan)] * n_rbps
    answers: list[Answers] = [unknown] * len(asked.sites)
    for places, future in asked.requests:
        for place, answer in zip(places, future.result(), strict=True):
            answers[place] = answer
    yield from zip(asked.sites, answers, strict=True)


def _one_ahead(items: Iterable[_Asked]) -> Iterator[_Asked]:
    """Yields each item once the next one has been made."""
    waiting: list[_Asked] = []
    for item in items:
        yield from waiting
        waiting = [item]
    yield from waiting


def _client(url: str, settings: RequestSettings) -> Client:
    """Returns a client for the protocol of the URL."""
    if url.startswith("grpc://"):
        from deeprke_tf.system import tensorflow

        tensorflow.import_tensorflow()
        from deeprke_tf.serving.grpc_client import GrpcClient

        return GrpcClient(url, settings)
    from deeprke_tf.serving.rest_client import RestClient

    return RestClient(url, settings)
