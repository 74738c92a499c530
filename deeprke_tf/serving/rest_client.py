"""Client of TF Serving's REST API. The only import of requests."""

import concurrent.futures
import json
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from deeprke_tf.errors import UserError
from deeprke_tf.serving.answers import (
    LARGEST_ANSWER,
    RBPS_SIGNATURE,
    SIGNATURE,
    Inputs,
    matched_url,
    shorten,
    too_large,
)
from deeprke_tf.serving.protocol import RequestSettings
from deeprke_tf.serving.retries import TransientError, with_retries

_URL = re.compile(
    r"(?P<model>https?://[^/@]+(/[^?#]*)?/v1/models/[^/:?#]+)"
    r"(?P<version>/(versions/[0-9]+|labels/[^/:?#]+))?/?"
)
_BUSY = (429, 503, 504)
_LATE = "no answer in {:g} s"
_TIMEOUTS = (requests.exceptions.Timeout, urllib3.exceptions.ReadTimeoutError)


class RestClient:
    """A model behind TF Serving's REST API; see `client.Client`.

    A request is sent again if the connection is refused or breaks, if the whole answer
    does not arrive in time, or if the server says that it is busy.

    Args:
      url: URL of the model, such as http://host:8501/v1/models/NAME.
      settings: Timeout, number of tries, requests at once.

    Raises:
      UserError: `url` does not have this form.
    """

    def __init__(self, url: str, settings: RequestSettings):
        expected = "http://host:8501/v1/models/NAME or grpc://host:8500/NAME"
        parts = matched_url(url, _URL, expected)
        self._model = parts["model"]
        self._url = self._model + (parts["version"] or "")
        self._settings = settings
        self._session = requests.Session()
        adapter = HTTPAdapter(pool_maxsize=settings.requests_at_once)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def describe(self) -> tuple[int, Any]:
        """Returns the version, used from here on, and the signatures by name."""
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

    def ask(
        self, inputs: Inputs, outputs: Sequence[str], n_rbps: int = 1
    ) -> dict[str, Any]:
        """Returns the named outputs for a batch, as nested lists."""
        return self._predicted(SIGNATURE, inputs, outputs)

    def ask_names(self) -> Any:
        """Returns the names of the RBPs of a joint model, in a list of one list."""
        return self._predicted(RBPS_SIGNATURE, {"any": [""]}, ["rbp"])["rbp"]

    def _predicted(
        self, signature: str, inputs: Inputs, outputs: Sequence[str]
    ) -> dict[str, Any]:
        url = f"{self._url}:predict"
        body = {"signature_name": signature, "inputs": inputs}
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
        """Closes all connections."""
        self._session.close()

    def _answer(self, method: str, url: str, body: Any = None) -> Any:
        def send() -> bytes:
            return _within(
                self._settings.timeout, lambda: self._content(method, url, body)
            )

        content = with_retries(send, url, self._settings.tries)
        try:
            # Not response.json(): that may refuse the NaN of TF Serving.
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            text = content[:1_000].decode(errors="replace")
            raise UserError(
                f"{url} answered with invalid JSON: {shorten(text)}."
            ) from error

    def _content(self, method: str, url: str, body: Any) -> bytes:
        """Sends one request and reads its answer.

        Raises:
          TransientError: Another try may succeed.
          UserError: The server refuses the request, or sends far too much.
        """
        try:
            with self._session.request(
                method,
                url,
                json=body,
                timeout=self._settings.timeout,
                # A redirected POST would become a GET.
                allow_redirects=False,
                stream=True,
            ) as response:
                content = _read(response)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            if isinstance(error, requests.exceptions.ContentDecodingError):
                raise UserError(f"{url}: {shorten(str(error))}.") from error
            cause = _cause(error, self._settings.timeout)
            raise TransientError(f": {cause}") from error
        if response.status_code == 200:
            return content
        said = f" answered {response.status_code}: {_message(response, content)}"
        if response.status_code in _BUSY:
            raise TransientError(said)
        raise UserError(f"{url}{said}.")


def _read(response: requests.Response) -> bytes:
    """Returns the whole, decoded body of an answer.

    Raises:
      UserError: The body is larger than any answer of TF Serving.
    """
    content = bytearray()
    for chunk in response.iter_content(1 << 16):
        content += chunk
        if len(content) > LARGEST_ANSWER:
            raise too_large(response.url)
    return bytes(content)


def _within(seconds: float, send: Callable[[], bytes]) -> bytes:
    """Returns the result of `send` if it comes in time.

    The timeout of requests restarts with every byte that arrives; a server that sends
    one byte a second would never time out.

    Raises:
      TransientError: `send` takes longer. Its thread ends with its connection, or with
        this process.
    """
    answer: concurrent.futures.Future[bytes] = concurrent.futures.Future()

    def run() -> None:
        try:
            answer.set_result(send())
        except BaseException as error:  # It is raised in the thread that waits.
            answer.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return answer.result(seconds)
    except concurrent.futures.TimeoutError as error:
        raise TransientError(f": {_LATE.format(seconds)}") from error


def _cause(error: BaseException, timeout: float) -> str:
    """Returns the root cause of a failed request, in one line."""
    causes = [error]
    while True:
        inner = [arg for arg in causes[-1].args if isinstance(arg, BaseException)]
        reason = getattr(causes[-1], "reason", None)
        deeper = (reason if isinstance(reason, BaseException) else None) or (
            inner[-1] if inner else causes[-1].__cause__ or causes[-1].__context__
        )
        if deeper is None or deeper in causes:
            break
        causes.append(deeper)
    # requests names a timeout while the body is read a ConnectionError.
    if any(isinstance(cause, _TIMEOUTS) for cause in causes):
        return _LATE.format(timeout)
    reasons = [c.strerror for c in causes if isinstance(c, OSError) and c.strerror]
    return reasons[-1] if reasons else shorten(str(causes[-1])).rstrip(".")


def _message(response: requests.Response, content: bytes) -> str:
    """Returns a server's error message; TF Serving sends it as JSON."""
    try:
        text = json.loads(content)["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        text = content[:1_000].decode(errors="replace")
    return shorten(str(text)).rstrip(".") or str(response.reason)
