"""A small GPT that learns the characters of its own source: AdamW, bfloat16 autocast, gradient accumulation, clipping, torch.compile.

python examples/gpt.py --steps 200         and in another terminal: gradtui attach
"""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

import gradtui  # gradtui: the first line

BLOCK, BATCH, ACCUMULATE, WIDTH, HEADS, LAYERS, CLIP = 64, 8, 4, 64, 4, 4, 0.5
TEXT = torch.tensor(list(Path(__file__).read_bytes()))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        batch, length, _ = x.shape
        q, k, v = self.qkv(self.norm_1(x)).view(batch, length, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(attended.transpose(1, 2).reshape(batch, length, WIDTH))
        return x + self.down(F.gelu(self.up(self.norm_2(x))))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(256, WIDTH), nn.Embedding(BLOCK, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, 256, bias=False)
        nn.init.normal_(self.tokens.weight, std=0.02)
        self.head.weight = self.tokens.weight

    def forward(self, x, y):
        x = self.tokens(x) + self.positions(torch.arange(x.shape[1], device=x.device))
        return F.cross_entropy(self.head(self.norm(self.blocks(x))).flatten(0, 1), y.flatten())


def get_batch(device):
    starts = torch.randint(len(TEXT) - BLOCK - 1, (BATCH,))
    windows = torch.stack([TEXT[start : start + BLOCK + 1] for start in starts]).to(device)
    return windows[:, :-1], windows[:, 1:]


def main(argv=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--backend", default="inductor", help="torch.compile's")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args(argv)

    torch.manual_seed(0)
    model = GPT().to(options.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1)
    gradtui.watch(model, optimizer)  # gradtui: the second line
    compiled = torch.compile(model, backend=options.backend)

    for step in range(options.steps):
        for _ in range(ACCUMULATE):
            x, y = get_batch(options.device)
            with torch.autocast(options.device, dtype=torch.bfloat16):
                loss = compiled(x, y) / ACCUMULATE
            loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if step % 10 == 0:
            print(f"step {step}: loss {loss.item() * ACCUMULATE:.4f}")


if __name__ == "__main__":
    main()
