"""Embeds all images below a folder on the cores of this machine, or of a Ray cluster, and writes Parquet.

    pip install 'ray[data]'
    python bulk_embed.py sprout.offshoot photos embeddings [ACTORS]

The label of an image is its folder's name. An image that cannot be read has no embedding but an `error`.
"""

import pathlib
import sys

import ray

from offshoot.parquet import read_embeddings
from offshoot.ray import OffshootEmbedder

package, photos, output = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
actors = int(sys.argv[4]) if len(sys.argv) > 4 else 2

kinds = {".jpg", ".jpeg", ".png", ".bmp"}
paths = sorted(path for path in photos.rglob("*") if path.suffix.lower() in kinds)
images = ray.data.from_items([{"path": str(path), "label": path.parent.name} for path in paths])
images.map_batches(
    OffshootEmbedder,
    fn_constructor_args=(str(package),),
    fn_constructor_kwargs={"errors": "null"},
    batch_size=64,
    compute=ray.data.ActorPoolStrategy(size=actors),
).write_parquet(str(output))

print(f"{len(read_embeddings(output).embeddings)} of {len(paths)} images are in {output}")
