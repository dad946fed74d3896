"""Built-in templates by name (``--chat-template NAME``), for files without one, and the names of families.

They follow the documentation of the models' authors. ``chat_blob`` derives their pieces like those of a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kgpt_build.chat.template import Piece

_SPLIT_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] %}{% set rest = messages[1:] %}"
    "{% else %}{% set system = '' %}{% set rest = messages %}{% endif %}"
)

BUILTIN_TEMPLATES: Mapping[str, str] = {
    # https://github.com/openai/openai-python/blob/release-v0.28.0/chatml.md
    "chatml": (
        "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    ),
    # https://github.com/meta-llama/llama, chat_completion
    "llama2": _SPLIT_SYSTEM
    + (
        "{% for m in rest %}{% if m['role'] == 'user' %}"
        "{% set text = '<<SYS>>\n' + system + '\n<</SYS>>\n\n' + m['content'] if loop.first and system"
        " else m['content'] %}"
        "{{ bos_token + '[INST] ' + text.strip() + ' [/INST]' }}"
        "{% else %}{{ ' ' + m['content'].strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
    ),
    # https://www.llama.com/docs/model-cards-and-prompt-formats/meta-llama-3
    "llama3": (
        "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' "
        "+ m['content'] | trim + '<|eot_id|>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
    ),
    # https://ai.google.dev/gemma/docs/core/prompt-structure: what a system prompt would say goes into the first message
    "gemma": "{{ bos_token }}"
    + _SPLIT_SYSTEM
    + (
        "{% for m in rest %}{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else 'user') + '\n' }}"
        "{% if loop.first and system %}{{ system | trim + '\n\n' }}{% endif %}"
        "{{ m['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
    ),
    # Model card of microsoft/phi-2, "QA format"
    "phi2": _SPLIT_SYSTEM
    + (
        "{% if system %}{{ system + '\n' }}{% endif %}{% for m in rest %}{% if m['role'] == 'user' %}"
        "{{ 'Instruct: ' + m['content'] + '\nOutput:' }}{% else %}{{ ' ' + m['content'] + '\n' }}{% endif %}"
        "{% endfor %}"
    ),
    # Model card of microsoft/Phi-3-mini-4k-instruct, "Chat Format"
    "phi3": (
        "{{ bos_token }}{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] + '<|end|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
    ),
    # Model card of HuggingFaceH4/zephyr-7b-beta
    "zephyr": (
        "{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] + eos_token + '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
    ),
    # Model card of mistralai/Mistral-7B-Instruct-v0.2, "Instruction format"
    "mistral": "{{ bos_token }}"
    + _SPLIT_SYSTEM
    + (
        "{% for m in rest %}{% if m['role'] == 'user' %}"
        "{{ '[INST] ' + (system + '\n\n' if loop.first and system else '') + m['content'] + ' [/INST]' }}"
        "{% else %}{{ m['content'] + eos_token }}{% endif %}{% endfor %}"
    ),
}

OTHER = "other"

_Pieces = Mapping[Piece, str]


def _all(*marks: str) -> Callable[[str], bool]:
    return lambda text: all(mark in text for mark in marks)


_MARKS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("phi4", _all("<|im_start|>", "<|im_sep|>")),
    ("chatml", _all("<|im_start|>", "<|im_end|>")),
    ("llama3", _all("<|start_header_id|>", "<|eot_id|>")),
    ("gemma", _all("<start_of_turn>", "<end_of_turn>")),
    ("llama2", _all("[INST]", "<<SYS>>")),
    ("mistral", _all("[INST]", "[/INST]")),
    ("phi3", _all("<|user|>", "<|end|>", "<|assistant|>")),
    ("zephyr", _all("<|user|>\n", "<|assistant|>\n")),
    ("phi2", _all("Instruct: ", "Output:")),
)


def family_of(pieces: _Pieces) -> str:
    """The family whose special texts are in ``pieces``, or ``other``."""
    text = "".join(pieces.values())
    return next((name for name, fits in _MARKS if fits(text)), OTHER)
