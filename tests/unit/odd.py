"""Names that other programs read something into."""

ODD_NAMES = {
    "space": "a b",
    "quote": "a'b",
    "double quote": 'a"b',
    "comma": "a,b",
    "equals": "seed=7",
    "percent": "a%b",
    "hash": "a#b",
    "dollar": "a$HOME",
    "backslash": "a\\b",
    "semicolon": "a;b",
    "colon": "fat:b",
    "brackets": "a[b]*?{c}",
    "non-ASCII": "ä→b",
    "not UTF-8": "a\udcffb",
    "dash": "-a",
    "line feed": "a\nb",
}
"""What is odd about it -> the name."""

ALL_ODD = "-".join(ODD_NAMES.values()).replace("/", "") + "`&|~!()<>"
"""All of it in one."""
