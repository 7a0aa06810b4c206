"""P02, R6: a dead, hanging or killed worker costs the entry that it had in hand, which is named; others go on."""

import os
import signal
import time

import pytest

from triage.case.reading import PendingEntry
from triage.errors import TriageError
from triage.model.problem import Reason
from triage.model.result import EntryResult
from triage.pipeline.messages import ENTRY, TOGETHER, Results, WorkerSetup, WorkItem
from triage.pipeline.options import Limits
from triage.pipeline.queue import WorkQueue
from triage.pipeline.supervisor import Supervisor, death_problem, level_for

POISON = 13


def _serve(connection, marker, act):
    connection.send(Results(()))
    while (batch := connection.recv()) is not None:
        done = []
        for item in batch:
            marker[1] = time.monotonic_ns()
            marker[0] = item.entry_id
            if item.entry_id == POISON:
                act(item)
            done.append(EntryResult(item.entry_id, f"level {item.level}", None, None))
        marker[0] = 0
        connection.send(Results(tuple(done), (), (), 1))


def _killed(item):
    os.kill(os.getpid(), signal.SIGKILL)


def _killed_unless_raw(item):
    if not item.level:
        os.kill(os.getpid(), signal.SIGSEGV)


def _hang(item):
    time.sleep(600)


def _stop(item):
    os.kill(os.getpid(), signal.SIGSTOP)


def killed_worker(setup, connection, marker):
    _serve(connection, marker, _killed)


def careful_worker(setup, connection, marker):
    _serve(connection, marker, _killed_unless_raw)


def hanging_worker(setup, connection, marker):
    _serve(connection, marker, _hang)


def stopped_worker(setup, connection, marker):
    _serve(connection, marker, _stop)


def unborn_worker(setup, connection, marker):
    os._exit(7)


def worker_killed_in_a_group(setup, connection, marker):
    connection.send(Results(()))
    while (batch := connection.recv()) is not None:
        if len(batch) > 1 and batch[0].entry_id == 1:
            marker[TOGETHER], marker[ENTRY] = 5, batch[0].entry_id
            os.kill(os.getpid(), signal.SIGKILL)
        connection.send(Results(tuple(EntryResult(item.entry_id, "x", None, None) for item in batch), (), (), 1))


def run(target, count=60, workers=2, seconds=60.0):
    pending = [PendingEntry(number, 1, number, 0.5, number, 0) for number in range(1, count + 1)]
    results, deaths = [], []
    setup = WorkerSetup({}, {}, None, Limits(seconds=seconds, seconds_per_mib=0), None)
    supervisor = Supervisor(
        setup,
        workers,
        load=lambda entries: [
            WorkItem(e.id, 1, b"/", b"", "", 0, 0, e.size, 0, 0, 0, 0, True, True, "", level=level_for(e.attempts))
            for e in entries
        ],
        deliver=lambda message: results.extend(message.results),
        died=deaths.append,
        tick=lambda: None,
        target=target,
    )
    try:
        supervisor.run(WorkQueue(pending, workers))
    finally:
        supervisor.close()
    return results, deaths


@pytest.mark.parametrize(
    ("target", "reason", "seconds"),
    [
        (killed_worker, Reason.CRASHED, 60.0),
        (hanging_worker, Reason.TIMEOUT, 1.0),
        (stopped_worker, Reason.TIMEOUT, 1.0),
    ],
)
def test_p02_one_entry_is_given_up_after_three_tries_and_the_rest_is_done(target, reason, seconds):
    results, deaths = run(target, seconds=seconds)
    assert sorted(result.entry_id for result in results) == [n for n in range(1, 61) if n != POISON]
    assert [(death.entry.id, death.attempts, death.given_up, death.reason) for death in deaths] == [
        (POISON, 1, False, reason),
        (POISON, 2, False, reason),
        (POISON, 3, True, reason),
    ]


def test_r6_the_last_try_is_at_the_lowest_level():
    results, deaths = run(careful_worker)
    assert sorted(result.entry_id for result in results) == list(range(1, 61))
    assert [result.digest for result in results if result.entry_id == POISON] == ["level 2"]
    assert [death.given_up for death in deaths] == [False, False]


def test_workers_that_die_before_they_work_end_the_run():
    with pytest.raises(TriageError, match="exit code 7"):
        run(unborn_worker)


def test_a_death_on_several_together_blames_none_and_is_told():
    results, deaths = run(worker_killed_in_a_group)
    assert sorted(result.entry_id for result in results) == list(range(1, 61))
    ((death),) = deaths
    assert (death.entry.id, death.attempts, death.given_up, death.together) == (1, 0, False, 5)
    problem = death_problem("x.dd p1:/a", 1, death)
    assert "together with 4 more" in problem.message
    assert problem.examined_anyway
