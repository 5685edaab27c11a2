"""Long conditions on entity tags, which are kept as their text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from tasksvc.api.requests import etags
from tasksvc.api.requests.etags import expected_by
from tasksvc.domain.task import Version

GENERATIONS = ("a", "b", "xa", "a.1", "W/a")

tags = some.builds(
    '{}"{}"'.format,
    some.sampled_from(["", "W/"]),
    some.sampled_from(["a.1", "a.2", "b.1", "xa.1", "a.11", "a.1.1", "W/a.1", ".1", "a.", "a.01", "", "1"]),
)
lists = some.builds(str.join, some.sampled_from([",", ", ", " ,,\t"]), some.lists(tags, min_size=1, max_size=6))


@given(lists)
def test_a_long_list_admits_what_a_short_one_does(text: str) -> None:
    padding = ' , "other"' * etags.LISTED_MAX
    versions = [Version(generation, number) for generation in GENERATIONS for number in (1, 2, 11)]

    for_match, long_for_match = expected_by(text, None), expected_by(text + padding, None)
    for_none, long_for_none = expected_by(None, text), expected_by(None, text + padding)

    assert list(map(for_match.admits, versions)) == list(map(long_for_match.admits, versions))
    assert list(map(for_none.admits, versions)) == list(map(long_for_none.admits, versions))
    assert long_for_match.any_of == for_match.any_of
