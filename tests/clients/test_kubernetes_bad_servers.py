"""The Kubernetes reader against servers that refuse, hang, lie or are something else. Each failure is typed."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from opsctl.clients.kubernetes import KubernetesReader
from opsctl.config.endpoint import Endpoint
from opsctl.errors import CouldNotLook
from tests.servers import process
from tests.servers.web import Web, start_web

PODS = "api/v1/namespaces/shop/pods"
PATH = f"/{PODS}"


def reader(folder: Path, server: str) -> KubernetesReader:
    config = {
        "current-context": "test",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "hunter2"}}],
        "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}],
    }
    path = folder / "config"
    path.write_text(json.dumps(config))
    return KubernetesReader(Endpoint(name="kubernetes", url=str(path), setting="env KUBECONFIG"))


def status(code: int, reason: str, message: str, **details: str) -> str:
    return json.dumps({"kind": "Status", "code": code, "reason": reason, "message": message, "details": details})


@pytest.fixture
def web() -> Iterator[Web]:
    server = start_web()
    yield server
    server.stop()


@contextmanager
def raw(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that does with each connection what ``talk`` does."""
    done = threading.Event()
    with socket.create_server((process.HOST, 0)) as listener:
        listener.settimeout(0.1)

        def serve() -> None:
            while not done.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.settimeout(5)
                    try:
                        connection.recv(65536)
                        talk(connection)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://{process.HOST}:{listener.getsockname()[1]}"
        finally:
            done.set()
            thread.join(10)


def failure_of(kubernetes: KubernetesReader, timeout: float = 3.0) -> CouldNotLook:
    began = time.monotonic()
    with pytest.raises(CouldNotLook) as caught:
        kubernetes.list(PODS, timeout=timeout)
    assert time.monotonic() - began < timeout + 5
    failure = caught.value
    assert failure.address.startswith("kubernetes test/shop")
    assert failure.setting == "env KUBECONFIG"
    assert "hunter2" not in failure.says
    return failure


@pytest.mark.parametrize(
    ("code", "page", "reason", "says"),
    [
        (401, status(401, "Unauthorized", "Unauthorized"), "unauthorized", "does not accept the credentials"),
        (
            403,
            status(403, "Forbidden", 'User "eve" cannot'),
            "forbidden",
            "user eve may not list pods in namespace shop",
        ),
        (403, "<html><title>Blocked</title></html>", "forbidden", 'HTML page titled "Blocked"'),
        (404, "404 page not found", "bad-answer", "does not look like a Kubernetes API server"),
        (404, "<html><title>Not here</title></html>", "bad-answer", "that is not the API server"),
        (429, status(429, "TooManyRequests", "later"), "throttled", "asks to slow down"),
        (500, status(500, "InternalError", "etcd is gone"), "server-error", "(etcd is gone)"),
        (502, "<html><title>Bad Gateway</title></html>", "server-error", 'HTML page titled "Bad Gateway"'),
        (503, "no healthy upstream", "server-error", "no healthy upstream"),
        (504, "", "server-error", "HTTP 504"),
        (200, "<!doctype html><title>Sign in</title>", "bad-answer", 'HTML page titled "Sign in"'),
        (200, '{"kind": "PodList", "items": [', "bad-answer", "instead of a Kubernetes object"),
        (200, "", "bad-answer", "an empty body"),
        (200, "[]", "bad-answer", "instead of a Kubernetes object"),
        (200, '{"status": "ok"}', "bad-answer", "instead of a Kubernetes object"),
        (200, '{"kind": "PodList", "items": {"a": 1}}', "bad-answer", "is not a list of objects"),
        (200, '{"kind": "PodList", "items": [1, 2]}', "bad-answer", "is not a list of objects"),
        (200, "[" * 100_000, "bad-answer", "instead of a Kubernetes object"),
        (200, b"\xff\xfe\x00pods", "bad-answer", "binary data"),
        (302, "", "bad-answer", "redirects"),
    ],
)
def test_bad_answers(web: Web, tmp_path: Path, code: int, page: str | bytes, reason: str, says: str) -> None:
    web.pages[PATH] = lambda: (code, page)
    failure = failure_of(reader(tmp_path, web.url))
    assert failure.reason == reason
    assert says in failure.says


def test_an_empty_list_may_be_written_as_null(web: Web, tmp_path: Path) -> None:
    web.pages[PATH] = '{"kind": "PodList", "items": null, "metadata": {}}'
    assert reader(tmp_path, web.url).list(PODS) == ((), "")


def test_the_api_may_be_below_a_path(web: Web, tmp_path: Path) -> None:
    web.pages[f"/k8s/clusters/c-1{PATH}"] = '{"kind": "PodList", "items": []}'
    assert reader(tmp_path, f"{web.url}/k8s/clusters/c-1/").list(PODS) == ((), "")


def test_nothing_listens(tmp_path: Path) -> None:
    failure = failure_of(reader(tmp_path, f"http://{process.HOST}:{process.free_port()}"))
    assert failure.reason == "refused"


def test_a_name_that_is_not_known(tmp_path: Path) -> None:
    assert failure_of(reader(tmp_path, "http://no-such-host.invalid")).reason == "unresolved"


def test_a_server_that_hangs(tmp_path: Path) -> None:
    with raw(lambda connection: time.sleep(3)) as url:
        assert failure_of(reader(tmp_path, url), timeout=0.5).reason == "timeout"


def test_a_server_that_drips_one_byte_after_the_other(tmp_path: Path) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(60):
            connection.sendall(b" ")
            time.sleep(0.05)

    with raw(drip) as url:
        assert failure_of(reader(tmp_path, url), timeout=0.5).reason == "timeout"


def test_a_server_that_closes_half_way(tmp_path: Path) -> None:
    with raw(lambda connection: connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"kind":')) as url:
        assert failure_of(reader(tmp_path, url)).reason == "closed"


def test_an_answer_of_200_mb_is_not_read(tmp_path: Path) -> None:
    with raw(lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 209715200\r\n\r\n")) as url:
        assert failure_of(reader(tmp_path, url)).reason == "too-large"


def test_a_short_retry_after_is_waited_once(web: Web, tmp_path: Path) -> None:
    answers = iter([429, 200])

    def throttle(connection: socket.socket) -> None:
        body = b'{"kind": "PodList", "items": []}'
        code = next(answers)
        head = f"HTTP/1.1 {code} X\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)

    with raw(throttle) as url:
        assert reader(tmp_path, url).list(PODS, timeout=10.0) == ((), "")
    answers = iter([429, 429, 200])
    with raw(throttle) as url:
        failure = failure_of(reader(tmp_path, url), timeout=10.0)
    assert failure.reason == "throttled"
    assert "retry after 1 s" in failure.says


def test_what_breaks_on_a_later_page_cuts_the_list(web: Web, tmp_path: Path) -> None:
    pages: Iterator[Any] = iter(
        [
            (200, json.dumps({"kind": "PodList", "metadata": {"continue": "token"}, "items": [{"kind": "Pod"}]})),
            (410, status(410, "Expired", "the continue token is too old")),
        ]
    )
    web.pages[PATH] = lambda: next(pages)
    found = reader(tmp_path, web.url).list(PODS)
    assert len(found.items) == 1
    assert found.cut.startswith("only the first 1 pods in namespace shop were read: the list of pods")
    assert "continue=token" in web.requests[1].path


def test_text_of_a_server_cannot_carry_escapes_or_secrets(web: Web, tmp_path: Path) -> None:
    message = "\x1b[31mred\x1b[0m password=hunter2222 \x07"
    web.pages[PATH] = lambda: (500, status(500, "InternalError", message))
    failure = failure_of(reader(tmp_path, web.url))
    assert "red password=[redacted]" in failure.says
    assert "\x1b" not in failure.says


def test_every_request_of_the_reader_is_a_read(web: Web, tmp_path: Path) -> None:
    review = {"kind": "SelfSubjectAccessReview", "status": {"allowed": False, "reason": "no rule"}}
    web.pages["/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"] = lambda: (201, json.dumps(review))
    web.pages[PATH] = '{"kind": "PodList", "items": []}'
    kubernetes = reader(tmp_path, web.url)
    kubernetes.list(PODS, {"labelSelector": "app=api"})
    answer = kubernetes.can("delete", "apps", "deployments", namespace="shop")
    assert (answer.allowed, answer.says) == (False, "no rule")
    got, asked = web.requests
    assert (got.method, got.path) == ("GET", f"{PATH}?labelSelector=app%3Dapi&limit=500")
    assert got.headers["authorization"] == "Bearer hunter2"
    assert (asked.method, asked.path) == ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")
    assert json.loads(asked.body)["kind"] == "SelfSubjectAccessReview"


def test_an_access_review_that_is_not_answered_is_typed(web: Web, tmp_path: Path) -> None:
    web.pages["/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"] = lambda: (201, "<html></html>")
    with pytest.raises(CouldNotLook) as caught:
        reader(tmp_path, web.url).can("list", "", "pods")
    assert caught.value.reason == "bad-answer"


def test_an_address_that_is_no_url(tmp_path: Path) -> None:
    with pytest.raises(CouldNotLook) as caught:
        reader(tmp_path, "10.0.0.1:6443").get("version")
    assert "has no http(s) server URL" in caught.value.says
