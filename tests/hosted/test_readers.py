"""The readers of JSON and HTTP agree with others on valid, damaged and random bytes."""

from __future__ import annotations

import ctypes
import json
import math
import random
import re
import struct
from typing import Any

import pytest
from native import shared_object

ROOM = 1 << 20


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    core = [f"kernel_c/core/{name}.c" for name in ("format", "json/json_read", "json/json_value", "str", "utf8")]
    http = [f"kernel_c/http/{name}.c" for name in ("chunked", "fields", "head")]
    drivers = ["tests/hosted/json_driver.c", "tests/hosted/http_driver.c"]
    return shared_object(tmp_path_factory.mktemp("readers"), [*drivers, *core, *http])


class Json:
    """Our reader."""

    def __init__(self, library: ctypes.CDLL, room: int = 4096) -> None:
        self._library, self._room = library, room
        library.driver_json.restype = ctypes.c_bool
        self._values = ctypes.create_string_buffer(16 * room)
        self._out = ctypes.create_string_buffer(ROOM)

    def read(self, text: bytes) -> tuple[bool, str]:
        """Whether it is read, and what it says or why not."""
        data = ctypes.create_string_buffer(text, len(text) or 1)
        good = self._library.driver_json(
            data,
            ctypes.c_size_t(len(text)),
            self._values,
            ctypes.c_uint32(self._room),
            self._out,
            ctypes.c_size_t(ROOM),
        )
        return good, self._out.value.decode()


def said(value: Any) -> str:
    """What the driver says of a value that Python has read."""
    match value:
        case None:
            return "n"
        case bool():
            return "t" if value else "f"
        case Number():
            return value.said()
        case str():
            return "s" + value.encode().hex()
        case Pairs():
            return "{" + "".join(f"{said(key)},{said(each)}," for key, each in value) + "}"
        case list():
            return "[" + "".join(f"{said(each)}," for each in value) + "]"
    raise AssertionError(value)


class Pairs(list[tuple[str, Any]]):
    """An object, with all of its members."""


class Number:
    """A number as it is written."""

    def __init__(self, text: str) -> None:
        self.text = text

    def said(self) -> str:
        bits = struct.unpack("<Q", struct.pack("<d", float(self.text)))[0]
        whole = ""
        if not set(self.text) & set(".eE") and abs(int(self.text)) < 1 << 64:
            whole = f"w{'-' if self.text.startswith('-') else ''}{abs(int(self.text))}"
        return f"d{bits:x}{whole}"


def python(text: bytes) -> str:
    """What Python reads. Raises ValueError."""
    return said(
        json.loads(
            text.decode(),
            object_pairs_hook=Pairs,
            parse_int=Number,
            parse_float=Number,
            parse_constant=lambda name: (_ for _ in ()).throw(ValueError(name)),
        )
    )


def random_value(rng: random.Random, depth: int = 0) -> Any:
    kind = rng.randrange(9 if depth < 4 else 6)
    match kind:
        case 0:
            return rng.choice([None, True, False])
        case 1:
            return rng.randrange(-(1 << 64), 1 << 64)
        case 2:
            return rng.choice([0.5, -2.25, 1e22, 3e-7, 0.1, 12345.678])
        case 3 | 4 | 5:
            return "".join(rng.choice('a"\\/\n\x00é€😀\u2028 ') for _ in range(rng.randrange(6)))
        case 6 | 7:
            return [random_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice(["a", "b", "", "é"]): random_value(rng, depth + 1) for _ in range(rng.randrange(4))}


def test_json_as_python_reads_it(library: ctypes.CDLL) -> None:
    ours, rng = Json(library), random.Random(1)
    for _ in range(3000):
        text = json.dumps(random_value(rng), ensure_ascii=rng.random() < 0.5, indent=rng.choice([None, 2])).encode()
        assert ours.read(text) == (True, python(text))


WRONG = (
    *("", " ", "nul", "truefalse", "[", "]", "[1,]", "[,1]", "{", '{"a"}', '{"a":}', '{"a":1,}', "{1:2}", '{"a" 1}'),
    *("01", "-", "+1", "1.", ".5", "1e", "1e+", "0x1", "NaN", "Infinity", "-Infinity", '"', '"\\"', '"\\x"', '"\\u12"'),
    *('"\t"', '"\\ud800"', '"\\udc00"', '"\\ud800x"', '"\\ud800\\u0041"', "1 2", "[1]]", "'a'", "[1}", '{"a":1]'),
)


@pytest.mark.parametrize("text", WRONG)
def test_json_that_is_refused(library: ctypes.CDLL, text: str) -> None:
    good, why = Json(library).read(text.encode())
    assert not good
    assert why


def test_json_limits(library: ctypes.CDLL) -> None:
    ours = Json(library, room=100)
    assert ours.read(b"[" * 64 + b"]" * 64)[0]
    assert ours.read(b"[" * 65 + b"]" * 65) == (False, "it is nested too deeply at 64")
    assert ours.read(b"[" + b"0," * 98 + b"0]")[0]
    assert ours.read(b"[" + b"0," * 99 + b"0]") == (False, "it has too many values at 200")


def test_json_numbers_of_any_length(library: ctypes.CDLL) -> None:
    ours, rng = Json(library), random.Random(2)
    for _ in range(2000):
        digits = "".join(rng.choice("0123456789") for _ in range(rng.randrange(1, 40)))
        text = f"{int(digits)}.{rng.randrange(10**9)}e{rng.randrange(-250, 250)}"
        good, what = ours.read(text.encode())
        assert good
        found = struct.unpack("<d", struct.pack("<Q", int(what[1:], 16)))[0]
        assert math.isclose(found, float(text), rel_tol=1e-14)
    for text in ("1e400", "-1e400", "1e-400", "0e99999999999", "-0"):
        found = struct.unpack("<d", struct.pack("<Q", int(ours.read(text.encode())[1][1:].split("w")[0], 16)))[0]
        assert str(found) == str(float(text))


def damaged(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(3):
            case 0:
                changed[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del changed[at : at + rng.randrange(1, 4)]
            case 2:
                changed[at:at] = rng.choice([b'"', b"\\", b",", b"[", b"{", b"\xc3", b"\\u", b"1", b"\r\n", b" ", b":"])
    return bytes(changed)


def test_damaged_json_as_yyjson_judges_it(library: ctypes.CDLL) -> None:
    """And with Python's values where it is good."""
    yyjson = pytest.importorskip("yyjson")
    ours, rng, counts = Json(library), random.Random(3), [0, 0]
    for _ in range(6000):
        text = damaged(rng, json.dumps(random_value(rng), ensure_ascii=rng.random() < 0.5).encode())
        good, what = ours.read(text)
        try:
            yyjson.Document(text)
            expected = True
        except ValueError as error:
            expected = good if "infinity" in str(error) else False  # we take a number that is too large for one
        assert good == expected, (text, what)
        counts[good] += 1
        if good:
            assert is_same(what, python(text))
    assert min(counts) > 500


def is_same(a: str, b: str) -> bool:
    """Do two texts of the driver say the same, where numbers may differ in the last bit?"""
    parts = [re.split(r"d([0-9a-f]+)(?=[,w\]}]|$)", text) for text in (a, b)]
    numbers = [[struct.unpack("<d", struct.pack("<Q", int(bits, 16)))[0] for bits in part[1::2]] for part in parts]
    return parts[0][::2] == parts[1][::2] and all(
        math.isclose(*pair, rel_tol=1e-14) for pair in zip(*numbers, strict=True)
    )


class Head:
    """What httptools hears of a request."""

    def __init__(self) -> None:
        self.url, self.fields, self.body, self.whole = b"", [], b"", False  # type: ignore[var-annotated]

    parser: Any = None
    keeps = False

    def on_headers_complete(self) -> None:
        self.keeps = self.parser is not None and self.parser.should_keep_alive()

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value.rstrip(b" \t")))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.whole = True


FIELDS = (
    *("Host: x", "Host:", "Connection: close", "Connection: keep-alive", "Connection: Keep-Alive, x", "Accept: */*"),
    *("X-Long:   spaces around\t ", "Content-Length: 0", "Content-Length: 5", "Transfer-Encoding: chunked", "a!#$: b"),
    *("Content-Type: application/json", "Expect: 100-continue", "X: é", "Empty:"),
)


def random_request(rng: random.Random) -> bytes:
    method, path = rng.choice(["GET", "POST", "HEAD", "OPTIONS"]), rng.choice(["/", "/v1/models", "/a?b=c?d", "/%20x"])
    fields = ["Host: x", *rng.sample(FIELDS, rng.randrange(5))]
    rng.shuffle(fields)
    lines = [f"{method} {path} HTTP/1.{rng.randrange(2)}", *fields, "", ""]
    return "\r\n".join(lines).encode()


def ours_of(library: ctypes.CDLL, data: bytes) -> tuple[int, list[tuple[str, str]]]:
    out = ctypes.create_string_buffer(ROOM)
    status = library.driver_head(data, ctypes.c_size_t(len(data)), out, ctypes.c_size_t(ROOM))
    lines = out.value.decode().splitlines() if status == 200 else [f"problem {out.value.decode()}"]
    return status, [(name, value) for name, _, value in (line.partition(" ") for line in lines)]


def stricter(data: bytes, why: str) -> bool:
    """What we refuse, and llhttp takes: hosts and lengths that are not clear, paths of proxies, HTTP/2 and so on."""
    reasons = (
        *(
            "needs one field Host",
            "first line is not",
            "length of the body is not clear",
            "does not begin with a slash",
        ),
        *("only HTTP/1.0", "path holds a character", "transfer coding", "too many fields", "control character"),
        *("Content-Length", "without a carriage return"),
    )
    return any(reason in why for reason in reasons)


def test_requests_as_httptools_reads_them(library: ctypes.CDLL) -> None:
    httptools = pytest.importorskip("httptools")
    rng, taken, refused = random.Random(4), 0, 0
    for i in range(12000):
        data = random_request(rng)
        data = damaged(rng, data) if i % 3 else data
        status, ours = ours_of(library, data)
        heard = Head()
        parser = httptools.HttpRequestParser(heard)
        try:
            parser.feed_data(data)
            error = ""
        except httptools.HttpParserUpgrade:
            error = "upgrade"
        except httptools.HttpParserError as problem:
            error = str(problem) or type(problem).__name__
        if status == 200:
            fields = dict(ours)
            n = int(fields["n"])
            heard = Head()
            heard.parser = parser = httptools.HttpRequestParser(heard)
            try:
                parser.feed_data(data[:n])
            except httptools.HttpParserInvalidMethodError:  # it knows a list of methods, and we any token
                assert bytes.fromhex(fields["method"]) not in (b"GET", b"POST", b"HEAD", b"OPTIONS")
                continue
            path, query = bytes.fromhex(fields["path"]), bytes.fromhex(fields["query"])
            assert heard.url in (path + b"?" + query, path)
            assert parser.get_method() == bytes.fromhex(fields["method"])
            assert parser.get_http_version() == f"1.{fields['minor']}"
            clear = sum(bytes.fromhex(value).lower() == b"connection" for name, value in ours if name == "name") < 2
            assert heard.keeps == (fields["keeps"] == "1") or (not clear and fields["keeps"] == "0"), data
            names = [bytes.fromhex(value) for name, value in ours if name == "name"]
            values = [bytes.fromhex(value) for name, value in ours if name == "value"]
            assert list(zip(names, values, strict=True)) == heard.fields
            taken += 1
        elif status:
            why = ours[0][1]
            assert error or stricter(data, why), (data, why)
            refused += 1
    assert min(taken, refused) > 2000


def test_chunks_as_httptools_reads_them(library: ctypes.CDLL) -> None:
    httptools = pytest.importorskip("httptools")
    rng, counts = random.Random(5), [0, 0, 0]
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    out = ctypes.create_string_buffer(4096)
    for i in range(4000):
        parts = [rng.randbytes(rng.randrange(1, 30)) for _ in range(rng.randrange(4))]
        data = b"".join(b"%x%s\r\n%s\r\n" % (len(part), rng.choice([b"", b";a=b"]), part) for part in parts)
        data += b"0\r\n" + rng.choice([b"", b"Trailer: x\r\n"]) + b"\r\n"
        data = damaged(rng, data) if i % 2 else data
        written, used = ctypes.c_size_t(), ctypes.c_size_t()
        found = library.driver_unchunk(
            data, ctypes.c_size_t(len(data)), ctypes.c_size_t(rng.randrange(1, 9)), out, ctypes.c_size_t(4096),
            ctypes.byref(written), ctypes.byref(used),
        )  # fmt: skip
        heard, error = Head(), ""
        try:
            httptools.HttpRequestParser(heard).feed_data(head + data)
        except httptools.HttpParserError as problem:
            error = str(problem)
        body = out.raw[: written.value]
        counts[found] += 1
        if found == 1:
            assert heard.whole, (data, error)
            assert heard.body == body
        elif found == 0:
            assert not heard.whole
            assert not error, (data, error)
            assert heard.body == body
        else:
            assert not heard.whole or b"\n" in data, data
    assert min(counts) > 50
