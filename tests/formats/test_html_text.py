"""HTML becomes text for people."""

from __future__ import annotations

import pytest
from tasksvc_formats.html_text import html_to_text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("plain, with a < b and c > d", "plain, with a < b and c > d"),
        ("I <3 you &amp; me", "I <3 you & me"),
        ("<p>one</p><p>two <b>bold</b></p>", "one\ntwo bold"),
        ("one<br>two<br/>three", "one\ntwo\nthree"),
        ("<ul><li><p>a</p></li><li>b</li></ul>", "- a\n- b"),
        ('<ul><li data-checked="true"><p>a</p></li><li data-checked="false"><p>b</p></li></ul>', "[x] a\n[ ] b"),
        ('<p>see <a href="https://example.org/?a=1&amp;b=2">this</a></p>', "see this <https://example.org/?a=1&b=2>"),
        ('<a href="https://example.org">https://example.org</a>', "https://example.org"),
        ("<p>a</p><script>alert(1)</script><style>p {}</style><p>b</p>", "a\nb"),
        ('<p><img src="a.png" alt="A tap"></p>', "A tap"),
        ("<P CLASS=x>Capitals</P>", "Capitals"),
        ("<p>unfinished <b", "unfinished <b"),
        ("<!-- a note --><p>a</p>", "a"),
    ],
)
def test_tags_become_lines_and_addresses(html: str, text: str) -> None:
    assert html_to_text(html) == text


@pytest.mark.parametrize(
    "bit", ["<a ", "<!", "<!--", "&#", "<a href='", "</", "<p>", "<a b=", "<script>", "<li>", "<a>x</a>"]
)
def test_a_long_text_is_read_in_time(bit: str) -> None:
    """Otherwise this takes hours."""
    assert html_to_text("<p>" + bit * (1_000_000 // len(bit))) is not None
