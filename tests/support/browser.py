"""A headless Chromium, driven over a pipe by its DevTools protocol."""

import contextlib
import json
import os
import shutil
import subprocess

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)
_ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--remote-debugging-pipe", "--no-first-run", "--disable-extensions"),
)


class Page:
    """A page of the browser, and what happened on it.

    Attributes:
      problems: Errors and warnings of the console, and exceptions.
      requests: URLs that were asked for.
    """

    def __init__(self, to_browser, from_browser):
        self._to, self._from = to_browser, from_browser
        self._last, self._session = 0, None
        self._buffer = b""
        self.problems, self.requests = [], []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        """Calls a method of the protocol; returns its result."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._last:
                assert "error" not in answer, answer
                return answer["result"]

    def open(self, path, query=""):
        """Loads a file, and waits until it is there."""
        self.call("Page.navigate", url=f"{path.resolve().as_uri()}?{query}".rstrip("?"))
        while self._read().get("method") != "Page.loadEventFired":
            pass

    def evaluate(self, expression, wait=False):
        """Returns the value of JavaScript; of a promise, waits for it if asked to."""
        answer = self.call(
            "Runtime.evaluate",
            **{"expression": expression, "returnByValue": True, "awaitPromise": wait},
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def resize(self, width):
        """Makes the page as wide as a screen of so many CSS pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            **{"width": width, "height": 844, "deviceScaleFactor": 1},
            mobile=width < 600,
        )

    def _read(self):
        """Returns the next message, after a note of what it tells."""
        while b"\0" not in self._buffer:
            read = os.read(self._from, 1 << 20)
            assert read, "the browser has ended"
            self._buffer += read
        text, self._buffer = self._buffer.split(b"\0", 1)
        message = json.loads(text)
        params = message.get("params", {})
        match message.get("method"):
            case "Runtime.exceptionThrown":
                self.problems.append(params["exceptionDetails"])
            case "Runtime.consoleAPICalled":
                self.problems.append(params["args"])
            case "Log.entryAdded":
                self.problems.append(params["entry"])
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
        return message


@contextlib.contextmanager
def opened_browser(profile):
    """Yields a page of a browser of its own, whose files are in `profile`."""
    (to_child, to_browser), (from_browser, from_child) = os.pipe()[:2], os.pipe()
    # The browser reads from descriptor 3 and writes to 4.
    shell = f'exec "$0" "$@" 3<&{to_child} 4>&{from_child}'
    process = subprocess.Popen(
        ["bash", "-c", shell, CHROMIUM, *_ARGUMENTS, f"--user-data-dir={profile}"],
        pass_fds=(to_child, from_child),
        stderr=subprocess.DEVNULL,
    )
    os.close(to_child)
    os.close(from_child)
    try:
        yield Page(to_browser, from_browser)
    finally:
        process.terminate()
        process.wait()
        os.close(to_browser)
        os.close(from_browser)
