"""Chat templates of public models, as their files have them, and what they make of one conversation.

The expected texts are those that llama.cpp's tests and the models' cards give; they do not come from this project's
own rendering. Long templates are in tests/golden/chat_templates.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kgpt_build.chat import Message

FOLDER = Path(__file__).resolve().parent.parent / "golden" / "chat_templates"

SYSTEM = "You are a helpful assistant"
SAID = ("Hello", "Hi there", "Who are you", "   I am an assistant   ", "Another question")


def conversation(system: str | None, *said: str) -> list[Message]:
    """Messages of the user and replies in turn, after a system prompt if there is one."""
    first = [] if system is None else [Message(role="system", content=system)]
    return first + [Message(role="assistant" if i % 2 else "user", content=text) for i, text in enumerate(said)]


@dataclass(frozen=True)
class Case:
    """``expected`` is the text of SYSTEM and SAID; without SYSTEM if the template takes none (``system`` False)."""

    name: str
    template: str  # or "" for NAME.jinja
    family: str
    end: str
    expected: str
    bos: str = "<s>"
    eos: str = "</s>"
    system: bool = True
    moves: bool = False
    tools: bool = True  # does it stand a ``tools`` that is there but none?
    default_system: str = ""

    @property
    def text(self) -> str:
        """The template."""
        return self.template or (FOLDER / f"{self.name}.jinja").read_text()


def _chatml(system: str = f"<|im_start|>system\n{SYSTEM}<|im_end|>\n") -> str:
    return system + (
        "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\nHi there<|im_end|>\n"
        "<|im_start|>user\nWho are you<|im_end|>\n<|im_start|>assistant\n   I am an assistant   <|im_end|>\n"
        "<|im_start|>user\nAnother question<|im_end|>\n<|im_start|>assistant\n"
    )


def _llama3(system: str) -> str:
    texts = (("user", "Hello"), ("assistant", "Hi there"), ("user", "Who are you"), ("assistant", "I am an assistant"))
    turns = (("system", system), *texts, ("user", "Another question"))
    body = "".join(f"<|start_header_id|>{role}<|end_header_id|>\n\n{text}<|eot_id|>" for role, text in turns)
    return f"<|begin_of_text|>{body}<|start_header_id|>assistant<|end_header_id|>\n\n"


_PHI3 = (
    "<|user|>\nHello<|end|>\n<|assistant|>\nHi there<|end|>\n<|user|>\nWho are you<|end|>\n"
    "<|assistant|>\n   I am an assistant   <|end|>\n<|user|>\nAnother question<|end|>\n<|assistant|>\n"
)
_GEMMA = (
    "Hello<end_of_turn>\n<start_of_turn>model\nHi there<end_of_turn>\n<start_of_turn>user\nWho are you<end_of_turn>\n"
    "<start_of_turn>model\nI am an assistant<end_of_turn>\n<start_of_turn>user\nAnother question<end_of_turn>\n"
    "<start_of_turn>model\n"
)
_TODAY = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"

CASES = [
    Case(
        "smollm2",
        "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n"
        "You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}"
        "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
        "chatml",
        "<|im_end|>",
        _chatml(),
        bos="<|im_start|>",
        eos="<|im_end|>",
        default_system="You are a helpful AI assistant named SmolLM, trained by Hugging Face",
    ),
    Case(
        "openhermes",
        "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' "
        "+ '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
        "chatml",
        "<|im_end|>",
        _chatml(),
    ),
    Case(
        "qwen2",
        "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
        "{{ '<|im_start|>system\nYou are a helpful assistant<|im_end|>\n' }}{% endif %}"
        "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
        "chatml",
        "<|im_end|>",
        _chatml(),
        bos="",
        eos="<|im_end|>",
        default_system="You are a helpful assistant",
    ),
    Case(
        "qwen2.5",
        "",
        "chatml",
        "<|im_end|>",
        _chatml(),
        bos="",
        eos="<|im_end|>",
        default_system="You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
    ),
    Case("qwen3", "", "chatml", "<|im_end|>", _chatml(), bos="", eos="<|im_end|>"),
    Case(
        "llama2",
        "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
        "{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}"
        "{% set system_message = false %}{% endif %}{% for message in loop_messages %}"
        "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
        "{% if loop.index0 == 0 and system_message != false %}"
        "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}"
        "{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}"
        "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}"
        "{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
        "llama2",
        "</s>",
        f"<s>[INST] <<SYS>>\n{SYSTEM}\n<</SYS>>\n\nHello [/INST] Hi there </s>"
        "<s>[INST] Who are you [/INST] I am an assistant </s><s>[INST] Another question [/INST]",
    ),
    Case(
        "llama3",
        "{% set loop_messages = messages %}{% for message in loop_messages %}"
        "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'"
        "+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}"
        "{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}"
        "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}",
        "llama3",
        "<|eot_id|>",
        _llama3(SYSTEM),
        bos="<|begin_of_text|>",
        eos="<|eot_id|>",
    ),
    Case(
        "llama3.2",
        "",
        "llama3",
        "<|eot_id|>",
        _llama3(_TODAY + SYSTEM),
        bos="<|begin_of_text|>",
        eos="<|eot_id|>",
    ),
    Case(
        "gemma",
        "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
        "{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
        "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}"
        "{% endif %}{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}",
        "gemma",
        "<end_of_turn>",
        f"<bos><start_of_turn>user\n{_GEMMA}",
        bos="<bos>",
        eos="<eos>",
        system=False,
    ),
    Case(
        "gemma3",
        "",
        "gemma",
        "<end_of_turn>",
        f"<bos><start_of_turn>user\n{SYSTEM}\n\n{_GEMMA}",
        bos="<bos>",
        eos="<eos>",
    ),
    Case(
        "phi3-mini",
        "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') %}{{'<|user|>' + '\n' "
        "+ message['content'] + '<|end|>' + '\n' + '<|assistant|>' + '\n'}}"
        "{% elif (message['role'] == 'assistant') %}{{message['content'] + '<|end|>' + '\n'}}{% endif %}{% endfor %}",
        "phi3",
        "<|end|>",
        f"<s>{_PHI3}",
        eos="<|endoftext|>",
        system=False,
    ),
    Case(
        "phi3-small",
        "{{ bos_token }}{% for message in messages %}{{'<|' + message['role'] + '|>' + '\n' + message['content'] "
        "+ '<|end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}"
        "{% else %}{{ eos_token }}{% endif %}",
        "phi3",
        "<|end|>",
        f"<|endoftext|><|system|>\n{SYSTEM}<|end|>\n{_PHI3}",
        bos="<|endoftext|>",
        eos="<|endoftext|>",
    ),
    Case(
        "phi4",
        "{% for message in messages %}{% if (message['role'] == 'system') %}{{'<|im_start|>system<|im_sep|>' "
        "+ message['content'] + '<|im_end|>'}}{% elif (message['role'] == 'user') %}{{'<|im_start|>user<|im_sep|>' "
        "+ message['content'] + '<|im_end|><|im_start|>assistant<|im_sep|>'}}"
        "{% elif (message['role'] == 'assistant') %}{{message['content'] + '<|im_end|>'}}{% endif %}{% endfor %}",
        "phi4",
        "<|im_end|>",
        f"<|im_start|>system<|im_sep|>{SYSTEM}<|im_end|><|im_start|>user<|im_sep|>Hello<|im_end|>"
        "<|im_start|>assistant<|im_sep|>Hi there<|im_end|><|im_start|>user<|im_sep|>Who are you<|im_end|>"
        "<|im_start|>assistant<|im_sep|>   I am an assistant   <|im_end|>"
        "<|im_start|>user<|im_sep|>Another question<|im_end|><|im_start|>assistant<|im_sep|>",
        bos="<|endoftext|>",
        eos="<|im_end|>",
    ),
    Case(
        "phi4-mini",
        "",
        "phi3",
        "<|end|>",
        f"<|system|>{SYSTEM}<|end|><|user|>Hello<|end|><|assistant|>Hi there<|end|><|user|>Who are you<|end|>"
        "<|assistant|>   I am an assistant   <|end|><|user|>Another question<|end|><|assistant|>",
        bos="<|endoftext|>",
        eos="<|endoftext|>",
        tools=False,
    ),
    Case(
        "zephyr",
        "",
        "zephyr",
        "</s>",
        f"<|system|>\n{SYSTEM}</s>\n<|user|>\nHello</s>\n<|assistant|>\nHi there</s>\n<|user|>\nWho are you</s>\n"
        "<|assistant|>\n   I am an assistant   </s>\n<|user|>\nAnother question</s>\n<|assistant|>\n",
    ),
    Case(
        "mistral-v0.2",
        "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
        "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
        "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token}}"
        "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}",
        "mistral",
        "</s>",
        "<s>[INST] Hello [/INST]Hi there</s>[INST] Who are you [/INST]   I am an assistant   </s>"
        "[INST] Another question [/INST]",
        system=False,
    ),
    Case(
        "mistral-v1",
        "",
        "mistral",
        "</s>",
        f"<s> [INST] {SYSTEM}\n\nHello [/INST] Hi there</s> [INST] Who are you [/INST]    I am an assistant   </s>"
        " [INST] Another question [/INST]",
    ),
    Case(
        "mistral-v3",
        "",
        "mistral",
        "</s>",
        # Where the model's own template would move the system prompt to the last message, it stays here.
        f"<s>[INST] {SYSTEM}\n\nHello[/INST] Hi there</s>[INST] Who are you[/INST] I am an assistant</s>"
        "[INST] Another question[/INST]",
        moves=True,
    ),
    Case(
        "mistral-v7",
        "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
        "{{ '[INST] ' + message['content'] + '[/INST]' }}{% elif message['role'] == 'system' %}"
        "{{ '[SYSTEM_PROMPT] ' + message['content'] + '[/SYSTEM_PROMPT]' }}"
        "{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'] + eos_token }}"
        "{% else %}{{ raise_exception('Only user, system and assistant roles are supported!') }}"
        "{% endif %}{% endfor %}",
        "mistral",
        "</s>",
        f"<s>[SYSTEM_PROMPT] {SYSTEM}[/SYSTEM_PROMPT][INST] Hello[/INST] Hi there</s>[INST] Who are you[/INST]"
        "    I am an assistant   </s>[INST] Another question[/INST]",
    ),
    Case(
        "mistral-small",
        "",
        "mistral",
        "</s>",
        f"<s>[SYSTEM_PROMPT]{SYSTEM}[/SYSTEM_PROMPT][INST]Hello[/INST]Hi there</s>[INST]Who are you[/INST]"
        "   I am an assistant   </s>[INST]Another question[/INST]",
        default_system="You are Mistral Small 3, a Large Language Model (LLM) created by Mistral AI, a French startup "
        "headquartered in Paris.\nYour knowledge base was last updated on 2023-10-01. The current date is 2024-07-26.",
    ),
    Case(
        "deepseek-coder",
        "",
        "other",
        "<|EOT|>",
        f"<bos>{SYSTEM}### Instruction:\nHello\n### Response:\nHi there\n<|EOT|>\n### Instruction:\nWho are you\n"
        "### Response:\n   I am an assistant   \n<|EOT|>\n### Instruction:\nAnother question\n### Response:\n",
        bos="<bos>",
        eos="<|EOT|>",
        default_system="You are an AI programming assistant, utilizing the Deepseek Coder model, developed by Deepseek "
        "Company, and you only answer questions related to computer science. For politically sensitive questions, "
        "security and privacy issues, and other non-computer science questions, you will refuse to answer\n",
    ),
    Case(
        "deepseek-r1",
        "",
        "other",
        "<｜end▁of▁sentence｜>",
        f"<｜begin▁of▁sentence｜>{SYSTEM}<｜User｜>Hello<｜Assistant｜>Hi there<｜end▁of▁sentence｜>"
        "<｜User｜>Who are you<｜Assistant｜>   I am an assistant   <｜end▁of▁sentence｜>"
        "<｜User｜>Another question<｜Assistant｜><think>\n",
        bos="<｜begin▁of▁sentence｜>",
        eos="<｜end▁of▁sentence｜>",
    ),
    Case(
        "vicuna",
        "{%- for message in messages %}{%- if message['role'] == 'system' -%}{{- '' + message['content'] + '\n\n' -}}"
        "{%- else -%}{%- if message['role'] == 'user' -%}{{-'USER: ' + message['content'] + '\n'-}}{%- else -%}"
        "{{-'ASSISTANT: ' + message['content'] + '</s>\n' -}}{%- endif -%}{%- endif -%}{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{-'ASSISTANT:'-}}{%- endif -%}",
        "other",
        "</s>",
        f"{SYSTEM}\n\nUSER: Hello\nASSISTANT: Hi there</s>\nUSER: Who are you\n"
        "ASSISTANT:    I am an assistant   </s>\nUSER: Another question\nASSISTANT:",
    ),
    Case(
        "openchat",
        "{{ bos_token }}{% for message in messages %}{{ 'GPT4 Correct ' + message['role'].title() + ': ' "
        "+ message['content'] + '<|end_of_turn|>'}}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'GPT4 Correct Assistant:' }}{% endif %}",
        "other",
        "<|end_of_turn|>",
        f"<s>GPT4 Correct System: {SYSTEM}<|end_of_turn|>GPT4 Correct User: Hello<|end_of_turn|>"
        "GPT4 Correct Assistant: Hi there<|end_of_turn|>GPT4 Correct User: Who are you<|end_of_turn|>"
        "GPT4 Correct Assistant:    I am an assistant   <|end_of_turn|>"
        "GPT4 Correct User: Another question<|end_of_turn|>GPT4 Correct Assistant:",
        eos="<|end_of_turn|>",
    ),
]
