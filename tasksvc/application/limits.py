"""The limits and timeouts of an application, which whoever embeds or tests it can change.

They are tuples, since these take a third of the time of dataclasses to import.
"""

from __future__ import annotations

from typing import NamedTuple


class Limits(NamedTuple):
    """How much the service accepts, sends and keeps."""

    body_bytes: int = 256 * 1024
    """Bytes of a request's body.  A larger one is refused with 413."""
    batch_bytes: int = 8 * 1024 * 1024
    """Bytes of the body of a batch.  A larger one is refused with 413."""
    page_bytes: int = 1024 * 1024
    """About how many bytes a page of tasks or changes has.  A page of large tasks ends earlier than it was asked to."""
    stream_page: int = 250
    """Tasks or workspaces that are read at once for a whole list, so that other requests get their turn in between."""
    stream_bytes: int = 256 * 1024
    """About how many bytes are read at once for a whole list, which is what the service keeps for a slow client."""
    changes_read: int = 100
    """Changes that are read from the store at once, so that other requests get their turn in between."""
    held_request_bytes: int = 16 * 2**20
    """Bytes that all connections keep of requests: unfinished ones, those that wait, and the heads of the last ones.
    Beyond that the connections of the peer that holds most are closed."""
    held_answer_bytes: int = 32 * 2**20
    """Bytes of all answers that clients have yet to take.  Beyond that connections are closed, as above."""
    held_body_bytes: int = 32 * 2**20
    """Bytes of all large bodies, from the first byte until the request is answered.  Further bodies wait."""
    streams: int = 10_000
    """Streams and whole lists of all callers at once.  One more is refused with 503."""
    pages: int = 8
    """Pages that are read at once, searches aside.  Further ones wait."""
    searches: int = 2
    """Searches of a kind that run at once.  Each of them is of another caller."""
    searches_waiting: int = 64
    """Searches of one caller that wait for their turn.  One more is refused with 503."""
    feed_events: int = 1_000
    """Newest changes that are kept encoded for the streams, so that most streams don't read the store."""
    feed_bytes: int = 4 * 1024 * 1024
    """Bytes of these changes.  The oldest ones are dropped first."""
    feed_chunk_bytes: int = 64 * 1024
    """Bytes after which a chunk of a stream of changes ends, and about what is read from the store at once."""
    list_step: int = 1_000
    """Tasks of a list that one commit moves or deletes, when the list is renamed or deleted."""
    consumer_workspaces: int = 10_000
    """Workspaces of one consumer that wait for their turn, or for another attempt, before it looks for further ones."""
    workspace_tasks: int | None = None
    """Tasks that a workspace may have; None for any number.  One more is refused with 409."""


class Timeouts(NamedTuple):
    """How long the service waits, and how often it looks, in seconds."""

    idle: float = 75.0
    """A connection that sends no request for this long is closed.  It's longer than load balancers keep theirs, which
    otherwise send a request while the service closes the connection."""
    request_head: float = 15.0
    """From the start of a connection, or of a later request, to the end of the head; then the connection closes."""
    linger: float = 2.0
    """For how long what a client still sends is read and dropped after the last answer, so that it sees the answer."""
    stalled: float = 30.0
    """A client that takes nothing of what waits for it for this long loses its connection."""
    stalled_check: float = 5.0
    """Between two looks at all connections for such clients.  A connection may live longer by this much."""
    body: float = 10.0
    """A body that isn't complete after this time is refused with 408, so that slow senders don't fill the room."""
    body_queue: float = 15.0
    """A large body that found no room for this long is refused with 503, before any of it is read."""
    request: float = 30.0
    """A request whose answer hasn't begun after this time, the body included, is cancelled and answered with 503."""
    cancellation: float = 2.0
    """A cancelled request that hasn't ended after this time loses its connection."""
    check_interval: float = 1.0
    """Between two looks for requests that time out or whose client has left.  A timer for each would cost too much."""
    token_cache: float = 0.5
    """How long a token that was found valid is trusted, and between two looks at the callers of open streams.  A
    revoked token works at most this long."""
    store_chunk: float = 30.0
    """A list or a stream whose next chunk takes the store longer than this is cut off."""
    heartbeat: float = 15.0
    """Between two comments on a silent stream of changes, which keep proxies from closing it."""
    feed_wait: float = 120.0
    """For how long one call of the store waits for the next change."""
    feed_retry: float = 1.0
    """Between a failed read of the change log and the next one."""
    readiness: float = 2.0
    """The store must answer within this time for the service to be ready."""
    unanswered_write: float = 30.0
    """The service isn't ready for this long after the store left a write without an answer."""
    search: float = 10.0
    """A search that takes longer, the wait for its turn included, is refused with 503."""
    slow_open: float = 10.0
    """If the store takes longer to open, the log says so."""
    close_store: float = 10.0
    """If the store takes longer to close, the log says so and it is left open."""
    prune_interval: float = 60.0
    """Between two looks for changes and idempotency keys that have expired."""
    prune_pause: float = 0.01
    """Between two steps of deleting them, so that requests come first."""
    list_jobs: float = 30.0
    """Between two looks for lists that a process has left half renamed or half deleted."""
    list_pause: float = 0.01
    """Between two commits that rename or delete a list, so that requests come first."""
    lease: float = 6.0
    """Another process takes a lease that wasn't renewed for this long.  Its holder stops its work a second earlier."""
    lease_renewal: float = 2.0
    """Between two renewals of a lease by its holder."""
    lease_check: float = 1.0
    """Between two looks at a lease by those who wait for it, which is how soon one is taken that is given back."""
    consumer_poll: float = 0.25
    """Between two looks for workspaces that have changed, while somebody waits for changes of all of them."""
    consumer_retry: float = 1.0
    """Between a failure of a consumer and the next attempt.  It doubles with each further failure."""
    consumer_retry_max: float = 60.0
    """The longest time between two attempts of a consumer."""
    consumer_token: float = 5.0
    """Between two writes that say which changes a consumer need not look for after the next start."""
    plugin_exit: float = 3.0
    """What a plugin does beside the requests gets this long to end when the service stops; then it's cancelled."""
    drain: float = 10.0
    """Requests in flight get this long to finish when the service stops."""
    final_response_grace: float = 1.0
    """The part of `drain` in which no body is received any more, so that the last requests can be answered."""
    exit: float = 25.0
    """A process of `tasksvc serve` that still runs this long after a signal ends by force.  Kubernetes waits 30 s."""
    loop_check: float = 0.5
    """Between two looks of the watchdog at the event loop."""
    loop_late: float = 1.0
    """If the event loop is held up for longer than this and `loop_check` together, the log says so, and where."""


DEFAULT_LIMITS, DEFAULT_TIMEOUTS = Limits(), Timeouts()
