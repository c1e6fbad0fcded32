"""The recorder: a separate process that serves pages and records requests, byte for byte, at its sockets.

It runs outside the browser and outside the test process, so that a record depends neither on a page that is
being left nor on an automation protocol.
"""

from conformance.recorder.certificate import PROTOCOLS, write_certificate
from conformance.recorder.client import Recorder, RecorderError
from conformance.recorder.exchange import Exchange
from conformance.recorder.mapping import BadMapping, MappingFault, PayloadMapping
from conformance.recorder.timeline import timeline

__all__ = [
    "PROTOCOLS",
    "BadMapping",
    "Exchange",
    "MappingFault",
    "PayloadMapping",
    "Recorder",
    "RecorderError",
    "timeline",
    "write_certificate",
]
