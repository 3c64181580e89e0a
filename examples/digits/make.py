#!/usr/bin/env python3
"""Makes digits.safetensors, a small network, and digits-tuned.safetensors, fine-tuned from it. Run once by the authors.

    pip install torch safetensors scikit-learn && ./make.py

Data: Optical Recognition of Handwritten Digits (E. Alpaydin, C. Kaynak), UCI Machine Learning Repository, CC BY 4.0, as shipped
by scikit-learn: 1,797 pictures of 8 x 8. The variant was trained on noisy pictures with all but the last layer frozen, so
it shares 10 of its 12 tensors with the first.
"""
import json

import torch
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

torch.manual_seed(7)
data = load_digits()
x = torch.tensor(data.data, dtype=torch.float32) / 16
y = torch.tensor(data.target)
train, test = train_test_split(torch.arange(len(y)), test_size=0.3, random_state=7)
sizes = [64, 96, 96, 64, 48, 32, 10]
layers = [torch.nn.Linear(a, b) for a, b in zip(sizes, sizes[1:])]
net = torch.nn.Sequential(*[m for layer in layers for m in (layer, torch.nn.ReLU())][:-1])


def accuracy(noise=0.0):
    with torch.no_grad():
        seen = x[test] + noise * torch.randn(len(test), 64, generator=torch.Generator().manual_seed(1))
        return round((net(seen).argmax(1) == y[test]).float().mean().item(), 4)


def fit(parameters, steps, noise):
    optimiser = torch.optim.Adam(parameters, 2e-3)
    for _ in range(steps):
        optimiser.zero_grad()
        seen = x[train] + noise * torch.randn(len(train), 64)
        torch.nn.functional.cross_entropy(net(seen), y[train]).backward()
        optimiser.step()


def save(name, text):
    save_file({k: v.contiguous() for k, v in net.state_dict().items()}, name, metadata={"format": "pt"})
    print(name, text)


fit(net.parameters(), 300, 0.0)
before = {"accuracy": accuracy(), "accuracy_noisy": accuracy(0.3)}
save("digits.safetensors", before)
fit(layers[-1].parameters(), 200, 0.3)
after = {"accuracy": accuracy(), "accuracy_noisy": accuracy(0.3)}
save("digits-tuned.safetensors", after)
with open("metrics.json", "w", encoding="utf-8") as f:
    json.dump({"digits": before, "digits-tuned": after}, f)
    f.write("\n")
