"""Shares of perf's samples on standard input (`perf script --fields pid,tid,period,ip,sym`): by phase of a
training step on the thread that trains, by kind of operation and by symbol on all threads."""

import collections
import re
import sys

# The first that stands anywhere in the stack, from the outside in.
PHASES = [
    ("optimiser", r"ModuleOptimizer|adamw|AdamW|optim::"),
    ("clipping, sum of gradients", r"trainer::gradients|Gradients"),
    ("backward", r"burn_autodiff.*backward|Backward|execute_steps"),
    ("forward", r"::forward\b|::learn\b"),
]
# What only calls what it was given: the frame behind it says more.
GLUE = r"^<?(core|alloc|std|rayon|rayon_core)::|^<.* as (core|alloc|std|rayon|rayon_core)::|^__rust|start_thread|clone3?$|\[unknown\]"
# The first that fits the innermost frame that is no glue.
KINDS = [
    ("matrix products", r"gemm|matmul|mul_kernel"),
    ("convolutions beside their products (im2col, col2im, layout)", r"im2col|col2im|conv|copy_2d_tiled"),
    ("pooling", r"pool"),
    ("copies to contiguous memory", r"to_contiguous|copy_contiguous|permute|memmove|memcpy|slice|strided"),
    ("element-wise operations", r"binary|unary|zip|scalar|mask|where|relu|compare|expand|broadcast"),
    ("sums and means", r"reduce|sum|mean"),
    ("kernels of Andiron", r"andiron_kernels"),
    ("clearing and getting memory", r"memset|malloc|cfree|_int_free|realloc|clear_page|page_fault|madvise|munmap|mmap"),
    ("a closure on a thread of rayon, of any of these", r"^a closure"),
    ("batch normalisation by single operations", r"norm"),
    ("waiting for work", r"crossbeam|futex|sched|yield|spin|idle"),
]


def samples(lines):
    """For each sample: whether it is of the first thread, its weight, its frames from the inside out."""
    head, frames = None, []
    for line in lines:
        line = line.strip()
        if not line:
            if head:
                yield *head, frames
            head, frames = None, []
        elif head is None:
            pid, tid, period = re.match(r"(\d+)[/ ]+(\d+)\s+(\d+)", line).groups()
            head = (pid == tid, int(period))
        else:
            frames.append(re.sub(r"^[0-9a-f]+\s+", "", line))
    if head:
        yield *head, frames


def first(table, texts, otherwise):
    for name, pattern in table:
        if any(re.search(pattern, text) for text in texts):
            return name
    return otherwise


def show(title, counts, most):
    total = sum(counts.values())
    print(f"\n{title}")
    for name, count in counts.most_common(most):
        print(f"  {100 * count / total:5.1f} %  {name[:110]}")


def main():
    phases, kinds, symbols, by_phase = (collections.Counter() for _ in range(4))
    number = 0
    for is_first, period, frames in samples(sys.stdin):
        number += 1
        inner = next((frame for frame in frames if not re.search(GLUE, frame)), "a closure on a thread of rayon")
        kind = first(KINDS, [inner], "other")
        kinds[kind] += period
        symbols[inner] += period
        if is_first:
            phase = first(PHASES, frames, "other (reading data, starting)")
            phases[phase] += period
            by_phase[f"{phase}: {kind}"] += period
    print(f"{number} samples")
    show("phase, on the thread that trains", phases, 8)
    show("phase and kind of operation, on the thread that trains", by_phase, 16)
    show("kind of operation, all threads", kinds, 12)
    show("symbol, all threads", symbols, 25)


if __name__ == "__main__":
    main()
