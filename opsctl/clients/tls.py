"""TLS: the context for an endpoint, and one clear sentence for each way a handshake fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsctl.config.endpoint import HttpAccess
from opsctl.errors import CouldNotLook

if TYPE_CHECKING:
    import ssl

# X.509 verification codes of OpenSSL (x509_vfy.h) that an operator can act on.
_CODES = {
    9: "the server's certificate is not valid yet (or this host's clock is wrong)",
    10: "the server's certificate has expired",
    18: "the server's certificate is signed by itself and not trusted here",
    19: "the server's certificate comes from a private certificate authority that is not trusted here (set ca_file)",
    20: "the server's certificate comes from an authority that is not known here (set ca_file)",
    21: "the server does not send the whole certificate chain",
    62: "the server's certificate is for another name (set server_name, or use the name it is made for)",
    64: "the server's certificate is for another address (set server_name, or use the name it is made for)",
}


def context_for(access: HttpAccess) -> ssl.SSLContext:
    """The TLS settings of one endpoint; raises CouldNotLook("tls") when a named file cannot be used.

    Verification is on unless the context says ``insecure_skip_verify``.
    """
    import ssl

    if access.ca_file:
        # As with Prometheus and kubectl, a CA that is named is the only one trusted.
        try:
            context = ssl.create_default_context(cafile=access.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise CouldNotLook("tls", f"ca_file {access.ca_file} cannot be used: {_plain(error)}") from None
    else:
        context = ssl.create_default_context()
        paths = ssl.get_default_verify_paths()
        if not (paths.cafile or paths.capath):
            # A Python build without a system store (python.org on macOS): the store that comes with httpx.
            import certifi

            context.load_verify_locations(certifi.where())
    if access.cert_file:
        try:
            context.load_cert_chain(access.cert_file, access.key_file or None, password=_no_password)
        except (OSError, ssl.SSLError, ValueError) as error:
            named = f"cert_file {access.cert_file}" + (f" with key_file {access.key_file}" if access.key_file else "")
            raise CouldNotLook("tls", f"{named} cannot be used: {_plain(error)}") from None
    if access.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def handshake_failure(error: OSError, peer: str) -> CouldNotLook:
    """Names why TLS with ``peer`` (host:port) failed."""
    import ssl

    if isinstance(error, ssl.SSLCertVerificationError):
        known = _CODES.get(error.verify_code, f"the server's certificate is refused: {error.verify_message}")
        return CouldNotLook("tls", f"TLS with {peer}: {known}")
    text = _plain(error)
    if "WRONG_VERSION_NUMBER" in text or "record layer failure" in text.lower() or "HTTP_REQUEST" in text:
        return CouldNotLook(
            "tls", f"{peer} answers, but not in TLS; if it speaks plain HTTP its address must begin with http://"
        )
    if "CERTIFICATE_REQUIRED" in text or "HANDSHAKE_FAILURE" in text:
        return CouldNotLook(
            "tls", f"TLS with {peer}: the server wants a client certificate (set cert_file and key_file)"
        )
    if "ALERT" in text:
        return CouldNotLook("tls", f"TLS with {peer}: the server refuses the handshake ({text})")
    if isinstance(error, ssl.SSLEOFError | ConnectionError):
        return CouldNotLook("tls", f"{peer} closes the connection during the TLS handshake")
    return CouldNotLook("tls", f"TLS with {peer} fails: {text}")


def _plain(error: Exception) -> str:
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None)
    return str(reason or error).strip() or type(error).__name__


def _no_password() -> bytes:
    # Without this OpenSSL would ask on the terminal for an encrypted key's passphrase and hang a cron job.
    raise ValueError("the key is encrypted; give one without a passphrase")
