"""URLs and addresses that lead inside are refused, in every notation, before and while a connection is made."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tasksvc_webhooks.addresses import InvalidURL, check_resolves, check_url, refusal_of_address
from tasksvc_webhooks.lookups import ADDRESSES_MAX, Lookups
from tasksvc_webhooks.sending import Attempt, Message, Outcome, Target
from tasksvc_webhooks.signing import new_secret

from webhooks.targets import sender

NETWORKS = [
    ("0.0.0.0", "0.255.255.255"),  # noqa: S104
    ("10.0.0.0", "10.255.255.255"),
    ("100.64.0.0", "100.127.255.255"),
    ("127.0.0.0", "127.255.255.255"),
    ("168.63.129.16", "168.63.129.16"),
    ("169.254.0.0", "169.254.255.255"),
    ("172.16.0.0", "172.31.255.255"),
    ("192.0.0.0", "192.0.0.255"),
    ("192.0.2.0", "192.0.2.255"),
    ("192.88.99.0", "192.88.99.255"),
    ("192.168.0.0", "192.168.255.255"),
    ("198.18.0.0", "198.19.255.255"),
    ("198.51.100.0", "198.51.100.255"),
    ("203.0.113.0", "203.0.113.255"),
    ("224.0.0.0", "255.255.255.255"),
    ("::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("3ffe::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
]
"""The first and the last address of each stretch that is refused as a whole."""

REFUSED = [
    ("169.254.169.254", "a link-local address"),
    ("169.254.170.2", "a link-local address"),
    ("fd00:ec2::254", "a private address"),
    ("168.63.129.16", "a metadata address"),
    ("100.100.100.200", "a private address"),
    ("192.0.0.192", "a reserved address"),
    ("127.0.0.1", "a loopback address"),
    ("::1", "a loopback address"),
    ("0.0.0.0", "an unspecified address"),  # noqa: S104
    ("::", "an unspecified address"),
    ("10.1.2.3", "a private address"),
    ("172.31.255.255", "a private address"),
    ("192.168.1.1", "a private address"),
    ("100.64.0.1", "a private address"),
    ("fc00::1", "a private address"),
    ("fd12:3456:789a::1", "a private address"),
    ("fe80::1", "a link-local address"),
    ("fe80::1%eth0", "a link-local address"),
    ("fec0::1", "a site-local address"),
    ("224.0.0.1", "a multicast address"),
    ("ff02::1", "a multicast address"),
    ("ff0e::1", "a multicast address"),
    ("255.255.255.255", "a broadcast address"),
    ("240.0.0.1", "a reserved address"),
    ("192.0.2.1", "a documentation address"),
    ("2001:db8::1", "a documentation address"),
    ("3fff::1", "a documentation address"),
    ("198.18.0.1", "a benchmarking address"),
    ("2001:2::1", "a benchmarking address"),
    ("64:ff9b::a00:1", "a NAT64 address"),
    ("64:ff9b::8.8.8.8", "a NAT64 address"),
    ("64:ff9b:1::7f00:1", "a NAT64 address"),
    ("2002:7f00:1::", "a 6to4 address"),
    ("192.88.99.1", "a 6to4 address"),
    ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "a Teredo address"),
    ("::ffff:127.0.0.1", "an IPv4-mapped address"),
    ("::ffff:8.8.8.8", "an IPv4-mapped address"),
    ("::127.0.0.1", "an IPv4-compatible address"),
    ("::ffff:0:127.0.0.1", "an IPv4-translated address"),
    ("100::1", "a discard address"),
    ("100:0:0:1::1", "a reserved address"),
    ("2001:20::1", "a reserved address"),
    ("2001:10::1", "a reserved address"),
    ("5f00::1", "a reserved address"),
    ("4000::1", "a reserved address"),
]

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "223.255.255.255",
    "2000::",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2606:4700:4700::1111",
    "2a00:1450:4001:80b::200e",
    "3ffd:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "3fff:1000::",
]

INSIDE = [
    # loopback, in the notations that inet_aton() and browsers take
    "https://127.0.0.1:{port}/",
    "https://127.0.0.2:{port}/",
    "https://127.1:{port}/",
    "https://127.0.1:{port}/",
    "https://127.255.255.255:{port}/",
    "https://2130706433:{port}/",
    "https://02130706433:{port}/",
    "https://017700000001:{port}/",
    "https://0x7f000001:{port}/",
    "https://0X7F000001:{port}/",
    "https://0x7f.1:{port}/",
    "https://0x7f.0x0.0x0.0x1:{port}/",
    "https://127.0.0.0x1:{port}/",
    "https://0177.0.0.1:{port}/",
    "https://0177.0.0.01:{port}/",
    "https://00000177.0.0.1:{port}/",
    "https://127.000.000.001:{port}/",
    "https://127.0.0.1.:{port}/",
    "https://127.0.0.1..:{port}/",
    "https://127.1.:{port}/",
    "https://6425673729:{port}/",
    "https://127.0.0.1%20:{port}/",
    "https://127.0.0.1%00.example.com:{port}/",
    "https://%31%32%37.0.0.1:{port}/",
    "https://127%2e0%2e0%2e1:{port}/",
    "https://１２７.0.0.1:{port}/",
    "https://１２７．０．０．１:{port}/",
    "https://127。0。0。1:{port}/",
    "https://①②⑦.⓪.⓪.①:{port}/",
    "https://١٢٧.٠.٠.١:{port}/",
    "https://0:{port}/",
    "https://0.0.0.0:{port}/",
    "https://0x0:{port}/",
    "https://0x:{port}/",
    "https://00000000:{port}/",
    "https://[::1]:{port}/",
    "https://[0:0:0:0:0:0:0:1]:{port}/",
    "https://[0000:0000:0000:0000:0000:0000:0000:0001]:{port}/",
    "https://[::0.0.0.1]:{port}/",
    "https://[::]:{port}/",
    "https://[::ffff:127.0.0.1]:{port}/",
    "https://[::FFFF:7F00:1]:{port}/",
    "https://[0:0:0:0:0:ffff:7f00:0001]:{port}/",
    "https://[::127.0.0.1]:{port}/",
    "https://[::ffff:0:127.0.0.1]:{port}/",
    "https://[64:ff9b::127.0.0.1]:{port}/",
    "https://[64:ff9b:1::7f00:1]:{port}/",
    "https://[2002:7f00:1::]:{port}/",
    "https://[2001:0:7f00:1::]:{port}/",
    "https://[::1%25lo]:{port}/",
    "https://[::1%lo]:{port}/",
    "https://[fe80::1%25eth0]:{port}/",
    "https://[::ffff:127.0.0.1%25lo]:{port}/",
    "https://[::1]x:{port}/",
    "https://[127.0.0.1]:{port}/",
    "https://[v1.127.0.0.1]:{port}/",
    "https://[::1:{port}/",
    "https://::1:{port}/",
    # other addresses inside
    "https://10.0.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://2852039166/latest/meta-data/",
    "https://0xa9fea9fe/latest/meta-data/",
    "https://0251.0376.0251.0376/latest/meta-data/",
    "https://169.254.43518/latest/meta-data/",
    "https://[::ffff:169.254.169.254]/latest/meta-data/",
    "https://[fd00:ec2::254]/latest/meta-data/",
    "https://168.63.129.16/machine",
    "https://100.100.100.200/latest/meta-data/",
    "https://192.168.0.1/",
    "https://172.16.0.1/",
    "https://3232235521/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://[fec0::1]/",
    "https://[ff02::1]/",
    # names of this machine, and of networks inside
    "https://localhost:{port}/",
    "https://LOCALHOST:{port}/",
    "https://localhost.:{port}/",
    "https://a.localhost:{port}/",
    "https://localhost.localdomain:{port}/",
    "https://ｌｏｃａｌｈｏｓｔ:{port}/",
    "https://printer.local/",
    "https://metadata.google.internal/",
    "https://router.home.arpa/",
    "https://intranet/",
    # the scheme
    "http://127.0.0.1:{port}/",
    "HTTP://127.0.0.1:{port}/",
    "HTTPS://127.0.0.1:{port}/",
    "hTTps://localhost:{port}/",
    "http://hooks.example.com/",
    "http://1.1.1.1/",
    "//127.0.0.1:{port}/",
    "127.0.0.1:{port}",
    "ftp://127.0.0.1:{port}/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/_",
    "unix:///run/docker.sock",
    "data:text/plain,x",
    "javascript:alert(1)",
    "wss://127.0.0.1:{port}/",
    "tcp://127.0.0.1:{port}/",
    "https:/127.0.0.1:{port}/",
    "https:127.0.0.1:{port}/",
    "https:///127.0.0.1:{port}/",
    "https:\\\\127.0.0.1:{port}\\",
    "https+x://127.0.0.1:{port}/",
    "",
    # what parsers don't agree about
    "https://127.0.0.1\\@hooks.example.com/",
    "https://hooks.example.com\\@127.0.0.1:{port}/",
    "https://hooks.example.com\\127.0.0.1/",
    "https://hooks.example.com@127.0.0.1:{port}/",
    "https://hooks.example.com:443@127.0.0.1:{port}/",
    "https://user:password@hooks.example.com/",
    "https://user@hooks.example.com/",
    "https://@hooks.example.com/",
    "https://:@hooks.example.com/",
    "https://hooks.example.com%40127.0.0.1:{port}/",
    "https://hooks.example.com%2f@127.0.0.1:{port}/",
    "https://hooks.example.com#@127.0.0.1:{port}/",
    "https://127.0.0.1:{port}#@hooks.example.com/",
    "https://hooks.example.com/#",
    "https://hooks.example.com/#fragment",
    " https://127.0.0.1:{port}/",
    "https://127.0.0.1:{port}/ ",
    "https://127.0.0.1 :{port}/",
    "https://127.0\t.0.1:{port}/",
    "ht\ttps://127.0.0.1:{port}/",
    "https://127.0.\n0.1:{port}/",
    "https://127.0.0.1\r\n:{port}/",
    "\x00https://127.0.0.1:{port}/",
    "https://127.0.0.1\x00:{port}/",
    "https://hooks.example.com/\r\nX-Injected: 1",
    "https://hooks.example.com/a b",
    "https://hooks.example.com/<",
    "https://hooks.example.com/%zz",
    "https://hooks.example.com/%",
    "https://hooks.example.com/ü",
    "https://127.0.0.1\u200b:{port}/",
    "https://127\u00ad.0.0.1:{port}/",
    "https://\ufeff127.0.0.1:{port}/",
    "https://\u202e127.0.0.1:{port}/",
    "https://127.0.0.1\ud800/",
    # hosts and ports
    "https://",
    "https://:443/",
    "https:///path",
    "https://./",
    "https://../",
    "https://.example.com/",
    "https://hooks..example.com/",
    "https://hooks.example.com./",
    "https://-hooks.example.com/",
    "https://hooks-.example.com/",
    "https://hooks.example.com,127.0.0.1/",
    "https://hooks.example.com;127.0.0.1/",
    "https://hooks.example.com&127.0.0.1/",
    "https://*.example.com/",
    "https://!$&'()*+,;=/",
    "https://bücher.example/",
    f"https://{'a' * 64}.example.com/",
    f"https://{'a.' * 126}com/",
    "https://hooks.example.com:/",
    "https://hooks.example.com:0/",
    "https://hooks.example.com:00443/",
    "https://hooks.example.com:65536/",
    "https://hooks.example.com:4294967739/",
    "https://hooks.example.com:-1/",
    "https://hooks.example.com:+443/",
    "https://hooks.example.com:443:443/",
    "https://hooks.example.com:https/",
    "https://hooks.example.com:４４３/",
    "https://[2606:4700::1]:/",
    "https://[2606:4700::1]443/",
    "https://[2606:4700:::1]/",
    "https://[2606:4700::1",
    "https://2606:4700::1/",
    "https://[]/",
    "https://[1.1.1.1]/",
    "https://[2606:4700:4700::1111%25eth0]/",
    "https://1.1.1/",
    "https://1.1.1.256/",
    "https://1.1.1.1.1/",
    "https://example.1/",
    "https://hooks.example.com/" + "a" * 2_048,
]
"""URLs that are refused if nothing is allowed; {port} stands for one of this machine that listens."""

GOOD = [
    "https://hooks.example.com",
    "https://hooks.example.com/",
    "https://hooks.example.com:443/",
    "https://hooks.example.com:1/",
    "https://hooks.example.com:65535/",
    "https://hooks.example.com?key=value",
    "https://hooks.example.com/a/b/../c;d=e/%7Euser/%2F?q=a%20b+c&x[]=1&y=@:!$'()*,",
    "https://hooks.example.com/?url=https://127.0.0.1/",
    "https://hooks.example.com/user@127.0.0.1",
    "https://hooks.example.com?@127.0.0.1/",
    "https://xn--bcher-kva.example/",
    "https://_hooks.example.com/",
    "https://a-b--c.example.com/",
    "https://0x7f.example.com/",
    "https://127.0.0.1.example.com/",
    "https://1.2.3.4e/",
    "https://localhost.example.com/",
    "https://notlocalhost.com/",
    "https://mylocal.dev/",
    "https://1.1.1.1/",
    "https://8.8.8.8:8443/hook",
    "https://[2606:4700:4700::1111]/",
    "https://[2606:4700:4700:0:0:0:0:1111]:8443/hook",
    f"https://{'a' * 63}.example.com/",
    "https://hooks.example.com/" + "a" * (2_048 - len("https://hooks.example.com/")),
]


class Everywhere:
    """A socket that listens on all addresses of this machine, IPv4 and IPv6 if there is any."""

    def __init__(self) -> None:
        self._listening = (
            socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
            if socket.has_dualstack_ipv6()
            else socket.create_server(("", 0))
        )
        self._listening.setblocking(False)
        self.port = int(self._listening.getsockname()[1])

    def was_connected_to(self) -> bool:
        """Returns whether there was a connection since the last call."""
        try:
            self._listening.accept()[0].close()
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def everywhere() -> Iterator[Everywhere]:
    listening = Everywhere()
    yield listening
    listening.close()


async def attempt(
    url: str, *, leads_to: Sequence[str] = (), allowed: Sequence[str] = (), timeout: float = 15.0
) -> Attempt:
    """Sends a message to a URL.  Every name leads to the addresses; without any, the system is asked for some names."""

    async def look_up(host: str) -> Sequence[str]:
        if leads_to or host.endswith(".com"):
            return leads_to
        return await Lookups(1)(host)

    async with sender(*allowed, timeout=timeout, look_up=look_up) as sending:
        return await sending.send(Target(url, [new_secret()]), Message("msg_1", datetime.now(UTC), b"{}", "default"))


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize(("text", "kind"), REFUSED)
def test_an_address_inside_is_refused_by_its_kind(text: str, kind: str) -> None:
    assert refusal_of_address(ip_address(text), []) == kind


@pytest.mark.parametrize(("first", "last"), NETWORKS)
def test_a_network_is_refused_from_its_first_address_to_its_last(first: str, last: str) -> None:
    low, high = ip_address(first), ip_address(last)
    middle = low + (int(high) - int(low)) // 2

    assert [address for address in (low, middle, high) if refusal_of_address(address, []) is None] == []


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_address_is_taken(text: str) -> None:
    assert refusal_of_address(ip_address(text), []) is None


@given(st.ip_addresses())
def test_what_python_calls_private_is_refused_too(address: IPv4Address | IPv6Address) -> None:
    anycast = address in ip_network("192.31.196.0/24") or address in ip_network("192.52.193.0/24")

    taken = refusal_of_address(address, []) is None

    assert anycast or not taken or (address.is_global and not address.is_multicast)


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("127.0.0.1", "127.0.0.0/8"),
        ("::ffff:127.0.0.1", "127.0.0.0/8"),
        ("::ffff:10.1.2.3", "10.1.2.3/32"),
        ("::1", "::1/128"),
        ("fe80::1%eth0", "fe80::/10"),
        ("169.254.169.254", "0.0.0.0/0"),
        ("fd00:ec2::254", "fd00:ec2::/32"),
    ],
)
def test_an_allowed_network_takes_its_addresses(text: str, network: str) -> None:
    assert refusal_of_address(ip_address(text), [ip_network("192.0.2.0/24"), ip_network(network)]) is None


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("127.0.0.1", "::/0"),
        ("::1", "0.0.0.0/0"),
        ("::127.0.0.1", "127.0.0.0/8"),
        ("64:ff9b::127.0.0.1", "127.0.0.0/8"),
        ("2002:7f00:1::", "127.0.0.0/8"),
        ("::ffff:127.0.0.1", "10.0.0.0/8"),
        ("10.0.1.0", "10.0.0.0/24"),
    ],
)
def test_an_allowed_network_takes_no_other_addresses(text: str, network: str) -> None:
    assert refusal_of_address(ip_address(text), [ip_network(network)]) is not None


# ---------------------------------------------------------------- URLs


@pytest.mark.parametrize("url", INSIDE)
def test_a_url_that_leads_inside_or_is_ambiguous_is_refused(url: str) -> None:
    with pytest.raises(InvalidURL, match=r"^[A-Z][^@/]*(?:https://)?\.$"):
        check_url(url.replace("{port}", "8443"), [])


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://user:secret@hooks.example.com/", "no user name and no password"),
        ("https://secret@hooks.example.com/", "no user name and no password"),
        ("https://hooks.example.com/#secret", "no fragment"),
        ("https://hooks.example.com/secret secret", "percent-encoded"),
        ("http://hooks.example.com/secret", "must be https"),
        ("ftp://hooks.example.com/secret", "must begin with https://"),
        ("https://hooks.example.com:secret/", "from 1 to 65535"),
        ("https://127.0.0.1/secret", "a loopback address"),
        ("https://127.1/secret", "isn't a valid IP address"),
    ],
)
def test_the_refusal_says_what_is_wrong_and_repeats_nothing_of_the_url(url: str, said: str) -> None:
    with pytest.raises(InvalidURL, match=said) as raised:
        check_url(url, [])

    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("url", GOOD)
def test_a_good_url_passes_unchanged(url: str) -> None:
    assert check_url(url, []) == url


def test_scheme_and_host_are_kept_in_lower_case_and_the_rest_as_it_is() -> None:
    assert check_url("HTTPS://Hooks.Example.COM:8443/Path?Query", []) == "https://hooks.example.com:8443/Path?Query"


@pytest.mark.parametrize(
    ("url", "network"),
    [
        ("http://127.0.0.1:8000/", "127.0.0.0/8"),
        ("https://127.0.0.1/", "127.0.0.0/8"),
        ("http://[::ffff:127.0.0.1]/", "127.0.0.0/8"),
        ("http://[::1]/", "::1/128"),
        ("http://localhost:8000/", "127.0.0.0/8"),
        ("http://a.localhost/", "::1/128"),
        ("http://receiver:8000/", "172.16.0.0/12"),
        ("http://receiver.internal/", "10.0.0.0/8"),
        ("http://1.1.1.1/", "1.1.1.0/24"),
    ],
)
def test_a_url_of_an_allowed_address_passes_in_plain_http_too(url: str, network: str) -> None:
    assert check_url(url, [ip_network(network)]) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/",
        "https://10.0.0.1/",
        "https://localhost/",
        "http://1.1.1.1/",
        "http://2130706433/",
        "https://0x7f000001/",
        "https://127.1/",
        "https://0x/",
        "http://user@172.16.0.1/",
        "http://172.16.0.1/#",
        "ftp://172.16.0.1/",
    ],
)
def test_an_allowed_network_lets_no_other_url_pass(url: str) -> None:
    with pytest.raises(InvalidURL):
        check_url(url, [ip_network("172.16.0.0/12")])


# ---------------------------------------------------------------- names


def leading_to(*addresses: str) -> Lookups:
    return Lookups(1, lambda host, *_, **__: [(0, 0, 0, "", (address, 0)) for address in addresses])


@pytest.mark.parametrize("addresses", [["1.1.1.1"], ["1.1.1.1", "2606:4700:4700::1111"], []])
async def test_a_name_that_leads_outside_is_taken(addresses: list[str]) -> None:
    await check_resolves("https://hooks.example.com/", [], look_up=leading_to(*addresses))


@pytest.mark.parametrize("address", [text for text, _ in REFUSED if "%" not in text])
async def test_a_name_that_leads_inside_is_refused_without_naming_the_address(address: str) -> None:
    with pytest.raises(InvalidURL) as raised:
        await check_resolves("https://hooks.example.com/", [], look_up=leading_to("1.1.1.1", address))

    assert address not in str(raised.value)


async def test_a_name_that_leads_to_an_allowed_address_is_taken_in_plain_http() -> None:
    await check_resolves("http://receiver/", [ip_network("10.0.0.0/8")], look_up=leading_to("10.0.0.1"))


async def test_a_name_that_leads_outside_is_refused_in_plain_http() -> None:
    with pytest.raises(InvalidURL, match="https"):
        await check_resolves("http://receiver/", [ip_network("10.0.0.0/8")], look_up=leading_to("1.1.1.1"))


async def test_a_name_that_cannot_be_resolved_now_is_taken() -> None:
    async def fails(host: str) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    await check_resolves("https://hooks.example.com/", [], look_up=fails)


async def test_a_name_whose_server_does_not_answer_is_taken_after_a_while() -> None:
    async def hangs(host: str) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    await check_resolves("https://hooks.example.com/", [], look_up=hangs, timeout=0.01)


async def test_no_literal_address_is_looked_up() -> None:
    async def fails(host: str) -> Sequence[str]:
        raise AssertionError(host)

    await check_resolves("https://1.1.1.1/", [], look_up=fails)
    await check_resolves("https://[2606:4700:4700::1111]:8443/", [], look_up=fails)


# ---------------------------------------------------------------- connections


@pytest.mark.parametrize("url", INSIDE)
async def test_nothing_is_sent_to_a_url_that_leads_inside(url: str, everywhere: Everywhere) -> None:
    made = await attempt(url.replace("{port}", str(everywhere.port)))

    assert made.outcome is Outcome.FORBIDDEN
    assert not everywhere.was_connected_to()


@pytest.mark.parametrize("url", [url for url in INSIDE if "{port}" in url])
async def test_no_socket_is_connected_to_an_address_inside_even_if_its_url_passed(
    url: str, everywhere: Everywhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of the URL is taken away, so that aiohttp, the resolver of the system and our sockets are alone."""
    monkeypatch.setattr("tasksvc_webhooks.sending.check_url", lambda url, allowed: url)

    made = await attempt(url.replace("{port}", str(everywhere.port)))

    assert made.outcome in (Outcome.FORBIDDEN, Outcome.UNREACHABLE)
    assert not everywhere.was_connected_to()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::", "127.0.0.2"])  # noqa: S104
async def test_no_socket_is_connected_to_an_address_inside_that_a_name_leads_to(
    address: str, everywhere: Everywhere
) -> None:
    made = await attempt(f"https://hooks.example.com:{everywhere.port}/", leads_to=[address])

    assert made.outcome is Outcome.FORBIDDEN
    assert address not in made.detail
    assert not everywhere.was_connected_to()


async def test_the_socket_that_must_not_be_connected_to_can_be(everywhere: Everywhere) -> None:
    """Otherwise the tests above would show nothing."""
    made = await attempt(f"http://127.0.0.1:{everywhere.port}/", allowed=["127.0.0.0/8"], timeout=0.5)

    assert made.outcome is Outcome.TIMED_OUT
    assert everywhere.was_connected_to()


async def test_a_name_that_leads_outside_at_first_and_inside_later_gets_nothing(everywhere: Everywhere) -> None:
    answers = iter([["1.1.1.1"], ["127.0.0.1"], ["127.0.0.1"]])

    async def rebound(host: str) -> Sequence[str]:
        return next(answers)

    url = check_url(f"https://hooks.example.com:{everywhere.port}/", [])
    await check_resolves(url, [], look_up=rebound)
    async with sender(look_up=rebound) as sending:
        made = await sending.send(Target(url, [new_secret()]), Message("msg_1", datetime.now(UTC), b"{}", "default"))

    assert made.outcome is Outcome.FORBIDDEN
    assert next(answers) == ["127.0.0.1"], "it was looked up once for the check, and once for the attempt"
    assert not everywhere.was_connected_to()


async def test_an_address_inside_beside_one_that_fails_gets_nothing(everywhere: Everywhere) -> None:
    made = await attempt(
        f"http://receiver:{everywhere.port}/", leads_to=["192.0.2.1", "127.0.0.1"], allowed=["192.0.2.1/32"], timeout=1
    )

    assert made.outcome in (Outcome.UNREACHABLE, Outcome.TIMED_OUT)
    assert not everywhere.was_connected_to()


async def test_plain_http_goes_to_allowed_addresses_alone(everywhere: Everywhere) -> None:
    made = await attempt(f"http://receiver:{everywhere.port}/", leads_to=["1.1.1.1"], allowed=["127.0.0.0/8"])

    assert made.outcome is Outcome.FORBIDDEN
    assert "https" in made.detail


async def test_thousands_of_addresses_of_a_name_are_not_tried_one_after_the_other() -> None:
    looked_up = await Lookups(
        1, lambda host, *_, **__: [(0, 0, 0, "", (f"10.0.{n // 250}.{n % 250}", 0)) for n in range(4_000)]
    )("hooks.example.com")

    assert len(looked_up) == ADDRESSES_MAX
