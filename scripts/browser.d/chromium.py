# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium that is driven over a pipe by its DevTools protocol. Needs Python's own library alone."""

import base64
import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
import time


class BrowserError(Exception):
    """The browser, or a script in the page, has failed."""


class Chromium:
    """One browser process."""

    def __init__(self, program="chromium"):
        self.profile = tempfile.mkdtemp(prefix="bulkhead-browser-")
        to_browser, from_us = os.pipe()
        from_browser, to_us = os.pipe()
        flags = [
            "--headless=new", "--remote-debugging-pipe", f"--user-data-dir={self.profile}", "--no-first-run",
            "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions", "--disable-background-networking",
            "--disable-component-update", "--force-color-profile=srgb", "--hide-scrollbars",
        ]
        if os.geteuid() == 0:
            flags.append("--no-sandbox")
        # The protocol's descriptors are 3 and 4.
        shell = f'exec "$@" 3<&{to_browser} 4>&{to_us}'
        self.process = subprocess.Popen(
            ["bash", "-c", shell, "_", program, *flags], pass_fds=(to_browser, to_us), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(to_us)
        self.output = os.fdopen(from_us, "wb", buffering=0)
        self.input = os.fdopen(from_browser, "rb", buffering=0)
        self.messages = queue.Queue()
        self.pages = {}
        self.number = 0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        part = b""
        while chunk := self.input.read(1 << 16):
            *whole, part = (part + chunk).split(b"\0")
            for message in whole:
                self.messages.put(json.loads(message))
        self.messages.put(None)

    def call(self, method, session=None, seconds=120, **parameters):
        """The answer to a call. Events that come meanwhile go to their pages."""
        self.number += 1
        number = self.number
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        self.output.write(json.dumps(message).encode() + b"\0")
        end = time.monotonic() + seconds
        while True:
            answer = self._next(end)
            if answer is None:
                raise BrowserError(f"no answer to {method} within {seconds} s")
            if answer.get("id") == number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def _next(self, end):
        """The next message; None at the end of the time."""
        try:
            message = self.messages.get(timeout=max(end - time.monotonic(), 0.001))
        except queue.Empty:
            return None
        if message is None:
            raise BrowserError("chromium has ended")
        if "method" in message and message.get("sessionId") in self.pages:
            self.pages[message["sessionId"]].event(message["method"], message["params"])
        return message

    def close(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)


class Page:
    """One tab. It keeps what a quiet page must not do."""

    KEYS = {"Tab": (9, ""), "Enter": (13, "\r"), "Space": (32, " ")}

    def __init__(self, browser, path, width, scheme, height=844):
        self.browser = browser
        self.complaints = []
        self.path = path
        # Seconds that a condition may take: many, because the machine may be slow, and none is lost if it is not.
        self.patience = 60
        self.url = "file://" + os.path.abspath(path)
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.target = target
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        browser.pages[self.session] = self
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 640)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"}])
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)
        began = time.monotonic()
        self.call("Page.navigate", url=self.url)
        self.wait("document.readyState === 'complete' && document.body.dataset.ready === 'yes'", "the page is drawn")
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        self.seconds = time.monotonic() - began

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def event(self, method, parameters):
        match method:
            case "Runtime.exceptionThrown":
                details = parameters["exceptionDetails"]
                text = details.get("exception", {}).get("description", details["text"])
                self.complaints.append(f"script error: {text}")
            case "Runtime.consoleAPICalled" if parameters["type"] in ("error", "assert", "warning"):
                self.complaints.append(f"console: {parameters['args']}")
            case "Log.entryAdded" if parameters["entry"]["level"] in ("error", "warning"):
                self.complaints.append(f"browser: {parameters['entry']['text']}")
            case "Page.javascriptDialogOpening":
                self.complaints.append(f"dialog: {parameters['message']}")
                # Sent without waiting for the answer: the call under way is waiting for it.
                message = {"id": 0, "sessionId": self.session, "method": "Page.handleJavaScriptDialog",
                           "params": {"accept": False}}
                self.browser.output.write(json.dumps(message).encode() + b"\0")
            case "Network.requestWillBeSent" if parameters["request"]["url"].split("#")[0] != self.url:
                self.complaints.append(f"request: {parameters['request']['url']}")
            case "Page.frameAttached" | "Page.windowOpen":
                self.complaints.append(f"{method}: {parameters}")

    def run(self, expression):
        """The value of a JavaScript expression; a promise is waited for."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            text = details.get("exception", {}).get("description", details["text"])
            raise BrowserError(f"{expression[:200]}: {text}")
        return answer["result"].get("value")

    def wait(self, condition, what):
        end = time.monotonic() + self.patience
        while not self.run(f"Boolean({condition})"):
            if time.monotonic() > end:
                raise BrowserError(f"not within {self.patience} s: {what} ({condition})")
            time.sleep(0.02)

    def click(self, element):
        """Clicks the middle of an element, given as an expression, as a mouse does."""
        place = self.run(f"""(() => {{
          const e = {element};
          if (!e) return null;
          e.scrollIntoView({{block: 'center', inline: 'center'}});
          const r = e.getClientRects()[0];
          return r ? [r.x + r.width / 2, r.y + r.height / 2] : null;
        }})()""")
        if place is None:
            raise BrowserError(f"nothing to click: {element}")
        self.click_at(*place)

    def click_at(self, x, y):
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key):
        code, text = self.KEYS[key]
        name = " " if key == "Space" else key
        common = {"key": name, "code": key, "windowsVirtualKeyCode": code}
        down = {"type": "keyDown", "text": text} if text else {"type": "rawKeyDown"}
        self.call("Input.dispatchKeyEvent", **down, **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def write(self, text):
        self.call("Input.insertText", text=text)

    def screenshot(self, path):
        """What is above the fold, and further down to a limit."""
        size = self.run("[innerWidth, Math.min(document.documentElement.scrollHeight, 6000)]")
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True,
                           clip={"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1})
        with open(path, "wb") as file:
            file.write(base64.b64decode(answer["data"]))

    def print_to(self, path):
        answer = self.call("Page.printToPDF", printBackground=False, preferCSSPageSize=True)
        with open(path, "wb") as file:
            file.write(base64.b64decode(answer["data"]))

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)
        self.browser.pages.pop(self.session)
