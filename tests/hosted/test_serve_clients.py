"""Other people's clients of kgpt serve: LiteLLM, LangChain, curl."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from chats import write_talker
from hosted import Hosted
from serving import NAME, Server, metrics, request, serving, talker_modules

ASK = "Say something."


@pytest.fixture(scope="module")
def server(without_model: Hosted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    modules = talker_modules(write_talker(tmp_path_factory.mktemp("clients"), n_ctx=512))
    with serving(without_model, modules, "slots=2 ctx=512 key=sesame") as found:
        yield found


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl: apt-get install curl")
def test_curl(server: Server) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": ASK}], "max_tokens": 5, "stream": True})
    words = ["curl", "-sSN", "--fail", f"{server.url}/v1/chat/completions", "-d", body]
    words += ["-H", "Content-Type: application/json", "-H", "Authorization: Bearer sesame"]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert said.startswith("data: {")
    assert said.endswith("data: [DONE]\n\n")


def test_openai_asks_a_full_server_again(without_model: Hosted, tmp_path: Path) -> None:
    """A reply holds the only slot, and nobody may wait. When it is over, the client has its answer."""
    openai = pytest.importorskip("openai")
    said = [{"role": "user", "content": ASK}]
    # Its many words are not read, so they fill the buffers of the connection, and the reply stays until we go.
    # Without a temperature it goes on to the end of the context; by some seeds it ends before the buffers are full.
    asked = {"messages": said, "stream": True, "temperature": 0, "logprobs": True, "top_logprobs": 20}
    body = json.dumps(asked).encode()
    modules = talker_modules(write_talker(tmp_path, n_ctx=16384))
    with (
        # With a busy machine the client's first request may come after the time that a stalled reader usually has.
        serving(without_model, modules, "slots=1 queue=0 timeout=3600") as server,
        server.wire() as wire,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=50) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        wire.send(request("POST", "/v1/chat/completions", body))
        assert wire.socket.recv(10, socket.MSG_PEEK)  # it runs
        answer = pool.submit(client.chat.completions.create, model=NAME, messages=said, max_tokens=3)
        server.waits_for(lambda: metrics(server)["kgpt_refused_total"] >= 2)
        wire.socket.close()
        assert answer.result().usage.completion_tokens == 3
        with pytest.raises(openai.BadRequestError):  # which no second try would change
            client.chat.completions.create(model=NAME, messages=said, max_tokens=0)


@pytest.mark.slow
def test_litellm(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # otherwise it asks a host on the net
    litellm = pytest.importorskip("litellm")
    asked = {"model": f"openai/{NAME}", "messages": [{"role": "user", "content": ASK}], "seed": 1, "max_tokens": 9}
    asked |= {"api_base": f"{server.url}/v1", "api_key": "sesame"}
    whole = litellm.completion(**asked)
    assert whole.usage.completion_tokens == 9
    chunks = list(litellm.completion(**asked, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole.choices[0].message.content
    with pytest.raises(litellm.AuthenticationError):
        litellm.completion(**{**asked, "api_key": "else"})


@pytest.mark.slow
def test_langchain(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("LANGCHAIN_", "LANGSMITH_"))]:
        monkeypatch.delenv(name)
    openai = pytest.importorskip("langchain_openai")
    model = openai.ChatOpenAI(
        model=NAME, base_url=f"{server.url}/v1", api_key="sesame", seed=1, max_tokens=9, max_retries=0
    )
    whole = model.invoke([("system", "Be brief."), ("human", ASK)])
    assert whole.usage_metadata["output_tokens"] == 9
    parts = list(model.stream([("system", "Be brief."), ("human", ASK)]))
    assert "".join(part.content for part in parts) == whole.content
    schema = {
        "title": "answer", "type": "object", "properties": {"word": {"enum": ["yes", "no"]}}, "required": ["word"],
        "additionalProperties": False,
    }  # fmt: skip
    found = model.with_structured_output(schema, method="json_schema").invoke(ASK, max_tokens=60)
    assert found["word"] in ("yes", "no")
