"""The certificate of a run, made by trustme for the names of this machine that the recorder uses."""

import base64
import hashlib
import ssl
from pathlib import Path

from conformance.protocol.transport import DEFAULT_PROTOCOL

PROTOCOLS = (DEFAULT_PROTOCOL, "http1-tls", "http2")
"""HTTP/1.1 without TLS, HTTP/1.1 over TLS, and HTTP/2, which browsers speak over TLS only."""

_NAMES = ("127.0.0.1", "localhost", "::1")


def write_certificate(path: Path) -> str:
    """Write a new key and its certificate to a file, and return the hash of the public key.

    The hash is that of the SubjectPublicKeyInfo, SHA-256 in Base64: a browser that gets it trusts this key
    and no other. The authority that signed the certificate is forgotten at once.
    """
    import trustme  # noqa: PLC0415 - only runs over TLS need it, and it takes 0.1 s to load
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415

    issued = trustme.CA().issue_cert(*_NAMES)
    path.touch(mode=0o600)
    path.write_bytes(issued.private_key_and_cert_chain_pem.bytes())
    certificate = x509.load_pem_x509_certificate(issued.cert_chain_pems[0].bytes())
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(key).digest()).decode("ascii")


def server_context(protocol: str, certificate: str) -> ssl.SSLContext | None:
    """Return the TLS settings for a protocol of ``PROTOCOLS``; None for the default one.

    The protocol is offered alone (ALPN), so that a client that does not speak it is noticed.
    """
    if protocol == DEFAULT_PROTOCOL:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["h2" if protocol == "http2" else "http/1.1"])
    return context
