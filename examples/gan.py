"""Two networks and two optimizers: a Wasserstein GAN with gradient penalty (Gulrajani et al., 2017) on a ring of eight Gaussians.

python examples/gan.py --steps 2000        and in another terminal: gradtui attach
"""

import argparse

import torch
from torch import nn

import gradtui  # gradtui: the first line

NOISE, BATCH, PENALTY = 8, 64, 10.0


def networks():
    critic = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
    generator = nn.Sequential(nn.Linear(NOISE, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
    return critic, generator


def real_points():
    angle = torch.randint(8, (BATCH,)) * torch.pi / 4
    return 2 * torch.stack([angle.cos(), angle.sin()], dim=1) + 0.02 * torch.randn(BATCH, 2)


def critic_loss(critic, real, generated):
    mix = torch.rand(BATCH, 1)
    between = (mix * real + (1 - mix) * generated).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return critic(generated).mean() - critic(real).mean() + PENALTY * (slope.norm(dim=1) - 1).square().mean()


def main(argv=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=2000)
    steps = parser.parse_args(argv).steps

    torch.manual_seed(0)
    critic, generator = networks()
    critic_optimizer = torch.optim.Adam(critic.parameters(), lr=1e-3, betas=(0.5, 0.9))
    generator_optimizer = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.9))
    gradtui.watch({"critic": critic, "generator": generator}, [critic_optimizer, generator_optimizer])  # gradtui: the second line

    for step in range(steps):
        loss = critic_loss(critic, real_points(), generator(torch.randn(BATCH, NOISE)).detach())
        critic_optimizer.zero_grad()
        loss.backward()
        critic_optimizer.step()

        generator_loss = -critic(generator(torch.randn(BATCH, NOISE))).mean()
        generator_optimizer.zero_grad()
        generator_loss.backward()
        generator_optimizer.step()
        if step % 100 == 0:
            print(f"step {step}: critic {loss.item():.4f}, generator {generator_loss.item():.4f}")


if __name__ == "__main__":
    main()
