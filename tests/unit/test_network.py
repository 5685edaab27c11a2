"""Stores behind a network: attempts, deadlines, and what a lost answer means, with a driver that follows a script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from tasksvc import OutcomeUnknown, StoreClosed, StoreFull, StoreUnavailable
from tasksvc.network import DeadlineBatcher, Executor, Failure, Session, translating

PATIENCE = 60.0
"""Seconds after which a test that waits for something has failed."""
HANG = "hang"
"""An answer that never comes."""


class Refused(Exception):
    """The server's answer that it doesn't do a statement."""


class Conflict(Refused):
    """A refusal after which another attempt may succeed."""


class Lost(Exception):
    """The driver's error where a connection is lost."""


class Demoted(Refused):
    """A refusal of a server that takes no writes any more."""


def translate(error: Exception) -> Failure | None:
    if not isinstance(error, Refused | Lost):
        return None
    return Failure(
        StoreFull("full") if str(error) == "full" else StoreUnavailable(f"cannot: {error}"),
        refused=isinstance(error, Refused),
        retryable=isinstance(error, Conflict | Demoted | Lost),
        expire_pool=isinstance(error, Demoted),
    )


class FakeConnection:
    """A connection whose statements are answered by the script of its server."""

    def __init__(self, server: FakeServer, number: int) -> None:
        self.server, self.number = server, number
        self.closed = False
        self.in_transaction = False

    async def send(self, statement: str) -> str:
        self.server.journal.append(f"{self.number} {statement}")
        answer = self.server.next_answer(statement)
        if answer == HANG:
            await asyncio.Event().wait()
        elif isinstance(answer, asyncio.Event):
            await answer.wait()
        elif isinstance(answer, Exception):
            raise answer
        self.in_transaction = statement not in ("COMMIT", "ROLLBACK") and (statement == "BEGIN" or self.in_transaction)
        return f"answer to {statement}"

    def is_closed(self) -> bool:
        return self.closed

    def terminate(self) -> None:
        if not self.closed:
            self.closed = True
            self.server.journal.append(f"{self.number} terminated")

    async def close(self) -> None:
        self.server.journal.append(f"{self.number} closed")
        self.closed = True

    async def roll_back(self) -> None:
        if self.in_transaction:
            await self.send("ROLLBACK")

    async def settle(self) -> None:
        await self.send("SETTLE")


Answer = Exception | asyncio.Event | str | None


class FakeServer:
    """Answers each statement as its script says, and as a sound server after that."""

    def __init__(self) -> None:
        self.script: dict[str, list[Answer]] = {}
        self.journal: list[str] = []
        self.connections: list[FakeConnection] = []

    async def connect(self) -> FakeConnection:
        connection = FakeConnection(self, len(self.connections))
        self.connections.append(connection)
        await connection.send("CONNECT")
        return connection

    def next_answer(self, statement: str) -> Answer:
        answers = self.script.get(statement)
        return answers.pop(0) if answers else None

    def count(self, statement: str) -> int:
        return sum(line.endswith(statement) for line in self.journal)


FakeExecutor = Executor[FakeConnection, Session[FakeConnection]]
Start = Callable[..., FakeExecutor]


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
async def start(server: FakeServer) -> AsyncIterator[Start]:
    """Returns a function that makes an executor on the server; all are closed in the end."""
    executors: list[FakeExecutor] = []

    def started(*, size: int = 2, timeout: float = PATIENCE) -> FakeExecutor:
        executor: FakeExecutor = Executor(
            connect=server.connect, translate=translate, name="db:", size=size, timeout=timeout
        )
        executors.append(executor)
        return executor

    yield started
    for executor in executors:
        await asyncio.wait_for(executor.close(), PATIENCE)


async def write(connection: FakeConnection) -> str:
    await connection.send("BEGIN")
    return await connection.send("INSERT")


async def commit(connection: FakeConnection) -> None:
    await connection.send("COMMIT")


async def read(session: Session[FakeConnection]) -> str:
    return await session.connection.send("SELECT")


async def begun(server: FakeServer, statement: str, count: int = 1) -> None:
    """Returns when the server has had the statement so often."""
    async with asyncio.timeout(PATIENCE):
        while server.count(statement) < count:
            await asyncio.sleep(0.001)


async def open_all(server: FakeServer, executor: FakeExecutor, size: int) -> None:
    """Opens as many connections as there may be, which are idle then."""
    free = asyncio.Event()
    server.script["SELECT"] = [free] * size
    reading = [asyncio.create_task(executor.run(read)) for _ in range(size)]
    await begun(server, "SELECT", size)
    free.set()
    await asyncio.gather(*reading)


# ---------------------------------------------------------------- the outcome of a commit


async def test_a_transaction_is_committed_once_and_its_connection_used_again(server: FakeServer, start: Start) -> None:
    executor = start()

    answers = [await executor.transact(write, commit=commit) for _ in range(2)]

    assert answers == ["answer to INSERT"] * 2
    assert server.journal == ["0 CONNECT", *["0 BEGIN", "0 INSERT", "0 COMMIT"] * 2]


@pytest.mark.parametrize(
    "error", [Lost("reset"), ConnectionResetError("reset"), TimeoutError(), RuntimeError("packets out of order")]
)
async def test_whatever_is_raised_in_a_commit_leaves_its_outcome_unknown_and_is_never_repeated(
    server: FakeServer, start: Start, error: Exception
) -> None:
    executor = start()
    server.script["COMMIT"] = [error]

    with pytest.raises(OutcomeUnknown, match=r"db: was lost while it committed .* same idempotency key"):
        await executor.transact(write, commit=commit)

    assert server.count("COMMIT") == 1
    assert server.connections[0].closed
    assert await executor.run(read) == "answer to SELECT"


async def test_a_commit_that_is_not_answered_in_time_has_an_unknown_outcome(server: FakeServer, start: Start) -> None:
    executor = start(timeout=0.05)
    server.script["COMMIT"] = [HANG]

    with pytest.raises(OutcomeUnknown, match="no answer in time"):
        await executor.transact(write, commit=commit)


async def test_a_commit_that_the_server_refuses_wrote_nothing(server: FakeServer, start: Start) -> None:
    executor = start()
    server.script["COMMIT"] = [Refused("full")]

    with pytest.raises(StoreFull) as failure:
        await executor.transact(write, commit=commit)

    assert not isinstance(failure.value, OutcomeUnknown)
    assert server.journal[-2:] == ["0 COMMIT", "0 ROLLBACK"]


async def test_a_commit_that_the_server_refuses_for_a_conflict_is_done_again(server: FakeServer, start: Start) -> None:
    executor = start()
    server.script["COMMIT"] = [Conflict("deadlock"), Conflict("deadlock")]

    assert await executor.transact(write, commit=commit) == "answer to INSERT"

    assert (server.count("INSERT"), server.count("COMMIT"), server.count("ROLLBACK")) == (3, 3, 2)


@pytest.mark.parametrize("statement", ["BEGIN", "INSERT"])
@pytest.mark.parametrize("error", [Lost("reset"), ConnectionResetError("reset"), Conflict("deadlock")])
async def test_what_fails_before_the_commit_wrote_nothing_and_is_done_again(
    server: FakeServer, start: Start, statement: str, error: Exception
) -> None:
    executor = start()
    server.script[statement] = [error]

    assert await executor.transact(write, commit=commit) == "answer to INSERT"

    assert server.count("COMMIT") == 1


async def test_a_commit_on_a_connection_that_is_known_to_be_lost_is_not_begun(server: FakeServer, start: Start) -> None:
    executor = start()
    attempts: list[int] = []

    async def write_and_lose(connection: FakeConnection) -> int:
        attempts.append(connection.number)
        if len(attempts) == 1:
            connection.terminate()
        return connection.number

    assert await executor.transact(write_and_lose, commit=commit) == 1

    assert (attempts, server.count("COMMIT")) == ([0, 1], 1)


async def test_after_a_commit_an_error_of_the_same_work_is_no_unknown_outcome(start: Start) -> None:
    executor = start()

    async def work(session: Session[FakeConnection]) -> None:
        await session.commit_with(lambda: commit(session.connection))
        raise Refused("later")

    with pytest.raises(StoreUnavailable) as failure:
        await executor.run(work)

    assert type(failure.value) is StoreUnavailable


async def test_work_without_an_executor_has_its_errors_translated_by_the_same_rules() -> None:
    with pytest.raises(OutcomeUnknown), translating(translate, "db:", lambda: True):
        raise Lost("reset")
    with pytest.raises(StoreUnavailable, match="cannot: reset"), translating(translate, "db:"):
        raise Lost("reset")
    with pytest.raises(ValueError, match="mine"), translating(translate, "db:"):
        raise ValueError("mine")


# ---------------------------------------------------------------- attempts


async def test_attempts_end_with_the_last_error(server: FakeServer, start: Start) -> None:
    executor = start()
    server.script["SELECT"] = [Lost(f"reset {number}") for number in range(9)]

    with pytest.raises(StoreUnavailable, match="cannot: reset 3"):
        await executor.run(read)


async def test_an_error_that_is_not_worth_a_repetition_is_not_repeated(server: FakeServer, start: Start) -> None:
    executor = start()
    server.script["SELECT"] = [Refused("syntax")]

    with pytest.raises(StoreUnavailable, match="cannot: syntax"):
        await executor.run(read)

    assert server.journal == ["0 CONNECT", "0 SELECT"]
    assert await executor.run(read) == "answer to SELECT"
    assert len(server.connections) == 1, "a refusal costs no connection"


async def test_an_error_of_the_work_itself_is_passed_on_and_its_transaction_rolled_back(
    server: FakeServer, start: Start
) -> None:
    executor = start()

    async def work(session: Session[FakeConnection]) -> None:
        await session.connection.send("BEGIN")
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await executor.run(work)

    assert server.journal == ["0 CONNECT", "0 BEGIN", "0 ROLLBACK"]
    assert await executor.run(read) == "answer to SELECT"
    assert len(server.connections) == 1


async def test_a_connection_that_can_not_be_rolled_back_is_dropped(server: FakeServer, start: Start) -> None:
    executor = start()
    server.script = {"INSERT": [Refused("full")], "ROLLBACK": [Lost("reset")]}

    with pytest.raises(StoreFull):
        await executor.transact(write, commit=commit)

    assert server.connections[0].closed
    assert await executor.run(read) == "answer to SELECT"


async def test_a_connection_that_was_lost_while_it_was_idle_is_replaced(server: FakeServer, start: Start) -> None:
    executor = start()
    await executor.run(read)
    server.connections[0].closed = True

    assert await executor.run(read) == "answer to SELECT"

    assert server.journal[-2:] == ["1 CONNECT", "1 SELECT"]


async def test_stale_connections_that_nobody_knows_to_be_lost_cost_one_attempt(
    server: FakeServer, start: Start
) -> None:
    """A driver that notices a loss at the next statement has as many stale ones as its pool is large."""
    executor = start(size=8)
    await open_all(server, executor, 8)
    stale = server.connections[:]
    server.script["SELECT"] = [ConnectionResetError("reset")]

    assert await executor.run(read) == "answer to SELECT"

    assert all(connection.closed for connection in stale)


async def test_a_server_that_was_demoted_is_left_by_all_connections(server: FakeServer, start: Start) -> None:
    executor = start(size=2)
    busy = asyncio.Event()
    server.script["SELECT"] = [busy]
    reading = asyncio.create_task(executor.run(read))
    await begun(server, "SELECT")
    server.script["BEGIN"] = [Demoted("read-only")]

    await executor.transact(write, commit=commit)
    busy.set()
    await reading

    assert [connection.closed for connection in server.connections] == [True, True, False]


# ---------------------------------------------------------------- deadlines


async def test_a_call_ends_by_its_deadline(server: FakeServer, start: Start) -> None:
    executor = start(timeout=0.05)
    server.script["SELECT"] = [HANG]

    with pytest.raises(StoreUnavailable, match="db: does not answer in time") as failure:
        await executor.run(read)

    assert not isinstance(failure.value, OutcomeUnknown)
    assert server.journal == ["0 CONNECT", "0 SELECT", "0 terminated"]


async def test_a_server_that_was_silent_for_the_whole_time_is_left_by_all_connections(
    server: FakeServer, start: Start
) -> None:
    executor = start(timeout=0.05)
    await open_all(server, executor, 2)
    server.script["SELECT"] = [HANG]

    with pytest.raises(StoreUnavailable):
        await executor.run(read)

    assert [connection.closed for connection in server.connections] == [True, True]


async def test_a_call_that_was_late_when_it_began_says_nothing_about_the_server(
    server: FakeServer, start: Start
) -> None:
    executor = start(timeout=10)
    await open_all(server, executor, 2)
    server.script["SELECT"] = [HANG]

    with pytest.raises(StoreUnavailable):
        await executor.run(read, deadline=asyncio.get_running_loop().time() + 0.05)

    assert sorted(connection.closed for connection in server.connections) == [False, True]


async def test_no_further_attempt_begins_after_the_deadline(server: FakeServer, start: Start) -> None:
    executor = start()
    server.script["SELECT"] = [Lost("first"), Lost("second")]

    with pytest.raises(StoreUnavailable, match="second"):
        await executor.run(read, deadline=asyncio.get_running_loop().time() + 0.04)  # the third pause is longer


async def test_a_call_that_gets_no_connection_says_so(server: FakeServer, start: Start) -> None:
    executor = start(size=2, timeout=PATIENCE)
    free = asyncio.Event()
    server.script["SELECT"] = [free, free]
    busy = [asyncio.create_task(executor.run(read)) for _ in range(2)]
    await begun(server, "SELECT", 2)

    with pytest.raises(StoreUnavailable, match="All 2 connections to db: are in use"):
        await executor.run(read, deadline=asyncio.get_running_loop().time() + 0.05)

    free.set()
    assert await asyncio.gather(*busy) == ["answer to SELECT"] * 2


async def test_searches_leave_half_of_the_connections_to_other_calls(server: FakeServer, start: Start) -> None:
    executor = start(size=4)
    free = asyncio.Event()
    server.script["SELECT"] = [free, free]
    searches = [asyncio.create_task(executor.run_scan(read)) for _ in range(10)]
    await begun(server, "SELECT", 2)

    assert [await executor.run(read) for _ in range(3)] == ["answer to SELECT"] * 3
    assert server.count("SELECT") == 5
    with pytest.raises(StoreUnavailable, match="Too many searches run already"):
        await executor.run_scan(read, deadline=asyncio.get_running_loop().time() + 0.01)

    free.set()
    assert await asyncio.gather(*searches) == ["answer to SELECT"] * 10


# ---------------------------------------------------------------- cancellation


async def test_a_connection_whose_caller_was_cancelled_is_used_again_when_its_statement_has_ended(
    server: FakeServer, start: Start
) -> None:
    executor = start(size=1)
    ended = asyncio.Event()
    server.script = {"INSERT": [HANG], "SETTLE": [ended]}
    writing = asyncio.create_task(executor.transact(write, commit=commit))
    await begun(server, "INSERT")

    writing.cancel()
    await asyncio.wait([writing])
    reading = asyncio.create_task(executor.run(read))
    await begun(server, "SETTLE")
    assert server.count("SELECT") == 0, "it is not given to another before"
    ended.set()

    assert await reading == "answer to SELECT"
    assert writing.cancelled()
    assert server.journal[-3:] == ["0 SETTLE", "0 ROLLBACK", "0 SELECT"]


@pytest.mark.parametrize("answer", [HANG, Lost("reset")])
async def test_a_connection_that_does_not_settle_is_dropped(server: FakeServer, start: Start, answer: Answer) -> None:
    executor = start(size=1, timeout=0.2)
    server.script = {"SELECT": [HANG], "SETTLE": [answer]}
    reading = asyncio.create_task(executor.run(read))
    await begun(server, "SELECT")

    reading.cancel()
    await begun(server, "0 terminated")

    assert await executor.run(read) == "answer to SELECT"
    assert len(server.connections) == 2


# ---------------------------------------------------------------- close


async def test_close_waits_for_running_work_and_refuses_what_comes(server: FakeServer, start: Start) -> None:
    executor = start()
    free = asyncio.Event()
    server.script["COMMIT"] = [free]
    writing = asyncio.create_task(executor.transact(write, commit=commit))
    await begun(server, "COMMIT")

    closing = asyncio.create_task(executor.close())
    await asyncio.sleep(0)
    with pytest.raises(StoreClosed):
        await executor.run(read)
    assert not closing.done()
    free.set()
    await asyncio.wait_for(closing, PATIENCE)

    assert await writing == "answer to INSERT"
    assert all(connection.closed for connection in server.connections)


async def test_close_waits_no_longer_than_a_call_has(server: FakeServer, start: Start) -> None:
    executor = start(timeout=0.05)
    await executor.run(read)
    server.script["SELECT"] = [HANG]
    reading = asyncio.create_task(executor.run(read, deadline=asyncio.get_running_loop().time() + PATIENCE))
    await begun(server, "SELECT", 2)

    await asyncio.wait_for(executor.close(), PATIENCE)

    assert server.connections[0].closed
    reading.cancel()


# ---------------------------------------------------------------- batches with deadlines


async def test_an_item_that_waited_for_most_of_its_time_is_refused_and_the_others_are_done(
    server: FakeServer, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = start(timeout=10)
    batches: list[Sequence[str]] = []
    free = asyncio.Event()

    async def work(session: Session[FakeConnection], items: Sequence[str]) -> Sequence[str]:
        batches.append(items)
        await free.wait()
        return items

    batcher: DeadlineBatcher[str, str] = DeadlineBatcher(executor, work)
    first = batcher("first")
    async with asyncio.timeout(PATIENCE):
        while not batches:
            await asyncio.sleep(0.001)
    monkeypatch.setattr(executor, "deadline", lambda: asyncio.get_running_loop().time() + 1)  # of 10
    late = batcher("late")
    monkeypatch.undo()
    others = [batcher(name) for name in ("second", "third")]
    free.set()

    assert await first == "first"
    with pytest.raises(StoreUnavailable, match="too slow for all who ask"):
        await late
    assert [await other for other in others] == ["second", "third"]
    assert batches == [["first"], ["second", "third"]]


async def test_an_unknown_outcome_is_that_of_its_batch_and_not_of_who_was_refused(
    server: FakeServer, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = start(timeout=10)
    server.script["COMMIT"] = [Lost("reset")]

    async def work(session: Session[FakeConnection], items: Sequence[str]) -> Sequence[str]:
        await session.commit_with(lambda: commit(session.connection))
        return items

    batcher: DeadlineBatcher[str, str] = DeadlineBatcher(executor, work)
    monkeypatch.setattr(executor, "deadline", lambda: asyncio.get_running_loop().time() + 1)
    late = batcher("late")
    monkeypatch.undo()

    outcomes = await asyncio.gather(late, batcher("second"), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable, OutcomeUnknown]
    await batcher.close()
