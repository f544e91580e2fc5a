"""llama.cpp's own server, with a model of random weights that is made here.

``python -m tests.providers.llama FOLDER`` writes the model, serves it on a free port, prints the
address, and ends when its input ends. It needs the packages of `scripts/model_server.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODEL_NAME = "org/tiny-random:F32"
CONTEXT_TOKENS = 65_536
WIDTH = 64
UNKNOWN, BEGIN, END = 0, 1, 2  # the ids of these tokens
LETTERS = "abcdefghijklmnopqrstuvwxyz .,"
TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:"


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Run the server in a process of its own; give its address."""
    command = [sys.executable, "-m", "tests.providers.llama", str(folder)]
    with (
        (folder / "server.log").open("wb") as log,
        subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address, (folder / "server.log").read_text(errors="replace")[-2000:]
        try:
            yield address
        finally:
            process.stdin.close()


def write_model(path: Path) -> None:
    """Write a model with one layer, which reads letters and all bytes, and writes letters."""
    import numpy
    from gguf import GGUFWriter

    writer = GGUFWriter(path, "llama")
    writer.add_context_length(CONTEXT_TOKENS)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(WIDTH)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH)

    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *LETTERS]
    kinds = [2, 3, 3, *[6] * 256, *[1] * len(LETTERS)]  # unknown, control, byte, normal
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list([token.replace(" ", "\u2581").encode() for token in tokens])
    writer.add_token_types(kinds)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_unk_token_id(UNKNOWN)
    writer.add_bos_token_id(BEGIN)
    writer.add_eos_token_id(END)
    writer.add_chat_template(TEMPLATE)

    random = numpy.random.default_rng(7)

    def weights(*shape: int) -> numpy.ndarray:
        return (random.standard_normal(shape) / 2).astype(numpy.float32)

    output = weights(len(tokens), WIDTH)
    output[: -len(LETTERS)] = 0  # so it writes letters alone, and never ends by itself
    ones = numpy.ones(WIDTH, numpy.float32)
    writer.add_tensor("token_embd.weight", weights(len(tokens), WIDTH))
    writer.add_tensor("output.weight", output)
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", ones)
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        writer.add_tensor(f"blk.0.{name}.weight", weights(WIDTH, WIDTH))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    """Serve the model with one slot: a second answer begins when the first one has stopped."""
    import xllamacpp

    folder = Path(sys.argv[1])
    write_model(folder / "tiny.gguf")
    params = xllamacpp.CommonParams()
    params.model.path = str(folder / "tiny.gguf")
    params.model_alias = {MODEL_NAME}
    params.port = 0
    params.n_ctx = CONTEXT_TOKENS
    params.n_parallel = 1
    params.cpuparams.n_threads = 1
    params.warmup = False
    params.endpoint_metrics = True
    server = xllamacpp.Server(params)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()
    os._exit(0)  # the library's own end waits for threads that may never end


if __name__ == "__main__":
    main()
