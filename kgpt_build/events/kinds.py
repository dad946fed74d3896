"""The events of the machine channel, one class each. Generated from kernel_c/include/kgpt/events.def: do not edit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from kgpt_build.events.event import NO_ADDRESS, Address, Event, EventWithOptions, double, singles


@dataclass(frozen=True)
class Boot(Event):
    """The first line of a run."""

    event: ClassVar[str] = "boot"
    version: str
    """The version of kgpt."""
    platform: str
    """``x86_64``, ``aarch64`` or ``linux``."""
    loader: str
    """``pvh``, ``multiboot1``, ``multiboot2``, ``linux`` or ``process``."""
    cmdline: str
    """The command line."""
    memory: int
    """Usable memory in bytes."""
    serial: bool
    """There is a serial port."""
    screen: bool
    """There is a screen."""
    display: str = ""
    """The mode of the screen, such as ``1024x768x32`` or ``text 80x25``; empty without a screen."""
    keyboard: bool = False
    """The keyboard controller (i8042) has a keyboard; ``keyboards`` tells of others."""


@dataclass(frozen=True)
class Keyboards(Event):
    """A USB or virtio keyboard was found, or went, while the kernel waits for input. Kernels with drivers send it."""

    event: ClassVar[str] = "keyboards"
    names: tuple[str, ...]
    """All keyboards: ``i8042``, ``virtio``, and ``usb`` with the ports that lead to it, such as ``usb 1.2``."""
    search_us: int
    """Microseconds that the search for devices took, with the start of their drivers."""
    usb_us: int
    """Of these, the start of USB controllers."""
    found_us: int
    """From that start until the first of these keyboards worked."""


@dataclass(frozen=True)
class Cpu(Event):
    """Once, after the command line was read."""

    event: ClassVar[str] = "cpu"
    vendor: str
    """The vendor that CPUID reports."""
    brand: str
    """The processor's name that CPUID reports."""
    features: tuple[str, ...]
    """The instruction-set extensions that kgpt knows and the processor has."""
    xcr0: int
    """The register XCR0: which register states the kernel has enabled."""
    isa: str
    """The instruction set that the kernel computes with: ``c``, ``avx2``, ``avx512`` or ``neon``."""


@dataclass(frozen=True)
class Cpus(Event):
    """Before the mode starts, with ``cpus=`` on the command line or in ``mode=train``."""

    event: ClassVar[str] = "cpus"
    found: int
    """Processors that the machine reports; 1 if it reports none."""
    started: int
    """Processors that work, the first one included."""
    by: str
    """How they are reached: ``xapic``, ``x2apic`` or ``threads``; empty if none was started."""
    note: str
    """Why fewer were started than wanted; else empty."""


@dataclass(frozen=True)
class Model(Event):
    """A model was accepted."""

    event: ClassVar[str] = "model"
    name: str
    """Its name."""
    arch: str
    """Its architecture: ``microgpt``, or that of a GGUF file."""
    sha256: str
    """SHA-256 of its file or data; empty if unknown."""
    n_vocab: int
    """Tokens in the vocabulary."""
    n_ctx: int
    """Positions of the longest context."""
    n_embd: int
    """Width of the residual stream."""
    n_layer: int
    """Layers."""
    n_head: int
    """Attention heads."""
    n_head_kv: int
    """Heads of keys and values."""
    n_ff: int
    """Width of the feed-forward layer."""
    parameters: int
    """Parameters."""
    tokenizer: str = ""
    """The kind of tokenizer."""
    chat: str = ""
    """The family of its chat template; empty without one."""
    place: str = ""
    """Where it is: ``image``, or the name of a boot module."""


@dataclass(frozen=True)
class Memory(Event):
    """Before the arena is carved. All values are bytes."""

    event: ClassVar[str] = "memory"
    weights: int
    """The weights."""
    kv: int
    """The KV cache."""
    scratch: int
    """Everything else that the run needs."""
    needed: int
    """What must fit into the arena: ``kv`` and ``scratch``."""
    arena: int
    """The size of the arena."""
    outside: int = 0
    """Free RAM that does not lie in a row with the arena: page tables and devices use it."""


@dataclass(frozen=True)
class Ready(Event):
    """Everything is set up."""

    event: ClassVar[str] = "ready"
    ticks: int
    """Ticks since the first instruction; under QEMU's ``-icount shift=0`` these are instructions."""


@dataclass(frozen=True)
class Serving(Event):
    """``mode=serve``: clients can connect."""

    event: ClassVar[str] = "serving"
    address: str
    """Where: ``127.0.0.1:8080``."""
    model: str
    """The model's name for clients."""
    slots: int
    """Replies that are computed at once."""
    queue: int
    """Requests that may wait for one."""


@dataclass(frozen=True)
class Served(Event):
    """``mode=serve``: a request for replies has ended."""

    event: ClassVar[str] = "served"
    number: int
    """Of the request, as in its ``id``."""
    how: str
    """``whole``, ``left`` by a client that hung up, or ``failed``."""
    prompt_tokens: int
    """Tokens of the prompt."""
    cached_tokens: int
    """Of them, those that were not computed again."""
    tokens: int
    """Sampled in all replies."""
    us: int
    """Microseconds from the request to its end."""
    passes: int
    """Forward passes from the request to its end, of all slots together."""


@dataclass(frozen=True)
class Config(EventWithOptions):
    """A generation or a reply starts. The event holds everything that decides the text, besides the model."""

    event: ClassVar[str] = "config"
    options: Mapping[str, float]
    """The sampling options by their names (options.def)."""
    mode: str
    """``generate`` or ``chat``."""
    prompt: str
    """The prompt or the message that this reply answers. In a chat it is empty for ``/regen``, which answers the
    message before once more.
    """
    samples: int
    """How many texts."""
    max_tokens: int
    """The most tokens of a text; 0: no limit."""
    seed: int
    """The seed of the random numbers."""
    system: str = ""
    """The system prompt."""
    sample: int = 0
    """The number of the reply, from 0; 0 begins a conversation."""
    context: int = 0
    """Positions of the context."""
    kv: str = ""
    """The type of the KV cache."""
    on_overflow: str = ""
    """What a full context does."""
    think: str = ""
    """Whether the model thinks aloud."""
    rng: str = "kgpt"
    """Whose random numbers and sampler."""
    logit_bias: tuple[Mapping[str, Any], ...] = ()
    """A ``bias`` for each token that has one."""
    stop: tuple[str, ...] = ()
    """Texts that end a reply."""
    grammar: str = ""
    """The grammar that the reply stays within."""


@dataclass(frozen=True)
class Token(Event):
    """A token was sampled, also the one that ends a text."""

    event: ClassVar[str] = "token"
    sample: int
    """The number of the text, from 0."""
    pos: int
    """The position where the token will stand; the BOS that starts a document stands at 0."""
    id: int
    """The token."""
    text: str
    """Its text; empty for a token that ends the text."""


@dataclass(frozen=True)
class Logprobs(Event):
    """After each token, with ``logprobs=N`` on the command line."""

    event: ClassVar[str] = "logprobs"
    sample: int
    """The number of the reply."""
    pos: int
    """The position where the token will stand."""
    id: int
    """The token."""
    logprob: float
    """The natural logarithm of its probability."""
    top: tuple[Mapping[str, Any], ...]
    """The N likeliest tokens, the likeliest first."""


@dataclass(frozen=True)
class Sample(Event):
    """A document or a reply is finished."""

    event: ClassVar[str] = "sample"
    index: int
    """Its number, from 0."""
    text: str
    """Its text: a document with its prompt, a language model's reply alone."""
    tokens: int
    """Sampled tokens: as many as there are ``token`` events."""
    reason: str
    """Why it ended: ``eos``, ``max_tokens``, ``context`` or ``stopped``; of a language model also ``stop``,
    ``nonfinite`` or ``grammar``.
    """
    dropped: int = 0
    """Bytes before ``text`` of a text that outgrew its memory (``on_overflow=shift``)."""


@dataclass(frozen=True)
class Stats(Event):
    """A generation is finished."""

    event: ClassVar[str] = "stats"
    samples: int
    """Documents."""
    prompt_tokens: int
    """Tokens that were fed, each BOS included."""
    tokens: int
    """Tokens that were sampled."""
    ticks: int
    """Its duration in ticks."""
    ticks_hz: int
    """Ticks per second; 0: unknown."""
    us: int
    """Its duration in microseconds; 0: unknown."""
    first_token_ticks: int
    """Ticks until the first token."""
    clock: str = ""
    """The clock that ``ticks_hz`` comes from: ``cpuid``, ``hypervisor``, ``hpet``, ``pmtimer``, ``pit``, ``base`` or
    ``system``; empty: unknown.
    """
    used: int = 0
    """Bytes of the arena in use; the same from generation to generation."""


@dataclass(frozen=True)
class Speed(Event):
    """A language model's reply is finished. Durations are in microseconds."""

    event: ClassVar[str] = "speed"
    prompt_tokens: int
    """Prompt tokens that were computed; those that the context held already do not count."""
    prompt_us: int
    """The duration of the prompt."""
    tokens: int
    """Sampled tokens."""
    decode_us: int
    """The duration of the reply."""
    first_token_us: int
    """From the message to the first token."""
    p50_us: int
    """The median duration of a token; 0 if there was only one."""
    p99_us: int
    """The 99th percentile."""
    max_us: int
    """The longest."""
    context_used: int
    """Positions in use."""
    context: int
    """Positions of the context."""
    seed: int
    """The seed that reproduces the reply."""
    computed: int = 0
    """Tokens computed after the prompt, those that a shift computed again and rejected drafts included."""
    passes: int = 0
    """Forward passes after the prompt; with ``accepted`` they make the tokens of the reply."""
    drafted: int = 0
    """Tokens that passes computed in advance (``speculate``)."""
    accepted: int = 0
    """Those of them that were then sampled."""


@dataclass(frozen=True)
class Shell(Event):
    """The shell or the chat waits for a line."""

    event: ClassVar[str] = "shell"
    prompt: str
    """The text in front of the cursor."""


@dataclass(frozen=True)
class Logits(Event):
    """With ``logits`` on the command line: after each forward step. A language model sends one after the prompt, then
    one after each token.
    """

    event: ClassVar[str] = "logits"
    sample: int
    """The number of the text."""
    pos: int
    """The position of the token that was fed."""
    id: int
    """That token; after a prompt its last one."""
    f32: str
    """The logits, ``n_vocab`` of them."""

    @property
    def values(self) -> tuple[float, ...]:
        """``f32`` as the kernel computed it."""
        return singles(self.f32)


@dataclass(frozen=True)
class Fed(Event):
    """With ``logits``, of a language model: before the ``logits`` that follow a prompt."""

    event: ClassVar[str] = "fed"
    sample: int
    """The number of the text."""
    pos: int
    """The position of the first token."""
    u32: str
    """The tokens of the prompt."""


@dataclass(frozen=True)
class Layer(Event):
    """With ``layers``, of a language model: several times in each forward step."""

    event: ClassVar[str] = "layer"
    what: str
    """The part of the step that ended: ``embed``, ``attn``, ``ffn`` or ``norm``."""
    layer: int
    """The layer."""
    f32: str
    """The residual stream of the last token."""

    @property
    def values(self) -> tuple[float, ...]:
        """``f32`` as the kernel computed it."""
        return singles(self.f32)


@dataclass(frozen=True)
class Explain(Event):
    """``mode=explain``, of a language model: what will be told ([explain-trace.md](explain-trace.md))."""

    event: ClassVar[str] = "explain"
    prompt: str
    """The tokens of the prompt."""
    positions: int
    """The most positions."""
    layers: str
    """The layers that are told."""
    vectors: str
    """Of them, those whose vectors are told."""
    attn_scale: float
    """What a product of query and key is multiplied by."""


@dataclass(frozen=True)
class Tensor(Event):
    """``mode=explain``: a part of the pass of one token."""

    event: ClassVar[str] = "tensor"
    what: str
    """``attention``: n_head rows of pos + 1 weights; of a layer with vectors ``q_raw``, ``k_raw`` and ``v``, ``q`` and
    ``k`` behind RoPE, ``attended``, and the residual stream ``attn`` and ``ffn``; ``embed``; ``norm``; ``logits`` of a
    small vocabulary.
    """
    layer: int
    """The layer; 0 of ``embed``; n_layer of ``norm`` and ``logits``."""
    pos: int
    """The position."""
    f32: str
    """The numbers."""

    @property
    def values(self) -> tuple[float, ...]:
        """``f32`` as the kernel computed it."""
        return singles(self.f32)


@dataclass(frozen=True)
class Neurons(Event):
    """``mode=explain``: the strongest neurons of a layer's MLP, or all of them in their order."""

    event: ClassVar[str] = "neurons"
    layer: int
    """The layer."""
    pos: int
    """The position."""
    u32: str
    """Their numbers."""
    f32: str
    """Their values behind the activation."""

    @property
    def values(self) -> tuple[float, ...]:
        """``f32`` as the kernel computed it."""
        return singles(self.f32)


@dataclass(frozen=True)
class Lens(Event):
    """``mode=explain``: the likeliest next tokens if the model ended behind a layer."""

    event: ClassVar[str] = "lens"
    layer: int
    """The layer."""
    pos: int
    """The position."""
    u32: str
    """The tokens, the likeliest first."""
    f32: str
    """Their probabilities."""

    @property
    def values(self) -> tuple[float, ...]:
        """``f32`` as the kernel computed it."""
        return singles(self.f32)


@dataclass(frozen=True)
class Lengths(Event):
    """``mode=explain``: how long the residual stream was in the pass of one token."""

    event: ClassVar[str] = "lengths"
    pos: int
    """The position."""
    f32: str
    """Behind the embedding, then of each layer behind attention and behind the MLP."""

    @property
    def values(self) -> tuple[float, ...]:
        """``f32`` as the kernel computed it."""
        return singles(self.f32)


@dataclass(frozen=True)
class Draw(Event):
    """``mode=explain``: how a token was drawn, behind its ``token``."""

    event: ClassVar[str] = "draw"
    pos: int
    """The position whose logits it was drawn from."""
    ids: str
    """The likeliest tokens behind ``logit_bias`` and penalties, the likeliest first, at most 256."""
    logits: str
    """Their logits."""
    adjusted: str
    """Their logits behind ``logit_bias`` and penalties."""
    log_sum: float
    """Ln of the sum of exp(logit) of all tokens."""
    top_k: int
    """Tokens that ``top_k`` leaves."""
    typical_p: int
    """Of them, those that ``typical_p`` leaves."""
    top_p: int
    """Of them, those that ``top_p`` leaves."""
    min_p: int
    """Of them, those that ``min_p`` leaves: the draw is among these."""
    kept: str
    """These, at most 256, in the order of the draw."""
    weights: str
    """Their exp((logit - largest) / temperature)."""
    total: float
    """The sum of all weights."""
    drawn: bool
    """A random number was drawn: not at temperature 0."""
    uniform: float
    """The random number, from 0 to 1."""
    chosen: int
    """The token."""
    place: int
    """Its place in the order of the draw."""
    below: float
    """The sum of the weights before it."""

    @property
    def logits_values(self) -> tuple[float, ...]:
        """``logits`` as the kernel computed it."""
        return singles(self.logits)

    @property
    def adjusted_values(self) -> tuple[float, ...]:
        """``adjusted`` as the kernel computed it."""
        return singles(self.adjusted)

    @property
    def weights_values(self) -> tuple[float, ...]:
        """``weights`` as the kernel computed it."""
        return singles(self.weights)


@dataclass(frozen=True)
class Bench(Event):
    """``mode=bench``, or the shell's ``bench``, of a language model."""

    event: ClassVar[str] = "bench"
    test: str
    """``pp64``: a prompt of 64 tokens; ``tg16``: 16 tokens one by one; ``x8``: of each of 8 sequences; ``@ d512``:
    after 512 others.
    """
    tokens: int
    """Tokens of a repetition."""
    depth: int
    """Tokens in the context before a repetition."""
    cpus: int
    """Processors in use."""
    isa: str
    """The slot of the products that read most weights, such as ``avx512vnni``: docs/inference.md."""
    us: tuple[int, ...]
    """Microseconds of each repetition."""
    slots: int = 1
    """Sequences that are computed together; ``tokens`` are those of all."""


@dataclass(frozen=True)
class Durations(Event):
    """``mode=jitter``: how long the tokens took, in the order of their decoding."""

    event: ClassVar[str] = "durations"
    first: int
    """The number of the first one, from 0."""
    ticks: tuple[int, ...]
    """The durations, at most 1,000, in ticks."""
    switches: tuple[int, ...]
    """How often another task took a processor from the process during each of them; empty: never, as in a kernel."""


@dataclass(frozen=True)
class Jitter(Event):
    """``mode=jitter``, of a language model: a summary of the durations. They are in ticks."""

    event: ClassVar[str] = "jitter"
    tokens: int
    """Tokens that were decoded."""
    depth: int
    """Tokens in the context before each of them."""
    cpus: int
    """Processors that decoded."""
    isa: str
    """The instruction set: see ``cpu``."""
    ticks_hz: int
    """Ticks per second; 0: unknown."""
    min: int
    """The shortest duration."""
    p50: int
    """The median."""
    p99: int
    """99 percent of the durations are not longer."""
    p999: int
    """99.9 percent are not longer."""
    max: int
    """The longest."""
    bounds: tuple[int, ...]
    """The ends of the histogram's bars, in thousandths of the median."""
    counts: tuple[int, ...]
    """Durations in each bar; the last bar is above the last bound."""
    smis: int
    """SMIs while the tokens were decoded."""
    smis_unknown: str
    """Why SMIs are not counted; empty if they are."""


@dataclass(frozen=True)
class Sections(Event):
    """``mode=jitter`` with several processors: how long they take to begin an empty section of work together and to end
    it. The durations are those of ``repeats`` sections, in ticks.
    """

    event: ClassVar[str] = "sections"
    cpus: int
    """Processors."""
    repeats: int
    """Sections of a duration."""
    min: int
    """The shortest duration."""
    p50: int
    """The median."""
    p99: int
    """99 percent of the durations are not longer."""
    max: int
    """The longest."""


@dataclass(frozen=True)
class Gaps(Event):
    """``mode=jitter``: a loop has read the clock of a processor and looked for gaps between two reads. Durations are in
    ticks.
    """

    event: ClassVar[str] = "gaps"
    when: str
    """``before`` the tokens were decoded, ``while`` they were (with ``watch``), or ``after``."""
    cpu: int
    """The processor, from 0."""
    ticks: int
    """The duration of the loop."""
    reads: int
    """Reads of the clock."""
    threshold: int
    """A gap is at least so long: 1 µs."""
    gaps: int
    """Gaps."""
    stolen: int
    """Their sum."""
    longest: int
    """The longest."""


@dataclass(frozen=True)
class Perplexity(Event):
    """``mode=perplexity``, of a language model: a window of the text was computed."""

    event: ClassVar[str] = "perplexity"
    window: int
    """Its number, from 0."""
    windows: int
    """How many windows there are."""
    tokens: int
    """Tokens that were scored, in this window and those before."""
    nll: float
    """The mean of -ln p of these tokens, in nats; e to its power is the perplexity."""
    deviation: float
    """The standard error of that mean."""


@dataclass(frozen=True)
class SelfTest(Event):
    """A self-test has run."""

    event: ClassVar[str] = "test"
    name: str
    """Its name."""
    ok: bool
    """It has passed."""
    message: str
    """What failed, and where; if it has passed, what of it this machine could not run, or empty."""


@dataclass(frozen=True)
class SelfTests(Event):
    """All self-tests have run."""

    event: ClassVar[str] = "tests"
    passed: int
    """Tests that passed."""
    failed: int
    """Tests that failed."""


@dataclass(frozen=True)
class Corpus(Event):
    """``mode=train``: the corpus was read."""

    event: ClassVar[str] = "corpus"
    documents: int
    """Documents, ``train`` and ``validation`` together; 1 with ``block``."""
    characters: int
    """Characters of all documents."""
    n_vocab: int
    """Tokens in the vocabulary."""
    train: int
    """Documents to train on; with ``block`` characters."""
    validation: int
    """Documents to validate with; with ``block`` characters."""


@dataclass(frozen=True)
class Training(Event):
    """A training starts."""

    event: ClassVar[str] = "training"
    method: str
    """``exact``, ``fast``, or the value of ``block``."""
    steps: int
    """The number of the last step."""
    batch: int
    """Documents of a step; with ``block`` windows."""
    n_layer: int
    """Layers."""
    n_embd: int
    """Width of the residual stream."""
    n_head: int
    """Attention heads."""
    block_size: int
    """Positions of the context."""
    parameters: int
    """Parameters."""
    seed: int
    """The seed of the random numbers."""
    first_step: int
    """Steps done before: 0, or those of a resumed state."""


@dataclass(frozen=True)
class Step(Event):
    """After each training step."""

    event: ClassVar[str] = "step"
    step: int
    """Its number, from 1."""
    loss: float
    """The loss before the update, in nats."""
    loss_bits: Address
    """The same, exactly."""
    lr: float
    """The learning rate."""

    @property
    def exact_loss(self) -> float:
        """``loss_bits`` as the kernel computed it."""
        return double(self.loss_bits)


@dataclass(frozen=True)
class Preview(Event):
    """Now and then in a training; drawing it does not change the training."""

    event: ClassVar[str] = "preview"
    step: int
    """The steps done."""
    text: str
    """A document that the weights of this step generate."""


@dataclass(frozen=True)
class Eval(Event):
    """The validation documents were computed."""

    event: ClassVar[str] = "eval"
    step: int
    """The steps done."""
    loss: float
    """The mean loss over the validation documents, in nats."""


@dataclass(frozen=True)
class BlobStart(Event):
    """What a training or mode=prefill has computed. ``length`` raw bytes follow the line."""

    event: ClassVar[str] = "blob"
    name: str
    """``best``, ``last``, ``state`` or ``prefill``; ``first``: before the first step, with ``checkpoint_every``."""
    step: int
    """The steps done; of a prefill: its tokens."""
    loss: float
    """The loss; of a prefill and of ``first``: 0."""
    length: int
    """How many bytes follow."""
    crc32: int
    """Their CRC-32, as zlib computes it."""


@dataclass(frozen=True)
class Error(Event):
    """The kernel refuses something: a key, a prompt, the memory."""

    event: ClassVar[str] = "error"
    message: str
    """What is wrong."""
    hint: str
    """What to do; may be empty."""


@dataclass(frozen=True)
class Panic(Event):
    """The machine is about to end: an exception, or a check that failed."""

    event: ClassVar[str] = "panic"
    vector: int
    """The exception; -1: a check failed."""
    name: str
    """Its name, such as ``#PF``."""
    error: Address
    """The error code."""
    message: str
    """What happened."""
    rip: Address
    """The address of the instruction."""
    cr2: Address
    """The address of a page fault."""
    registers: Mapping[str, Address]
    """The registers by name; empty if a check failed."""
    backtrace: tuple[Address, ...]
    """Return addresses, the innermost first."""
    cpu: int = 0
    """The processor; 0 is the one that booted."""
    base: Address = NO_ADDRESS
    """Where the kernel's first byte lies: kgpt.efi may have moved it; 0: not told."""


@dataclass(frozen=True)
class Exit(Event):
    """The last line: the verdict."""

    event: ClassVar[str] = "exit"
    code: int
    """0 good; 1 refused; 4 panic, a failed self-test, or a model that computes non-finite numbers."""
    reason: str
    """``done``, ``halt``, ``reboot``, ``refused``, ``selftest``, ``panic``, ``stopped`` or ``nonfinite``."""


EVENTS: Mapping[str, type[Event]] = {
    "boot": Boot,
    "keyboards": Keyboards,
    "cpu": Cpu,
    "cpus": Cpus,
    "model": Model,
    "memory": Memory,
    "ready": Ready,
    "serving": Serving,
    "served": Served,
    "config": Config,
    "token": Token,
    "logprobs": Logprobs,
    "sample": Sample,
    "stats": Stats,
    "speed": Speed,
    "shell": Shell,
    "logits": Logits,
    "fed": Fed,
    "layer": Layer,
    "explain": Explain,
    "tensor": Tensor,
    "neurons": Neurons,
    "lens": Lens,
    "lengths": Lengths,
    "draw": Draw,
    "bench": Bench,
    "durations": Durations,
    "jitter": Jitter,
    "sections": Sections,
    "gaps": Gaps,
    "perplexity": Perplexity,
    "test": SelfTest,
    "tests": SelfTests,
    "corpus": Corpus,
    "training": Training,
    "step": Step,
    "preview": Preview,
    "eval": Eval,
    "blob": BlobStart,
    "error": Error,
    "panic": Panic,
    "exit": Exit,
}

__all__ = [
    "EVENTS",
    "Bench",
    "BlobStart",
    "Boot",
    "Config",
    "Corpus",
    "Cpu",
    "Cpus",
    "Draw",
    "Durations",
    "Error",
    "Eval",
    "Exit",
    "Explain",
    "Fed",
    "Gaps",
    "Jitter",
    "Keyboards",
    "Layer",
    "Lengths",
    "Lens",
    "Logits",
    "Logprobs",
    "Memory",
    "Model",
    "Neurons",
    "Panic",
    "Perplexity",
    "Preview",
    "Ready",
    "Sample",
    "Sections",
    "SelfTest",
    "SelfTests",
    "Served",
    "Serving",
    "Shell",
    "Speed",
    "Stats",
    "Step",
    "Tensor",
    "Token",
    "Training",
]
