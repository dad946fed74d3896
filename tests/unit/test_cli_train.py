"""``kgpt train`` from its words to its files and exit code, with a program in the kernel's place that sends what a
test wants it to."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from trainings import CORPUS, blob_bytes, line, step_line, weights

from kgpt_build import models
from kgpt_build.cli import invoke

FakeKernel = Callable[..., None]
EXIT = line("exit", code=0, reason="done")
TRAINING = line("corpus", documents=3, characters=8, n_vocab=3, train=3, validation=0) + line(
    "training", method="fast", steps=5, batch=16, n_layer=1, n_embd=16, n_head=4, block_size=16, parameters=3000,
    seed=42, first_step=0,
)  # fmt: skip
EVAL = line("eval", step=4, loss=1.875)
STEPS = [step_line(step, 3 - step / 4) for step in range(1, 5)] + [EVAL + step_line(5, 1.75)]
SAMPLE = line("sample", index=0, text="abba", tokens=5, reason="eos")
END = blob_bytes("best", 4) + blob_bytes("last", 5) + blob_bytes("state", 5, b"kernel's") + SAMPLE + EXIT
WHOLE = TRAINING + b"".join(STEPS) + END


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_bytes(CORPUS)
    (tmp_path / "model.gguf").write_bytes(b"old")
    (tmp_path / "model.state").write_bytes(b"old")
    return tmp_path


@pytest.fixture
def fake_kernel(here: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> FakeKernel:
    """``fake_kernel(sent, then)``: what the program sends, and the Python that it ends with; it keeps its words."""
    folder = tmp_path_factory.mktemp("kernel")
    monkeypatch.setattr("kgpt_build.kernel.build.build_cached", lambda **_: folder / "hosted")

    def make(sent: bytes = WHOLE, then: str = "sys.exit(0)") -> None:
        (folder / "sent").write_bytes(sent)
        lines = [
            f"#!{sys.executable} -S",
            "import json, os, signal, sys, time",
            f"open({str(here / 'words')!r}, 'w').write(json.dumps(sys.argv[1:]))",
            f"channel = open(int(sys.argv[-1]), 'wb'); channel.write(open({str(folder / 'sent')!r}, 'rb').read())",
            "channel.flush()",
            then,
        ]
        (folder / "hosted").write_text("\n".join(lines) + "\n")
        (folder / "hosted").chmod(0o755)

    make()
    return make


def train(*words: str) -> int:
    return invoke(["train", "text", "--target", "hosted", "--steps", "5", *words])


def is_as_it_was(here: Path) -> bool:
    return (here / "model.gguf").read_bytes() == (here / "model.state").read_bytes() == b"old"


def given_words(here: Path) -> list[str]:
    words: list[str] = json.loads((here / "words").read_text())
    return words


def test_plain_lines(here: Path, fake_kernel: FakeKernel, capsys: pytest.CaptureFixture[str]) -> None:
    assert train() == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        *(f"step {step:4d} /    5 | loss {3 - step / 4:.4f}" for step in range(1, 5)),
        "validation after step 4 | loss 1.8750",
        "step    5 /    5 | loss 1.7500",
        "sample  1: abba",
        "wrote model.gguf: 232 parameters, step 4, loss 2.0000, validation 1.8750",
        "wrote model.state: to go on after step 5",
    ]
    assert captured.err == ""
    assert models.load(here / "model.gguf").name == "model"


def test_json_is_the_machine_channel_alone(
    here: Path, fake_kernel: FakeKernel, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--json") == 0
    captured = capsys.readouterr()
    lines = [TRAINING, *STEPS, *(blob_bytes(n, s).partition(b"\n")[0] + b"\n" for n, s in (("best", 4), ("last", 5)))]
    lines += [blob_bytes("state", 5, b"kernel's").partition(b"\n")[0] + b"\n", SAMPLE, EXIT]
    assert captured.out.encode() == b"".join(lines)
    assert captured.err.splitlines()[0].startswith("wrote model.gguf: ")


def test_the_words_that_the_kernel_gets(here: Path, fake_kernel: FakeKernel) -> None:
    assert train("--n-embd", "8", "--seed", "7", "--memory", "64", "--cmdline", "samples=3") == 0
    words = given_words(here)
    cmdline = words[words.index("--cmdline") + 1].split()
    assert cmdline[0] == "mode=train"
    assert {"n_embd=8", "seed=7", "steps=5", "batch=16", "exit", "samples=3"} <= set(cmdline)
    assert words[words.index("--arena-mb") + 1] == "64"
    assert words.count("--module") == 0  # the corpus is in the image


def test_keep_last(here: Path, fake_kernel: FakeKernel, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--keep-last", "-o", "a.gguf") == 0
    best, last = models.load(here / "a.gguf"), models.load(here / "a-last.gguf")
    assert best.sha256 != last.sha256
    assert "wrote a-last.gguf: 232 parameters, step 5, loss 1.7500" in capsys.readouterr().out
    assert is_as_it_was(here)


def test_a_picture(here: Path, fake_kernel: FakeKernel, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--plot", "c.png") == 0
    assert (here / "c.png").read_bytes().startswith(b"\x89PNG")
    assert "wrote c.png" in capsys.readouterr().out


GOOD = TRAINING + b"".join(STEPS)
DAMAGED = blob_bytes("best", 4).replace(weights(4)[-64:], weights(5)[-64:])
LOST = 5


@pytest.mark.parametrize(
    ("sent", "then", "code", "message"),
    [
        (GOOD + blob_bytes("best", 4)[:-1], "sys.exit(0)", LOST, "'best' of step 4 was cut short: 1,279 of 1,280"),
        (GOOD + DAMAGED + EXIT, "sys.exit(0)", LOST, "the blob 'best' of step 4 was damaged on its way"),
        (GOOD + blob_bytes("best", 4, b"nonsense") + EXIT, "sys.exit(0)", 1, "weights that are not to be used"),
        (GOOD, "os.kill(os.getpid(), signal.SIGKILL)", LOST, "killed by SIGKILL"),
        (GOOD, "sys.exit(0)", LOST, "the process ended without a verdict"),
        (GOOD + EXIT, "sys.exit(0)", LOST, "ended well, but sent no weights"),
        (GOOD + b"nonsense\n" + END, "sys.exit(0)", LOST, "a line that is no JSON"),
        (b"", "sys.exit(0)", LOST, "failed (exit status 0)"),
        (GOOD, "time.sleep(60)", 124, "did not end within"),
        (
            GOOD
            + line("error", message="the loss of step 6 is not a finite number", hint="lower lr")
            + line("exit", code=1, reason="refused"),
            "sys.exit(1)",
            1,
            "the loss of step 6 is not a finite number",
        ),
        (
            GOOD
            + line(
                "panic", vector=-1, name="", error="0x0", message="out of luck", rip="0x0", cr2="0x0", registers={},
                backtrace=[],
            )
            + line("exit", code=4, reason="panic"),
            "sys.exit(4)",
            4,
            "panic: out of luck",
        ),
    ],
    ids=["cut", "damaged", "nonsense", "killed", "silent", "no weights", "garbage", "nothing", "late", "nan", "panic"],
)  # fmt: skip
def test_a_run_that_ends_badly_leaves_the_old_files(
    here: Path,
    fake_kernel: FakeKernel,
    capsys: pytest.CaptureFixture[str],
    sent: bytes,
    then: str,
    code: int,
    message: str,
) -> None:
    fake_kernel(sent, then)
    before = sorted(path.name for path in here.iterdir())
    assert train(*(["--timeout", "2"] if code == 124 else [])) == code
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("kgpt: error: ")]
    assert len(error) == 1
    assert message in error[0]
    assert is_as_it_was(here)
    assert sorted(path.name for path in here.iterdir()) == sorted([*before, "words"])


def test_a_checkpoint_that_came_whole_is_kept_whatever_follows(
    here: Path, fake_kernel: FakeKernel, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_kernel(GOOD + blob_bytes("best", 4) + blob_bytes("state", 4, b"s") + blob_bytes("best", 5)[:-9], "sys.exit(0)")
    assert train("--plot", "c.svg") == LOST
    captured = capsys.readouterr()
    assert "wrote model.gguf: 232 parameters, step 4, loss 2.0000, validation 1.8750" in captured.out
    assert "wrote model.state: to go on after step 4" in captured.out
    assert "kgpt: error: the blob 'best' of step 5 was cut short" in captured.err
    assert models.metadata(here / "model.gguf")["kgpt.training.step"] == 4
    assert (here / "c.svg").exists()


@pytest.fixture
def interrupted(here: Path) -> Iterator[Callable[[int], None]]:
    """``interrupted(n)``: presses Ctrl-C ``n`` times, the first when the kernel has begun."""
    threads = []
    over = threading.Event()  # a test that failed before the kernel began has nobody to press it for

    def wait_for(happened: Callable[[], bool]) -> bool:
        while not happened():
            if over.wait(0.01):
                return False
        return True

    def begun() -> bool:
        return signal.getsignal(signal.SIGINT) is not signal.default_int_handler and (here / "words").exists()

    def press(times: int) -> None:
        if wait_for(begun):
            os.kill(os.getpid(), signal.SIGINT)
        if times == 2 and wait_for((here / "heard").exists):
            os.kill(os.getpid(), signal.SIGINT)

    def start(times: int) -> None:
        threads.append(threading.Thread(target=press, args=(times,)))
        threads[-1].start()

    yield start
    over.set()
    for thread in threads:
        thread.join()


WAIT_FOR_CTRL_C = "assert os.read(0, 1) == b'\\x03'"


def test_ctrl_c_asks_the_kernel_to_stop(
    here: Path, fake_kernel: FakeKernel, interrupted: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    rest = blob_bytes("best", 3) + blob_bytes("state", 3, b"s") + line("exit", code=0, reason="stopped")
    fake_kernel(TRAINING + b"".join(STEPS[:3]), f"{WAIT_FOR_CTRL_C}; channel.write({rest!r})")
    interrupted(1)
    assert train() == 0
    captured = capsys.readouterr()
    assert "wrote model.gguf: 232 parameters, step 3, loss 2.2500" in captured.out
    assert captured.err.splitlines() == [
        "kgpt: stopping after this step; Ctrl-C again ends it at once",
        "kgpt: stopped after step 3 of 5; to go on: kgpt train text --resume model.gguf",
    ]


def test_ctrl_c_that_interrupts_no_wait_is_heard_soon(
    here: Path, fake_kernel: FakeKernel, interrupted: Callable[[int], None]
) -> None:
    """As when it comes just before the wait: the system hands the signal to another thread, and the wait goes on."""
    rest = blob_bytes("best", 3) + line("exit", code=0, reason="stopped")
    fake_kernel(TRAINING + b"".join(STEPS[:3]), f"{WAIT_FOR_CTRL_C}; channel.write({rest!r})")
    interrupted(1)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        assert train("--timeout", "20") == 0
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_a_second_ctrl_c_ends_it(
    here: Path, fake_kernel: FakeKernel, interrupted: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    fake_kernel(GOOD, f"{WAIT_FOR_CTRL_C}; open('heard', 'w'); time.sleep(60)")
    interrupted(2)
    assert train() == 130
    assert is_as_it_was(here)
    assert "Traceback" not in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["none"], 1, "none: no such file"),
        (["text", "--steps", "0"], 2, "steps is 0"),
        (["text", "--batch", "0"], 2, "batch is 0"),
        (["text", "--n-embd", "0"], 2, "n_embd is 0"),
        (["text", "--n-embd", "18"], 2, "n_embd 18 cannot be divided into n_head 4 heads"),
        (["text", "--lr", "1e30"], 2, "lr is 1e+30"),
        (["text", "--val-fraction", "0.1"], 1, "--val-fraction 0.1 of 3 documents holds none back"),
        (["text", "--eval-every", "5"], 2, "there are no documents to evaluate with"),
        (["text", "--n-embd", "2048"], 1, "128 MB of memory are too little for this training"),
        (["text", "--n-embd", "65536", "--n-layer", "1024"], 1, "the weights would take"),
        (["text", "--memory", "0"], 2, "memory"),
        (["text", "-o", "folder"], 1, "cannot write folder: Is a directory"),
        (["text", "-o", "none/m.gguf"], 1, "cannot write none/m.gguf: No such file or directory"),
        (["text", "-o", "m.state"], 2, "is the name of a state"),
        (["text", "--plot", "c.jpg"], 2, "only PNG and SVG"),
        (["text", "--plot", "none/c.png"], 1, "cannot write none/c.png"),
        (["text", "--resume", "none.gguf"], 1, "none.state: no such file"),
        (["text", "--resume", "model.gguf"], 1, "model.state: is no state of a training"),
        (["text", "--target", "bare", "--bogus"], 2, "--bogus"),
    ],
)
def test_bad_input_is_refused_before_anything_is_started(
    here: Path, fake_kernel: FakeKernel, capsys: pytest.CaptureFixture[str], words: list[str], code: int, message: str
) -> None:
    (here / "folder").mkdir()
    before = sorted(path.name for path in here.iterdir())
    assert invoke(["train", *words]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("kgpt: error: ")
    assert message in captured.err.splitlines()[0]
    assert captured.err.splitlines()[1].startswith("  ")
    assert sorted(path.name for path in here.iterdir()) == before
    assert is_as_it_was(here)


def test_long_lines_are_told_and_trained(
    here: Path, fake_kernel: FakeKernel, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--block-size", "4") == 0
    assert capsys.readouterr().err.startswith("kgpt: 1 of 3 documents are longer than the block of 4")


# Going on.


@pytest.fixture
def stopped(here: Path, fake_kernel: FakeKernel) -> None:
    """A training of 5 steps that was stopped after 3."""
    fake_kernel(TRAINING + b"".join(STEPS[:3]) + blob_bytes("best", 3) + blob_bytes("state", 3, b"kernel's") + EXIT)
    assert train("--n-embd", "8", "--until", "3") == 0


@pytest.mark.parametrize(("embedded", "brought"), [(1 << 20, b""), (3, CORPUS + b"|")])
def test_what_the_loader_brings(
    here: Path, stopped: None, fake_kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch, embedded: int, brought: bytes
) -> None:
    """The state, and before it a corpus that is too long for an image."""
    monkeypatch.setattr("kgpt_build.training.corpus.EMBEDDED_BYTES", embedded)
    keep = "n = [i + 1 for i, w in enumerate(sys.argv) if w == '--module']; "
    keep += "open('modules', 'wb').write(b'|'.join(open(sys.argv[i], 'rb').read() for i in n))"
    fake_kernel(TRAINING + b"".join(STEPS[3:]) + END, keep)
    assert invoke(["train", "text", "--resume", "model.gguf", "--target", "hosted"]) == 0
    assert (here / "modules").read_bytes() == brought + b"kernel's"
    assert {"n_embd=8", "steps=5"} <= set(given_words(here)[1].split())
    assert not any(word.startswith("until=") for word in given_words(here)[1].split())


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["other"], 1, "other is not the corpus of the training to resume"),
        (["text", "--n-embd", "16"], 2, "--n-embd is 16, but the training to resume has 8"),
        (["text", "--exact"], 2, "--exact is True, but the training to resume has False"),
        (["text", "--steps", "3"], 1, "has done 3 steps, and is to end after 3"),
        (["text", "--until", "2"], 1, "the training to resume has done 3 steps, and is to end after 2"),
    ],
)
def test_another_training_is_not_resumed(
    here: Path, stopped: None, capsys: pytest.CaptureFixture[str], words: list[str], code: int, message: str
) -> None:
    (here / "other").write_bytes(CORPUS + b"aa\n")
    before = {path: path.read_bytes() for path in here.iterdir()}
    capsys.readouterr()
    assert invoke(["train", *words, "--resume", "model.gguf", "--target", "hosted"]) == code
    assert message in capsys.readouterr().err.splitlines()[0]
    assert {path: path.read_bytes() for path in here.iterdir()} == before
