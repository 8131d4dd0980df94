"""A reader as a user would write it: lines of picture, true sentence, false sentence."""

import pandas as pd


def read(path, skip=0):
    lines = path.read_text(encoding="utf-8").splitlines()[skip:]
    rows = [line.split(" | ") for line in lines]
    table = pd.DataFrame(rows, columns=["image_file", "caption", "foil"])
    return table.assign(item_id=[f"line {number}" for number in range(len(rows))])
