"""Losses with their gradients in torch: cross-entropy, binary cross-entropy, mean squared error, focal.

Writes crates/andiron-core/tests/golden/losses.json.
"""

import golden_json

import torch
from torch.nn import functional

SEED = 31337
PADDING = -100

NOTES = {
    "binary_cross_entropy": (
        "binary_cross_entropy_with_logits: each = max(x,0) - x*t + ln(1+e^-|x|); the mean is over "
        "all places, with a mask over those where it is 1; `each` is 0 where the mask is 0"
    ),
    "cross_entropy": (
        "p = softmax over the last axis (class axis); each = weight[t] * -ln p[t]; the mean is sum(each) / "
        "denominator, and the denominator is the sum of weight[t] over counted positions (their "
        "count without class weights)"
    ),
    "focal": (
        "Lin et al. 2017, equation 5 over a softmax: each = weight[t] * (1 - p[t])^focus * -ln p[t], the "
        "denominator the sum of weight[t]; over a sigmoid, each = w[label] * t * (1 - p)^focus * -ln p "
        "+ (1 - t) * p^focus * -ln(1 - p), the mean over all places; with focus 0 they are torch's "
        "cross_entropy and binary_cross_entropy_with_logits with pos_weight, which is asserted"
    ),
    "label_smoothing": (
        "torch: with e the smoothing and K classes, each = (1-e) * weight[t] * -ln p[t] "
        "+ e/K * sum over c of weight[c] * -ln p[c]; the denominator does not change: the sum of weight[t]"
    ),
    "mean_squared_error": "each = (prediction - target)^2; mean over all places, or where the mask is 1",
    "padding": (
        f"a target of {PADDING} (torch's ignore_index) is not counted: `each` and the gradient are 0 there; "
        "torch gives NaN where nothing is counted, so no such case is here"
    ),
    "precision": (
        "inputs are float32 numbers printed exactly; value, each and gradient are torch's in float64 on those "
        "inputs; value_float32 and gradient_float32_off say what torch's float32 makes of them"
    ),
}


def logits_of(*shape, scale=2.0):
    return torch.randn(*shape) * scale


def extreme(*shape):
    """Logits of which about half stand at -50 or 50."""
    logits, far = torch.randn(*shape), torch.rand(*shape)
    return logits.masked_fill(far < 0.25, -50.0).masked_fill(far > 0.75, 50.0)


def classes_of(n_classes, *shape):
    return torch.randint(0, n_classes, shape)


def padded(targets, lengths):
    """Each row's positions from its length on become padding."""
    places = torch.arange(targets.shape[1])
    return targets.masked_fill(places >= torch.tensor(lengths)[:, None], PADDING)


def measured(inputs, each_of, denominator, torch_mean):
    """Value, terms and gradient in float64, and how far torch's float32 is from them."""
    found = {}
    for dtype in (torch.float64, torch.float32):
        leaf = inputs.to(dtype).requires_grad_()
        each = each_of(leaf)
        value = torch_mean(leaf)
        value.backward()
        found[dtype] = (value.detach(), each.detach(), leaf.grad)
    value, each, gradient = found[torch.float64]
    assert torch.allclose(each.sum() / denominator, value, rtol=1e-12), (each.sum() / denominator, value)
    single, _, rough = found[torch.float32]
    assert all(torch.isfinite(t).all() for pair in found.values() for t in pair)
    return {
        "value": value.item(),
        "value_float32": single.double().item(),
        "each": each.tolist(),
        "denominator": float(denominator),
        "gradient": gradient.tolist(),
        "gradient_float32_off": (rough.double() - gradient).abs().max().item(),
    }


def cross_entropy(logits, targets, weights=None, smoothing=0.0):
    counted = targets[targets != PADDING]
    denominator = len(counted) if weights is None else weights.double()[counted].sum().item()

    def call(leaf, reduction):
        return functional.cross_entropy(
            # torch wants the class axis second.
            leaf.movedim(-1, 1),
            targets,
            weight=None if weights is None else weights.to(leaf.dtype),
            ignore_index=PADDING,
            label_smoothing=smoothing,
            reduction=reduction,
        )

    result = measured(logits, lambda x: call(x, "none"), denominator, lambda x: call(x, "mean"))
    return {
        "shape": list(logits.shape),
        "logits": logits.double().tolist(),
        "targets": targets.tolist(),
        "class_weights": None if weights is None else weights.double().tolist(),
        "label_smoothing": smoothing,
        **result,
    }


def soft_cross_entropy(logits, targets, weights=None, smoothing=0.0):
    """Targets are shares of the classes; the mean is over the rows, whatever their weights."""

    def call(leaf, reduction):
        return functional.cross_entropy(
            leaf,
            targets.to(leaf.dtype),
            weight=None if weights is None else weights.to(leaf.dtype),
            label_smoothing=smoothing,
            reduction=reduction,
        )

    return {
        "shape": list(logits.shape),
        "logits": logits.double().tolist(),
        "targets": targets.double().tolist(),
        "class_weights": None if weights is None else weights.double().tolist(),
        "label_smoothing": smoothing,
        **measured(logits, lambda x: call(x, "none"), len(logits), lambda x: call(x, "mean")),
    }


def soft_cases():
    def shares(rows, classes):
        return torch.softmax(torch.randn(rows, classes) * 2, 1)

    def mixed(rows, classes):
        """As mixup makes them: two classes a row, or one."""
        own = functional.one_hot(classes_of(classes, rows), classes)
        other = functional.one_hot(classes_of(classes, rows), classes)
        share = torch.rand(rows, 1)
        return own * share + other * (1 - share)

    weights = torch.tensor([0.5, 2.0, 1.25, 0.0625])
    return {
        "plain_3x5": soft_cross_entropy(logits_of(3, 5), shares(3, 5)),
        "mixed_7x4": soft_cross_entropy(logits_of(7, 4), mixed(7, 4)),
        "mixed_extreme_5x3": soft_cross_entropy(extreme(5, 3), mixed(5, 3)),
        "weights_6x4": soft_cross_entropy(logits_of(6, 4), mixed(6, 4), weights),
        "smoothing_2x3": soft_cross_entropy(logits_of(2, 3), mixed(2, 3), smoothing=0.1),
        "smoothing_weights_5x4": soft_cross_entropy(logits_of(5, 4), shares(5, 4), weights, 0.2),
    }


def elementwise(function, inputs, targets, mask, name):
    kept = torch.ones_like(inputs) if mask is None else mask

    def each_of(leaf):
        return function(leaf, targets.to(leaf.dtype), reduction="none") * kept.to(leaf.dtype)

    def mean_of(leaf):
        if mask is None:
            return function(leaf, targets.to(leaf.dtype))
        return each_of(leaf).sum() / kept.sum().to(leaf.dtype)

    return {
        "shape": list(inputs.shape),
        name: inputs.double().tolist(),
        "targets": targets.double().tolist(),
        "mask": None if mask is None else mask.int().tolist(),
        **measured(inputs, each_of, kept.sum().item(), mean_of),
    }


def binary(logits, targets, mask=None):
    return elementwise(functional.binary_cross_entropy_with_logits, logits, targets, mask, "logits")


def squared(predictions, targets, mask=None):
    return elementwise(functional.mse_loss, predictions, targets, mask, "predictions")


def focal(logits, targets, focus, weights=None):
    rows = torch.arange(len(targets))
    all_ones = torch.ones(logits.shape[1])
    weight = (all_ones if weights is None else weights).double()[targets]

    def each_of(leaf):
        log_p = functional.log_softmax(leaf, 1)[rows, targets]
        return weight.to(leaf.dtype) * (1 - log_p.exp()) ** focus * -log_p

    def mean_of(leaf):
        mean = each_of(leaf).sum() / weight.sum().to(leaf.dtype)
        if focus == 0:
            wanted = functional.cross_entropy(leaf, targets, weight=None if weights is None else weights.to(leaf.dtype))
            assert torch.allclose(mean, wanted)
        return mean

    return {
        "shape": list(logits.shape),
        "logits": logits.double().tolist(),
        "targets": targets.tolist(),
        "class_weights": None if weights is None else weights.double().tolist(),
        "focus": focus,
        **measured(logits, each_of, weight.sum().item(), mean_of),
    }


def binary_focal(logits, targets, focus, weights=None):
    weight = (torch.ones(logits.shape[1]) if weights is None else weights).double()

    def each_of(leaf):
        right, wrong = functional.logsigmoid(leaf), functional.logsigmoid(-leaf)
        truth = targets.to(leaf.dtype)
        return (
            weight.to(leaf.dtype) * truth * (1 - right.exp()) ** focus * -right
            + (1 - truth) * (1 - wrong.exp()) ** focus * -wrong
        )

    def mean_of(leaf):
        mean = each_of(leaf).mean()
        if focus == 0:
            wanted = functional.binary_cross_entropy_with_logits(
                leaf, targets.to(leaf.dtype), pos_weight=weight.to(leaf.dtype)
            )
            assert torch.allclose(mean, wanted)
        return mean

    return {
        "shape": list(logits.shape),
        "logits": logits.double().tolist(),
        "targets": targets.double().tolist(),
        "class_weights": None if weights is None else weights.double().tolist(),
        "focus": focus,
        **measured(logits, each_of, logits.numel(), mean_of),
    }


def focal_cases():
    weights = torch.tensor([0.5, 2.0, 1.25, 0.0625])
    return {
        "focus_0_3x5": focal(logits_of(3, 5), classes_of(5, 3), 0.0),
        "focus_2_1x2": focal(logits_of(1, 2), classes_of(2, 1), 2.0),
        "focus_2_7x4": focal(logits_of(7, 4), classes_of(4, 7), 2.0),
        "focus_half_5x3": focal(logits_of(5, 3), classes_of(3, 5), 0.5),
        "focus_0_weights_6x4": focal(logits_of(6, 4), classes_of(4, 6), 0.0, weights),
        "focus_2_weights_9x4": focal(logits_of(9, 4), classes_of(4, 9), 2.0, weights),
        "focus_3_extreme_4x3": focal(extreme(4, 3), classes_of(3, 4), 3.0),
    }


def binary_focal_cases():
    def labels(*shape):
        return torch.randint(0, 2, shape).float()

    weights = torch.tensor([0.5, 3.0, 1.25])
    return {
        "focus_0_3x5": binary_focal(logits_of(3, 5), labels(3, 5), 0.0),
        "focus_2_4x2": binary_focal(logits_of(4, 2), labels(4, 2), 2.0),
        "focus_half_2x7": binary_focal(logits_of(2, 7), labels(2, 7), 0.5),
        "focus_0_weights_5x3": binary_focal(logits_of(5, 3), labels(5, 3), 0.0, weights),
        "focus_2_weights_6x3": binary_focal(logits_of(6, 3), labels(6, 3), 2.0, weights),
        "focus_3_extreme_4x5": binary_focal(extreme(4, 5), labels(4, 5), 3.0),
    }


def cross_entropy_cases():
    weights = torch.tensor([0.5, 2.0, 1.25, 0.0625])
    tokens, lengths = padded(classes_of(5, 3, 7), [7, 4, 1]), [6, 2]
    seven = torch.rand(7) + 0.25
    return {
        "plain_1x2": cross_entropy(logits_of(1, 2), classes_of(2, 1)),
        "plain_3x5": cross_entropy(logits_of(3, 5), classes_of(5, 3)),
        "plain_11x13": cross_entropy(logits_of(11, 13), classes_of(13, 11)),
        "plain_tokens_2x3x4": cross_entropy(logits_of(2, 3, 4), classes_of(4, 2, 3)),
        "equal_logits_2x3": cross_entropy(torch.full((2, 3), 7.5), classes_of(3, 2)),
        "extreme_5x3": cross_entropy(extreme(5, 3), classes_of(3, 5)),
        "extreme_right_and_wrong_2x4": cross_entropy(
            torch.tensor([[50.0, -50.0, -50.0, -50.0], [50.0, -50.0, -50.0, -50.0]]), torch.tensor([0, 2])
        ),
        "weights_7x4": cross_entropy(logits_of(7, 4), classes_of(4, 7), weights),
        "weights_extreme_6x4": cross_entropy(extreme(6, 4), classes_of(4, 6), weights),
        "smoothing_3x5": cross_entropy(logits_of(3, 5), classes_of(5, 3), smoothing=0.1),
        "smoothing_extreme_4x7": cross_entropy(extreme(4, 7), classes_of(7, 4), smoothing=0.1),
        "smoothing_weights_7x4": cross_entropy(logits_of(7, 4), classes_of(4, 7), weights, 0.1),
        "padding_3x7x5": cross_entropy(logits_of(3, 7, 5), tokens),
        "padding_row_8x3": cross_entropy(
            logits_of(8, 3), torch.tensor([0, PADDING, 2, 1, PADDING, PADDING, 2, 0])
        ),
        "padding_weights_2x6x7": cross_entropy(logits_of(2, 6, 7), padded(classes_of(7, 2, 6), lengths), seven),
        "padding_smoothing_2x6x7": cross_entropy(
            logits_of(2, 6, 7), padded(classes_of(7, 2, 6), lengths), smoothing=0.1
        ),
        "padding_smoothing_weights_2x6x7": cross_entropy(
            logits_of(2, 6, 7), padded(classes_of(7, 2, 6), lengths), seven, 0.1
        ),
        "padding_extreme_2x5x3": cross_entropy(extreme(2, 5, 3), padded(classes_of(3, 2, 5), [5, 3])),
    }


def binary_cases():
    def labels(*shape):
        return torch.randint(0, 2, shape).float()

    mask = (torch.arange(5) < torch.tensor([[5], [3], [1]])).float()
    return {
        "plain_1x4": binary(logits_of(1, 4), labels(1, 4)),
        "plain_3x5": binary(logits_of(3, 5), labels(3, 5)),
        "plain_9x2": binary(logits_of(9, 2), labels(9, 2)),
        "soft_targets_4x3": binary(logits_of(4, 3), torch.rand(4, 3)),
        "zero_logits_2x3": binary(torch.zeros(2, 3), labels(2, 3)),
        "extreme_4x7": binary(extreme(4, 7), labels(4, 7)),
        "mask_3x5": binary(logits_of(3, 5), labels(3, 5), mask),
        "mask_2x3x4": binary(logits_of(2, 3, 4), labels(2, 3, 4), labels(2, 3, 4)),
        "mask_extreme_3x5": binary(extreme(3, 5), labels(3, 5), mask),
    }


def squared_cases():
    mask = (torch.arange(6) < torch.tensor([[6], [2]])).float()
    return {
        "plain_1x1": squared(logits_of(1, 1), logits_of(1, 1)),
        "plain_5x4": squared(logits_of(5, 4), logits_of(5, 4)),
        "plain_3x1": squared(logits_of(3, 1), logits_of(3, 1)),
        "plain_2x3x5": squared(logits_of(2, 3, 5), logits_of(2, 3, 5)),
        "extreme_3x4": squared(extreme(3, 4), extreme(3, 4)),
        "mask_2x6": squared(logits_of(2, 6), logits_of(2, 6), mask),
    }


def main():
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    body = {
        "notes": NOTES,
        "padding_target": PADDING,
        "cross_entropy": cross_entropy_cases(),
        "binary_cross_entropy": binary_cases(),
        "mean_squared_error": squared_cases(),
        "focal": focal_cases(),
        "binary_focal": binary_focal_cases(),
        "soft_cross_entropy": soft_cases(),
    }
    for kind in (
        "cross_entropy", "binary_cross_entropy", "mean_squared_error", "focal", "binary_focal", "soft_cross_entropy",
    ):
        off = [case["gradient_float32_off"] for case in body[kind].values()]
        values = [abs(c["value"] - c["value_float32"]) / max(c["value"], 1e-9) for c in body[kind].values()]
        print(f"{kind}: {len(off)} cases, float32 off by {max(values):.1e} (value), {max(off):.1e} (gradient)")
    golden_json.write("andiron-core/tests/golden/losses.json", __file__, ["torch"], SEED, body)


if __name__ == "__main__":
    main()
