"""What imports may reach: nothing that the operator has not named, and nothing private behind a name."""

import socket
from ipaddress import ip_address, ip_network

import pytest
from dataset_service.errors import ImportNotAllowed, SourceUnavailable
from dataset_service.imports.addresses import check_address, is_public, resolve
from dataset_service.imports.policy import AllowedSources, without_query
from pydantic import SecretStr
from pynomaly_chassis.problems import Invalid
from pynomaly_contracts.imports import ImportRequest

ALLOWED = AllowedSources(
    hosts=("files.example.com", "*.data.example.com", "other.example.com:8443", "8.8.8.8", "[::1]", "127.0.0.1"),
    buckets=("s3://readings", "gs://shared/public"),
    connections={"warehouse": SecretStr("postgresql://reader:secret@db/warehouse")},
)


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://files.example.com/a.csv", "files.example.com", 443),
        ("https://FILES.example.com./a.csv?token=1", "files.example.com", 443),
        ("https://a.b.data.example.com/x", "a.b.data.example.com", 443),
        ("https://other.example.com:8443/x", "other.example.com", 8443),
        ("https://8.8.8.8/x", "8.8.8.8", 443),
    ],
)
def test_a_host_that_is_named_is_allowed(url: str, host: str, port: int) -> None:
    found = ALLOWED.web(url)
    assert (found.host, found.port) == (host, port)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/",
        "https://files.example.com.evil.net/",
        "https://data.example.com/",
        "https://evildata.example.com/",
        "https://files.example.com:8443/",
        "https://other.example.com/",
        "https://files.example.com:80/",
        "https://localhost/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[fd00:ec2::254]/",
    ],
)
def test_a_host_that_is_not_named_is_refused_with_the_setting_that_names_it(url: str) -> None:
    with pytest.raises(ImportNotAllowed, match="IMPORT_ALLOWED_HOSTS"):
        ALLOWED.web(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://files.example.com@evil.net/",
        "https://evil.net@files.example.com/",
        "https://user:password@files.example.com/",
        "https://files.example.com\\@evil.net/",
        "https://evil.net\\.files.example.com/",
        "https://files.example.com:0/",
        "https://files.example.com:99999/",
        "https://files.example.com:/",
        "https:///a",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://0x7f.0.0.1/",
        "https://[::1/",
        "https://[::1%25eth0]/",
        "https://files..example.com/",
        "https://files.example.com%2eevil.net/",
    ],
)
def test_an_address_that_two_readers_could_take_for_two_hosts_is_refused(url: str) -> None:
    with pytest.raises(Invalid):
        ALLOWED.web(url)


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "https://[::1]/"])
def test_a_loopback_address_is_refused_even_where_its_host_is_named(url: str) -> None:
    with pytest.raises(ImportNotAllowed, match="IMPORT_ALLOWED_NETWORKS"):
        ALLOWED.web(url)


def test_a_private_network_is_reached_where_the_operator_names_it() -> None:
    allowed = AllowedSources(hosts=("127.0.0.1:8443",), networks=(ip_network("127.0.0.0/8"),))
    assert allowed.web("https://127.0.0.1:8443/x").port == 8443


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "127.255.255.254",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "0.0.0.0",  # noqa: S104 - nothing is bound to it
            "0.1.2.3",
        ),
        *("169.254.169.254", "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "192.0.2.1"),
        *("198.18.0.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "192.88.99.1"),
        *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:a00:1", "fe80::1"),
        *("fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1"),
        *("2002:7f00:1::", "2002:a9fe:a9fe::", "2001:db8::1", "2001::1", "100::1", "5f00::1"),
    ],
)
def test_an_address_of_this_machine_its_network_or_its_cloud_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))
    with pytest.raises(ImportNotAllowed):
        check_address("named.example.com", ip_address(address), ())


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


async def test_a_name_that_leads_to_this_machine_is_refused() -> None:
    with pytest.raises(ImportNotAllowed, match="localhost is at an address that is not public"):
        await resolve("localhost", 443, socket.AF_UNSPEC, ())


async def test_a_name_that_leads_nowhere_is_said_to() -> None:
    with pytest.raises(SourceUnavailable, match="is not known"):
        await resolve("no-such-host.invalid", 443, socket.AF_UNSPEC, ())


@pytest.mark.parametrize(
    "location",
    ["https://127.0.0.1/x", "https://evil.net/", "http://files.example.com/", "ftp://files.example.com/", "/a b"],
)
def test_a_redirect_is_held_to_the_same_rules(location: str) -> None:
    with pytest.raises(ImportNotAllowed):
        ALLOWED.redirected(ALLOWED.web("https://files.example.com/a"), location)


def test_a_redirect_within_an_allowed_host_is_followed() -> None:
    assert ALLOWED.redirected(ALLOWED.web("https://files.example.com/a"), "/b").url == "https://files.example.com/b"


@pytest.mark.parametrize(
    ("url", "bucket", "key"),
    [("s3://readings/2026/a.csv", "readings", "2026/a.csv"), ("gs://shared/public/b.csv", "shared", "public/b.csv")],
)
def test_an_object_of_a_bucket_that_is_named_is_allowed(url: str, bucket: str, key: str) -> None:
    found = ALLOWED.object(url)
    assert (found.bucket, found.key) == (bucket, key)


@pytest.mark.parametrize(
    "url", ["s3://other/a", "az://readings/a", "s3://readings2/a", "gs://shared/publicity/a", "gs://shared/private/a"]
)
def test_an_object_of_another_bucket_is_refused_with_the_setting(url: str) -> None:
    with pytest.raises(ImportNotAllowed, match="IMPORT_ALLOWED_BUCKETS"):
        ALLOWED.object(url)


@pytest.mark.parametrize(
    "url", ["s3://readings/../x", "gs://shared/public/../private/a", "s3://readings", "s3://readings/", "s3://a@b/c"]
)
def test_an_object_whose_path_goes_up_or_has_no_end_is_refused(url: str) -> None:
    with pytest.raises(Invalid):
        ALLOWED.object(url)


def test_nothing_is_allowed_where_the_operator_says_nothing() -> None:
    nothing = AllowedSources()
    for source in (
        {"url": "https://a.example.com/"},
        {"url": "s3://bucket/c"},
        {"sql": {"connection": "w", "query": "x"}},
    ):
        with pytest.raises(ImportNotAllowed, match="IMPORT_"):
            nothing.check(ImportRequest.model_validate({"name": "n", **source}))


def test_what_may_be_a_secret_is_not_shown() -> None:
    assert without_query("https://u:p@h.example.com/a/b?sig=secret#x") == "https://h.example.com/a/b"
