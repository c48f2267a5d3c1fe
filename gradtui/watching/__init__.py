"""`gradtui.watch`: measure a training loop that gradtui did not write, and record it for viewers.

The clock is the optimizer: its step hooks run when all gradients of a step are there, however many backward passes,
micro-batches or processes they came from, and whether or not the model is compiled. No gradient is taken by a hook on a module
or a tensor. Whatever goes wrong in here, the loop goes on.
"""

from gradtui.watching.run import Run
from gradtui.watching.start import watch

__all__ = ["Run", "watch"]
