"""Which opsctl.yaml, which context, and how `context use` writes it down."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsctl.config import contexts, places
from opsctl.config.contexts import choose, edited, load_config, spec_of, use
from opsctl.config.settings import load_settings
from opsctl.config.yamltext import parse
from opsctl.errors import CannotWrite, ConfigError, UsageError
from tests.config.conftest import Write

TWO = "contexts:\n  lab: {prometheus: http://lab}\n  prod: {prometheus: http://prod}\n"
ENV: dict[str, str] = {}


@pytest.fixture(autouse=True)
def environ(home: Path) -> dict[str, str]:
    ENV.clear()
    ENV["HOME"] = str(home)
    return ENV


def current(flag: str | None = None, config: str | None = None, **environ: str) -> tuple[str, str]:
    return tuple(choose(load_config(config, {**ENV, **environ}), flag, {**ENV, **environ}))  # type: ignore[return-value]


# Which file


def test_the_first_file_found_wins(home: Path, write: Write, tmp_path: Path) -> None:
    assert load_config(None, ENV).source is None
    for name, folder in (("system", places.SYSTEM), ("user", home / ".config/opsctl"), ("here", Path())):
        write(f"contexts: {{{name}: {{}}}}", str(folder / "opsctl.yaml"))
        assert list(load_config(None, ENV).file.contexts) == [name]
        assert load_config(None, ENV).setting == "found"
    write("contexts: {xdg: {}}", str(tmp_path / "xdg/opsctl/opsctl.yaml"))
    write("contexts: {env: {}}", "env.yaml")
    write("contexts: {flag: {}}", "flag.yaml")
    Path("opsctl.yaml").unlink()
    ENV["XDG_CONFIG_HOME"] = str(tmp_path / "xdg")
    assert list(load_config(None, ENV).file.contexts) == ["xdg"]
    ENV["OPSCTL_CONFIG"] = "env.yaml"
    assert (list(load_config(None, ENV).file.contexts), load_config(None, ENV).setting) == (
        ["env"],
        "env OPSCTL_CONFIG",
    )
    found = load_config("flag.yaml", ENV)
    assert (list(found.file.contexts), found.setting) == (["flag"], "--config")


def test_a_named_file_must_be_there() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config("nope.yaml", ENV)
    assert caught.value.sentence() == "nope.yaml: there is no such configuration file"
    with pytest.raises(ConfigError):
        load_config(None, {**ENV, "OPSCTL_CONFIG": "nope.yaml"})
    with pytest.raises(UsageError):
        load_config("", ENV)


def test_dev_null_is_no_file(write: Write) -> None:
    write(TWO)
    assert load_config(os.devnull, ENV).source is None
    assert load_config(None, {**ENV, "OPSCTL_CONFIG": os.devnull}).file.contexts == {}


@pytest.mark.parametrize("text", ["", "# nothing\n", "contexts: {}\n", "---\n"])
def test_a_file_that_says_nothing_is_fine(text: str, write: Write) -> None:
    write(text)
    assert load_settings(None, None, {}, ENV).context == ""


def test_a_broken_file_in_the_working_folder_is_never_skipped(write: Write) -> None:
    Path("opsctl.yaml").mkdir()
    with pytest.raises(ConfigError, match="this is a folder, not a configuration file"):
        load_config(None, ENV)
    Path("opsctl.yaml").rmdir()
    Path("opsctl.yaml").symlink_to("gone")
    with pytest.raises(ConfigError, match="there is no such configuration file"):
        load_config(None, ENV)


def test_a_found_file_that_somebody_else_controls_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(TWO, mode=0o646)
    with pytest.raises(ConfigError) as caught:
        load_config(None, ENV)
    assert caught.value.sentence() == (
        "opsctl.yaml: everybody can write this file (mode 646). "
        "If you trust it, name it: --config opsctl.yaml or OPSCTL_CONFIG."
    )
    path.chmod(0o644)
    if os.geteuid() == 0:
        os.chown(path, 4242, 4242)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(ConfigError, match=r"belongs to another user \(uid \d+\)"):
        load_config(None, ENV)
    assert set(load_config("opsctl.yaml", ENV).file.contexts) == {"lab", "prod"}


# Which context


def test_flag_environment_file_only_one(write: Write) -> None:
    assert current() == ("", "")
    write(f"# x\ncurrent-context: lab\n{TWO}")
    assert current() == ("lab", "opsctl.yaml:2")
    assert current(OPSCTL_CONTEXT="prod") == ("prod", "env OPSCTL_CONTEXT")
    assert current("lab", OPSCTL_CONTEXT="prod") == ("lab", "--context")
    write("contexts:\n  only: {}\n")
    assert current() == ("only", "opsctl.yaml:2")


def test_several_and_none_chosen(write: Write) -> None:
    write(TWO)
    assert current() == ("", "")
    with pytest.raises(ConfigError) as caught:
        load_settings(None, None, {}, ENV)
    assert caught.value.sentence() == (
        "opsctl.yaml: this file holds the contexts lab, prod, and none is chosen. "
        "Run `opsctl context use lab`, or give --context."
    )


def test_unknown_contexts(write: Write) -> None:
    with pytest.raises(UsageError) as nothing:
        current("prod")
    assert nothing.value.sentence() == 'there is no context "prod". No context is defined.'
    write(f"current-context: prd\n{TWO}")
    for call in (lambda: current("prdo"), lambda: current(OPSCTL_CONTEXT="prdo"), lambda: current("")):
        with pytest.raises(UsageError) as caught:
            call()
        assert caught.value.code == 64
    with pytest.raises(ConfigError) as in_file:
        current()
    assert in_file.value.sentence() == 'opsctl.yaml:1: there is no context "prd" in this file. Did you mean prod?'


def test_the_chosen_contexts_content(write: Write) -> None:
    write(f"current-context: prod\n{TWO}")
    config = load_config(None, ENV)
    assert spec_of(config, choose(config, None, ENV)).prometheus == "http://prod"
    assert spec_of(config, choose(config, "lab", ENV)).prometheus == "http://lab"


# context use


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("current-context: lab\n", "current-context: prod\n"),
        ("current-context:   lab   # why\n", "current-context: prod   # why\n"),
        ('current-context: "lab"\n', "current-context: prod\n"),
        ("current-context: 'lab' # x\n", "current-context: prod # x\n"),
        ("current-context:\n", "current-context: prod\n"),
        ("'current-context': lab\n", "'current-context': prod\n"),
        ("", "current-context: prod\n"),
        ("# Our team's contexts\n\n", "# Our team's contexts\n\ncurrent-context: prod\n"),
        ("---\n# x\n", "---\n# x\ncurrent-context: prod\n"),
        ("current-context: lab\r\n", "current-context: prod\r\n"),
    ],
)
def test_one_line_is_edited_and_nothing_else(before: str, after: str) -> None:
    rest = "contexts:\n    lab:   {}   # the lab\n    prod: {redis: 'redis://x'}\n# end"
    if "\r" in before:
        rest = rest.replace("\n", "\r\n")
    assert edited(before + rest, "prod", Path("f")) == after + rest


def test_the_line_may_come_last() -> None:
    assert edited("contexts: {a: {}, b: {}}\ncurrent-context: a", "b", Path("f")) == (
        "contexts: {a: {}, b: {}}\ncurrent-context: b"
    )


@pytest.mark.parametrize(
    "text", ["{current-context: a, contexts: {a: {}, b: {}}}", "current-context: >-\n  a\ncontexts: {a: {}, b: {}}\n"]
)
def test_an_unusual_way_of_writing_it_is_left_alone(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        edited(text, "b", Path("f"))
    assert caught.value.remedy == "Write b there."


names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.@:/-]{0,20}", fullmatch=True)


@given(st.lists(names, min_size=1, max_size=4, unique=True), st.data(), st.booleans())
def test_whatever_the_names_are(known: list[str], data: st.DataObject, has_line: bool) -> None:
    chosen = data.draw(st.sampled_from(known))
    text = "# head\n" + (f'current-context: "{known[0]}" # x\n' if has_line else "") + "contexts:\n"
    text += "".join(f'  "{name}": {{}}\n' for name in known)
    new = edited(text, chosen, Path("f"))
    assert parse(new, "f").data == {"current-context": chosen, "contexts": {name: {} for name in known}}
    assert set(text.splitlines()) - set(new.splitlines()) <= {f'current-context: "{known[0]}" # x'}


def test_use_keeps_mode_and_replaces_in_one_step(write: Write) -> None:
    path = write(f"current-context: lab # c\n{TWO}", mode=0o640)
    before = path.stat().st_ino
    assert use(load_config(None, ENV), "prod", ENV) == path
    assert path.read_text() == f"current-context: prod # c\n{TWO}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert path.stat().st_ino != before
    assert [p.name for p in Path().iterdir()] == ["opsctl.yaml"]  # no draft is left


def test_use_through_a_link_writes_the_real_file(write: Write) -> None:
    write(TWO, "dotfiles/opsctl.yaml")
    Path("opsctl.yaml").symlink_to("dotfiles/opsctl.yaml")
    use(load_config(None, ENV), "prod", ENV)
    assert Path("opsctl.yaml").is_symlink()
    assert Path("dotfiles/opsctl.yaml").read_text().startswith("current-context: prod\n")


def test_use_keeps_a_byte_order_mark(write: Write) -> None:
    Path("opsctl.yaml").write_bytes(b"\xef\xbb\xbf" + TWO.encode())
    use(load_config(None, ENV), "prod", ENV)
    assert Path("opsctl.yaml").read_bytes().startswith(b"\xef\xbb\xbf")
    assert current() == ("prod", "opsctl.yaml:1")


def test_use_of_an_unknown_name_writes_nothing(write: Write) -> None:
    path = write(TWO)
    with pytest.raises(UsageError, match="there is no context"):
        use(load_config(None, ENV), "prd", ENV)
    assert path.read_text() == TWO


def test_a_file_that_may_not_be_written_is_left_alone(
    home: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(f"current-context: lab\n{TWO}", str(places.SYSTEM / "opsctl.yaml"), mode=0o644)
    real = os.access
    monkeypatch.setattr(os, "access", lambda p, mode, **k: not mode & os.W_OK and real(p, mode, **k))  # root writes all
    state = home / ".local/state/opsctl/current-context.json"
    assert use(load_config(None, ENV), "prod", ENV) == state
    assert path.read_text() == f"current-context: lab\n{TWO}"
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert current() == ("prod", "~/.local/state/opsctl/current-context.json")
    assert current(OPSCTL_CONTEXT="lab")[0] == "lab"
    # the choice is for that file only
    write(f"current-context: lab\n{TWO}")
    assert current() == ("lab", "opsctl.yaml:1")
    Path("opsctl.yaml").unlink()
    # a choice whose context is gone counts no longer
    write("current-context: lab\ncontexts: {lab: {}}\n", str(path), mode=0o644)
    assert current()[0] == "lab"
    # once the file can be written, its own line counts again
    write(TWO, str(path), mode=0o644)
    monkeypatch.setattr(os, "access", real)
    assert use(load_config(None, ENV), "lab", ENV) == path
    assert current() == ("lab", f"{path}:1")


@pytest.mark.parametrize("spoilt", [b"", b"[]", b'{"a": 1}', b"\xff"])
def test_a_spoilt_state_file_chose_nothing(spoilt: bytes, home: Path, write: Write) -> None:
    state = home / ".local/state/opsctl/current-context.json"
    state.parent.mkdir(parents=True)
    state.write_bytes(spoilt)
    write(f"current-context: lab\n{TWO}")
    assert current() == ("lab", "opsctl.yaml:1")


def test_a_full_disk_is_told_and_leaves_the_file_whole(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(TWO)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CannotWrite) as caught:
        use(load_config(None, ENV), "prod", ENV)
    assert caught.value.sentence() == "opsctl.yaml: this file cannot be written: No space left on device"
    assert caught.value.code == 73
    assert path.read_text() == TWO
    assert len(list(Path().iterdir())) == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(text=st.text(max_size=120))
def test_any_file_is_read_or_refused_in_words(text: str) -> None:
    path = Path("any.yaml")
    path.write_text(text, encoding="utf-8", errors="replace", newline="")
    try:
        said = contexts.load_config("any.yaml", ENV).setting
    except ConfigError as error:
        said = error.sentence()
    assert said
    assert "\n" not in said
