"""Features that engines lack, asked for once, so that a case without its feature costs no page of its own."""

from collections.abc import Mapping

from conformance.harness.instruments import Instruments
from conformance.protocol.outcomes import NotTestable

# True in the page if the engine has the feature.
_FEATURES: Mapping[str, str] = {
    "fetchLater": "typeof window.fetchLater === 'function'",
    "Navigation API": "Boolean(window.navigation)",
    "view transitions between documents": "Boolean(window.CSSViewTransitionRule)",
    "pageswap event": "'onpageswap' in window",
    "pagehide event": "'onpagehide' in window",
    "beforeunload event": "'onbeforeunload' in window",
    "visibilitychange event": "'onvisibilitychange' in document",
    "service workers": "Boolean(navigator.serviceWorker)",
    "Trusted Types": "Boolean(window.trustedTypes)",
    "policy unload": "Boolean(document.featurePolicy?.features().includes('unload'))",
    "navigator.connection.saveData": "'saveData' in (navigator.connection ?? {})",
}


def require_feature(instruments: Instruments, engine: str, feature: str) -> None:
    """Require that an engine has a feature, without any tracker. Raises NotTestable."""
    if not instruments.once(_found, engine)[feature]:
        raise NotTestable(f"{engine} has no {feature}")


def _found(instruments: Instruments, engine: str) -> Mapping[str, bool]:
    tab = instruments.shared_tab(engine)
    tab.goto(f"{instruments.recorder.page_origin}/next/blank")
    members = ", ".join(f"'{feature}': {present}" for feature, present in _FEATURES.items())
    found: Mapping[str, bool] = tab.run(f"return {{ {members} }}")
    return found
