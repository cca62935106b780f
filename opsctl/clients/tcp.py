"""The rungs below a protocol: the name, the connection, and whether the other side speaks TLS."""

from __future__ import annotations

import contextlib
import socket

from opsctl.errors import CouldNotLook


def connect(host: str, port: int, timeout: float) -> str:
    """Resolve and connect once, then hang up; returns the address that answered.

    Raises CouldNotLook: ``unresolved`` the name is not known, ``refused`` nothing listens (an answer of the host),
    ``timeout`` no answer at all, ``closed`` anything else on the way there.
    """
    where = f"{host}:{port}"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        raise CouldNotLook("unresolved", f"the name {host} is not known to DNS here", address=where) from None
    failed: OSError = OSError("no address")
    for family, kind, protocol, _, address in found[:4]:
        try:
            with socket.socket(family, kind, protocol) as one:
                one.settimeout(timeout)
                one.connect(address)
                return str(address[0])
        except OSError as error:
            failed = error
    if isinstance(failed, ConnectionRefusedError):
        raise CouldNotLook("refused", f"connection refused at {where}: nothing listens there", address=where)
    if isinstance(failed, TimeoutError):
        says = f"no connection to {where} in {timeout:g} s: the host is gone, or a firewall drops packets"
        raise CouldNotLook("timeout", says, address=where)
    raise CouldNotLook("closed", f"{where} cannot be reached from here: {failed.strerror or failed}", address=where)


def speaks_tls(host: str, port: int, timeout: float) -> bool | None:
    """Whether a TLS handshake gets an answer in TLS; certificates do not matter here. None: that cannot be told."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent, it is only asked who is there
    context.set_alpn_protocols(["h2"])
    try:
        with socket.create_connection((host, port), timeout) as plain, context.wrap_socket(plain) as wrapped:
            with contextlib.suppress(OSError):
                wrapped.getpeercert()
            return True
    except ssl.SSLError as error:
        # An alert (a client certificate is wanted) comes only from a side that speaks TLS.
        return "alert" in str(error).lower()
    except OSError:
        return None
