"""The time of the main thread that a tracker takes, in units measured in the same page (GOOD-4)."""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from conformance.browsers import Tab
from conformance.drivers import pages
from conformance.harness.instruments import Instruments
from conformance.protocol.outcomes import NotTestable
from conformance.targets.server import EVENT_PATH

# The bounds are far above any tracker that was measured (docs/good-neighbour.md), because machines are busy.
MOST_TO_LOAD, MOST_TO_CALL = 2500, 40
_LOADS, _ROUNDS, _CALLS, _EMPTY_SCRIPTS = 5, 3, 20, 100
# A page that has just been busy is given less of the processor: most bare fetches come before the calls.
_BARE_ROUNDS = 6
# Clocks of browsers are coarse: nothing is taken to be faster than this.
_LEAST_MS = {"script": 0.005, "fetch": 0.02}
_TOOK = """
  const took = (action) => { const began = performance.now(); action(); return performance.now() - began };
"""
# A new frame each round: a script that finds itself already loaded does nothing. Its text differs each time,
# so that no browser has compiled it before.
_LOAD = """
  const sources = await Promise.all(PATHS.map((path) => fetch(path).then((answer) => answer.text())));
  const frame = () => new Promise((done) => {
    const made = document.createElement('iframe');
    made.onload = () => done(made);
    made.src = '/next/blank';
    document.body.append(made);
  });
  const add = ({ contentDocument }, text) => {
    const script = contentDocument.createElement('script');
    Object.assign(script.dataset, { domain: 'example.com', api: ENDPOINT });
    script.textContent = text;
    contentDocument.body.append(script);
  };
  const empty = [], tracker = [];
  let works = true;
  for (let round = 0; round < ROUNDS; round++) {
    const own = await frame();
    empty.push(took(() => { for (let i = 0; i < EMPTY; i++) add(own, `// ${round} ${i}`) }) / EMPTY);
    tracker.push(took(() => sources.forEach((source) => add(own, `${source}\\n// ${round}`))));
    works &&= typeof own.contentWindow.clickport?.track === 'function';
    own.remove();
  }
  return { empty, tracker, works };
"""
_BARE = """
  const rounds = [];
  for (let round = 0; round < ROUNDS; round++) {
    const bare = [];
    rounds.push(took(() => { for (let i = 0; i < CALLS; i++) bare.push(fetch(BARE,
      { method: 'POST', body: '{}', keepalive: true, credentials: 'omit' }).catch(() => {})) }) / CALLS);
    await Promise.all(bare);
  }
  return rounds;
"""
_CALL = """
  return took(() => { for (let i = 0; i < CALLS; i++)
    try { clickport.track('Cost TOKEN', { plan: 'pro' }) } catch {} }) / CALLS;
"""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Milliseconds of each round: ``tracker`` of what is measured, ``unit`` of what it is compared with."""

    tracker: Sequence[float]
    unit: Sequence[float]
    least_unit: float

    @property
    def ratio(self) -> float:
        """Return the time of the quickest round in units of the quickest round of these.

        A busy machine makes rounds longer, never shorter.
        """
        return min(self.tracker) / max(min(self.unit), self.least_unit)


def cost_of_loading(instruments: Instruments, engine: str) -> Cost:
    """Run the tracker's script, and its shim, in new frames, and empty scripts beside it.

    Raises NotTestable if it cannot be run as the text of a script.
    """
    script = f"{_TOOK}{_LOAD}".replace("PATHS", json.dumps(instruments.scripts))
    script = script.replace("ROUNDS", str(_LOADS)).replace("EMPTY", str(_EMPTY_SCRIPTS))
    with closing(instruments.tab(engine)) as tab:
        tab.goto(instruments.page())
        found = tab.run(f"return (async () => {{ {_with_endpoint(instruments, script)} }})()")
    with pages.reading_an_answer():
        if not found["works"]:
            raise NotTestable("run as the text of a script, instead of from a URL, it defines no track()")
        tracker, empty = (list(map(float, found[name])) for name in ("tracker", "empty"))
    return Cost(tracker=tracker, unit=empty, least_unit=_LEAST_MS["script"])


def cost_of_a_call(instruments: Instruments, engine: str) -> Cost:
    """Make bare fetches, then calls and bare fetches in turn; each round ends when its events have arrived.

    Raises NotTestable if they do not arrive: a silent tracker costs nothing.
    """
    token = instruments.setup.token("good cost", engine)
    call = _filled(instruments, _CALL).replace("TOKEN", token)
    calls: list[float] = []
    with closing(instruments.tab(engine)) as tab:
        tab.goto(instruments.page())
        bare = _bare_rounds(instruments, tab, _BARE_ROUNDS)
        for _ in range(_ROUNDS):
            took = tab.run(call)
            with pages.reading_an_answer():
                calls.append(float(took))
            if not instruments.events(token, len(calls) * _CALLS, answered=True):
                raise NotTestable("no event arrived, so what a call costs is not seen: see API-2")
            pages.let_the_page_know(tab)
            bare += _bare_rounds(instruments, tab, 1)
    return Cost(tracker=calls, unit=bare, least_unit=_LEAST_MS["fetch"])


def _bare_rounds(instruments: Instruments, tab: Tab, number: int) -> list[float]:
    """Return the milliseconds of a bare fetch in each of ``number`` rounds."""
    script = _filled(instruments, _BARE).replace("ROUNDS", str(number))
    took = tab.run(f"return (async () => {{ {script} }})()")
    with pages.reading_an_answer():
        return list(map(float, took))


def _filled(instruments: Instruments, script: str) -> str:
    return _with_endpoint(instruments, f"{_TOOK}{script}".replace("CALLS", str(_CALLS)))


def _with_endpoint(instruments: Instruments, script: str) -> str:
    origin = instruments.recorder.endpoint_origin
    # Not the endpoint, whose requests the payload module of a foreign tracker reads.
    script = script.replace("BARE", json.dumps(f"{origin}/control/bare"))
    return script.replace("ENDPOINT", json.dumps(f"{origin}{EVENT_PATH}"))
