"""What inputs of fuzz targets are made of, for the fuzzer's dictionaries; C escapes."""

from __future__ import annotations

from kgpt_build.settings import options

SCHEMA = (
    *('\\"type\\":', '\\"object\\"', '\\"array\\"', '\\"string\\"', '\\"integer\\"', '\\"number\\"', '\\"null\\"'),
    *('\\"properties\\":{', '\\"required\\":[', '\\"additionalProperties\\":', '\\"items\\":', '\\"prefixItems\\":['),
    *(
        '\\"minItems\\":',
        '\\"maxItems\\":',
        '\\"enum\\":[',
        '\\"const\\":',
        '\\"anyOf\\":[',
        '\\"oneOf\\":[',
        '\\"allOf\\":[',
    ),
    *(
        '\\"$ref\\":\\"#/$defs/a\\"',
        '\\"$defs\\":{\\"a\\":',
        '\\"minLength\\":',
        '\\"maxLength\\":',
        '\\"pattern\\":\\"^',
    ),
    *('\\"format\\":\\"date\\"', '\\"minimum\\":', '\\"maximum\\":', '\\"exclusiveMinimum\\":', "\\\\\\\\d", "(?:"),
)
KEYS = (
    *(
        f"{name}={each.names[-1]}" if each.names else name + "=" * (each.kind != "FLAG")
        for name, each in options().items()
    ),
    *("seed=random", "frequency_penalty=-", "logit_bias=1-inf"),
    *('\\"', "\\\\n", "0x", "e-", "1e22", "18446744073709551615"),
)
TYPED = (
    *("\\x1b[A", "\\x1b[B", "\\x1b[C", "\\x1b[D", "\\x1b[H", "\\x1b[F", "\\x1b[3~", "\\x1b[200~", "\\x1b[201~"),
    *("\\x01", "\\x02", "\\x04", "\\x05", "\\x0b", "\\x0c", "\\x15", "\\x17", "\\x7f", "\\x0d\\x0a"),
    *("\\xc3\\xa9", "\\xe2\\x82\\xac", "\\xf0\\x9f\\x98\\x80"),
)
CODES = (
    *("\\xe0\\x48", "\\xe0\\xc8", "\\xe0\\xf0\\x75", "\\xe1\\x1d\\x45", "\\xf0\\x12", "\\x3a\\xba", "\\xe0\\x2a"),
    *("\\x2a", "\\x1d", "\\x38", "\\x12", "\\x14", "\\x11", "\\xaa", "\\xff"),
)
WRITTEN = (
    *(
        f"\\x1b[{word}"
        for word in ("K", "1K", "2J", "J", "3A", "B", "9C", "2D", "H", "3;4H", "0m", "1;31m", "97;44m", "7m")
    ),
    *("\\x1b[?25l", "\\x1b]0;", "\\x1b\\\\", "\\x1bP", "\\x08", "\\x09", "\\x0d", "\\x0a", "xxxxxxxxxxxxxxxxxxxxxxxx"),
    *(
        "\\xfa",
        "\\xfb\\x02",
        "\\xfb\\x00",
        "\\xfc",
        "\\xfd",
        "\\xfe\\x0cword",
        "\\xff",
        "\\xe2\\x94\\x80",
        "\\xc3\\xa9",
        "\\xf0\\x9f\\x98\\x80",
        "\\xed\\xa0\\x80",
    ),
)
GGUF = (
    *(
        "GGUF\\x03\\x00\\x00\\x00",
        "general.alignment",
        "general.architecture",
        "\\x09\\x00\\x00\\x00\\x08\\x00\\x00\\x00",
    ),
    *("\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00", "\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff"),
)
VOCAB = (
    *GGUF,
    *("<0x0A>", "<|im_end|>", "\\xc4\\xa0", "\\xe2\\x96\\x81", "\\x06\\x00\\x00\\x00", "<s>", "</s>"),
    *(f"tokenizer.ggml.{name}" for name in ("tokens", "token_type", "scores", "merges", "add_space_prefix")),
    *(f"tokenizer.kgpt.{name}" for name in ("by_merges", "splits_words", "nfc_decompositions", "nfc_compositions")),
)
MODEL = (
    *GGUF,
    *(f"attention.{name}" for name in ("head_count", "head_count_kv", "key_length", "value_length", "sliding_window")),
    *(f"rope.{name}" for name in ("dimension_count", "freq_base", "scaling.type", "scaling.factor")),
    *("block_count", "embedding_length", "feed_forward_length", "context_length", "attn_q.weight", "output.weight"),
)
TEXT = (
    *("\\x0d\\x0a", "   ", "'ll", "'S", "<|im_start|>", "<tool>", "123", "\\xc2\\xa0", "\\xe2\\x80\\x99"),
    *("\\xf0\\x9f\\x98\\x80", "\\xe2\\x80\\x8d", "\\xe2\\x96\\x81", "\\xcc\\x81", "\\xe4\\xb8\\x80", "\\xed\\xa0\\x80"),
)
SHELL = (
    *("explain ab", "mode=explain", "explain_layers"),
    *("mode=chat", "mode=shell", "mode=bench", "/reset", "/system ", "/set ", "/stats", "/history", "/quit", "/help"),
    *(
        "/clear",
        "/regen",
        "/show",
        "/paste",
        "/end",
        "/models",
        "/use 2",
        "/load 1",
        "/unload 2",
        "/reboot",
        "/system default",
        "\\x1b[0n",
    ),
    *("generate ", "chat", "models", "use 2", "use 1", "model", "bench", "mem", "cpu", "selftest", "reboot", "halt"),
    *('\\"\\"\\"', "ctx=8", "n_ctx", "pp=4", "tg=4", "repeat=1", "logprobs=3", "layers", "max_tokens=3", "samples=2"),
    "/read notes ",
)
ACPI = (
    *("RSD PTR ", "XSDT", "RSDT", "APIC", "FACP", "HPET", "DSDT", "SSDT", "_S5_", "\\x08\\\\_S5_\\x12\\x05\\x02"),
    *("LNRO0005\\x00", "\\x86\\x09\\x00", "GTDT", "SPCR", "MCFG", "\\x0b\\x50", "\\x0c\\x18", "\\x0e\\x10"),
    *(
        "\\x00\\x08",
        "\\x09\\x10",
        "\\x0a\\x05",
        "\\x0b",
        "\\x0c",
        "\\x0e",
        "\\x24\\xf0\\x07\\x00",
        "\\x4c\\xf0\\x07\\x00",
    ),
)
JSON = (
    *("null", "false", "true", "-0.5e+3", "1e308", "18446744073709551616", '\\"a\\":', "\\\\n", "\\\\u00e9"),
    *("\\\\ud83d\\\\ude00", "\\xf0\\x9f\\x98\\x80", "[[[[", "]]]]", "{}", "[]"),
)
HTTP = (
    *("GET / HTTP/1.1\\x0d\\x0a", "Host: x\\x0d\\x0a", "Content-Length: ", "Transfer-Encoding: chunked\\x0d\\x0a"),
    *(
        "Connection: keep-alive, close\\x0d\\x0a",
        "Expect: 100-continue\\x0d\\x0a",
        "\\x0d\\x0a\\x0d\\x0a",
        "OPTIONS * ",
    ),
    *("0\\x0d\\x0a\\x0d\\x0a", "5;x=y\\x0d\\x0ahello\\x0d\\x0a", "ffffffff"),
)
GET = (
    *(
        "HTTP/1.1 200 OK\\x0d\\x0a",
        "HTTP/1.1 206 x\\x0d\\x0a",
        "Content-Range: bytes 5-9/10\\x0d\\x0a",
        "Content-Length: 10",
    ),
    *(
        'ETag: \\"1\\"\\x0d\\x0a',
        "Last-Modified: ",
        "Location: ",
        "Content-Encoding: gzip",
        "\\x0d\\x0a\\x0d\\x0a",
        "\\x00",
    ),
    *("http://", "tftp://", "h.x:80", "/x.gguf", "#sha256=0123456789abcdef"),
)
DESCRIPTORS = ("\\x09\\x02", "\\x09\\x04", "\\x07\\x05", "\\x06\\x30", "\\x03\\x01\\x01")
