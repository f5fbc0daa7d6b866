"""The JAX peer: the round of rounds.py, whose options and output it has, as one compiled function of all workers.

    python3 jax_round.py --iterations N | --serve [--convolution products] [--pool window] [--precision default]

What makes it fast:
- one jitted iteration: the gradient is mapped over the workers, whose parameters are rows `[M, P]`, and the move of u
  and all updates are fused with it; the state is donated, so it is updated in place;
- images lie on the device as bytes; a draw is one int32 array, made while the device works, as calls return at once;
- losses stay on the device until a block of iterations ends;
- max-pooling as the maximum over two axes, whose gradient fuses (that of `lax.reduce_window` is a select-and-scatter),
  and before the ReLU, which is the same function.
`vmap` makes one convolution with a group for each worker of those of the workers (`--convolution library`); gathering
patches makes a batched matrix product (`--convolution products`).
"""

import math

import rounds
from rounds import BATCH, CLASSES, COUPLING, KAPPA, NU, SIGMA


def main():
    parser = rounds.argument_parser("The JAX peer of the benchmarks.")
    parser.add_argument("--pool", choices=["reshape", "window"], default="reshape",
                        help="a maximum over axes, or lax.reduce_window (reshape)")
    options = rounds.parse(parser)
    try:
        import jax

        device = jax.devices({"cpu": "cpu", "cuda": "gpu"}[options.device])[0]
    except ImportError as error:
        rounds.absent(f"JAX cannot be imported ({error})")
    except RuntimeError as error:
        rounds.absent(f"JAX has no {options.device} ({error})")
    jax.config.update("jax_default_device", device)
    jax.config.update("jax_default_matmul_precision", options.precision)
    description = {"peer": f"JAX {jax.__version__}", "device": device.device_kind, "pool": options.pool}
    data = rounds.read_mnist(options.mnist)
    rounds.run(lambda: Round(jax, data, options), description, options)


class Round:
    """The state of the centre and the workers, on the device, and the iteration."""

    def __init__(self, jax, data, options):
        import numpy

        self.jax, self.workers = jax, options.workers
        images, labels = data
        self.draws = rounds.Draws(0, len(labels), self.workers)
        self.data = jax.device_put((images[..., None], labels))
        parts = [numpy.transpose(part, IN_JAX[part.ndim]) for part in rounds.start(options.model)]
        u = numpy.concatenate([part.ravel() for part in parts])
        z = numpy.tile(u, (self.workers, 1))
        self.state = jax.device_put((u, z, numpy.zeros_like(z), numpy.float32(0)))
        loss = loss_of(jax, [part.shape for part in parts], options)
        self.iterate = jax.jit(iteration(jax, loss, rounds.move_size(self.workers)), donate_argnums=0)

    def run(self, iterations):
        u, z, v, total = self.state
        self.state = u, z, v, self.jax.numpy.zeros_like(total)
        for _ in range(iterations):
            self.state = self.iterate(self.state, self.data, self.draws.draw())
        self.jax.block_until_ready(self.state)
        return float(self.state[-1]) / (iterations * self.workers * BATCH)


# From [out, in, height, width] and [out, in] to what JAX is used to.
IN_JAX = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}


def iteration(jax, loss, tau):
    """The pure function of an iteration: (state, data, indices) -> state."""
    losses_and_gradients = jax.vmap(jax.value_and_grad(loss))

    def iterate(state, data, indices):
        (u, z, v, total), (images, labels) = state, data
        u = u - tau * COUPLING * (len(z) * u - z.sum(0))
        y = z + KAPPA * v
        losses, gradients = losses_and_gradients(y, images[indices], labels[indices])
        v = KAPPA * v - SIGMA * (gradients + NU * y - COUPLING * (u - y))
        return u, z + v, v, total + losses.sum()

    return iterate


def loss_of(jax, shapes, options):
    """The loss of the batch sum of one worker: (parameters `[P]`, images as bytes, labels) -> number."""
    jnp = jax.numpy
    ends = [sum(map(math.prod, shapes[:count])) for count in range(1, len(shapes))]
    convolve = {"library": library, "products": products}[options.convolution]
    pool = {"reshape": pool_reshape, "window": pool_window}[options.pool]

    def block(values, filters, bias):
        return jax.nn.relu(pool(jax, convolve(jax, values, filters) + bias))

    def lenet5(values, filters1, bias1, filters2, bias2, filters3, bias3):
        values = block(block(values, filters1, bias1), filters2, bias2)
        return values.reshape(BATCH, -1) @ filters3.reshape(-1, CLASSES) + bias3

    def mlp(values, weight1, bias1, weight2, bias2):
        return jax.nn.relu(values.reshape(BATCH, -1) @ weight1 + bias1) @ weight2 + bias2

    logits = {"lenet5": lenet5, "mlp": mlp}[options.model]

    def loss(parameters, images, labels):
        parts = jnp.split(parameters, ends)
        values = images.astype(jnp.float32) / 255
        outputs = logits(values, *(part.reshape(shape) for part, shape in zip(parts, shapes)))
        return -(jax.nn.one_hot(labels, CLASSES) * jax.nn.log_softmax(outputs)).sum()

    return loss


def library(jax, values, filters):
    return jax.lax.conv_general_dilated(values, filters, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def products(jax, values, filters):
    rows, columns, _, outputs = filters.shape
    height, width = values.shape[1] - rows + 1, values.shape[2] - columns + 1
    patches = [values[:, row:row + height, column:column + width] for row in range(rows) for column in range(columns)]
    return jax.numpy.concatenate(patches, -1) @ filters.reshape(-1, outputs)


def pool_reshape(_, values):
    batch, height, width, channels = values.shape
    return values.reshape(batch, height // 2, 2, width // 2, 2, channels).max((2, 4))


def pool_window(jax, values):
    return jax.lax.reduce_window(values, -jax.numpy.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


if __name__ == "__main__":
    main()
