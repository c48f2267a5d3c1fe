import pytest

from gradtui.ui import terminal


@pytest.mark.parametrize(
    ("env", "stdin", "stderr", "words"),
    [
        ({"TERM": "xterm-256color"}, True, True, ""),
        ({}, True, True, ""),
        ({"TERM": "dumb"}, True, True, "TERM=dumb"),
        ({"TERM": "xterm"}, False, True, "standard input"),
        ({"TERM": "xterm"}, True, False, "standard error"),
    ],
)
def test_the_screen_is_refused_where_it_cannot_be_shown(env: dict[str, str], stdin: bool, stderr: bool, words: str) -> None:
    reason = terminal.refusal(env, stdin_is_terminal=stdin, stderr_is_terminal=stderr)
    assert words in reason
    assert bool(reason) == bool(words)
    assert "\n" not in reason


@pytest.mark.parametrize(("encoding", "ascii"), [("utf-8", False), ("latin-1", True), ("ascii", True), (None, True), ("no-such", True)])
def test_terminals_without_blocks_get_ascii(encoding: str | None, ascii: bool) -> None:
    assert terminal.needs_ascii(encoding) is ascii


def test_an_empty_no_color_means_colours_and_the_users_own_settings_stand() -> None:
    env = {"NO_COLOR": "", "TEXTUAL_FPS": "10"}
    terminal.prepare(env)
    assert "NO_COLOR" not in env
    assert env["TEXTUAL_FPS"] == "10"
    env = {"NO_COLOR": "1"}
    terminal.prepare(env)
    assert env["NO_COLOR"] == "1"
    assert env["TEXTUAL_FPS"] == "60"
