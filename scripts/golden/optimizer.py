"""Twenty optimiser steps of a tiny network in torch: losses, gradient norms, rates, parameters.

Writes crates/andiron-core/tests/golden/optimizer.json.
"""

import math

import golden_json

import torch
from torch import nn

SEED = 20240
STEPS = 20
WARMUP = 5
N_IN, D_HIDDEN, N_CLASSES, ROWS = 5, 7, 3, 11
CLASS_WEIGHTS = [0.25, 3.0, 1.5]
MATRICES = ["hidden.weight", "output.weight"]

NOTES = {
    "accumulation": (
        "each micro-batch's loss is a sum over its rows; the gradients are summed, divided once by "
        "all rows of the window, then clipped; `steps` holds the full batch's run, "
        "`accumulated` the micro-batches' run, `mean_of_means` the final parameters that the "
        "wrong way (average of the micro-batches' means) ends with"
    ),
    "adamw": (
        "decoupled decay as in torch.optim.AdamW: w -= lr * weight_decay * w; "
        "m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; t counts from 1; "
        "w -= lr * (m / (1-b1^t)) / (sqrt(v / (1-b2^t)) + eps); parameters not in `decayed` have no decay"
    ),
    "class_weights": (
        "cross_entropy(weight=class_weights): the mean divides by the sum of the rows' weights; "
        "micro-batches are put together by those sums; `mean_by_count` holds the final parameters "
        "that the wrong way (weighted means averaged by their numbers of rows) ends with"
    ),
    "clip": (
        "torch.nn.utils.clip_grad_norm_: one norm over all parameters; "
        "factor = min(1, clip_norm / (norm + 1e-6)); a rule without the 1e-6 differs by "
        "1e-6 / norm relatively; the factor under `clip_factors` is that formula in float64"
    ),
    "grad_norm": "L2 norm over all parameters' gradients before clipping, weight decay not included",
    "loss": "mean cross-entropy over the rows, before the step's update",
    "model": (
        "logits = output(tanh(norm(hidden(x)))); torch layout: weight [out, in]; LayerNorm over the "
        "last axis, biased variance, eps 1e-5"
    ),
    "precision": (
        "`float32` and `float64`: the same float32 start and data, the arithmetic in that type; "
        "numbers are printed so that they read back exactly"
    ),
    "sgd": (
        "torch.optim.SGD: g += weight_decay * w for `decayed`; buffer = g at the first step, then "
        "momentum * buffer + g (dampening 0); w -= lr * buffer"
    ),
}

SCHEDULES = {
    "convention": (
        "step s counts from 0 and takes rate(s) before its update; N steps in all, W of warm-up; "
        "s < W: base*(s+1)/W; else p = (s-W)/(N-W), in 0 <= p < 1"
    ),
    "constant": "base",
    "cosine": "floor + (base-floor)*0.5*(1+cos(pi*p))",
    "linear": "floor + (base-floor)*(1-p)",
    "torch": "torch.optim.lr_scheduler.LambdaLR with lambda(s) = rate(s)/base, stepped after each optimiser step",
    "transformers": (
        "get_cosine_schedule_with_warmup and get_linear_schedule_with_warmup give the same rates for s >= W "
        "and floor 0 (get_cosine_with_min_lr_schedule_with_warmup for floor > 0); in the warm-up "
        "theirs is base*s/W: 0 at the first step, one step behind ours (checked by hand: transformers 5.23.0)"
    ),
}

ADAMW = {"kind": "adamw", "lr": 1e-2, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.01}
SGD = {"kind": "sgd", "lr": 5e-2, "momentum": 0.9, "dampening": 0.0, "nesterov": False, "weight_decay": 0.0}
CONSTANT = {"kind": "constant", "warmup": 0, "total": STEPS, "floor": 0.0}


def warmed(kind, floor):
    return {"kind": kind, "warmup": WARMUP, "total": STEPS, "floor": floor}


def variant(optimizer, schedule=CONSTANT, clip_norm=None, micro_batches=None, class_weights=None):
    decayed = MATRICES if optimizer["weight_decay"] > 0 else []
    weights = {} if class_weights is None else {"class_weights": class_weights}
    return {
        "optimizer": {**optimizer, "decayed": decayed},
        "schedule": schedule,
        "clip_norm": clip_norm,
        "micro_batches": micro_batches,
        **weights,
    }


VARIANTS = {
    "adamw": variant(ADAMW),
    "sgd": variant(SGD),
    "adamw_clip": variant(ADAMW, clip_norm=0.1),
    "adamw_cosine": variant(ADAMW, warmed("cosine", 1e-3)),
    "adamw_linear": variant(ADAMW, warmed("linear", 0.0)),
    "adamw_accumulated": variant(ADAMW, micro_batches=[5, 4, 2]),
    "sgd_decay": variant({**SGD, "weight_decay": 0.01}),
    # SGD follows the gradient's scale, which AdamW hides: a wrong clip or mean shows here.
    "sgd_clip": variant(SGD, clip_norm=0.4),
    "sgd_clip_accumulated": variant(SGD, clip_norm=0.4, micro_batches=[5, 4, 2]),
    "adamw_weighted_accumulated": variant(ADAMW, micro_batches=[5, 4, 2], class_weights=CLASS_WEIGHTS),
    "sgd_clip_weighted_accumulated": variant(
        SGD, clip_norm=0.4, micro_batches=[5, 4, 2], class_weights=CLASS_WEIGHTS
    ),
}


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(N_IN, D_HIDDEN)
        self.norm = nn.LayerNorm(D_HIDDEN)
        self.output = nn.Linear(D_HIDDEN, N_CLASSES)

    def forward(self, rows):
        return self.output(torch.tanh(self.norm(self.hidden(rows))))


def rate(schedule, base, step):
    """The learning rate of 0-based `step`: the formulas under SCHEDULES."""
    kind, warmup, total, floor = (schedule[key] for key in ("kind", "warmup", "total", "floor"))
    if kind == "constant":
        return base
    if step < warmup:
        return base * (step + 1) / warmup
    progress = (step - warmup) / (total - warmup)
    if kind == "cosine":
        return floor + (base - floor) * 0.5 * (1 + math.cos(math.pi * progress))
    return floor + (base - floor) * (1 - progress)


def pytorchs(schedule, base):
    """The learning rate of each step by torch's own schedulers, one behind the other."""
    kind, warmup, total, floor = (schedule[key] for key in ("kind", "warmup", "total", "floor"))
    if kind == "constant":
        return [base] * total
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=base)
    schedulers = torch.optim.lr_scheduler
    # Ours is base at the last step of the warm-up and again at the first behind it.
    rise = schedulers.LinearLR(optimizer, start_factor=1 / warmup, total_iters=warmup - 1)
    if kind == "cosine":
        fall = schedulers.CosineAnnealingLR(optimizer, T_max=total - warmup, eta_min=floor)
    else:
        fall = schedulers.LinearLR(optimizer, 1.0, end_factor=floor / base, total_iters=total - warmup)
    scheduler = schedulers.SequentialLR(optimizer, [rise, fall], milestones=[warmup])
    rates = []
    for _ in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def optimizer_of(spec, network):
    decayed = [p for name, p in network.named_parameters() if name in spec["decayed"]]
    plain = [p for name, p in network.named_parameters() if name not in spec["decayed"]]
    groups = [{"params": decayed, "weight_decay": spec["weight_decay"]}, {"params": plain, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    if spec["kind"] == "adamw":
        return torch.optim.AdamW(groups, lr=spec["lr"], betas=tuple(spec["betas"]), eps=spec["eps"])
    return torch.optim.SGD(groups, lr=spec["lr"], momentum=spec["momentum"], dampening=spec["dampening"])


def backward(network, rows, classes, weights, micro_batches, wrong):
    """Leaves the gradient of the mean loss in the parameters and gives that loss.

    `wrong` is None, or a mistake in putting micro-batches together: "mean_of_means" or "by_count".
    """
    if micro_batches is None:
        loss = nn.functional.cross_entropy(network(rows), classes, weight=weights)
        loss.backward()
        return loss.item()

    def weigh(truth):
        return len(truth) if weights is None else weights[truth].sum().item()

    whole, total = weigh(classes), 0.0
    for part, truth in zip(rows.split(micro_batches), classes.split(micro_batches)):
        loss = nn.functional.cross_entropy(network(part), truth, weight=weights, reduction="sum")
        if wrong is None:
            loss.backward()
        elif wrong == "mean_of_means":
            (loss / weigh(truth)).backward()
        else:
            (loss * len(part) / weigh(truth)).backward()
        total += loss.item()
    for parameter in network.parameters():
        parameter.grad /= {None: whole, "mean_of_means": len(micro_batches), "by_count": len(rows)}[wrong]
    return total / whole


def run(spec, start, rows, classes, dtype, accumulate=False, wrong=None):
    """Twenty steps; everything that happened, as lists."""
    network = Network().to(dtype)
    network.load_state_dict({name: value.to(dtype) for name, value in start.items()})
    optimizer = optimizer_of(spec["optimizer"], network)
    base, schedule = spec["optimizer"]["lr"], spec["schedule"]
    weights = torch.tensor(spec["class_weights"], dtype=dtype) if "class_weights" in spec else None
    for step, theirs in enumerate(pytorchs(schedule, base)):
        assert abs(rate(schedule, base, step) - theirs) < 1e-12, (schedule, step, theirs)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: rate(schedule, base, s) / base)
    steps = {"loss": [], "grad_norm": [], "rate": []}
    for step in range(STEPS):
        optimizer.zero_grad()
        micro_batches = spec["micro_batches"] if accumulate else None
        steps["loss"].append(backward(network, rows.to(dtype), classes, weights, micro_batches, wrong))
        # With no bound the norm is taken and nothing is clipped.
        bound = spec["clip_norm"] or math.inf
        steps["grad_norm"].append(nn.utils.clip_grad_norm_(network.parameters(), bound).item())
        used = optimizer.param_groups[0]["lr"]
        assert abs(used - rate(schedule, base, step)) < 1e-16, (used, step)
        steps["rate"].append(rate(schedule, base, step))
        optimizer.step()
        scheduler.step()
    final = {name: flat(value) for name, value in network.state_dict().items()}
    return {"steps": steps, "final": final}


def flat(tensor):
    return tensor.detach().flatten().double().tolist()


def farthest(left, right):
    """The greatest difference between two sets of parameters."""
    return max(abs(a - b) for name in left for a, b in zip(left[name], right[name]))


def result_of(name, spec, start, rows, classes):
    single = run(spec, start, rows, classes, torch.float32)
    double = run(spec, start, rows, classes, torch.float64)
    found = {**spec, "float32": single, "float64": double}
    report = [f"{name}: loss {double['steps']['loss'][0]:.6f} -> {double['steps']['loss'][-1]:.6f}"]
    report.append(f"float32 off by {farthest(single['final'], double['final']):.1e}")
    if spec["clip_norm"] is not None:
        norms = double["steps"]["grad_norm"]
        found["clip_factors"] = [min(1.0, spec["clip_norm"] / (norm + 1e-6)) for norm in norms]
        report.append(f"clipped {sum(norm > spec['clip_norm'] for norm in norms)} steps of {STEPS}")
    if spec["micro_batches"] is not None:
        parts = run(spec, start, rows, classes, torch.float64, accumulate=True)
        assert farthest(parts["final"], double["final"]) < 1e-12
        found["accumulated"] = parts
        report.append(f"accumulated off by {farthest(parts['final'], double['final']):.1e}")
        name, mistake = ("mean_by_count", "by_count") if "class_weights" in spec else ("mean_of_means",) * 2
        wrong = run(spec, start, rows, classes, torch.float64, accumulate=True, wrong=mistake)
        found[name] = wrong["final"]
        report.append(f"{name} off by {farthest(wrong['final'], double['final']):.1e}")
    print(", ".join(report))
    return found


def main():
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    network = Network()
    with torch.no_grad():
        # Away from ones and zeros, so that a lost or swapped parameter shows.
        network.norm.weight.copy_(1 + 0.2 * torch.randn(D_HIDDEN))
        network.norm.bias.copy_(0.1 * torch.randn(D_HIDDEN))
    start = {name: value.clone() for name, value in network.state_dict().items()}
    rows = torch.randn(ROWS, N_IN)
    classes = torch.randint(0, N_CLASSES, (ROWS,))
    body = {
        "notes": NOTES,
        "schedules": SCHEDULES,
        "data": {"inputs": rows.double().tolist(), "targets": classes.tolist()},
        "parameters": {
            name: {"shape": list(value.shape), "values": flat(value)} for name, value in start.items()
        },
        "variants": {name: result_of(name, spec, start, rows, classes) for name, spec in VARIANTS.items()},
    }
    golden_json.write("andiron-core/tests/golden/optimizer.json", __file__, ["torch"], SEED, body)


if __name__ == "__main__":
    main()
