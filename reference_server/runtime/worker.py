"""A worker process: the application, configured by the environment, which ends with its parent."""

import atexit
import gc
import multiprocessing
import os
import sys
import threading
from functools import partial
from multiprocessing.connection import wait

from reference_server.config import DRAIN_SECONDS, Config
from reference_server.delivery.counters import Counts
from reference_server.delivery.loader import Loader
from reference_server.delivery.outbox import Outbox
from reference_server.delivery.own_outbox import OwnOutbox
from reference_server.ingest.endpoint import EventRoute
from reference_server.ingest.other_nodes import OtherNodes
from reference_server.ingest.rows import RowBuilder
from reference_server.ingest.sessions import Sessions
from reference_server.ingest.sites import FoundSites, Sites
from reference_server.ingest.usage_limits import UsageLimits
from reference_server.runtime.body import Bodies
from reference_server.runtime.connections import Connections, Streams, affordable
from reference_server.runtime.gateway import Gateway
from reference_server.storage.client import Clients
from reference_server.web.app import create_app
from reference_server.web.live_stream import LiveStream


def app() -> Gateway:
    """Return the RSGI application of this worker."""
    threading.Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()
    config = Config.from_env()
    outbox = OwnOutbox(
        partial(Outbox.create, config.outbox_dir, durability=config.durability, max_bytes=config.max_backlog)
    )
    clients = Clients(config.clickhouse_url, config.clickhouse_cluster)
    counts = Counts(config.state_dir)
    usage_limits = UsageLimits(config.state_dir, rate=config.rate_limit, quota=config.quota)
    found = FoundSites(config.state_dir, most=config.max_sites)
    others = OtherNodes(clients, usage_limits if config.quota else None, None if config.sites else found)
    others.look()  # Before the first event, which a quota or the limit of sites may refuse.
    watcher = others if others.watches else None
    loader = Loader(outbox, config.outbox_dir, clients, counts, watcher=watcher, adopted=config.adopted)
    loader.start()
    # Registered to run last: threads of granian still use the interpreter and panic while it shuts down.
    atexit.register(_leave, loader, outbox, counts)
    ingest = RowBuilder(
        sites=Sites(config.sites), found=found, sessions=Sessions(config.state_dir, config.secret)
    )
    live = LiveStream(config.live_dir)
    route = EventRoute(
        ingest, outbox, live, usage_limits, max_body=config.max_body, over_quota=config.over_quota
    )
    # Objects created until now stay, and events leave no cycles; collections took 5 % of the time.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    bodies = Bodies(max_bytes=config.max_body, seconds=config.body_seconds)
    limit = affordable(config.worker_connections)
    connections = Connections(limit=limit, seconds=config.body_seconds)
    streams = Streams(most=max(limit // 4, 1), most_by_address=config.address_streams)
    return Gateway(
        route,
        create_app(config, outbox),
        bodies,
        live,
        connections=connections,
        streams=streams,
        proxies=config.proxies,
    )


def _leave(loader: Loader, outbox: OwnOutbox, counts: Counts) -> None:
    loader.stop(DRAIN_SECONDS)
    outbox.close(counts)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        wait([parent.sentinel])
        os._exit(1)  # The parent was killed. A worker that lived on would keep the port.
