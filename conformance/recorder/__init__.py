"""The recorder: a process of its own that serves pages and keeps what reaches its sockets, byte for byte.

It runs outside the browser and outside the test process: neither a page that is being left nor an
automation protocol stands between a request and the record of it.
"""

from conformance.recorder.client import Recorder, WitnessError
from conformance.recorder.exchange import Exchange
from conformance.recorder.mapping import BadMapping, MappingFault, PayloadMapping
from conformance.recorder.timeline import timeline

__all__ = [
    "BadMapping",
    "Exchange",
    "MappingFault",
    "PayloadMapping",
    "Recorder",
    "WitnessError",
    "timeline",
]
