"""The blocking tree from edges: queues, chains, several roots, deadlocks."""

from __future__ import annotations

from opsctl.probes.postgres_blocking import Root, reach, roots


def test_nobody_waits() -> None:
    assert roots({}) == []


def test_a_queue_where_each_waits_behind_all_before_it() -> None:
    waiting = {pid: frozenset(range(1, pid)) for pid in range(2, 202)}
    assert roots(waiting) == [Root(1, 200, 1)]


def test_a_chain_and_a_second_root() -> None:
    waiting = {2: frozenset({1}), 3: frozenset({2}), 4: frozenset({3}), 6: frozenset({5, 2})}
    assert roots(waiting) == [Root(1, 4, 3), Root(5, 1, 1)]


def test_a_prepared_transaction_is_pid_0() -> None:
    assert roots({7: frozenset({0}), 8: frozenset({0})}) == [Root(0, 2, 1)]


def test_a_deadlock_has_no_root_and_ends() -> None:
    assert roots({1: frozenset({2}), 2: frozenset({1})}) == []
    assert reach({1: frozenset({2}), 2: frozenset({1})}, 1) == Root(1, 1, 1)


def test_a_blocker_that_has_just_gone_leaves_no_root() -> None:
    assert roots({1: frozenset()}) == []
