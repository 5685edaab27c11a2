"""The place of a lane, and its attempts."""

from __future__ import annotations

import json

from tasksvc_webhooks.lanes import Place, failed, in_round, must_begin, passed, place_from_json, place_to_json

from tasksvc import Position
from tasksvc.testing.samples import NOW, later
from webhooks.samples import webhook

DELAYS = (5.0, 300.0)
PLACE = Place(Position("a1", 7), NOW, start=1, round=1)


def test_failures_count_until_none_is_left() -> None:
    place, times = PLACE, [NOW]

    for number in range(1, 3):
        next_place = failed(place, NOW, None, DELAYS)
        assert next_place is not None
        assert next_place.due is not None
        assert (next_place.attempts, next_place.position) == (number, PLACE.position)
        place = next_place
        times.append(next_place.due)

    assert times == sorted(times)
    assert failed(place, NOW, None, DELAYS) is None


def test_a_delivery_moves_the_place_and_gives_all_attempts_to_the_next_change() -> None:
    place = failed(PLACE, NOW, None, DELAYS)
    assert place is not None

    after = passed(place, Position("a1", 8), later(1))

    assert after == PLACE._replace(position=Position("a1", 8), at=later(1))


def test_a_new_round_gives_all_attempts_and_the_same_round_none() -> None:
    place = failed(PLACE, NOW, None, DELAYS)
    assert place is not None

    assert in_round(place, 1) == place
    assert in_round(place, 2) == PLACE._replace(round=2)


def test_a_lane_begins_where_it_has_no_place_or_an_earlier_start() -> None:
    asked = webhook()

    assert must_begin(None, asked, "default")
    assert not must_begin(PLACE, asked, "default")
    assert must_begin(PLACE._replace(start=0), asked, "default")


def test_a_record_gives_back_the_place() -> None:
    place = failed(PLACE, NOW, 60.0, DELAYS)
    assert place is not None

    assert place_from_json(json.loads(json.dumps(place_to_json(place)))) == place
    assert place_from_json(place_to_json(PLACE)) == PLACE
