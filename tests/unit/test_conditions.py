"""Long preconditions on entity tags, which are kept as their text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from tasksvc.api.requests import etags
from tasksvc.api.requests.etags import precondition_from
from tasksvc.domain.task import Version

GENERATIONS = ("a", "b", "xa", "a.1", "W/a")

tags = some.builds(
    '{}"{}"'.format,
    some.sampled_from(["", "W/"]),
    some.sampled_from(["a.1", "a.2", "b.1", "xa.1", "a.11", "a.1.1", "W/a.1", ".1", "a.", "a.01", "", "1"]),
)
lists = some.builds(str.join, some.sampled_from([",", ", ", " ,,\t"]), some.lists(tags, min_size=1, max_size=6))


@given(lists)
def test_a_long_list_allows_what_a_short_one_does(text: str) -> None:
    padding = ' , "other"' * etags.LISTED_MAX
    versions = [Version(generation, number) for generation in GENERATIONS for number in (1, 2, 11)]

    for_match, long_for_match = precondition_from(text, None), precondition_from(text + padding, None)
    for_none, long_for_none = precondition_from(None, text), precondition_from(None, text + padding)

    assert list(map(for_match.allows, versions)) == list(map(long_for_match.allows, versions))
    assert list(map(for_none.allows, versions)) == list(map(long_for_none.allows, versions))
    assert long_for_match.any_of == for_match.any_of
