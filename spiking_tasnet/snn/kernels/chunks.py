"""Which frames the event-driven kernel keeps lists of at a time: as many as a fixed pool of memory holds."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator

import numpy as np

from spiking_tasnet.snn.kernels.geometry import Geometry

Range = tuple[int, int]


def chunks(geometry: Geometry, size: np.ndarray, limit: int) -> Iterator[tuple[Range, Range]]:
    """Ranges of input frames, and of the output frames that read no others.

    Whole items of the batch as far as they fit, else output rows of one item: neighbouring chunks then list the input
    rows that both read. A single row is a chunk in any case.

    Args:
        geometry: of the layer.
        size: bytes of the lists of all frames before each, (batch * height * width + 1,).
        limit: most bytes of a chunk.
    """
    (batch, height, width), (_, out_height, out_width) = geometry.frames, geometry.out_frames

    def used(rows: Range) -> int:
        return int(size[rows[1] * width] - size[rows[0] * width])

    def frames(rows: Range) -> Range:
        return rows[0] * width, rows[1] * width

    # Sizes grow with the number of frames, so bisection finds how many fit: first over whole items ...
    item = 0
    while item < batch:
        last = _most(lambda end, item=item: used((item * height, end * height)), item + 1, batch, limit)
        if used((item * height, last * height)) <= limit:
            yield frames((item * height, last * height)), (item * out_height * out_width, last * out_height * out_width)
        else:
            # ... and where not even one item fits, over its output rows: the more of them, the more rows they read.
            row = 0
            while row < out_height:
                end = _most(lambda end, a=item, b=row: used(_reads(geometry, a, b, end)), row + 1, out_height, limit)
                out = [(item * out_height + edge) * out_width for edge in (row, end)]
                yield frames(_reads(geometry, item, row, end)), (out[0], out[1])
                row = end
        item = last


def _most(size: Callable[[int], int], least: int, most: int, limit: int) -> int:
    """The largest number from `least` to `most` whose size is within the limit; `least` in any case."""
    return least + bisect_right(range(least + 1, most + 1), limit, key=size)


def _reads(geometry: Geometry, item: int, row: int, end: int) -> Range:
    """Input rows that the output rows of an item from `row` to `end` read."""
    height = geometry.frames[1]
    stride, padding = geometry.stride[0], geometry.padding[0]
    # Output row r reads the input rows r stride - padding + k dilation for each tap k; rows in the padding are none.
    low = min(max(row * stride - padding, 0), height)
    high = (end - 1) * stride - padding + geometry.dilation[0] * (geometry.kernel[0] - 1) + 1
    return item * height + low, item * height + min(max(high, low), height)
