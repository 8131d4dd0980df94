"""TransformerLens 4's direct paths a second: ``python benchmarks/direct_paths.py``.

In an environment of its own (``pip install transformer-lens==4.3.0``), without negtrace: a model of
the size of ViT-B/32's text tower with random weights, batches of sentences of nine tokens, one
source head into every later head's queries.  A patch is one sentence with one path patched.
"""

from __future__ import annotations

import argparse
import time
from tempfile import TemporaryDirectory

import torch
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.patching import get_act_patch_direct_path
from transformers import GPT2Config, GPT2LMHeadModel

LAYERS, HEADS, WIDTH, TOKENS, EMBED_DIM = 12, 8, 512, 9, 512


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sentences", type=int, default=32, help="in a batch")
    parser.add_argument("--source-block", type=int, default=6, help="from 1")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    config = GPT2Config(
        n_layer=LAYERS,
        n_head=HEADS,
        n_embd=WIDTH,
        n_positions=TOKENS,
        vocab_size=EMBED_DIM,  # the unembedding is as large as CLIP's projection
        activation_function="quick_gelu",
        bos_token_id=0,
        eos_token_id=0,
    )
    torch.manual_seed(0)
    random = GPT2LMHeadModel(config).eval()
    with TemporaryDirectory() as folder:  # the configuration is read from there
        random.save_pretrained(folder)
        model = TransformerBridge.boot_transformers(folder, hf_model=random).eval()
    clean, corrupted = torch.randint(EMBED_DIM, (2, options.sentences, TOKENS))
    with torch.inference_mode():
        caches = [model.run_with_cache(tokens)[1] for tokens in (clean, corrupted)]
        wall, cpu = time.perf_counter(), time.process_time()
        get_act_patch_direct_path(
            model,
            corrupted,
            *caches,
            lambda logits: logits[:, -1, 0].mean(),
            src_layer=options.source_block - 1,
            src_head=0,
            verbose=False,
        )
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    patches = options.sentences * (LAYERS - options.source_block) * HEADS
    print(
        f"{patches} patches, {wall:.1f} s, {cpu:.1f} s of CPU, {patches / wall:.0f} patches/s,"
        f" {patches / cpu:.0f} a CPU second ({options.threads} threads)"
    )


if __name__ == "__main__":
    main()
