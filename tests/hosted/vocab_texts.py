"""Text that tells tokenizers apart: what people type, every part of Unicode, and what is no text at all."""

from __future__ import annotations

import random
import unicodedata

BY_HAND = (
    "Hello, world!",
    "'sx it'sx we'llx you'VEry he'SA\n'sa 'sx 'llx 'VEry",
    "It's we'll I'VE you'Re he'd I'm DON'T can't 's 't'S'LL O'Neil ''s '' 're",
    "it\u2019s a \u2018quote\u2019 \u201cthat\u201d curls\u2026 and\u2014dashes",
    "0 1 12 123 1234 12345 123456 1234567 3.14159 1,000,000 0x1F 1e-9 ½ ¾ ²³ Ⅷ ٣٤٥٦ १२३४ 一二三",
    "a1b22c333d4444 v1.2.3-rc4 2024-01-31T23:59:59Z +49 (0)30 1234567",
    "line\nline\r\nline\rline\n\nline\n\n\nline\r\n\r\nline \nline\n line  \n  line\t\n\tline",
    " ",
    "  ",
    "   x  y   z    ",
    "\n",
    "\n\n \n",
    "\t\t\ttabs\t\tand \t mixed\t ",
    "x" + " " * 40 + "y" + " " * 600 + "z" + "\n" * 40 + "w" + "\t" * 20,
    "\u00a0no\u00a0break\u3000wide\u2003em\u2028line\u2029paragraph\u0085next\u1680ogham\u202fnarrow",
    "zero\u200bwidth\u200cjoiners\u200dand\ufeffmarks\u2060here\u00adsoft",
    "👍👍🏽 👨‍👩‍👧‍👦 🏳️‍🌈 🇩🇪🇫🇷 ❤️ ☺ 1️⃣ #️⃣ 🧑🏿‍🚀🫠🪿",
    "e\u0301 é ê\u0323 a\u0308\u0304 n\u0303ño \u0301 \u0301a",
    "straße STRASSE ÉCOLE École école ΑΒΓ αβγ ЁЖИК ёжик ǅ ŉ ﬁ ﬂ İstanbul ıI",
    "你好，世界！今天天气很好。日本語のテキスト、カタカナ・ひらがな 한국어 텍스트 ㄱㄴㄷ ㄅㄆㄇ",
    "ภาษาไทย हिन्दी में पाठ বাংলা தமிழ் ລາວ ភាសាខ្មែរ မြန်မာ العَرَبِيَّة עִבְרִית فارسی،؟",
    "def f(x):\n    return x**2  # comment\n\n\nclass A(B):\n\tpass\n",
    '<div class="a b">&amp;</div> https://example.org/a/b?c=d&e=f#g foo_bar fooBar FooBAR USAid iPhone HTTPServer',
    "!!! ??? ... --- === *** ((( ))) [[]] {{}} <<>> // \\\\ || && ^^ ~~ `` $$ %% @@ ## ++ :: ;; ,, ''\"\"",
    "$5 €5 £5 ¥5 5% 5° 5€ ±5 ×5 ÷5 ∞ ≠ ≤ → ← ↔ © ® ™ § ¶ † ‡ • ◊ █ ░ ─ │",
    "a/b a//b /a /\n/ \n/ !/\n x/\r\n",
    "supercalifragilisticexpialidocious" * 12,
    "Donaudampfschifffahrtsgesellschaftskapitän Rindfleischetikettierungsüberwachungsaufgaben",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "<|im_start|>user\nWhat is <|im_end|>?<|im_end|>\n<|endoftext|><|im_start|> <|im_<|im_end|>end|> <|im_start|",
    "<s>[INST] hi [/INST] </s> <unk> <0x0A> <0x41> ▁ ▁▁ <pad> <s </s",
    "nul\0inside \x01\x02\x1f\x7f controls \x0b\x0c feeds",
    "\ufffd replaced \ufffe \uffff \U0010ffff \ue000 \U000f0000 private \u0378 \U000e0041 unassigned",
    "𝐁𝐨𝐥𝐝 𝒮𝒸𝓇𝒾𝓅𝓉 𝟙𝟚𝟛 𐐀𐐨 𞤀𞤢 𒀀𒐀 𓀀 𐌰 🄰 ㍿ ㎏ ⒈ Ⓐ",
    "\U0001e030\U0001e08f \U00011f50\U00011f02 \U0001fae8 \u2ffc\u31ef \U0002ebf0 of Unicode 15",
)
BROKEN = (
    b"\x80",
    b"\xff\xfe\xfd",
    b"a\xc3",
    b"a\xc3 b\xe2\x82 c\xf0\x9f\x98 d",
    b"\xc0\x80\xc1\x81 overlong \xe0\x80\xa0 \xf0\x80\x80\xa0",
    b"\xed\xa0\xbd\xed\xb8\x80 surrogates \xed\xa0\x80",
    b"\xe4\xbd\xa0\xe5\xa5 \xe4\xbd\xa0\xe5\xa5\xbd\xbf",
    b"it\xe2\x80\x99s \xe2\x80 '\xc3s 1\xa02 \xf8\x88\x80\x80\x80 \xfc",
    b"\xc3 \xc3  \xe2 \xf0  x",
)

_PARTS = (
    *("a", "b", "A", "B", "aa", "AB", "é", "É", "ß", "ʰ", "你", "好", "한", "カ", "ж", "ไ", "ǅ"),
    *("1", "2", "11", "½", "٣", "Ⅷ", "\u0301", "\u0903", "\u20dd"),
    *("'", "'s", "'S", "'t", "'ll", "'LL", "'Ve", "'re", "'d", "'m", "’"),
    *(".", "!", "/", "_", "-", "(", "…", "、", "“", "$", "+", "<", "^", "|", "`", "~", "=", "©", "👍", "€"),
    *(" ", " ", " ", "  ", "\t", "\u00a0", "\u3000", "\n", "\n", "\r\n", "\r"),
    *("\0", "\x7f", "\u200d", "\ufe0f", "\u0378", "\ue000", "\U000e0041"),
)


def mixed(rng: random.Random, parts: int) -> str:
    """Characters of every kind that a pre-tokenizer tells apart, side by side, some of them many times over."""
    return "".join(rng.choice(_PARTS) * (rng.randint(2, 5) if rng.random() < 0.15 else 1) for _ in range(parts))


def scattered(rng: random.Random, n: int) -> bytes:
    """Any characters of all planes, surrogates too, among those of ``mixed``; now and then bytes of it are damaged."""
    out = []
    for _ in range(n):
        start = rng.choice((0, 0x80, 0x400, 0x1000, 0x2000, 0x3000, 0xA000, 0xD700, 0xFF00, 0x10000, 0x1F000, 0xE0000))
        out.append(chr(start + rng.randrange(0x400 if start < 0x10000 else 0x2000)) if start != 0xFF00 else "\uff41")
        out.append(mixed(rng, rng.randint(0, 2)))
    text = bytearray("".join(out).encode("utf-8", "surrogatepass"))
    for _ in range(rng.randint(0, 3) if rng.random() < 0.3 else 0):
        text[rng.randrange(len(text))] = rng.choice((0x80, 0xBF, 0xC0, 0xC1, 0xC3, 0xE2, 0xED, 0xF0, 0xF8, 0xFF, 0x41))
    return bytes(text)


def every_block() -> list[str]:
    """A text for each 256 code points of which Unicode has assigned some; of the long runs of alike ones, for a few."""
    texts = []
    for start in range(0, 0x110000, 0x100):
        found = [
            chr(code) for code in range(start, start + 0x100) if unicodedata.category(chr(code)) not in ("Cn", "Cs")
        ]
        alike = len({unicodedata.category(char) for char in found}) < 2 and len(found) == 0x100
        if found and not (alike and start % 0x1000):
            a, b, c, d, e = (found[i * (len(found) - 1) // 4] for i in range(5))
            texts.append(f"x{a}{b}1{c} {d}.{e}{a} \n{b}")
    return texts


def beyond_unicode(text: bytes) -> bool:
    """Is there a form of four bytes past U+10FFFF? llama.cpp does not survive it."""
    for i in range(len(text) - 3):
        lead, *rest = text[i : i + 4]
        if 0xF4 <= lead <= 0xF7 and all(byte & 0xC0 == 0x80 for byte in rest) and (lead > 0xF4 or rest[0] > 0x8F):
            return True
    return False
