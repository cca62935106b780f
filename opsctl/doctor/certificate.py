"""Until when a server's certificate is valid, trusted or not: read from the handshake, nothing is sent."""

from __future__ import annotations

import socket
import time
from datetime import UTC, datetime

from opsctl.clients.deadline import Expired, within
from opsctl.doctor.model import Checks, Remedy
from opsctl.errors import CouldNotLook

SOON = 14 * 86_400.0  # seconds: renewals that work happen earlier than that

_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"  # how TLS begins with Postgres


def addresses(host: str, port: int, until: float) -> tuple[str, ...]:
    """What DNS says, in its order. Raises CouldNotLook: "unresolved", "timeout"."""
    try:
        found = within(
            max(0.1, min(5.0, until - time.monotonic())),
            lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM),
        )
    except Expired:
        raise CouldNotLook("timeout", f"DNS did not answer for {host} in time", address=host) from None
    except (OSError, UnicodeError) as error:
        words = getattr(error, "strerror", None) or "it is no host name"
        says = f"the name {host} is not known to DNS here ({words})"
        raise CouldNotLook("unresolved", says, address=host) from None
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def look(checks: Checks, host: str, port: int, until: float, *, name: str = "", postgres: bool = False) -> None:
    """Check the expiry. What keeps the certificate from being read is the business of the client proper: silent."""
    try:
        der = within(max(0.1, min(3.0, until - time.monotonic())), lambda: _peer(host, port, name or host, postgres))
        begin, end = validity(der)
    except (Expired, OSError, ValueError):
        return
    left = end.timestamp() - time.time()
    when = f"{end:%Y-%m-%d %H:%M} UTC"
    show = Remedy(
        how="Renew it on the server; this shows which one is served",
        run=f"openssl s_client -connect {host}:{port} -servername {name or host}"
        + (" -starttls postgres" if postgres else "")
        + " </dev/null 2>/dev/null | openssl x509 -noout -subject -issuer -dates",
    )
    if begin.timestamp() > time.time():
        checks.breach("certificate", f"its certificate is valid only from {begin:%Y-%m-%d %H:%M} UTC", show)
    elif left <= 0:
        checks.breach("certificate", f"its certificate expired on {when}", show)
    elif left < SOON:
        checks.breach("certificate", f"its certificate expires on {when}, in {left / 86_400:.1f} days", show)
    else:
        checks.ok("certificate", f"its certificate is valid until {when}")


def _peer(host: str, port: int, name: str, postgres: bool) -> bytes:
    """The server's certificate. It is not verified here: an expired one is what we want to see."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection((host, port), timeout=3.0) as plain:
        if postgres:
            plain.sendall(_SSL_REQUEST)
            if plain.recv(1) != b"S":
                raise ValueError("no TLS")
        with context.wrap_socket(plain, server_hostname=name) as secure:
            return secure.getpeercert(binary_form=True) or b""


def validity(der: bytes) -> tuple[datetime, datetime]:
    """notBefore and notAfter of a certificate (RFC 5280, 4.1). Raises ValueError."""
    try:
        certificate = _parts(_parts(der)[0][1])  # Certificate: tbsCertificate, algorithm, signature
        fields = [part for part in _parts(certificate[0][1]) if part[0] != 0xA0]  # without the version
        begin, end = _parts(fields[3][1])  # serial, algorithm, issuer, validity
        return _time(*begin), _time(*end)
    except (IndexError, UnicodeDecodeError) as error:
        raise ValueError("not a certificate") from error


def _parts(data: bytes) -> list[tuple[int, bytes]]:
    """The DER values in ``data``: tag and content."""
    found = []
    at = 0
    while at < len(data):
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(data[at : at + size], "big")
            at += size
        found.append((tag, data[at : at + length]))
        at += length
    return found


def _time(tag: int, value: bytes) -> datetime:
    text = value.decode("ascii").rstrip("Z")
    if tag == 0x17:  # UTCTime: two digits, 50 and more belong to the last century
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
