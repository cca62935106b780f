"""The parts of an HTTP/1 answer that has come in so far. Pure."""

from __future__ import annotations

_MOST = 64 * 1024  # bytes of a body: what a health answer says fits in


def headers_of(head: bytes) -> dict[str, str]:
    """Names in lower case; of one that comes twice the first."""
    found: dict[str, str] = {}
    for line in head.split(b"\r\n")[1:]:
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            found.setdefault(name.strip().lower(), value.strip())
    return found


def body_of(status: int, headers: dict[str, str], body: bytes, ended: bool) -> bytes | None:
    """The body, or its first 64 kB; None while it is not all there."""
    if status in (204, 304):
        return b""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return _chunks(body)
    length = headers.get("content-length", "")
    if length.isdigit():
        wanted = min(int(length), _MOST)
        return body[:wanted] if len(body) >= wanted else None
    return body[:_MOST] if ended or len(body) >= _MOST else None


def _chunks(body: bytes) -> bytes | None:
    whole, at = bytearray(), 0
    while len(whole) < _MOST:
        line_end = body.find(b"\r\n", at)
        if line_end < 0:
            return None
        try:
            size = int(body[at:line_end].partition(b";")[0].strip() or b"x", 16)
        except ValueError:
            return bytes(whole)  # what came so far is all that can be read
        if size <= 0:
            return bytes(whole)
        at = line_end + 2
        if len(whole) + size >= _MOST and len(body) - at >= _MOST - len(whole):
            return bytes(whole + body[at : at + _MOST - len(whole)])
        if len(body) < at + size + 2:
            return None
        whole += body[at : at + size]
        at += size + 2
    return bytes(whole)
