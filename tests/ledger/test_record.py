"""What is recorded is what one reads back, from either database."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from opsctl.errors import Bug, CannotWrite, UsageError
from tests.ledger.sample import ACTION, SCOPE, Clock, a_run, did, new, step


def test_a_run_is_read_back_as_it_was_recorded(store, ledger):
    run = ledger.begin(new())
    assert (run.state, run.actor, run.host, run.ticket, run.plan_hash) == (
        "running",
        "ana",
        "bastion",
        "INC-7",
        "7c1f9a",
    )
    ledger.append(run.id, "intent", step("pid 4711"), 1)
    ledger.append(run.id, "result", did(), 1)
    again = store.open()  # somebody else, or the same after a crash
    first, intent, result = again.entries(run.id)
    assert [first.number, intent.number, result.number] == [1, 2, 3]
    assert first.body["plan"] == again.plan(run.id) == new().plan
    assert first.body["reason"] == "pool is full"
    assert (intent.kind, intent.step, intent.body) == ("intent", 1, step("pid 4711"))
    assert result.body == did()
    assert result.previous == intent.hash
    assert again.run(run.id).changed == result.at


def test_an_append_returns_what_is_read_back(ledger):
    run = ledger.begin(new())
    made = ledger.append(run.id, "note", {"text": "Grüße \x1b[31m 漢字 \x00 \udce4", "numbers": (1, 2.5, None, True)})
    assert ledger.entries(run.id)[-1] == made
    assert made.body["numbers"] == [1, 2.5, None, True]


def test_the_state_follows_the_entries(ledger):
    run = ledger.begin(new())
    told = []
    for kind, body in (
        ("intent", step("pid 1")),
        ("outcome", {"word": "unknown", "says": "step 1: nobody knows"}),
        ("resumed", {"actor": "bob", "host": "laptop"}),
        ("settled", {"effect": "acted", "says": "gone"}),
        ("outcome", {"word": "fixed", "says": "free slots 0 -> 9"}),
        ("undo-intent", {"role": "app"}),
        ("undo-result", did()),
        ("outcome", {"word": "undone", "says": "1 step was undone"}),
    ):
        ledger.append(run.id, kind, body, 1)
        now = ledger.run(run.id)
        told.append((now.state, now.word))
    assert told == [
        ("running", ""), ("done", "unknown"), ("running", ""), ("running", ""), ("done", "fixed"),
        ("running", ""), ("running", ""), ("undone", "undone"),
    ]  # fmt: skip
    assert ledger.run(run.id).says == "1 step was undone"
    assert ledger.verify().broken == ()


def test_a_run_is_found_by_the_beginning_of_its_id_or_as_the_last(ledger):
    runs = [a_run(ledger) for _ in range(3)]
    assert ledger.run(runs[1].id) == ledger.run(runs[1].id.lower())
    assert ledger.run("last").id == runs[2].id
    unique = next(runs[0].id[:n] for n in range(1, 27) if not any(r.id.startswith(runs[0].id[:n]) for r in runs[1:]))
    assert ledger.run(unique).id == runs[0].id
    with pytest.raises(UsageError, match="several runs begin with 01"):
        ledger.run("01")
    for wrong in ("01ZZZ", "", "no such", "'; DROP TABLE runs"):
        with pytest.raises(UsageError, match="there is no run"):
            ledger.run(wrong)
    with pytest.raises(UsageError, match="there is no run"):
        ledger.append("01ZZZ", "note", {"text": "x"})
    with pytest.raises(UsageError, match="there is no run"):
        ledger.plan("01ZZZ")
    with pytest.raises(Bug):
        ledger.append(runs[0].id, "no-such-kind", {})


def test_runs_are_listed_newest_first_and_filtered(store):
    clock = Clock()
    ledger = store.open(clock=clock)
    ids = []
    for number in range(6):
        clock.at += 3600
        ids.append(
            ledger.begin(
                new(
                    service=("amas", "danci")[number % 2],
                    actor=("ana", "bob", "eve")[number % 3],
                    action=ACTION if number < 3 else "service.restart",
                )
            ).id
        )

    def listed(**wanted):
        return [ids.index(run.id) for run in ledger.runs(**wanted)]

    assert listed() == [5, 4, 3, 2, 1, 0]
    assert listed(limit=2) == [5, 4]
    assert listed(service="danci") == [5, 3, 1]
    assert listed(actor="bob") == [4, 1]
    assert listed(action="service.restart", service="amas") == [4]
    assert listed(since=datetime.fromtimestamp(clock.at - 3600, UTC)) == [5, 4]
    assert listed(service="none") == []


def test_an_id_sorts_behind_the_one_before_even_in_the_same_millisecond(store):
    ledger = store.open(clock=Clock())
    ids = [ledger.begin(new()).id for _ in range(50)]
    assert ids == sorted(set(ids))


def test_a_clock_that_goes_back_does_not_take_the_record_along(store):
    clock = Clock()
    ledger = store.open(clock=clock)
    run = ledger.begin(new())
    before = ledger.append(run.id, "note", {"text": "before"})
    clock.at -= 7200
    after = ledger.append(run.id, "note", {"text": "after"})
    assert after.at == before.at
    assert after.body["clock"] == "2026-11-21T01:07:12.000000Z"
    later = ledger.begin(new())
    assert later.begun == before.at
    assert later.id > run.id
    clock.at += 7200.5
    assert "clock" not in ledger.append(run.id, "note", {"text": "right again"}).body
    clock.at -= 0.2  # hosts differ by as much
    assert "clock" not in ledger.append(run.id, "note", {"text": "nearly right"}).body
    assert ledger.verify().broken == ()


def test_no_secret_gets_in(store, ledger):
    run = ledger.begin(new(command="psql postgresql://ops:hunter22@db1/danci", reason="token=abcdef123456"))
    ledger.append(run.id, "intent", {**step("pid 1"), "before": {"password": "hunter22", "api_key": "$ADMIN_KEY"}}, 1)
    ledger.append(run.id, "result", did(says="Authorization: Bearer hunter22hunter22"), 1)
    for kept in store.sql("SELECT body FROM entries") + store.sql("SELECT command FROM runs"):
        assert "hunter22" not in kept[0]
        assert "abcdef123456" not in kept[0]
    begun, intent, result = ledger.entries(run.id)
    assert begun.body["redacted"] is intent.body["redacted"] is result.body["redacted"] is True
    assert intent.body["before"] == {"password": "[redacted]", "api_key": "$ADMIN_KEY"}  # a name is no secret
    assert intent.body["target"] == step("pid 1")["target"]
    assert ledger.verify().broken == ()


class TestTheLastAct:
    """What cool-downs go by."""

    def last(self, ledger, *targets, action=ACTION, scope=SCOPE):
        return ledger.last_act(action, targets, scope)

    def test_only_what_acted_or_may_have_counts(self, ledger):
        run = ledger.begin(new())
        at = {}
        for number, state in enumerate(("acted", "unknown", "unchanged", "skipped", "failed", ""), 1):
            intent = ledger.append(run.id, "intent", step(f"pid {number}", number), number)
            at[number] = (ledger.append(run.id, "result", did(state), number) if state else intent).at
        found = self.last(ledger, *(f"pid {number}" for number in range(1, 9)))
        assert found == {"pid 1": at[1], "pid 2": at[2], "pid 6": at[6]}

    def test_a_later_look_decides(self, ledger):
        run = ledger.begin(new())
        for number, effect in enumerate(("acted", "not-acted", "unknown"), 1):
            ledger.append(run.id, "intent", step(f"pid {number}", number), number)
            ledger.append(run.id, "settled", {"effect": effect, "says": "looked"}, number)
        assert set(self.last(ledger, "pid 1", "pid 2", "pid 3")) == {"pid 1", "pid 3"}

    def test_a_look_at_an_undo_says_nothing_of_the_act(self, ledger):
        run = ledger.begin(new())
        ledger.append(run.id, "intent", step("pid 1"), 1)
        acted = ledger.append(run.id, "result", did(), 1)
        ledger.append(run.id, "undo-intent", {"inverse": {}}, 1)
        ledger.append(run.id, "settled", {"effect": "not-acted", "says": "not undone", "undo": True}, 1)
        assert self.last(ledger, "pid 1") == {"pid 1": acted.at}

    def test_a_step_that_was_tried_again_counts_by_its_last_try(self, ledger):
        run = ledger.begin(new())
        ledger.append(run.id, "intent", step("pid 1"), 1)
        ledger.append(run.id, "settled", {"effect": "not-acted", "says": "still there"}, 1)
        ledger.append(run.id, "intent", step("pid 1"), 1)
        acted = ledger.append(run.id, "result", did(), 1)
        assert self.last(ledger, "pid 1") == {"pid 1": acted.at}

    def test_another_action_scope_or_target_does_not_count(self, ledger):
        a_run(ledger, "pid 1")
        assert self.last(ledger, "pid 1", action="postgres.cancel-query") == {}
        assert self.last(ledger, "pid 1", scope="postgres danci@db2:5432") == {}
        assert self.last(ledger, "pid 2") == {}
        assert self.last(ledger) == {}
        assert set(self.last(ledger, "pid 1")) == {"pid 1"}

    def test_the_newest_of_several(self, store):
        clock = Clock()
        ledger = store.open(clock=clock)
        a_run(ledger, "pid 1", "pid 2")
        clock.at += 60
        a_run(ledger, "pid 1")
        found = self.last(ledger, "pid 1", "pid 2")
        assert found["pid 1"] - found["pid 2"] == timedelta(seconds=60)

    def test_a_target_whose_name_holds_odd_characters(self, ledger):
        odd = "key \x1b[31m\x00 session_token:abcdef"
        ledger.append(ledger.begin(new()).id, "intent", step(odd), 1)
        assert set(self.last(ledger, odd)) == {odd}


def test_a_thread_that_renews_the_lease_does_not_get_in_the_way(ledger):
    run = ledger.begin(new())
    lease = ledger.lease(SCOPE, actor="ana", host="bastion", command="x")
    failed = []

    def beat():
        try:
            for _ in range(30):
                ledger.renew(lease)
        except Exception as error:
            failed.append(error)

    heart = threading.Thread(target=beat)
    heart.start()
    for number in range(1, 31):
        ledger.append(run.id, "intent", step("pid 1", number), number)
    heart.join(60)
    assert failed == []
    assert len(ledger.entries(run.id)) == 31
    assert ledger.verify().broken == ()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET at = 'yesterday'",
        "UPDATE entries SET body = '{'",
        "UPDATE runs SET begun = 'yesterday'",
    ],
)
def test_what_somebody_broke_is_one_sentence(store, ledger, statement):
    run = a_run(ledger)
    store.sql(statement)

    def look():
        ledger.entries(run.id)
        ledger.run(run.id)

    with pytest.raises(CannotWrite, match="somebody changed it") as failed:
        look()
    assert "opsctl ledger verify" in failed.value.sentence()
    assert ledger.verify().broken


def test_reading_makes_nothing(store):
    empty = store.open(reading=True)
    assert (empty.runs(), empty.leases(), list(empty.export())) == ([], [], [])
    assert empty.verify().entries == 0
    assert not store.path.exists()
    run = a_run(store.open())
    assert store.open(reading=True).run("last").id == run.id
