"""Chromium without a window, driven through chromedriver's own protocol (W3C WebDriver); tests use it too."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *(
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        "--autoplay-policy=no-user-gesture-required",
    ),
)
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # key of an element's name in the protocol


def browser_fault() -> str:
    """Why there is no browser here; empty where there is one."""
    if not any(map(shutil.which, NAMES)):
        return "neither chromium nor google-chrome is installed"
    return "" if shutil.which("chromedriver") else "chromedriver is not installed (Debian: chromium-driver)"


class Browser:
    """One window, whose downloads go to a folder.

    Args:
        folder: for profile, log and downloads.
        flags: more flags of Chromium.
    """

    def __init__(self, folder: Path, *flags: str):
        binary = next(filter(None, map(shutil.which, NAMES)))
        self.downloads = folder / "downloads"
        self.downloads.mkdir(parents=True)
        self._log = (folder / "chromedriver.log").open("w+")
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=self._log, stderr=subprocess.STDOUT)
        try:
            self._address = f"http://127.0.0.1:{self._port(folder)}"
            options = {
                "binary": binary,
                "args": [*FLAGS, f"--user-data-dir={folder / 'profile'}", *flags],
                "prefs": {"download.default_directory": str(self.downloads)},
            }
            wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            session = self.ask("POST", "/session", capabilities={"alwaysMatch": wanted})
            self._address += f"/session/{session['sessionId']}"
        except BaseException:
            self.driver.kill()
            raise

    def close(self) -> None:
        """End browser and driver."""
        try:
            self.ask("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait()
            self._log.close()

    def open(self, path: Path) -> None:
        """Open a file from disk."""
        self.ask("POST", "/url", url=path.resolve().as_uri())

    def run(self, code: str, *args: Any) -> Any:
        """What the body of a function, which may be asynchronous, returns in the page."""
        script = f"const done = arguments[arguments.length - 1]; (async function() {{ {code} }}).apply(null, arguments)"
        script += ".then(done, error => done({error: String(error)}))"
        return self.ask("POST", "/execute/async", script=script, args=list(args))

    def wait(self, condition: str, seconds: float = 180) -> Any:
        """Wait until an expression is true in the page, and return its value."""
        end = time.monotonic() + seconds
        while not (found := self.run(f"return {condition}")):
            if time.monotonic() > end:
                raise TimeoutError(f"{condition}: not true within {seconds:g} s; log: {self.log()}")
            time.sleep(0.1)
        return found

    def element(self, selector: str) -> str:
        """Name of the first element that a CSS selector finds."""
        return self.ask("POST", "/element", using="css selector", value=selector)[ELEMENT]

    def keys(self, selector: str, text: str) -> None:
        """Type into an element; of a file input, the path of a file."""
        self.ask("POST", f"/element/{self.element(selector)}/value", text=text)

    def press(self, key: str) -> None:
        """Press and release a key in whatever has the focus."""
        actions = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        self.ask("POST", "/actions", actions=[{"type": "key", "id": "keys", "actions": actions}])

    def click(self, selector: str) -> None:
        """Click on an element."""
        self.ask("POST", f"/element/{self.element(selector)}/click")

    def size(self, width: int, height: int) -> None:
        """Give the page so many CSS pixels."""
        parameters = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.ask("POST", "/goog/cdp/execute", cmd="Emulation.setDeviceMetricsOverride", params=parameters)

    def picture(self, path: Path) -> None:
        """Write a PNG of the whole page."""
        parameters = {"captureBeyondViewport": True}
        found = self.ask("POST", "/goog/cdp/execute", cmd="Page.captureScreenshot", params=parameters)
        path.write_bytes(base64.b64decode(found["data"]))

    def log(self) -> list[str]:
        """Messages of the console since the last call."""
        return [entry["message"] for entry in self.ask("POST", "/se/log", type="browser")]

    def downloaded(self, name: str, seconds: float = 30) -> Path:
        """Path of a download, once it is complete."""
        path, end = self.downloads / name, time.monotonic() + seconds
        while not path.exists() or list(self.downloads.glob("*.crdownload")):
            if time.monotonic() > end:
                raise TimeoutError(f"{name}: not downloaded; there are {sorted(self.downloads.iterdir())}")
            time.sleep(0.05)
        return path

    def work(self) -> dict[str, tuple[float, float]]:
        """Of each process that shows pages: seconds of the processor so far, and most memory that it held, MB."""
        found, left = {}, [str(self.driver.pid)]
        for pid in left:
            process = Path("/proc") / pid
            try:
                left += [child for task in process.glob("task/*/children") for child in task.read_text().split()]
                if "--type=renderer" in (process / "cmdline").read_text():
                    # Behind the name in brackets, which may hold blanks: fields 12 and 13 are user and system time.
                    times = (process / "stat").read_text().rpartition(")")[2].split()
                    ticks = int(times[11]) + int(times[12])
                    held = re.search(r"VmHWM:\s+(\d+) kB", (process / "status").read_text())
                    found[pid] = ticks / os.sysconf("SC_CLK_TCK"), int(held[1] if held else 0) * 1024 / 1e6
            except FileNotFoundError:
                pass  # it has ended
        return found

    def ask(self, method: str, path: str, **body: Any) -> Any:
        """One request of the protocol."""
        data = json.dumps(body).encode() if method == "POST" else None
        request = urllib.request.Request(
            self._address + path, data, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()[:2000]) from None

    def _port(self, folder: Path) -> int:
        """The port that the driver chose and wrote to its log."""
        for _ in range(300):
            text = (folder / "chromedriver.log").read_text()
            if "successfully on port " in text:
                return int(text.split("successfully on port ")[1].split(".")[0])
            time.sleep(0.1)
        raise RuntimeError(f"chromedriver did not start: {text}")
