"""A front of several servers by a load balancer of this system: HAProxy or nginx."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from conformance.protocol.outcomes import TargetUnavailable
from conformance.targets.front import Front, Place, require_free
from conformance.targets.process import Process, free_port

FRONTS = ("haproxy", "nginx", "bundled")
"""The names of the fronts; the first one that is installed is the default."""

_CONNECT_SECONDS = 2
# Both pass a request on to the next server only if the connection could not be made: an event that was
# sent is never sent twice. Streams stay open while a client reads them.
_HAPROXY = """\
global
    maxconn 4096
defaults
    mode http
    balance roundrobin
    retries 3
    retry-on conn-failure
    option redispatch 1
    timeout connect {connect}s
    timeout client 1h
    timeout server 1h
frontend front
    bind 127.0.0.1:{port}
    default_backend nodes
backend nodes
{servers}
"""
_NGINX = """\
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream nodes {{
{servers}
        keepalive 64;
    }}
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size 0;
        location / {{
            proxy_pass http://nodes;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_buffering off;
            proxy_request_buffering off;
            proxy_connect_timeout {connect}s;
            proxy_read_timeout 1h;
        }}
    }}
}}
"""


def default_front() -> str:
    """Return the name of the first front that is installed: HAProxy, nginx, or the bundled one."""
    return next(name for name in FRONTS if name == "bundled" or _program(name))


@contextmanager
def front(name: str, servers: Sequence[Place], port: int = 0) -> Iterator[str]:
    """Run a front of the servers, and yield its URL. Port 0 means any free port.

    HAProxy and nginx give each request to the next server, the bundled front each connection. Raises
    TargetUnavailable if it is not installed, or cannot listen on the port.
    """
    if name == "bundled":
        with Front(servers, port) as own:
            yield own.url
        return
    program = _program(name)
    if not program:
        raise TargetUnavailable(
            f"{name} is not installed: apt-get install {name}, or choose --front {default_front()}"
        )
    port = port or free_port()
    require_free(port)
    with tempfile.TemporaryDirectory(prefix="clickport-front-") as folder:
        file = Path(folder) / f"{name}.conf"
        file.write_text(_configuration(name, Path(folder), servers, port), encoding="utf-8")
        options = ["-db", "-f", str(file)] if name == "haproxy" else ["-e", "stderr", "-c", str(file)]
        with Process([program, *options]) as process:
            process.wait_until_listening(port)
            yield f"http://127.0.0.1:{port}"


def _configuration(name: str, folder: Path, servers: Sequence[Place], port: int) -> str:
    if name == "haproxy":
        lines = [
            f"    server node-{number} {host}:{at} check inter 200ms fall 2 rise 1"
            for number, (host, at) in enumerate(servers, 1)
        ]
        return _HAPROXY.format(connect=_CONNECT_SECONDS, port=port, servers="\n".join(lines))
    lines = [f"        server {host}:{at} max_fails=1 fail_timeout=1s;" for host, at in servers]
    # Started as root, its workers would run as a user who cannot write to the folder.
    user = "user root;" if os.getuid() == 0 else ""
    return _NGINX.format(
        user=user, folder=folder, connect=_CONNECT_SECONDS, port=port, servers="\n".join(lines)
    )


def _program(name: str) -> str | None:
    # Debian keeps both where only root looks.
    return shutil.which(name) or shutil.which(name, path="/usr/local/sbin:/usr/sbin")
