"""Certificates of a throw-away authority, and an HTTPS server with one of them."""

from __future__ import annotations

import http.server
import ssl
import subprocess
import threading
from pathlib import Path

HOST = "127.0.0.1"
_CONFIG = """
[ca]
default_ca = it
[it]
dir = {folder}
database = {folder}/index.txt
serial = {folder}/serial
new_certs_dir = {folder}
certificate = {folder}/ca.pem
private_key = {folder}/ca.key
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
"""


class Authority:
    """``ca``, and ``make(name)`` for certificates it signs; all files are in ``folder``."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        (folder / "index.txt").write_text("")
        (folder / "serial").write_text("01\n")
        (folder / "ca.cnf").write_text(_CONFIG.format(folder=folder))
        self.ca = folder / "ca.pem"
        self._run(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority", "-days", "2"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        )

    def make(self, name: str, *, names: str = f"IP:{HOST},DNS:localhost", expired: bool = False) -> tuple[Path, Path]:
        """Certificate and key for subject alternative ``names``."""
        cert, key, request = (f"{name}.{kind}" for kind in ("pem", "key", "csr"))
        self._run(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key),
            *("-out", request, "-subj", f"/CN={name}", "-addext", f"subjectAltName={names}"),
        )
        dates = ("200101000000Z", "200102000000Z") if expired else ("200101000000Z", "400101000000Z")
        self._run(
            *("ca", "-batch", "-notext", "-config", "ca.cnf", "-in", request, "-out", cert),
            *("-startdate", dates[0], "-enddate", dates[1]),
        )
        return self.folder / cert, self.folder / key

    def _run(self, *argv: str) -> None:
        run = subprocess.run(["openssl", *argv], cwd=self.folder, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr


class HttpsServer:
    """Answers ``{"ok": true}`` to every GET. ``client_ca``: ask for a certificate of that authority."""

    def __init__(self, cert: Path, key: Path, *, client_ca: Path | None = None) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "12")
                self.end_headers()
                self.wfile.write(b'{"ok": true}')

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                pass  # refused handshakes are what the tests are about

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        if client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_ca)
        self._server = Server((HOST, 0), Handler)
        # The handshake is done in the connection's thread, so that a bad one does not hold up the next.
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self._server.server_address[1]
        self.url = f"https://{HOST}:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Stop it."""
        self._server.shutdown()
        self._server.server_close()
