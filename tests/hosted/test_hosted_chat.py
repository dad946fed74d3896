"""The chat of the hosted program: no text is lost, and every command does what the help says."""

from __future__ import annotations

from pathlib import Path

import pytest
from chats import HERE, N_CTX, PASTE, PASTED, PROMPT, Talker, asked, replies, write_talker
from hosted import Hosted
from refusals import lacks

LINES = [f"\tthis is the line number {i} of the text" for i in range(1000, 1400)]
TEXT = "\n".join(LINES)


@pytest.fixture(scope="module")
def talker(without_model: Hosted, tmp_path_factory: pytest.TempPathFactory) -> Talker:
    return Talker(without_model, write_talker(tmp_path_factory.mktemp("talker")))


def test_a_line_of_any_length_that_fits_the_context(talker: Talker) -> None:
    line = "".join(f" the text number {i}" for i in range(600))
    assert len(line) > 9000
    done = talker.says(f"{line}\n/history\n".encode())
    assert done.returncode == 0
    assert asked(done.console) == [line]


def test_a_message_of_many_lines_is_as_long_as_the_context(talker: Talker) -> None:
    assert len(TEXT) > 16383
    done = talker.says(f'"""{TEXT}"""\n/history\n'.encode())
    assert asked(done.console) == [TEXT]
    assert len(done.of("sample")) == 1


def test_what_does_not_fit_is_refused_whole(talker: Talker) -> None:
    done = talker.says(f"x\n{'a' * 300}\n/history\n".encode(), "ctx=256")
    assert not lacks(done.one("error")["message"], "text 310 tokens, context 244")
    assert not lacks(done.one("error")["hint"], "/clear /set on_overflow shift")
    assert asked(done.console) == ["x"]
    assert len(done.of("sample")) == 1


def test_a_first_message_that_does_not_fit(talker: Talker) -> None:
    done = talker.says(f"{'a' * 300}\n/history\n".encode(), "ctx=256")
    message = done.one("error")["message"]
    assert not lacks(message, "text tokens, context 256")
    assert not lacks(done.one("error")["hint"], f"ctx=: {N_CTX}")
    assert "kgpt: 0 of 256 tokens" in done.console


def test_a_text_that_no_context_holds(talker: Talker) -> None:
    """Not even by its bytes; it is not answered in part."""
    done = talker.says(b"a" * 2_000_000 + b"\nb\n/history\n", "ctx=256")
    assert not lacks(done.one("error")["message"], "text 2000000 bytes, room")
    assert asked(done.console) == ["b"]


def test_a_refusal_changes_nothing(talker: Talker) -> None:
    """Also where the last reply is put back without its stop string: the next message goes on as if nothing was."""
    words = "ctx=256 temperature=0 max_tokens=8 stop=e stop=s stop=a"
    plain = talker.says(b"one\ntwo\n/history\n", words)
    refused = talker.says(f"one\n{'a' * 300}\ntwo\n/history\n".encode(), words)
    assert len(refused.of("error")) == 1
    assert refused.console.split("> /history")[1] == plain.console.split("> /history")[1]


def test_a_refused_message_can_be_shortened(talker: Talker) -> None:
    with talker.terminal("ctx=256") as terminal:
        terminal.expect(PROMPT)
        terminal.type(f"{PASTE}keep this\n{'a' * 300}{PASTED}\r")
        terminal.expect("the text has ")
        terminal.expect(PROMPT)
        terminal.type("\x1b[A\x15\x15\r")  # its last row, and the line feed before it
        terminal.expect("kgpt: prompt ")
        terminal.expect(PROMPT)
        terminal.type("/history\r")
        terminal.expect("of 256 tokens")
        assert asked(terminal.text) == ["keep this"]


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        "a line that ends in a backslash\\\nanother\\",
        '"""in quotes\nof the text"""\nand more',
        '"""',
        "/usr/bin/env python\n",
        "tab\tand 日本語 €😀\n\n\nend",
    ],
)
def test_a_paste_is_one_message(talker: Talker, text: str) -> None:
    with talker.terminal() as terminal:
        terminal.expect(PROMPT)
        terminal.type(PASTE + text.replace("\n", "\r") + PASTED)
        terminal.type("\r")
        terminal.expect("kgpt: prompt ")
        terminal.expect(PROMPT)
        terminal.type("/history\r")
        terminal.expect(rf"of {N_CTX} tokens")
        terminal.type("\x04")
        assert terminal.wait() == 0
    assert asked(terminal.text) == [text]
    assert replies(terminal.text) == 1


def test_the_terminal_is_asked_to_mark_pastes(talker: Talker) -> None:
    with talker.terminal() as terminal:
        terminal.expect(PROMPT)
        assert b"\x1b[?2004h" in terminal.raw
        assert b"\x1b[?2004l" not in terminal.raw
        terminal.type("/bye\r")
        assert terminal.wait() == 0
        assert terminal.raw.rindex(b"\x1b[?2004l") > terminal.raw.rindex(b"\x1b[?2004h")


def test_a_dumb_terminal_and_a_pipe_are_asked_nothing(talker: Talker) -> None:
    with talker.terminal(term="dumb") as terminal:
        terminal.expect(PROMPT)
        terminal.type("hello\r/bye\r")
        assert terminal.wait() == 0
        assert b"\x1b" not in terminal.raw
    assert "\x1b" not in talker.says(b'hello\n"""a\nb"""\nx\\\ny\n').console


def test_a_paste_that_is_not_marked(talker: Talker) -> None:
    """A terminal that is there, but marks nothing: lines that come faster than keys are pressed are one message."""
    text = TEXT + "\nends in a backslash\\"
    with talker.terminal() as terminal:
        terminal.expect(PROMPT)
        terminal.type(HERE)
        terminal.type(text.replace("\n", "\r") + "\r")
        terminal.expect("kgpt: prompt ")
        terminal.expect(PROMPT)
        terminal.type("/history\r")
        terminal.expect(rf"of {N_CTX} tokens")
    assert asked(terminal.text) == [text]
    assert replies(terminal.text) == 1


def test_a_line_of_a_pipe_is_a_message(talker: Talker) -> None:
    """However fast they come: nobody has said that there is a terminal."""
    done = talker.says(b"one\ntwo\nthree\n")
    assert len(done.of("sample")) == 3
    with talker.terminal() as terminal:
        terminal.expect(PROMPT)
        terminal.type("one\rtwo\rthree\r\x04")
        assert terminal.wait() == 0
    assert replies(terminal.text) == 3


def test_paste_until_end(talker: Talker) -> None:
    """Where nothing else helps."""
    text = 'first\n\n"""not the end"""\n/bye\n\ta tab\\\nlast'
    done = talker.says(f"/paste\n{text}\n/end\n/history\n".encode())
    assert asked(done.console) == [text]
    with talker.terminal() as terminal:
        terminal.expect(PROMPT)
        terminal.type("/paste\r" + text.replace("\n", "\r") + "\r/end\r")
        terminal.expect("kgpt: prompt ")
        terminal.expect(PROMPT)
        terminal.type("/history\r")
        terminal.expect(rf"of {N_CTX} tokens")
    assert asked(terminal.text) == [text]


def test_control_c_drops_what_is_typed(talker: Talker) -> None:
    with talker.terminal() as terminal:
        terminal.expect(PROMPT)
        terminal.type(f"{PASTE}some\rlines{PASTED}\x03")
        terminal.expect(r"\^C\n")
        terminal.expect(PROMPT)
        terminal.type("/paste\rsome\r\x03")
        terminal.expect(r"\^C\n")
        terminal.expect(PROMPT)
        terminal.type("/history\r")
        terminal.expect("kgpt: 0 of ")


@pytest.mark.parametrize("word", ["/quit", "/bye", "/exit"])
def test_ways_out(talker: Talker, word: str) -> None:
    done = talker.says(f"{word}\nnot said\n".encode())
    assert done.returncode == 0
    assert not done.of("sample")
    assert done.events[-1]["reason"] == "halt"


@pytest.mark.parametrize("word", ["/help", "/?"])
def test_help_lists_what_there_is(talker: Talker, word: str) -> None:
    console = talker.says(f"{word}\n".encode()).console
    for command in ("/clear", "/regen", "/system", "/set", "/show", "/stats", "/history", "/paste", "/models"):
        assert f"\n{command} " in console
    for command in ("/use", "/reboot", "/quit", "/help", "/bye", "/exit", "/reset", "/?", "Ctrl-D"):
        assert command in console


@pytest.mark.parametrize("word", ["/clear", "/reset"])
def test_a_conversation_begins_anew(talker: Talker, word: str) -> None:
    done = talker.says(f"one\n{word}\ntwo\n/history\n".encode())
    assert asked(done.console) == ["two"]


def test_system_alone_shows_it(talker: Talker) -> None:
    said = "/system\n/system Be kind.\nhello\n/system\n/system default\n/system\n/history\n"
    done = talker.says(said.encode(), 'system="Be brief."')
    answers = [part.split("\n")[1] for part in done.console.split("> /system")[1:]]
    assert answers[0] == "system       Be brief."
    assert "begins anew" in answers[1]
    assert answers[2] == "system       Be kind."
    assert "begins anew" in answers[3]
    assert answers[4].startswith("system       the template's own")
    assert "kgpt: 0 of" in done.console


def test_a_system_prompt_that_is_too_long_is_refused(talker: Talker) -> None:
    done = talker.says(b"/system " + b"a" * 3000 + b"\n/system\n")
    assert not lacks(done.one("error")["message"], "system prompt 3000 bytes")
    assert "system       the template's own" in done.console


def test_show(talker: Talker) -> None:
    console = talker.says(b"/show\n", 'system="Be brief."').console
    for part in ("architecture llama", 'system       "Be brief."', "temperature  0.800"):
        assert part in console


def test_regen_replies_once_more(talker: Talker) -> None:
    """To the same context, by other random numbers; and the conversation holds the new reply alone."""
    words = "max_tokens=12 temperature=2 logits"
    done = talker.says(b"one\n/regen\n/regen\n/history\ntwo\n", words)
    texts = done.samples()
    assert len(texts) == 4
    assert len(set(texts[:3])) == 3
    logits = done.of("logits")
    first = [next(e for e in logits if e["sample"] == i) for i in range(3)]
    assert len({(e["pos"], e["id"], e["f32"]) for e in first}) == 1
    history = done.console.split("> /history")[1]
    assert history.count("<|im_start|>assistant") == 1
    assert texts[2][:4] in history


def test_regen_after_stop_and_without_a_message(talker: Talker) -> None:
    done = talker.says(b"/regen\none\n/clear\n/regen\n")
    first, second = (error["message"] for error in done.of("error"))
    assert first == second
    assert not lacks(first, "context no message reply")
    assert len(done.samples()) == 1


def test_models_and_use(talker: Talker) -> None:
    """The second one has no template: a chat does not take it."""
    plain = Path(__file__).parents[1] / "fuzz" / "shell" / "plain.gguf"
    options = (*talker.modules, "--module", str(plain), *talker.modules)
    typed = b"/models\none\n/use 3\n/models\n/history\ntwo\n/use 2\n/use 9\n/use\nthree\n"
    done = talker.program.run(f"max_tokens=3 cpus=1 stats=on ctx={N_CTX}", typed, options)
    without, *unknown = (error["message"] for error in done.of("error"))
    assert not lacks(without, f"model {plain} chat template")
    assert [lacks(message, f"model {name}") for message, name in zip(unknown, ('"9"', '""'), strict=True)] == [[], []]
    assert '"/models" lists them' in done.of("error")[1]["hint"]
    assert "* 1 " in done.console.split("> one")[0]
    assert "* 3 " in done.console
    assert "kgpt: 0 of" in done.console
    assert len(done.samples()) == 3


def test_reboot(talker: Talker) -> None:
    done = talker.says(b"/reboot\nnot said\n")
    assert done.events[-1] == {"event": "exit", "code": 0, "reason": "reboot"}
    assert not done.of("sample")


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("/histroy", 'command "/histroy"', '"/history"?'),
        ("/xyzzy", 'command "/xyzzy"', '"/help" commands; space message'),
        ("/clear now", '/clear arguments, "now"', ""),
        ("/help hlep", 'command "hlep"', ""),
    ],
)
def test_a_mistake_is_named(talker: Talker, line: str, message: str, hint: str) -> None:
    done = talker.says(f"{line}\n {line}\n".encode())
    assert not lacks(done.one("error")["message"], message)
    assert not lacks(done.one("error")["hint"], hint)
    assert len(done.samples()) == 1  # behind a space it is a message


def test_tab_completes_commands(talker: Talker) -> None:
    with talker.terminal() as terminal:
        terminal.expect(PROMPT)
        terminal.type("/hi\t\r")
        terminal.expect("kgpt: 0 of ")
        terminal.expect(PROMPT)
        terminal.type("/re\t")
        terminal.expect(r"^/reset +/regen +/read +/reboot$")
        terminal.expect("^> /re$")
        terminal.type("ge\t\r")
        terminal.expect("no message to reply to")
        terminal.expect(PROMPT)
        terminal.type("/sys\tBe kind.\r")
        terminal.expect("the system prompt is set")
        terminal.expect(PROMPT)
        terminal.type("no\tcommand\r/history\r")
        terminal.expect("no\tcommand")


def test_a_refusal_prints_no_speed(talker: Talker) -> None:
    done = talker.says(f"x\n{'a' * 300}\n".encode(), "ctx=256")
    assert replies(done.console) == 1


def test_a_conversation_does_not_begin_behind_a_generation(talker: Talker) -> None:
    done = talker.says(b"chat\none\n/history\n/bye\nhalt\n", "mode=generate prompt=abc")
    history = done.console.split("> /history\n")[1]
    assert history.startswith("<|im_start|>user\none<|im_end|>")


def test_a_typed_line_over_the_room_is_refused_in_the_shell(hosted: Hosted) -> None:
    """Instead of doing what its first bytes say."""
    done = hosted.run("mode=shell samples=1", b"generate " + b"a" * 600 + b"\ngenerate\n")
    assert not lacks(done.one("error")["message"], "text 609 bytes, room 511")
    assert len(done.samples()) == 1


def test_a_paste_while_a_reply_is_computed(talker: Talker) -> None:
    """It is marked then too, and waits, as long as it is."""
    with talker.terminal() as terminal:
        terminal.expect(PROMPT)
        terminal.type("hello\r" + PASTE + TEXT.replace("\n", "\r") + PASTED + "\r")
        terminal.expect("kgpt: prompt ")
        terminal.expect("kgpt: prompt ")
        terminal.expect(PROMPT)
        terminal.type("/history\r")
        terminal.expect(rf"of {N_CTX} tokens")
    assert asked(terminal.text) == ["hello", TEXT]
    assert replies(terminal.text) == 2


def test_a_program_may_hand_on_what_is_typed(talker: Talker) -> None:
    """As `kgpt run --target hosted` does: it says what kind of terminal that is."""
    text = '"""one\n\ttwo\\'
    typed = f"/cl\t\r{PASTE}{text}{PASTED}\r/history\r".replace("\n", "\r")
    done = talker.says(typed.encode(), "output=color")
    assert done.console.index("\x1b[?2004h") < done.console.rindex("\x1b[?2004l")
    assert "begins anew" in done.console
    assert asked(done.console) == [text]
