"""A headless Chromium, driven by the DevTools protocol: sizes, dark mode, print, and what the console said."""

from __future__ import annotations

import base64
import itertools
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import websocket

from tests.servers import process, programs, used

FLAGS = (
    "--headless=new", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic", "--disable-dev-shm-usage",
)  # fmt: skip


class Browser:
    """One tab. ``said``: what the console and the browser's own log said since the page was opened."""

    def __init__(self, folder: Path) -> None:
        program = programs.found("chromium")
        data = Path(tempfile.mkdtemp(dir=folder))
        root = ("--no-sandbox",) if os.getuid() == 0 else ()
        argv = [program.path, *FLAGS, *root, "--remote-debugging-port=0", f"--user-data-dir={data}", "about:blank"]
        self.server = process.start("chromium", argv, folder / "chromium.log")
        port = data / "DevToolsActivePort"
        self.server.wait_ready(lambda: port.exists() and len(port.read_text().splitlines()) == 2)
        used.note("chromium", program.version)
        number, path = port.read_text().splitlines()
        self._socket = websocket.create_connection(
            f"ws://127.0.0.1:{number}{path}", timeout=60, suppress_origin=True, http_no_proxy=["127.0.0.1"]
        )
        self._ids = itertools.count(1)
        self._session = ""
        self.said: list[str] = []
        target = next(t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.asked: list[str] = []

    def call(self, method: str, **params: Any) -> Any:
        """One command; events that come meanwhile are kept."""
        number = next(self._ids)
        message = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]
            self._event(answer)

    def _event(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        if event.get("method") == "Runtime.consoleAPICalled":
            self.said.append(str(params["args"]))
        elif event.get("method") == "Runtime.exceptionThrown":
            self.said.append(str(params["exceptionDetails"]))
        elif event.get("method") == "Log.entryAdded":
            self.said.append(params["entry"]["text"])
        elif event.get("method") == "Network.requestWillBeSent":
            self.asked.append(params["request"]["url"])

    def open(
        self, page: Path, *, width: int = 1000, height: int = 900, dark: bool = False, paper: bool = False
    ) -> None:
        """Show a file as on a screen of that size, or as on paper."""
        self.said, self.asked = [], []
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media="print" if paper else "screen", features=[scheme])
        self.call("Page.navigate", url=page.as_uri())
        until = time.monotonic() + 60
        while self.run("document.readyState") != "complete" or self.run("location.href") != page.as_uri():
            assert time.monotonic() < until
            time.sleep(0.05)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def picture(self, file: Path) -> bytes:
        """The whole page as a PNG."""
        data = base64.b64decode(self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"])
        file.write_bytes(data)
        return data

    def pdf(self) -> bytes:
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])

    def close(self) -> None:
        self._socket.close()
        self.server.stop()
