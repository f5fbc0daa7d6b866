"""The PyTorch peer: the round of rounds.py, whose options and output it has, as fast as PyTorch can.

    python3 torch_round.py --iterations N | --serve [--threads T] [--parallel operators] [--plain]
    python3 torch_round.py --iterations N | --serve --device cuda [--graph] [--vmap [--convolution products]]

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

On a GPU the tensors lie as PyTorch has them, since channels-last serves half precision, and the host draws while the
device works. What takes time there is to launch a few dozen small operations for each worker: `--graph` records those
of an iteration once and launches them together; `--vmap` (PyTorch 2) makes one operation of those of all workers.
"""

import os

import rounds
from rounds import BATCH, COUPLING, KAPPA, NU, SIGMA


def main():
    options = parse_arguments()
    # OpenBLAS has threads of its own, and reads their number when it is loaded.
    operator_threads = 1 if options.parallel == "workers" else options.threads
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ[variable] = str(operator_threads)
    if options.device == "cpu" and not options.plain:
        keep_freed_memory()
    try:
        import torch
    except ImportError as error:
        rounds.absent(f"PyTorch cannot be imported ({error}); Debian has it as python3-torch")
    torch.set_num_threads(operator_threads)
    torch.set_flush_denormal(True)
    device = "cpu"
    if options.device == "cuda":
        if not torch.cuda.is_available():
            rounds.absent("PyTorch has no cuda")
        device = torch.cuda.get_device_name()
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = options.precision == "default"
        torch.backends.cudnn.benchmark = True
    description = {"peer": f"PyTorch {torch.__version__}", "device": device, "threads": options.threads,
                   "parallel": options.parallel, "plain": options.plain, "graph": options.graph, "vmap": options.vmap}
    data = rounds.read_mnist(options.mnist)
    rounds.run(lambda: Round(torch, data, options), description, options)


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


class Round:
    """The state of the centre and the workers, and the iteration."""

    def __init__(self, torch, data, options):
        self.torch = torch
        self.on_cuda = options.device == "cuda"
        images, labels = (torch.from_numpy(part).to(options.device) for part in data)
        self.images, self.labels = images.unsqueeze(1), labels.long()
        self.workers = options.workers
        self.tau = rounds.move_size(self.workers)
        layout = InOrder if options.plain or self.on_cuda else ChannelsLast
        start = [torch.from_numpy(part) for part in rounds.start(options.model)]
        shapes = [part.shape for part in start]
        self.u = torch.empty(sum(part.numel() for part in start), device=options.device)
        for part, first in zip(views(self.u, shapes, layout), start):
            part.copy_(first)
        self.z = self.u.repeat(self.workers, 1)
        self.v = torch.zeros_like(self.z)
        loss = loss_of(torch, layout, options)

        # Each share of the workers goes to one thread.
        threads = min(options.threads, self.workers) if options.parallel == "workers" else 1
        bounds = [self.workers * thread // threads for thread in range(threads + 1)]
        slopes = Mapped if options.vmap else Looped
        self.shares = [Share(self, first, last, lambda y, gradient: slopes(torch, loss, y, gradient, shapes, layout))
                       for first, last in zip(bounds, bounds[1:])]
        self.pool = None
        if threads > 1:
            from concurrent.futures import ThreadPoolExecutor

            self.pool = ThreadPoolExecutor(threads - 1, initializer=torch.set_num_threads, initargs=(1,))
        if options.graph:
            self.record()

    def run(self, iterations):
        for share in self.shares:
            share.loss.zero_()
        for _ in range(iterations):
            self.iterate()
        if self.on_cuda:
            self.torch.cuda.synchronize()
        return sum(share.loss.item() for share in self.shares) / (iterations * self.workers * BATCH)

    def iterate(self):
        self.move()
        pending = [self.pool.submit(share.draw_and_step) for share in self.shares[1:]]
        self.shares[0].draw_and_step()
        for future in pending:
            future.result()

    def move(self):
        with self.torch.no_grad():
            # u - tau COUPLING sum_j (u - z_j)
            self.u.mul_(1 - self.workers * self.tau * COUPLING).add_(self.z.sum(0), alpha=self.tau * COUPLING)

    def record(self):
        """From here on an iteration is a draw and one launch of all the rest. Three more iterations precede it."""
        cuda, (share,) = self.torch.cuda, self.shares
        stream = cuda.Stream()  # libraries set themselves up for a stream, so these three share that of the graph
        stream.wait_stream(cuda.current_stream())
        with cuda.stream(stream):
            for _ in range(3):
                self.iterate()
        cuda.current_stream().wait_stream(stream)
        graph = cuda.CUDAGraph()
        with cuda.graph(graph, stream=stream):
            self.move()
            share.step()

        def iterate():
            share.draw()
            graph.replay()

        self.iterate = iterate


class Share:
    """The workers of one thread, from `first` to before `last`."""

    def __init__(self, round_, first, last, slopes_of):
        torch, device = round_.torch, round_.u.device
        self.round = round_
        self.z, self.v = round_.z[first:last], round_.v[first:last]
        # Of one's own: PyTorch counts changes in place per storage, and refuses those of another thread.
        self.y, self.gradient = torch.empty_like(self.z), torch.empty_like(self.z)
        self.slopes = slopes_of(self.y, self.gradient)
        self.draws = rounds.Draws(first, len(round_.labels), last - first)
        self.indices = torch.zeros((last - first) * BATCH, dtype=torch.int32, device=device)
        self.loss = torch.zeros((), device=device)

    def draw_and_step(self):
        self.draw()
        self.step()

    def draw(self):
        drawn = self.round.torch.from_numpy(self.draws.draw()).view(-1)
        # From pinned memory, which PyTorch keeps until the copy is made, the device takes it when it is there.
        self.indices.copy_(drawn.pin_memory() if self.round.on_cuda else drawn, non_blocking=True)

    def step(self):
        torch, u = self.round.torch, self.round.u
        inputs = self.round.images.index_select(0, self.indices).to(torch.float32).div_(255).view(-1, BATCH, 1, 28, 28)
        targets = self.round.labels.index_select(0, self.indices).view(-1, BATCH)
        with torch.no_grad():
            torch.add(self.z, self.v, alpha=KAPPA, out=self.y)
            torch.mul(self.y, NU + COUPLING, out=self.gradient).sub_(u, alpha=COUPLING)
        losses = self.slopes.add(inputs, targets)
        with torch.no_grad():
            self.v.mul_(KAPPA).sub_(self.gradient, alpha=SIGMA)
            self.z.add_(self.v)
            self.loss.add_(losses.sum())


class Looped:
    """Adds the gradients of the losses at y to the rows of `gradient`, worker by worker, and returns the losses."""

    def __init__(self, torch, loss, y, gradient, shapes, layout):
        self.torch, self.loss = torch, loss
        self.parameters = [leaves(*rows, shapes, layout) for rows in zip(y, gradient)]

    def add(self, inputs, targets):
        losses = []
        for parameters, images, labels in zip(self.parameters, inputs, targets):
            loss = self.loss(parameters, images, labels)
            loss.backward()
            losses.append(loss.detach())
        return self.torch.stack(losses)


class Mapped:
    """The same for all workers at once."""

    def __init__(self, torch, loss, y, gradient, shapes, layout):
        def loss_of_row(row, images, labels):
            return loss(views(row, shapes, layout), images, labels)

        self.map = torch.func.vmap(torch.func.grad_and_value(loss_of_row))
        self.y, self.gradient = y, gradient

    def add(self, inputs, targets):
        gradients, losses = self.map(self.y, inputs, targets)
        self.gradient.add_(gradients)
        return losses


def views(row, shapes, layout):
    """The parameters of one worker as views of its row."""
    return [layout.shape(part, shape) for part, shape in zip(row.split([shape.numel() for shape in shapes]), shapes)]


def leaves(row, gradient, shapes, layout):
    """The same, to be differentiated by; backward adds to views of the gradient row."""
    parameters = [part.detach().requires_grad_() for part in views(row, shapes, layout)]
    for parameter, part in zip(parameters, views(gradient, shapes, layout)):
        parameter.grad = part
    return parameters


class InOrder:
    """Every tensor lies as PyTorch has it."""

    def shape(part, shape):
        return part.view(shape)

    def flat(values):
        return values.flatten(1)


class ChannelsLast:
    """Filters lie channels-last, which also makes their outputs so; flattened as they lie, without a copy."""

    def shape(part, shape):
        if len(shape) != 4:
            return part.view(shape)
        outputs, inputs, height, width = shape
        return part.view(outputs, height, width, inputs).permute(0, 3, 1, 2)

    def flat(values):
        return values.permute(0, 2, 3, 1).flatten(1)


def loss_of(torch, layout, options):
    """The loss of the batch sum of one worker."""
    functional = torch.nn.functional
    convolution = functional.conv2d if options.convolution == "library" else products(torch)

    def rectify_then_pool(values):
        return functional.max_pool2d(functional.relu(values), 2)

    def pool_then_rectify(values):
        return functional.max_pool2d(values, 2).relu_()

    ending = rectify_then_pool if options.plain else pool_then_rectify

    def lenet5(parameters, images):
        filters1, bias1, filters2, bias2, weight, bias = parameters
        values = ending(convolution(images, filters1, bias1))
        values = ending(convolution(values, filters2, bias2))
        return functional.linear(layout.flat(values), layout.flat(weight), bias)

    def mlp(parameters, images):
        weight1, bias1, weight2, bias2 = parameters
        hidden = functional.relu(functional.linear(images.flatten(1), weight1, bias1))
        return functional.linear(hidden, weight2, bias2)

    logits = {"lenet5": lenet5, "mlp": mlp}[options.model]

    def loss(parameters, images, labels):
        return functional.cross_entropy(logits(parameters, images), labels, reduction="sum")

    return loss


def products(torch):
    """A convolution as a matrix product of patches; `vmap` makes it a batched one."""
    def convolution(images, filters, bias):
        pixels = torch.arange(images[0, 0].numel(), device=images.device).view(images.shape[2:])
        windows = pixels.unfold(0, filters.shape[2], 1).unfold(1, filters.shape[3], 1)
        patches = images.flatten(2).index_select(2, windows.flatten()).unflatten(2, windows.shape)
        return torch.einsum("bcyxhw,ochw->boyx", patches, filters) + bias[:, None, None]

    return convolution


def parse_arguments():
    parser = rounds.argument_parser("The PyTorch peer of the benchmarks.")
    parser.add_argument("--threads", type=int, default=1, help="of the processor (1)")
    parser.add_argument("--parallel", choices=["workers", "operators"], default="workers",
                        help="threads share out the workers, or PyTorch splits each operator")
    parser.add_argument("--plain", action="store_true", help="PyTorch as one would first write it")
    parser.add_argument("--graph", action="store_true", help="on cuda: launch an iteration as one CUDA graph")
    parser.add_argument("--vmap", action="store_true", help="map the gradient over the workers (PyTorch 2)")
    options = rounds.parse(parser)
    if options.threads < 1:
        rounds.fail("--threads must be at least 1")
    if options.graph and options.device != "cuda":
        rounds.fail("--graph needs --device cuda")
    if options.plain or options.device == "cuda":
        options.parallel = "operators"
    return options


if __name__ == "__main__":
    main()
