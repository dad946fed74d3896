from __future__ import annotations

import dataclasses
from datetime import date

import pytest
from chat_cases import CASES, SAID, SYSTEM, Case, conversation
from refusals import refused

from kgpt_build.chat import BUILTIN_TEMPLATES, ChatTemplate, Flag, Fragment, Message, Piece, chat_blob, read_chat_blob
from kgpt_build.chat.environment import Renderer, TemplateRefused
from kgpt_build.errors import KgptError

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
CHATML = BUILTIN_TEMPLATES["chatml"]


def _case(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


def _template(case: Case) -> ChatTemplate:
    return chat_blob(case.text, case.bos, case.eos)


@each_case
def test_a_public_template_gives_the_expected_text(case: Case) -> None:
    template = _template(case)
    bos = case.bos if template.flags & Flag.BOS else ""
    assert bos + template.render(conversation(SYSTEM if case.system else None, *SAID)) == case.expected


@each_case
def test_what_is_known_of_a_template(case: Case) -> None:
    template = _template(case)
    assert template.family == case.family
    assert template.end == case.end
    assert template.takes_system == case.system
    assert template.default_system == case.default_system
    assert bool(template.flags & Flag.SYSTEM_MOVES) == case.moves
    assert template.can_think == (case.name == "qwen3")


@each_case
def test_a_blob_is_read_as_it_was_written(case: Case) -> None:
    template = _template(case)
    assert read_chat_blob(template.blob()) == template
    assert template.blob() == _template(case).blob()


@pytest.mark.parametrize("case", [case for case in CASES if not case.moves], ids=lambda case: case.name)
def test_jinja_agrees_with_the_expected_text(case: Case) -> None:
    """So that a wrong environment cannot hide behind pieces derived from it."""
    render = Renderer(case.text, case.bos, case.eos, defined=case.tools)
    assert render(conversation(SYSTEM if case.system else None, *SAID)) == case.expected


@pytest.mark.parametrize("name", BUILTIN_TEMPLATES)
def test_built_in_templates_are_of_their_family(name: str) -> None:
    assert chat_blob("", "<s>", "</s>", family=name).family == name


@pytest.mark.parametrize(
    ("name", "like"),
    [("chatml", "openhermes"), ("llama2", "llama2"), ("llama3", "llama3"), ("gemma", "gemma3"), ("zephyr", "zephyr")],
)
def test_built_in_templates_are_those_of_the_models(name: str, like: str) -> None:
    case = _case(like)
    built_in, own = chat_blob("", case.bos, case.eos, family=name), _template(case)
    assert built_in.render(conversation(SYSTEM, *SAID)) == own.render(conversation(SYSTEM, *SAID))
    assert built_in.render(conversation(None, *SAID)) == own.render(conversation(None, *SAID))


@pytest.mark.parametrize(
    ("name", "rows"),
    [("smollm2", True), ("qwen2.5", True), ("phi3-small", True), ("llama2", False), ("mistral-v3", False)],
)
def test_messages_of_the_user_in_a_row_stand_as_the_template_has_them(name: str, rows: bool) -> None:
    case = _case(name)
    template = _template(case)
    assert bool(template.flags & Flag.ROWS) == rows
    said = [Message(role="user", content="one"), Message(role="user", content="two")]
    if rows:
        bos = case.bos if template.flags & Flag.BOS else ""
        assert bos + template.render(said) == Renderer(case.text, case.bos, case.eos)(said)
    else:
        with pytest.raises(TemplateRefused):
            Renderer(case.text, case.bos, case.eos)(said)


def test_what_people_type_holds_no_special_tokens() -> None:
    template = chat_blob(CHATML, "", "")
    assert template.turn(True, "<|im_end|>", "<|im_start|>") == [
        Fragment("<|im_start|>system\n", True),
        Fragment("<|im_end|>", False),
        Fragment("<|im_end|>\n<|im_start|>user\n", True),
        Fragment("<|im_start|>", False),
        Fragment("<|im_end|>\n<|im_start|>assistant\n", True),
    ]


def test_llama_2_trims_as_it_does() -> None:
    """The system prompt and the first message are one text when they are trimmed."""
    template = _template(_case("llama2"))
    first = template.turn(True, " s ", " m ")
    assert [text for text, special in first if not special] == [" s ", " m"]
    assert [text for text, special in template.turn(False, "", " m ") if not special] == ["m"]
    assert template.flags & Flag.NO_BLANK  # where the first message is blank, it eats what stands before it


def test_qwen_3_thinks_unless_it_is_told_not_to() -> None:
    template = _template(_case("qwen3"))
    thinking, plain = template.turn(True, "", "x"), template.turn(True, "", "x", thinking=False)
    assert thinking[:-1] == plain[:-1]
    assert thinking[-1].text.endswith("<|im_start|>assistant\n")
    assert plain[-1].text.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")
    assert template.reply("<think>\nhm\n</think>\n\n so")[-1] == Fragment(" so", False)
    assert template.flags & Flag.REWRITES


def test_deepseek_drops_thoughts_but_not_the_newlines_after_them() -> None:
    template = _template(_case("deepseek-r1"))
    assert template.reply("hm</think>\n\nso")[-1] == Fragment("\n\nso", False)
    assert template.flags & Flag.REWRITES
    assert not template.can_think


def test_the_day_of_a_template_does_not_depend_on_the_day_of_the_build() -> None:
    case = _case("llama3.2")
    other = chat_blob(case.text, case.bos, case.eos, today=date(2026, 3, 9))
    assert "Today Date: 26 Jul 2024" in _template(case)[Piece.BARE_PRE]
    assert "Today Date: 09 Mar 2026" in other[Piece.BARE_PRE]


def test_a_bos_is_a_flag_only_where_the_template_means_it() -> None:
    assert not _template(_case("smollm2")).flags & Flag.BOS  # its BOS also begins every message
    assert _template(_case("llama2")).flags & Flag.BOS
    assert _template(_case("llama2"))[Piece.NEXT] == " </s><s>[INST] "
    assert not chat_blob(BUILTIN_TEMPLATES["llama3"], "", "").flags & Flag.BOS


def test_extensions_of_transformers() -> None:
    text = (
        "{% for m in messages %}{% if m.role == 'tool' %}{% continue %}{% endif %}[{{ m.role }}]"
        "{% generation %}{{ m.content }}{% endgeneration %}{{ {'a': '<é>'} | tojson }}{% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    assert (
        chat_blob(text, "", "").render(conversation("s", "u")) == '[system]s{"a": "<é>"}[user]u{"a": "<é>"}[assistant]'
    )


REFUSED = {
    "every turn alike": "{% for m in messages %}{{ loop.index }}{{ m.role + m.content }}{% endfor %}",
    "repeats moves": "{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}",
    "white space": "{% for m in messages %}|{{ m.content.lstrip('\n ') }}{% endfor %}",
    "Only one message": "{{ raise_exception('Only one message') if messages | length > 1 else messages[0].content }}",
    "assistant 'two\\n\\nlines\\n', user": (
        "{% for m in messages %}[{{ m.role }}]"
        "{{ m.content | replace('\n', ' ') if '\nlines' in m.content else m.content }}{% endfor %}"
    ),
    "system prompt turns different": (
        "{% for m in messages %}[{{ m.role }}]{{ m.content }}{{ messages[0].role }}{% endfor %}"
    ),
    "reply 'thought</think>answer' '[assistant](thought)answer'": (
        "{% for m in messages %}[{{ m.role }}]"
        "{{ '(thought)' + m.content.split('</think>')[-1] if '</think>' in m.content else m.content }}{% endfor %}"
    ),
    "1048576 characters": ("{% for i in range(90000) %}{{ 'x' * 1000 }}{% endfor %}"),
    "attribute 'tools'": "{% for m in messages %}{{ m.content }}{{ m.tools.name }}{% endfor %}",
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_pieces_cannot_say_is_refused_by_name(why: str) -> None:
    with refused(KgptError, why) as caught:
        chat_blob(REFUSED[why], "<s>", "</s>")
    assert "--chat-template NAME" in caught.value.hint
    assert "chatml" in caught.value.hint


def test_what_is_no_template_is_refused() -> None:
    with refused(KgptError, "Jinja line 2:"):
        chat_blob("x\n{% for %}", "", "")
    with refused(KgptError, "model no chat template"):
        chat_blob("", "", "")
    with refused(KgptError, "chat template 'alpacca'"):
        chat_blob("", "", "", family="alpacca")
    with refused(KgptError, "chat template 1048577 characters"):
        chat_blob("x" * (1 << 20) + "y", "", "")


def test_a_template_cannot_leave_its_sandbox() -> None:
    with refused(KgptError, "'__class__' unsafe"):
        chat_blob("{% for m in messages %}{{ m.content.__class__.__mro__ }}{% endfor %}", "", "")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:20], "pieces 'KGCT'"),
        (lambda data: b"KGCX" + data[4:], "pieces 'KGCT'"),
        (lambda data: data[:4] + b"\x07" + data[5:], "version 7 3"),
        (lambda data: data + b"\0", "chat template 468 bytes 469"),
        (lambda data: data[:-1] + b"?", "damaged CRC"),
    ],
)
def test_a_damaged_blob_is_refused(change: object, message: str) -> None:
    assert callable(change)
    with refused(KgptError, message):
        read_chat_blob(change(chat_blob(CHATML, "", "").blob()))


def test_what_is_unknown_in_a_blob_is_refused() -> None:
    template = chat_blob(CHATML, "", "")
    for flags in (1 << 29, 1 << 30, 1 << 31):
        with refused(KgptError, f"flags {flags:#x} version"):
            read_chat_blob(dataclasses.replace(template, flags=flags).blob())


def test_a_template_says_what_people_should_know_of_it() -> None:
    described = {case.name: _template(case).described() for case in CASES}
    assert described["openhermes"] == ["chatml; a reply ends with '<|im_end|>'"]
    assert described["qwen2"][1] == "system prompt unless another is given: 'You are a helpful assistant'"
    assert described["gemma"] == ["gemma; a reply ends with '<end_of_turn>'", "takes no system prompt"]
    assert described["mistral-v3"][1].startswith("the system prompt stays before the first message")
    assert described["qwen3"][1] == "earlier replies lose what comes before </think>"
