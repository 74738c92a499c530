"""Asks TF Serving over REST. The only import of requests."""

import json
import logging
import re
from collections.abc import Sequence
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from deeprke_tf.errors import UserError
from deeprke_tf.serving import client
from deeprke_tf.serving.answers import SIGNATURE, Inputs, matched_url, shorten, tried
from deeprke_tf.serving.client import RequestSettings

_URL = re.compile(
    r"(?P<model>https?://[^/@]+(/[^?#]*)?/v1/models/[^/:?#]+)"
    r"(?P<version>/(versions/\d+|labels/[^/:?#]+))?/?"
)
_BUSY = (429, 503, 504)


class RestClient:
    """A model behind TF Serving's REST API; see `serving_client.Client`.

    Connections that are refused or break, answers that do not come in time, and those
    that say that the server is busy are tried again.

    Args:
      url: Of the model, as http://host:8501/v1/models/NAME.
      settings: How to ask.

    Raises:
      UserError: `url` is not of this form.
    """

    def __init__(self, url: str, settings: RequestSettings):
        expected = "http://host:8501/v1/models/NAME or grpc://host:8500/NAME"
        parts = matched_url(url, _URL, expected)
        self._model = parts["model"]
        self._url = self._model + (parts["version"] or "")
        self._settings = settings
        self._session = requests.Session()
        retry = urllib3.Retry(
            settings.tries - 1,
            allowed_methods=None,  # POST too: to score twice does no harm.
            status_forcelist=_BUSY,
            backoff_factor=client.BACK_OFF,
            backoff_max=client.LONGEST_BACK_OFF,
            backoff_jitter=client.BACK_OFF,
            # It may say hours.
            respect_retry_after_header=False,
            raise_on_status=False,
        )
        # It would print each try; what the last one said is in the error.
        logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
        adapter = HTTPAdapter(pool_maxsize=settings.requests_at_once, max_retries=retry)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def describe(self) -> tuple[int, Any]:
        """Returns the version, asked from here on, and the signatures by name."""
        url = f"{self._url}/metadata"
        answer = self._answer("GET", url)
        try:
            version = int(answer["model_spec"]["version"])
            signatures = answer["metadata"]["signature_def"]["signature_def"]
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{url} did not answer as TF Serving does: {shorten(str(answer))}."
            ) from error
        self._url = f"{self._model}/versions/{version}"
        return version, signatures

    def ask(self, inputs: Inputs, outputs: Sequence[str]) -> dict[str, Any]:
        """Returns the outputs of these names for a batch, as nested lists."""
        url = f"{self._url}:predict"
        body = {"signature_name": SIGNATURE, "inputs": inputs}
        answer = self._answer("POST", url, body)
        found = answer.get("outputs") if isinstance(answer, dict) else None
        if isinstance(found, list) and len(outputs) == 1:
            # TF Serving leaves out the name of an only output.
            found = {outputs[0]: found}
        by_name = found if isinstance(found, dict) else {}
        for name in outputs:
            if name not in by_name:
                raise UserError(
                    f"{url} answered without the output {name}: {shorten(str(answer))}."
                )
        return by_name

    def close(self) -> None:
        """Ends all connections."""
        self._session.close()

    def _answer(self, method: str, url: str, body: Any = None) -> Any:
        try:
            response = self._session.request(
                method,
                url,
                json=body,
                timeout=self._settings.timeout,
                # A POST would be followed by a GET.
                allow_redirects=False,
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise UserError(f"{url}: {self._cause(error)}.") from error
        status = response.status_code
        if status != 200:
            times = self._tried if status in _BUSY else ""
            raise UserError(f"{url} answered {status}: {_message(response)}{times}.")
        try:
            # Not response.json(): that may refuse the NaN of TF Serving.
            return json.loads(response.content)
        except ValueError as error:
            raise UserError(
                f"{url} answered what is not JSON: {shorten(response.text)}."
            ) from error

    @property
    def _tried(self) -> str:
        return tried(self._settings.tries)

    def _cause(self, error: Exception) -> str:
        """Returns why there is no answer, without the wrappings of the libraries."""
        wrapped = error.args[0] if error.args else None
        if not isinstance(wrapped, urllib3.exceptions.MaxRetryError):
            return shorten(str(error))
        reason: BaseException = wrapped.reason or wrapped
        if isinstance(reason, urllib3.exceptions.ReadTimeoutError):
            return f"no answer in {self._settings.timeout:g} s{self._tried}"
        causes = [reason, *(arg for arg in reason.args if isinstance(arg, OSError))]
        while deeper := causes[-1].__cause__ or causes[-1].__context__:
            causes.append(deeper)
        told = [c.strerror for c in causes if isinstance(c, OSError) and c.strerror]
        return f"{told[-1] if told else shorten(str(causes[-1]))}{self._tried}"


def _message(response: requests.Response) -> str:
    """Returns what a server says of an error; TF Serving says it in JSON."""
    try:
        text = json.loads(response.content)["error"]
    except (ValueError, KeyError, TypeError):
        text = response.text
    return shorten(str(text)).rstrip(".") or str(response.reason)
