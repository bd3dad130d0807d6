"""Build embedded datasets: `python datasets/build.py [ID ... | all] [--root FOLDER]`; ids are listed without any."""

import argparse
import sys
from pathlib import Path

from jaxrl import forge
from jaxrl.core.check import InputError


def main() -> int:
    """Exit status: 0, or 2 for an id that is not known or a folder that cannot be written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ids", nargs="*", help="dataset ids, or all; without any, the ids are listed")
    parser.add_argument("--root", type=Path, help="folder to build under (default: JAXRL_DATA, else datasets/built)")
    given = parser.parse_args()
    try:
        ids = list(forge.recipes()) if given.ids in ([], ["all"]) else given.ids
        for dataset_id in ids:
            print(dataset_id) if not given.ids else forge.build(dataset_id, given.root)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
