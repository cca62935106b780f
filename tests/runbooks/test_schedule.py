"""Looks run side by side under deadlines; a hanging one costs only itself."""

import threading
import time

from opsctl.runbooks.schedule import Job, run_all


def test_ten_looks_at_different_servers_take_as_long_as_the_slowest():
    jobs = [Job(f"signal:{i}", 5.0, lambda deadline, i=i: (time.sleep(0.1), i)[1]) for i in range(10)]
    start = time.monotonic()
    done = run_all(jobs, total=10)
    assert [d.value for d in done] == list(range(10))
    assert time.monotonic() - start < 0.1 * 10 * 0.9


def test_one_database_is_asked_one_thing_at_a_time():
    active, most, lock = 0, 0, threading.Lock()

    def call(deadline):
        nonlocal active, most
        with lock:
            active += 1
            most = max(most, active)
        time.sleep(0.02)
        with lock:
            active -= 1

    run_all([Job("postgres", 5.0, call) for _ in range(5)], total=10)
    assert most == 1


def test_a_hanging_look_is_given_up_and_its_lane_goes_on():
    release = threading.Event()
    jobs = [Job("postgres", 0.2, lambda deadline: release.wait(20)), Job("postgres", 5.0, lambda deadline: "second")]
    done = run_all(jobs, total=10)
    release.set()
    assert (done[0].value, done[0].error, done[0].started) == (None, None, True)
    assert done[1].value == "second"


def test_an_exception_is_handed_over_not_raised():
    def call(deadline):
        raise ValueError("x")

    done = run_all([Job("http", 5.0, call), Job("http", 5.0, lambda deadline: 1)], total=5)
    assert isinstance(done[0].error, ValueError)
    assert done[1].value == 1


def test_what_the_total_time_does_not_reach_is_said_not_started():
    release = threading.Event()
    jobs = [Job("redis", 9.0, lambda deadline: release.wait(20)), Job("redis", 9.0, lambda deadline: "never")]
    start = time.monotonic()
    done = run_all(jobs, total=0.3)
    release.set()
    assert time.monotonic() - start < 5
    assert [d.started for d in done] == [True, False]


def test_progress_is_told():
    steps = []
    run_all(
        [Job("http", 5.0, lambda deadline: 1)] * 3, total=5, progress=lambda done, total: steps.append((done, total))
    )
    assert steps[-1] == (3, 3)
