"""Random masks with answers, and what torchmetrics makes of them: mIoU and Dice over all pixels; some pixels are
ignored, some classes are nowhere.
"""

import golden_json  # first: it pins the thread counts

import torch
from torchmetrics.classification import MulticlassF1Score, MulticlassJaccardIndex

SEED = 20120301
IGNORED = 255
NOTES = {"masks": "class numbers of all pixels, 255 is ignored", "dice": "the macro F1 of the pixels, which is Dice"}


def main():
    torch.manual_seed(SEED)
    cases = []
    for images, pixels, classes, present in ((1, 40, 2, 2), (3, 60, 4, 4), (2, 50, 6, 4)):
        truth = torch.randint(0, present, (images, pixels))
        said = torch.where(torch.rand(images, pixels) < 0.6, truth, torch.randint(0, present, (images, pixels)))
        truth[torch.rand(images, pixels) < 0.1] = IGNORED
        settings = {"num_classes": classes, "average": "macro", "ignore_index": IGNORED}
        cases.append({
            "classes": classes, "truth": truth.tolist(), "said": said.tolist(),
            "miou": float(MulticlassJaccardIndex(**settings)(said, truth)),
            "dice": float(MulticlassF1Score(**settings)(said, truth)),
        })
    body = {"cases": cases, "notes": NOTES}
    golden_json.write("andiron-vision/tests/golden/regions.json", __file__, ["torch", "torchmetrics"], SEED, body)


if __name__ == "__main__":
    main()
