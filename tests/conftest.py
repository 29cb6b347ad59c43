"""For all tests: compiled programs do not pile up over a session, and a browser for those that look at pages."""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

LIMIT = 1.5 * 2**30  # bytes


def resident():
    """Bytes of memory that this process holds, or 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(autouse=True, scope="module")
def _compiled_programs_are_dropped():
    """After a module that left much behind: JAX keeps each program it compiles, several GB in a session."""
    yield
    if "jax" in sys.modules and resident() > LIMIT:
        sys.modules["jax"].clear_caches()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """With XAIJAX_NO_SKIP=1 a skipped test is a failure: where everything should be there, nothing may be left out."""
    report = yield
    if os.environ.get("XAIJAX_NO_SKIP") == "1" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.longrepr = f"{reason} (XAIJAX_NO_SKIP=1 makes it a failure)"
    return report


CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


class Browser:
    """A headless Chromium that is asked through pipes (Chrome's DevTools protocol): no server, no package."""

    def __init__(self, program, profile):
        theirs, self._to = os.pipe()
        self._from, back = os.pipe()
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        flags += ["--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"]
        # Chromium reads file 3 and writes file 4; a shell may know single digits only.
        move = "import os, sys; a, b = map(int, sys.argv[1:3]); a = os.dup(a) if a < 5 else a; b = os.dup(b) if b < 5 "
        move += "else b; os.dup2(a, 3); os.dup2(b, 4); os.execv(sys.argv[3], sys.argv[3:])"
        words = [sys.executable, "-S", "-c", move, str(theirs), str(back), program, *flags]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(words, pass_fds=(theirs, back), stdin=quiet, stdout=quiet, stderr=quiet)
        os.close(theirs)
        os.close(back)
        self._number, self._left, self.session = 0, b"", None

    def close(self):
        try:
            self.ask("Browser.close", browser=True)
            self._process.wait(10)
        except (OSError, AssertionError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._to)
        os.close(self._from)

    def ask(self, method, *, browser=False, **parameters):
        """The result of one command."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self.session and not browser:
            message["sessionId"] = self.session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            found = self._read()
            if found.get("id") == self._number:
                assert "error" not in found, found["error"]
                return found["result"]

    def _read(self):
        while b"\0" not in self._left:
            assert select.select([self._from], [], [], 60)[0], "Chromium does not answer"
            more = os.read(self._from, 1 << 16)
            assert more, "Chromium ended"
            self._left += more
        line, _, self._left = self._left.partition(b"\0")
        return json.loads(line)

    def open(self, path, *, width=1280, height=900, fragment=""):
        """Shows a page, at a width in pixels."""
        if self.session:
            self.ask("Target.closeTarget", targetId=self._target, browser=True)
            self.session = None
        self._target = self.ask("Target.createTarget", url="about:blank", browser=True)["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=self._target, flatten=True, browser=True)["sessionId"]
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.ask("Emulation.setDeviceMetricsOverride", **size)
        self.ask("Page.enable")
        self.ask("Page.navigate", url=Path(path).resolve().as_uri() + fragment)
        self.wait("document.readyState === 'complete'")

    def js(self, expression):
        """The value of a JavaScript expression; a promise is waited for."""
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, expression, seconds=10):
        """Waits until an expression is true."""
        until = time.monotonic() + seconds
        while not self.js(f"!!({expression})"):
            assert time.monotonic() < until, f"never true: {expression}"
            time.sleep(0.02)

    def press(self, key):
        """Presses a key as a user does."""
        for kind in ("keyDown", "keyUp"):
            text = {"text": key} if kind == "keyDown" and len(key) == 1 else {}
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, **text)

    def shot(self, path):
        """A screenshot of what is in the window, for people."""
        Path(path).write_bytes(base64.b64decode(self.ask("Page.captureScreenshot")["data"]))


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """A headless Chromium; tests that need one are skipped on a machine without."""
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        pytest.skip(
            f"no Chromium on this machine (looked for {', '.join(CHROMIUM)}): pages were not tried in a browser"
        )
    browser = Browser(program, tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()
