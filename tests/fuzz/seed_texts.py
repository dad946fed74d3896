"""Inputs that every fuzz target of text begins with: command lines, keys, the terminal, JSON, grammars, sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import keyboards

CMDLINES = (
    "",
    "mode=generate samples=5 seed=7 temperature=0.5 exit",
    'prompt="a \\"quoted\\" \\\\ \\n \\t text" max_tokens=12 top_k=40 top_p=0.95 min_p=0.05',
    "seed=random cpumask=avx2 cpus=4 logits",
    "mode=selftest test=gguf fault=panic",
    "mode=train steps=10 until=5 batch=4 chunks=2 n_layer=2 n_embd=32 n_head=4 block_size=8 lr=1e-3 exact text",
    "beta1=0.9 beta2=.999 eps=1e-8 weight_decay=0 val_fraction=0.1 eval_every=5 checkpoint_every=5",
    'mode=chat system="You are brief." ctx=512 kv=q8 on_overflow=shift repeat_penalty=1.1 repeat_last_n=64',
    "frequency_penalty=-0.5 presence_penalty=2 typical_p=0.7 logit_bias=15-inf logit_bias=3+1.5 stop=END stop=",
    "mode=bench pp=16 tg=4 repeat=2 logprobs=5 model=2 ubatch=8 layers",
    "sampels=5",
    'prompt="not closed',
    "top_p=0 temperature=101 seed=0xffffffffffffffff seed=18446744073709551616",
    "x" * 70 + "=1",
    r""""prompt=a b" "system=\"say \\\"hi\\\"\\n\"" prompt=it\'s\\ stop=\"a\\tb\" prompt=\x41""",
    '"exit',
    '"" exit',
)
SETTINGS = ("temperature 0.7", "top_p 2", "prompt some text", "mode shell", "system Be kind.", "logit_bias ", "stop .")
TYPED = (
    b"hello\r",
    b"ab\x1b[D\x1b[Dxy\x1b[C\x1b[3~\x7f\x01\x0b\x05\r",
    b"one\rtwo\rthree\r\x1b[A\x1b[A\x1b[B!\r\x10\x0e\r",
    "é€😀\x1b[D\x1b[D\x7fß\r\n".encode(),
    b"a\xff\xc3z\x80\xe2\x82\r",
    b"some words here\x17\x17\x15\x03\x04",
    b"\x1b[200~pasted\rlines\x1b[201~\r",
    b"x" * 520 + b"\x7fy\r\x0c\t\x1b[5~\x1b[1;5C\x1bO\x1b\x1b",
)

WRITTEN = (
    b"\x05\x03one\ntwo\nthree\nfour\nfive\n",
    b"\x07\x05a line that is wrapped\x1b[9DX\r\x1b[K\x1b[2Bdown\x1b[1Kx\x1b[2;2Hhome\x1b[J\x1b[1J\x1b[2J",
    "\x13\x04\x1b[1;31mred\x1b[7;44m é─\U0001f600\x1b[0;97;103m\x1b[39;49m\x1b[38;5;1mx\tt\b\b".encode(),
    b"\x17\x06text\n\n\xfasta\xfb\x03\x00\x00\x00more text\n\n\n\xfb\x00\x00\x00\x00\xfcrest",
    b"\x05\x48one\ntwo\nthree\nfour\nfive\nsix\nseven\n\xfd\xfd\x00\xfd\x00\x00more\n\nof it\n\xfd\x00\x00\x00\x00",
    b"\x13\x05\xfe\x0chel\xfe\x0clo \xfe\x0cwor\xfe\x0cld, \xff....\xfe\x0c\x1b[2\xfe\x0c\r\x9b\n\xfe\x0c\xe4\xbd\xa0",
    b"\x00\x00\xc3\xff\xed\xa0\x80\xf4\x90\x80\x80\x1b]0;t\x07\x1bPq\x1b\\\x1b[999999999;1;1;1;1;1;1;1;1A",
)
JSON = (
    b'\xff{"messages": [{"role": "user", "content": "a \\"b\\" \\u00e9\\n"}], "n": 1, "stop": null, "stream": true}',
    b'\xff["\\ud83d\\ude00", "\\ud83d", "\\/\\b\\f\\r\\t", "\xf0\x9f\x98\x80"]',
    b"\xff[0, -0, -1.5e+300, 1E-400, 18446744073709551615, 18446744073709551616, 0.1, 123456789012345678901234567890]",
    b"\xff" + b"[" * 70 + b"]" * 70,
    b'\x03[1, [2, {"a": 3}], {}]',
    b"\xff[01, 1., .5, +1, nul, 'a']",
    b'\xff{"a": 1, "a": {"a": []}} x',
    b'\xff {"a":{"b":[{},[],""]},"":false} ',
)


GRAMMARS = (
    'root ::= "yes" | "no" # or so',
    'root ::= (expr "=" [0-9]+ "\\n"){1,3}\nexpr ::= term ([-+*/] term)*\nterm ::= [a-z]+ | "(" expr ")"\n',
    'root ::= "\\x41\\u00e9\\U0001F600" [^\\u0400-\\u04FF\\]\\-]{2,} .?',
    'root ::= a\na ::= b "x" | "y"\nb ::= a',
    'root ::= ("a"? | b{3}){2,9}\n\nb ::=\n  "c"\n  | ( "d"\n "e" )',
    "root ::= [a-z",
    'root ::= "[" (root ("," root)*)? "]" | "1"{,3}',
    'root ::= ((("a"*)+)?){2}',
)
SCHEMAS = (
    '{"type":"object","properties":{"a":{"type":"integer","minimum":-3,"maximum":120},"b":{"enum":[1,"x",null]}},'
    '"required":["b"],"additionalProperties":{"type":"boolean"}}',
    '{"$defs":{"t":{"type":"array","items":{"$ref":"#/$defs/t"},"maxItems":2}},"$ref":"#/$defs/t"}',
    '{"oneOf":[{"type":"object","properties":{"k":{"const":"a"}},"required":["k"]},{"type":"null"}]}',
    '{"type":"array","prefixItems":[{"type":"string","maxLength":3},true],"items":false,"minItems":1}',
    '{"anyOf":[{"type":"string","format":"date-time"},{"type":"string","pattern":"^[^a\\\\d]{1,3}(x|y)?$"}]}',
    '{"type":"number","exclusiveMinimum":0,"maximum":12}',
    '{"type":["integer","null"],"exclusiveMaximum":7.5}',
    '{"const":{"a":[1.5,"\\u00e9\\n"],"b":{}}}',
    '{"type":"array","uniqueItems":true}',
    '{"$ref":"#"}',
    "{}",
)


def _grammars() -> Iterator[bytes]:
    yield from (text.encode() + bytes([4 * i, 37 * i % 256]) for i, text in enumerate(GRAMMARS))


def _schemas() -> Iterator[bytes]:
    yield from (text.encode() + bytes([4 * i, 37 * i % 256]) for i, text in enumerate(SCHEMAS))


def _matched() -> Iterator[bytes]:
    for grammar in range(5):
        yield bytes([grammar]) + bytes(0x80 + (13 * i * i + grammar) % 0x7F for i in range(30)) + b"\xff" + b"aab[1,"
    yield b'\x00[[[1,{"aaaa":11}],[]]\xff\x81\x82\x90\xff"aa"'
    yield b"\x01" + b"a" * 40 + b"\xff" + b"ab" * 20


def _menus() -> Iterator[bytes]:
    """The size of the screen, how many keys, keys, the file."""
    text = b"# menu\ntimeout 5\ndefault b\nentry a First\nkernel /kgpt/a.efi\nwords mode=generate\n"
    text += b"entry b Second\r\nwords mode=chat\nmodule /models/b.gguf b.gguf sha256=00\n"
    for keys in (b"", b"\xf1\xf1\r", b"e\xf4x\x08\xe9\xf2\xf8\xf5y\r", b"\xf0\r\xf9"):
        yield bytes([40, len(keys)]) + keys + text
    yield b"\0\2ee" + text.replace(b"Second", "é€".encode() * 90)
    yield b"\0\0" + b"entry a\n" * 130
    yield b"\0\1\r" + text.replace(b"default b", b"default safe>safe-b")
    yield b"\0\0timeout -1\nentry\n"


def _cmdlines() -> Iterator[bytes]:
    yield from (b"\2" + line.encode() for line in CMDLINES)
    yield from (b"\1" + line.encode() for line in CMDLINES[5:7])
    yield from (b"\0" + line.encode() for line in SETTINGS)


def _typed() -> Iterator[bytes]:
    yield from TYPED


def _codes() -> Iterator[bytes]:
    keys = keyboards.ALL
    for code_set in (1, 2):
        yield bytes([code_set - 1]) + b"".join(key.down(code_set) + key.up(code_set) for key in keys)
        for modifier in (keyboards.SHIFTS[0], keyboards.CTRLS[1], keyboards.ALTS[0], keyboards.CAPS, keyboards.NUM):
            held = b"".join(key.down(code_set) for key in keys[::7])
            yield bytes([code_set - 1]) + modifier.down(code_set) + held + modifier.up(code_set)
        silent = keyboards.PAUSE[code_set] + keyboards.PRINT[code_set] + keyboards.BREAK[code_set]
        yield bytes([code_set - 1]) + silent
        yield bytes([2 - code_set]) + b"\xaa" + silent + keys[0].down(code_set) + keys[0].up(code_set)


def _written() -> Iterator[bytes]:
    yield from WRITTEN
    yield from (bytes([20, 7]) + b"kgpt> " + typed for typed in TYPED[:4])


TEXTS = (
    "The theme isn't I'LL, we've 1234567 things.\r\n\n  \t x\u00a0y   ",
    "Grüße, naïve café – “quotes” … 日本語 한국어 العربية हिन्दी",
    "👨‍👩‍👧‍👦🏽🇩🇪 e\u0301\u0308 \u200d\ufeff ½ Ⅷ ² ٣",
    "<|im_start|>user\n<tool>x<|im_end|>",
)


def _texts() -> Iterator[bytes]:
    texts = [text.encode() for text in TEXTS] + [b"\xff\xc3 \xed\xa0\x80\xf0\x9f\x98 \xc0\xaf\xe2\x96\x81 a\xe2\x96"]
    for number in range(64):  # more than there are pre-tokenizers: the last ones come round again
        yield bytes([number, 3 * number]) + texts[number % len(texts)][: 40 + number]


SESSIONS = (
    "\nhello\r/stats\r/history\r/set\r/help\r/quit\r",
    "ctx=20 on_overflow=shift temperature=0\na\rb\rc\r/reset\rd\r/system Be kind.\re\r",
    'mode=shell seed=7 logits\ngenerate abc\rmodels\ruse 2\rgenerate x\ruse 1\rchat\r"""two\rlines"""\r\x04halt\r',
    'prompt="hi" exit max_tokens=5 logprobs=3 layers stop=a logit_bias=9-inf\n',
    "mode=bench pp=4 tg=3 repeat=2 kv=q8 ubatch=3\n",
    "mode=shell\nmem\rcpu\rmodel\rset top_k 3\rset\rbench\rselftest\rhelp use\rbogus\rreboot\r",
    "model=2 mode=generate samples=2 repeat_penalty=1.5 presence_penalty=1 frequency_penalty=0.5\n",
    "ctx=12 on_overflow=shift temperature=3 top_k=0 logit_bias=1-inf\na\r\0\0\0\0b\r",
    "mode=generate prompt=a ctx=3 on_overflow=shift logit_bias=42+9\n\0\0\0\0",
    'kv=f32 system="é€😀"\né€😀\r\x1b[200~pasted\rtext\x1b[201~\r\x03\x03',
    'mode=chat grammar="root ::= [ab]{1,3}"\na\r/set grammar {"type":"integer"}\rb\r/set grammar root ::= (\rc\r',
    "mode=generate prompt=a grammar=json slots=2 samples=3 max_tokens=3\n",
    'mode=shell\nset grammar root ::= "a" | "é"\rgenerate a\ruse 2\rgenerate b\rset grammar off\rset grammar nofile\r',
)


def _sessions() -> Iterator[bytes]:
    yield from (session.encode() for session in SESSIONS)


MAKERS: dict[str, Callable[[], Iterator[bytes]]] = {
    "cmdline": _cmdlines,
    "lineedit": _typed,
    "keyboard": _codes,
    "gbnf": _grammars,
    "matcher": _matched,
    "encode": _texts,
    "json": lambda: iter(JSON),
    "menu": _menus,
    "schema": _schemas,
    "shell": _sessions,
    "terminal": _written,
}
