"""Browsers whose own developer tools record a page and export the HAR."""

import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import httpx
from playwright.sync_api import Error as PlaywrightError

from conformance import processes
from conformance.browsers import Installed, find
from conformance.browsers.environment import without_proxies
from conformance.browsers.playwright_engines import PLAYWRIGHT, _launch
from conformance.browsers.webkit import _screen
from conformance.targets.process import free_port

SECONDS = 60.0
"""Time for a browser to start, and for a request to be listed."""


class PageLeft(Exception):
    """A script did not end, because its page was left."""


class Tools(Protocol):
    """A page, and the Network panel that records it."""

    def goto(self, url: str) -> None:
        """Open a page."""

    def run(self, script: str) -> Any:
        """Run the body of an async function in the page, and return its result. Raises PageLeft."""

    def export(self, last: str) -> str:
        """Return the HAR as the panel's menu item writes it, once a URL with this end has its answer there.

        Firefox is not asked before: it keeps what it then knows of a request, without status or body.
        WebKit exports only requests that have ended.
        """


def wait_until(condition: Callable[[], bool]) -> None:
    """Ask until a condition is true. Raises TimeoutError."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not true after {SECONDS:g} s")
        time.sleep(0.05)


# The module of the Network panel, of which the frontend has one instance, and the writer of its menu items.
_OPEN_PANEL = """async () => {
    const { TargetManager } = await import('/devtools/core/sdk/sdk.js');
    const { NetworkPanel } = await import('/devtools/panels/network/network.js');
    const { Writer } = await import('/devtools/models/har/har.js');
    while (!TargetManager.TargetManager.instance().primaryPageTarget()?.inspectedURL())
        await new Promise((done) => setTimeout(done, 20));
    const panel = NetworkPanel.NetworkPanel.instance();
    panel.preserveLogSetting.set(true);
    globalThis.listed = () => panel.networkLogView.harRequests();
    globalThis.save = async () => {
        const parts = [];
        const file = { write: async (text) => parts.push(text) };
        await Writer.Writer.write(file, listed(), { sanitize: false }, {});
        return parts.join('');
    };
}"""


class _ChromiumTools:
    def __init__(self, page: Any, frontend: Any) -> None:
        self._page, self._frontend = page, frontend

    def goto(self, url: str) -> None:
        self._page.goto(url)

    def run(self, script: str) -> Any:
        try:
            return self._page.evaluate(f"async () => {{ {script} }}")
        except PlaywrightError as error:
            if "context was destroyed" in error.message:
                raise PageLeft(script) from error
            raise

    def export(self, last: str) -> str:
        self._frontend.wait_for_function(
            "(end) => listed().some((each) => each.url().endsWith(end))", arg=last
        )
        har: str = self._frontend.evaluate("save()")
        return har


@contextmanager
def chromium_tools(installed: Installed) -> Iterator[Tools]:
    """Run Chromium, with its DevTools for a first tab open in a second one."""
    port = free_port()
    options = dict(_launch(installed, frozen_pages=False))
    options["args"] = [*options["args"], f"--remote-debugging-port={port}", "--remote-allow-origins=*"]
    with PLAYWRIGHT as playwright:
        browser = playwright.chromium.launch(**options)
        page, frontend = browser.new_context().new_page(), browser.new_context().new_page()
        target = page.context.new_cdp_session(page).send("Target.getTargetInfo")["targetInfo"]["targetId"]
        address = f"127.0.0.1:{port}/devtools"
        frontend.goto(f"http://{address}/inspector.html?ws={address}/page/{target}")
        frontend.evaluate(_OPEN_PANEL)
        yield _ChromiumTools(page, frontend)
        browser.close()


_FIREFOX_ARGUMENTS = ("--headless", "--no-remote", "--marionette", "--remote-allow-system-access")
_PREFERENCES = {
    "marionette.port": 0,  # Any; the file MarionetteActivePort of the profile has it.
    "devtools.netmonitor.persistlog": True,
    # Without start page, next page and remote settings it starts in less time.
    "app.normandy.enabled": False,
    "browser.newtab.preload": False,
    "browser.startup.homepage": "about:blank",
    "browser.startup.homepage_override.mstone": "ignore",
    "browser.startup.page": 0,
    "dom.ipc.processPrelaunch.enabled": False,
    "startup.homepage_welcome_url": "about:blank",
    "datareporting.policy.dataSubmissionEnabled": False,
    "services.settings.server": "data:,",
}
_TAB = """
    const { require } = ChromeUtils.importESModule('resource://devtools/shared/loader/Loader.sys.mjs');
    const { gDevTools } = require('devtools/client/framework/devtools');
    const tab = Services.wm.getMostRecentWindow('navigator:browser').gBrowser.selectedTab;
"""
_OPEN = f"{_TAB} await gDevTools.showToolboxForTab(tab, {{ toolId: 'netmonitor' }});"
_EXPORT = f"""{_TAB}
    const toolbox = gDevTools.getToolboxForTab(tab);
    const {{ store }} = await toolbox.getNetMonitorAPI();
    const has = (each) => each.url.endsWith(END) && each.status;
    while (!store.getState().requests.requests.some(has))
        await new Promise((done) => ChromeUtils.idleDispatch(done, {{ timeout: 50 }}));
    return JSON.stringify({{ log: await toolbox.getHARFromNetMonitor() }});
"""
_CALL = """
    const done = arguments[arguments.length - 1];
    (async () => { %s })().then((value) => done({ value }), (error) => done({ error: String(error) }));
"""


class _FirefoxTools:
    """A client of Marionette, which also runs scripts in the browser's own windows."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self._file = self._socket.makefile("rb")
        self._read()
        self._call("WebDriver:NewSession")
        self._run("chrome", _OPEN)

    def goto(self, url: str) -> None:
        self._call("Marionette:SetContext", value="content")
        self._call("WebDriver:Navigate", url=url)

    def run(self, script: str) -> Any:
        return self._run("content", script)

    def export(self, last: str) -> str:
        har: str = self._run("chrome", _EXPORT.replace("END", json.dumps(last)))
        return har

    def quit(self) -> None:
        """End the browser."""
        with self._socket, self._file, suppress(OSError, RuntimeError):
            self._call("Marionette:SetContext", value="chrome")
            self._call("Marionette:Quit", flags=["eForceQuit"])

    def _run(self, context: str, script: str) -> Any:
        self._call("Marionette:SetContext", value=context)
        answer = self._call("WebDriver:ExecuteAsyncScript", script=_CALL % script, newSandbox=True)["value"]
        if answer is None:
            raise PageLeft(script)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer.get("value")

    def _call(self, command: str, **parameters: Any) -> Any:
        text = json.dumps([0, 1, command, parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(text), text))
        _, _, error, result = self._read()
        if error:
            raise RuntimeError(f"{command}: {error}")
        return result

    def _read(self) -> Any:
        length = b""
        while (byte := self._file.read(1)) != b":":
            if not byte:
                raise RuntimeError("Firefox has ended")
            length += byte
        return json.loads(self._file.read(int(length)))


@contextmanager
def firefox_tools(installed: Installed) -> Iterator[Tools]:
    """Run Firefox with its toolbox open at the Network panel."""
    with TemporaryDirectory(prefix="clickport-profile-", ignore_cleanup_errors=True) as folder:
        profile = Path(folder)
        lines = (f"user_pref({json.dumps(k)}, {json.dumps(v)});\n" for k, v in _PREFERENCES.items())
        (profile / "user.js").write_text("".join(lines), encoding="utf-8")
        process = subprocess.Popen(
            [installed.path, *_FIREFOX_ARGUMENTS, "--profile", folder],
            env=without_proxies(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            port = profile / "MarionetteActivePort"
            wait_until(lambda: port.is_file() and port.read_text(encoding="ascii").strip() != "")
            tools = _FirefoxTools(int(port.read_text(encoding="ascii")))
            try:
                yield tools
            finally:
                tools.quit()
        finally:
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            processes.kill(process)
            process.wait()


_INSPECTED = "window.location.host + '"  # Then, in the list of pages, the path of the socket of one.
_SHOW_NETWORK = """async () => {
    const soon = () => new Promise((done) => setTimeout(done, 20));
    while (!globalThis.WI?.networkManager?.mainFrame) await soon();
    WI.settings.clearNetworkOnNavigate.value = false;
    WI.showNetworkTab();
    const panel = () => WI.tabBrowser.selectedTabContentView.contentBrowser?.currentContentView;
    while (!(panel() instanceof WI.NetworkTableContentView)) await soon();
    globalThis.save = async (last) => {
        while (!panel()._HARResources().some((each) => each.url.endsWith(last))) await soon();
        return JSON.stringify(await WI.HARBuilder.buildArchive(panel()._HARResources()), null, 2);
    };
    globalThis.run = async (expression) => {
        const { RuntimeAgent } = WI.assumingMainTarget();
        const left = new Promise((done) => {
            const leave = () => done({ left: true });
            WI.Frame.singleFireEventListener(WI.Frame.Event.MainResourceDidChange, leave, null);
        });
        const ended = (async () => {
            const { result } = await RuntimeAgent.evaluate.invoke({ expression });
            const { objectId: promiseObjectId } = result;
            return RuntimeAgent.awaitPromise.invoke({ promiseObjectId, returnByValue: true });
        })();
        return Promise.race([left, ended]);
    };
}"""


class _WebKitTools:
    def __init__(self, frontend: Any) -> None:
        self._frontend = frontend

    def goto(self, url: str) -> None:
        with suppress(PageLeft):
            self.run(f"location.href = {json.dumps(url)}; await new Promise(() => 0)")
        wait_until(lambda: bool(self.run("return document.readyState") == "complete"))

    def run(self, script: str) -> Any:
        answer = self._frontend.evaluate("(it) => run(it)", f"(async () => {{ {script} }})()")
        if answer.get("left"):
            raise PageLeft(script)
        if answer["wasThrown"]:
            raise RuntimeError(answer["result"].get("description", "the script threw"))
        return answer["result"].get("value")

    def export(self, last: str) -> str:
        har: str = self._frontend.evaluate("(end) => save(end)", last)
        return har


@contextmanager
def webkit_tools(installed: Installed) -> Iterator[Tools]:
    """Run WebKitGTK with its inspector, a page that it serves itself, in Chromium."""
    port = free_port()
    address = f"127.0.0.1:{port}"
    with _screen() as display:
        process = subprocess.Popen(
            [installed.path, "--enable-developer-extras=true", "about:blank"],
            env={**without_proxies(), "DISPLAY": display, "WEBKIT_INSPECTOR_HTTP_SERVER": address},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            wait_until(lambda: _INSPECTED in _page_of(f"http://{address}/"))
            target = _page_of(f"http://{address}/").partition(_INSPECTED)[2].partition("'")[0]
            with PLAYWRIGHT as playwright:
                browser = playwright.chromium.launch(**_launch(find("chromium"), frozen_pages=False))
                frontend = browser.new_page()
                frontend.goto(f"http://{address}/Main.html?ws={address}{target}")
                frontend.evaluate(_SHOW_NETWORK)
                yield _WebKitTools(frontend)
                browser.close()
        finally:
            processes.kill(process)
            process.wait()


def _page_of(url: str) -> str:
    """Return a page, or "" if it cannot be reached."""
    try:
        return httpx.get(url, trust_env=False, verify=False).text
    except httpx.HTTPError:
        return ""
