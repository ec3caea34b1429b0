"""Random objects and answers, and what pycocotools makes of them. Crowds, areas that are not those of the
boxes, images without objects or answers, classes without either, and more than a hundred answers are in.
"""

import golden_json  # first: it pins the thread counts

import contextlib
import io

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

SEED = 20140501
NAMES = ["ap", "ap_50", "ap_75", "ap_small", "ap_medium", "ap_large",
         "ar_1", "ar_10", "ar_100", "ar_small", "ar_medium", "ar_large"]
NOTES = {
    "truth": "for each image [class, x, y, width, height, area, crowd]",
    "answers": "for each image [class, score, x, y, width, height]",
    "stats": "-1 where there was nothing to find",
}


def places(random, count, largest):
    size = random.uniform(4, largest, (count, 2))
    return np.concatenate([random.uniform(0, 200, (count, 2)), size], 1)


def case(random, images, classes, largest, crowd, many):
    truth, answers = [], []
    for image in range(images):
        boxes = places(random, 0 if image == 1 else int(random.integers(1, 7)), largest)
        labels = random.integers(0, classes, len(boxes))
        rows = []
        for box, label in zip(boxes, labels):
            area = box[2] * box[3] * random.choice([1.0, 0.6])
            rows.append([int(label), *box, area, int(random.random() < crowd)])
        truth.append(rows)
        found = []
        for row in rows:
            for _ in range(int(random.integers(0, 3))):
                box = np.array(row[1:5]) * random.uniform(0.85, 1.15, 4)
                label = row[0] if random.random() < 0.85 else int(random.integers(0, classes))
                found.append([label, *box])
        for box in places(random, many if image == 0 else int(random.integers(0, 4)), largest):
            found.append([int(random.integers(0, classes)), *box])
        if image == 2:
            found = []
        # Scores in steps, so that some are equal.
        answers.append([[row[0], float(random.integers(1, 40)) / 40, *row[1:]] for row in found])
    return truth, answers


def measured(truth, answers, classes):
    coco = COCO()
    annotations, results = [], []
    for image, rows in enumerate(truth):
        for label, x, y, width, height, area, crowd in rows:
            annotations.append({"id": len(annotations) + 1, "image_id": image, "category_id": label,
                                "bbox": [x, y, width, height], "area": area, "iscrowd": crowd})
    for image, rows in enumerate(answers):
        for label, score, x, y, width, height in rows:
            results.append({"image_id": image, "category_id": label, "score": score, "bbox": [x, y, width, height]})
    coco.dataset = {"info": {}, "images": [{"id": image} for image in range(len(truth))], "annotations": annotations,
                    "categories": [{"id": label} for label in range(classes)]}
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return dict(zip(NAMES, evaluation.stats.tolist()))


def main():
    random = np.random.default_rng(SEED)
    cases = []
    for images, classes, largest, crowd, many in ((5, 1, 60, 0.0, 0), (9, 3, 150, 0.25, 20), (6, 2, 30, 0.1, 260),
                                                  (12, 5, 190, 0.0, 5)):
        truth, answers = case(random, images, classes, largest, crowd, many)
        truth = golden_json.significant(truth, 7)
        answers = golden_json.significant(answers, 7)
        cases.append({"classes": classes, "truth": truth, "answers": answers,
                      "stats": measured(truth, answers, classes)})
    body = {"cases": cases, "notes": NOTES}
    golden_json.write("andiron-vision/tests/golden/coco.json", __file__, ["numpy", "pycocotools"], SEED, body)


if __name__ == "__main__":
    main()
