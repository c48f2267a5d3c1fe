"""The Hugging Face Trainer: a tiny GPT-2 with random weights that learns to count, with accumulation and clipping.

python examples/hf_trainer.py --steps 200        and in another terminal: gradtui attach
"""

import argparse
import tempfile

import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments, set_seed

from gradtui.adapters.transformers import GradtuiCallback  # gradtui: the first line

VOCABULARY, LENGTH = 64, 32


def network():
    config = GPT2Config(
        vocab_size=VOCABULARY, n_positions=LENGTH, n_embd=48, n_layer=3, n_head=4, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0
    )
    return GPT2LMHeadModel(config)


def data(count=512):
    starts, strides = torch.randint(VOCABULARY, (count, 1)), torch.randint(1, 5, (count, 1))
    tokens = (starts + strides * torch.arange(LENGTH)) % VOCABULARY
    return [{"input_ids": row, "labels": row} for row in tokens]


def main(argv=None, **flags):
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=200)
    steps = parser.parse_args(argv).steps

    set_seed(0)
    model = network()
    with tempfile.TemporaryDirectory() as output:
        arguments = TrainingArguments(
            output,
            max_steps=steps,
            per_device_train_batch_size=8,
            gradient_accumulation_steps=2,
            max_grad_norm=0.5,
            learning_rate=1e-3,
            logging_steps=10,
            save_strategy="no",
            report_to="none",
            **flags,
        )
        trainer = Trainer(
            model,
            arguments,
            train_dataset=data(),
            callbacks=[GradtuiCallback()],  # gradtui: the second line
        )
        trainer.train()


if __name__ == "__main__":
    main()
