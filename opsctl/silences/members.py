"""The members of an Alertmanager cluster, asked one by one: silences are shared between them, alerts are not."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec

from opsctl.config.endpoint import Endpoint
from opsctl.errors import CouldNotLook, Reason, Unavailable

if TYPE_CHECKING:
    from opsctl.clients.alertmanager_write import AlertmanagerWriter

T = TypeVar("T")


class Failed(NamedTuple):
    """A member that gave no answer."""

    address: str
    error: CouldNotLook


class Members:
    """All members that the configuration names, the first one first. Close it when done."""

    def __init__(self, endpoint: Endpoint) -> None:
        from opsctl.clients.alertmanager_write import AlertmanagerWriter

        others = [url for url in endpoint.options.get("members", "").split(",") if url]
        alone = {name: value for name, value in endpoint.options.items() if name != "members"}
        self.all: tuple[AlertmanagerWriter, ...] = tuple(
            AlertmanagerWriter(msgspec.structs.replace(endpoint, url=url, options=alone))
            for url in dict.fromkeys((endpoint.url, *others))
        )

    def ask(
        self, question: Callable[[AlertmanagerWriter], T]
    ) -> tuple[list[tuple[AlertmanagerWriter, T]], list[Failed]]:
        """Ask every member at once; answers and failures in the members' order."""
        from concurrent.futures import ThreadPoolExecutor  # it brings logging along

        with ThreadPoolExecutor(max_workers=len(self.all)) as pool:
            running = [(member, pool.submit(question, member)) for member in self.all]
            given: list[tuple[AlertmanagerWriter, T]] = []
            failed: list[Failed] = []
            for member, answer in running:
                try:
                    given.append((member, answer.result()))
                except CouldNotLook as error:
                    failed.append(Failed(member.address, error))
        return given, failed

    def first(self, question: Callable[[AlertmanagerWriter], T]) -> tuple[AlertmanagerWriter, T, list[Failed]]:
        """The first member that answers, its answer, and those before it that did not. Raises Unavailable."""
        failed: list[Failed] = []
        for member in self.all:
            try:
                return member, question(member), failed
            except CouldNotLook as error:
                failed.append(Failed(member.address, error))
        raise unavailable(failed)

    def close(self) -> None:
        """Close all connections."""
        for member in self.all:
            member.close()


def unavailable(failed: Sequence[Failed]) -> Unavailable:
    """No member answered: one sentence with each reason and the setting that chose the address."""
    says = "; ".join(dict.fromkeys(one.error.says.rstrip(".") for one in failed))
    setting = next((one.error.setting for one in failed if one.error.setting), "")
    return Unavailable(
        f"no Alertmanager answered: {says}" if len(failed) > 1 else says,
        place=setting,
        remedy=_remedy({one.error.reason for one in failed}),
    )


def _remedy(reasons: set[Reason]) -> str:
    if reasons <= {"throttled", "server-error"}:
        return "Try again in a moment."
    if reasons <= {"unauthorized", "forbidden"}:
        return "Give credentials in its URL or by http_config in opsctl.yaml."
    return "Set its address with --alertmanager-url, ALERTMANAGER_URL or in opsctl.yaml."


def until(seconds: float, settled: Callable[[], bool], pause: float = 0.2) -> bool:
    """Whether ``settled`` became true within so many seconds."""
    ends = time.monotonic() + seconds
    while not settled():
        if time.monotonic() >= ends:
            return False
        time.sleep(pause)
    return True
