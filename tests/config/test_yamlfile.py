"""A YAML file as a typed struct: every mistake names file, line, key and what is allowed."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest

from opsctl.config import yamlcache, yamlfile
from opsctl.config.settings import load_settings
from opsctl.config.yamlfile import check, load_yaml, read_struct
from opsctl.durations import parse_duration
from opsctl.errors import ConfigError
from tests.config.conftest import Write


class Inner(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A part with everything that can go wrong."""

    signal: str
    level: Literal["low", "high"] = "low"
    for_: str = msgspec.field(name="for", default="0s")
    on: bool = False
    bound: float | str | None = None
    pair: tuple[int, str] | None = None
    ports: Annotated[tuple[int, ...], msgspec.Meta(max_length=2)] = ()

    def __post_init__(self) -> None:
        parse_duration(self.for_)


class Outer(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A file."""

    service: str
    parts: dict[str, Inner] = {}
    items: tuple[Inner, ...] = ()
    one: str | Inner | None = None
    many: dict[str, tuple[str, ...]] = {}


def refused(text: str, write: Write) -> str:
    with pytest.raises(ConfigError) as caught:
        read_struct(write(text, "p.yaml"), Outer, what="service profile")
    assert caught.value.code == 78
    return caught.value.sentence()


def test_a_good_file(write: Write) -> None:
    found = read_struct(write("service: a\nparts: {x: {signal: s, for: 1m, bound: 5}}\none: {signal: t}\n"), Outer)
    assert found.parts["x"] == Inner(signal="s", for_="1m", bound=5.0)
    assert found.one == Inner(signal="t")


MISTAKES = [
    ("servce: a", "p.yaml:1: servce: unknown key. Did you mean service?"),
    ("service: a\nprats: {}", "p.yaml:2: prats: unknown key. Did you mean parts?"),
    ("service: a\nxyz: {}", "p.yaml:2: xyz: unknown key. Known: items, many, one, parts, service."),
    (
        "service: a\nparts:\n  x:\n    signal: s\n  y:\n    signl: s\n    signal: s\n",
        "p.yaml:6: parts.y.signl: unknown key. Known: bound, for, level, on, pair, ports, signal.",
    ),
    ("service: 1", "p.yaml:1: service: should be text, is a number. Put it in quotes."),
    ("service: true", "p.yaml:1: service: should be text, is true or false. Put it in quotes."),
    ("service:", "p.yaml:1: service: should be text, is empty."),
    ("service: [a]", "p.yaml:1: service: should be text, is a list."),
    ("service: a\nparts: [x]", "p.yaml:2: parts: should be a mapping (key: value), is a list."),
    ("service: a\nparts: {x: 3}", "p.yaml:2: parts.x: should be a mapping (key: value), is a number."),
    ("service: a\nitems: x", "p.yaml:2: items: should be a list, is text."),
    (
        "service: a\nitems:\n- {signal: a}\n- signal: b\n  level: hihg",
        'p.yaml:5: items[1].level: "hihg" is not allowed. Did you mean high? Allowed: low, high.',
    ),
    (
        "service: a\nitems: [{signal: a, level: 3}]",
        "p.yaml:2: items[0].level: should be one of low, high, is a number.",
    ),
    (
        "service: a\nitems: [{signal: a, on: yes}]",
        "p.yaml:2: items[0].on: should be true or false, is text. Write true.",
    ),
    (
        "service: a\nitems: [{signal: a, on: off}]",
        "p.yaml:2: items[0].on: should be true or false, is text. Write false.",
    ),
    (
        "service: a\nitems: [{signal: a, bound: [1]}]",
        "p.yaml:2: items[0].bound: should be a number or text, is a list.",
    ),
    ("service: a\nitems: [{signal: a, pair: [1]}]", "p.yaml:2: items[0].pair: should be a list of 2, has 1."),
    (
        "service: a\nitems: [{signal: a, pair: [1, 2]}]",
        "p.yaml:2: items[0].pair[1]: should be text, is a number. Put it in quotes.",
    ),
    (
        "service: a\nitems: [{signal: a, ports: [1, 2, 3]}]",
        "p.yaml:2: items[0].ports: should be a list of length <= 2.",
    ),
    (
        "service: a\nitems: [{signal: a, for: 5}]",
        "p.yaml:2: items[0].for: should be text, is a number. Put it in quotes.",
    ),
    (
        "service: a\nitems:\n- signal: a\n  for: soon",
        'p.yaml:3: items[0]: "soon" is not a duration. Write it as 90s, 5m or 1h30m.',
    ),
    ("service: a\none: 5", "p.yaml:2: one: should be text or a mapping (key: value), is a number. Put it in quotes."),
    ("service: a\none:\n  sgnal: x", "p.yaml:3: one.sgnal: unknown key. Did you mean signal?"),
    ("service: a\nmany: {k: [x, 3]}", "p.yaml:2: many.k[1]: should be text, is a number. Put it in quotes."),
    ("- a", "p.yaml:1: should be a mapping (key: value), is a list."),
    ("", "p.yaml: the file is empty"),
    ("# nothing", "p.yaml: the file is empty"),
]


@pytest.mark.parametrize(("text", "sentence"), MISTAKES)
def test_every_mistake_has_its_line_key_and_remedy(text: str, sentence: str, write: Write) -> None:
    assert refused(text, write).rstrip(".") == sentence.rstrip(".")


def test_all_mistakes_can_be_had_at_once(write: Write) -> None:
    path = write("service: 1\nparts: {x: {signal: 2}}\nitems: [{}]\nnope: 1\n")
    document, _ = load_yaml(path)
    assert [(document.line(f.path), f.says.partition(",")[0]) for f in check(document, Outer)] == [
        (1, "should be text"),
        (2, "should be text"),
        (3, "the key signal is missing"),
        (4, "unknown key"),
    ]


def test_no_value_shows_in_an_error(write: Write) -> None:
    assert "hunter2" not in refused("service: a\nitems: [{signal: a, bound: {password: hunter2}}]", write)
    assert "hunter2" not in refused("service: [hunter2]", write)


def test_files_that_cannot_be_read(tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def sentence(path: Path) -> str:
        with pytest.raises(ConfigError) as caught:
            read_struct(path, Outer, what="service profile")
        return caught.value.sentence()

    assert sentence(Path("nope.yaml")) == "nope.yaml: there is no such service profile"
    Path("folder.yaml").mkdir()
    assert sentence(Path("folder.yaml")) == "folder.yaml: this is a folder, not a service profile"
    os.mkfifo("pipe.yaml")
    assert sentence(Path("pipe.yaml")) == "pipe.yaml: this is a pipe or device, not a service profile"
    Path("big.yaml").write_bytes(b"# " + b"x" * (yamlfile.LIMIT + 1))
    assert sentence(Path("big.yaml")) == "big.yaml: this service profile is larger than 1 MiB"
    Path("binary.yaml").write_bytes(b"service: a\nx: \xff\xfe\x00")
    assert sentence(Path("binary.yaml")) == "binary.yaml:2: this service profile is not UTF-8 text"
    Path("zero.yaml").write_bytes(b"service: a\x00")
    assert sentence(Path("zero.yaml")) == "zero.yaml:1: a control character is not allowed in YAML"
    Path("loop.yaml").symlink_to("loop.yaml")
    assert "cannot be read" in sentence(Path("loop.yaml"))
    assert "cannot be read" in sentence(Path("a\0b"))
    assert "cannot be read" in sentence(Path("n" * 5000))

    def no_access(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    secret = write("service: a", "secret.yaml")
    monkeypatch.setattr(Path, "open", no_access)  # root may read everything, so the mode alone proves nothing
    assert sentence(secret) == "secret.yaml: this service profile may not be read. Check its owner and mode."


def test_a_byte_order_mark_and_windows_line_ends_are_fine(write: Write) -> None:
    path = Path("w.yaml")
    path.write_bytes(b"\xef\xbb\xbfservice: a\r\nmany:\r\n  k: [x]\r\n")
    assert read_struct(path, Outer) == Outer(service="a", many={"k": ("x",)})


# The cache


def settled(path: Path) -> Path:
    """A source that has been unchanged for a while; ctime cannot be set, so the limit is lowered instead."""
    past = time.time() - 3600
    os.utime(path, (past, past))
    return path


@pytest.fixture
def cache(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(yamlcache, "SETTLED", 0.0)
    return home / ".cache/opsctl/yaml"


def test_a_second_read_comes_from_the_cache(cache: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = settled(write("service: a\n", mode=0o644))
    first = read_struct(path, Outer)
    assert [f.stat().st_mode & 0o777 for f in cache.iterdir()] == [0o600]
    assert cache.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(yamlfile, "parse_text", lambda *_: pytest.fail("parsed again"))
    assert read_struct(path, Outer) == first


def test_an_edit_is_seen_at_once(cache: Path, write: Write) -> None:
    path = settled(write("service: a\n", mode=0o644))
    read_struct(path, Outer)
    info = path.stat()
    write("service: b\n", mode=0o644)
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))  # the same size and time, as after `cp -p`
    assert read_struct(path, Outer).service == "b"


def test_a_fresh_file_is_not_cached(home: Path, write: Write) -> None:
    read_struct(write("service: a\n", mode=0o644), Outer)
    assert not (home / ".cache/opsctl/yaml").exists()


def test_a_file_that_not_everybody_may_read_is_not_cached(cache: Path, write: Write) -> None:
    read_struct(settled(write("service: a\n", mode=0o640)), Outer)
    assert not cache.exists()


@pytest.mark.parametrize(
    "spoilt", [b"", b"\x00", b"\xff" * 100, b"\x95\x02\xa1x\x95\x01\x01\x01\x01\x01\xc0", b"\xdd\xff\xff\xff\xff"]
)
def test_a_spoilt_cache_is_ignored(cache: Path, write: Write, spoilt: bytes) -> None:
    path = settled(write("service: a\n", mode=0o644))
    read_struct(path, Outer)
    next(cache.iterdir()).write_bytes(spoilt)
    assert read_struct(path, Outer).service == "a"


def test_a_cache_that_others_can_write_is_not_trusted(cache: Path, write: Write) -> None:
    path = settled(write("service: a\n", mode=0o644))
    read_struct(path, Outer)
    entry = next(cache.iterdir())
    entry.write_bytes(entry.read_bytes().replace(b"\xa1a", b"\xa1z"))
    assert read_struct(path, Outer).service == "z"  # ours alone: used as it is
    entry.chmod(0o666)
    assert read_struct(path, Outer).service == "a"
    assert entry.stat().st_mode & 0o777 == 0o600  # and made anew


def test_a_cached_file_of_the_wrong_type_still_names_its_line(cache: Path, write: Write) -> None:
    path = settled(write("service: a\n\nnope: 1\n", mode=0o644))
    for _ in range(2):
        with pytest.raises(ConfigError) as caught:
            read_struct(path, Outer)
        assert caught.value.place == "opsctl.yaml:3"


def test_a_cache_that_cannot_be_written_costs_nothing(cache: Path, write: Write, home: Path) -> None:
    (home / ".cache").write_text("a file where a folder should be")
    assert read_struct(settled(write("service: a\n", mode=0o644)), Outer).service == "a"


def test_a_configuration_file_is_cached_with_its_lines(
    cache: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled(write("contexts:\n  a:\n    prometheus:\n      url: http://p\n", mode=0o600))
    first = load_settings(None, None).endpoint("prometheus")
    assert [f.stat().st_mode & 0o777 for f in cache.iterdir()] == [0o600]
    monkeypatch.setattr(yamlfile, "parse_text", lambda *_: pytest.fail("parsed again"))
    again = load_settings(None, None).endpoint("prometheus")
    assert again == first
    assert again is not None
    assert again.setting == "opsctl.yaml:4"


def test_a_configuration_file_with_a_secret_is_never_cached(cache: Path, write: Write) -> None:
    path = settled(write("contexts: {a: {redis: 'redis://:hunter2@r'}}\n", mode=0o600))
    load_settings(None, None)
    assert not cache.exists()
    path.write_text("contexts: {a: {redis: 'redis://r'}}\n")
    load_settings(None, None)
    assert len(list(cache.iterdir())) == 1


def test_a_cached_file_that_gets_a_secret_and_wide_permissions_is_refused(cache: Path, write: Write) -> None:
    path = settled(write("contexts: {a: {redis: 'redis://r'}}\n", mode=0o644))
    load_settings(None, None)
    path.write_text("contexts: {a: {redis: 'redis://:p@r'}}\n")
    with pytest.raises(ConfigError, match="holds a secret"):
        load_settings(None, None)


def test_a_spoilt_cache_of_a_configuration_file_is_ignored(cache: Path, write: Write) -> None:
    path = settled(write("contexts: {a: {redis: 'redis://r'}}\n", mode=0o644))
    load_settings(None, None)
    for data in (None, [], {"data": {}}, {"data": {}, "lines": 3}, {"data": {}, "lines": [[1, 2]]}):
        yamlcache.keep(path, path.stat(), data, "document")
        assert load_settings(None, None).context == "a"
