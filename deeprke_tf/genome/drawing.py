"""Random windows, whose middle lies in given pieces of templates."""

from typing import NamedTuple

import numpy as np

from deeprke_tf.genome.templates import Forbidden, Templates


class Pieces(NamedTuple):
    """Stretches of templates, in groups to draw from; each array [n_pieces].

    Attributes:
      group: Number of the group, ascending.
      template: Number of the template.
      start: First position on the template.
      end: Position behind the last.
      strand: 1 or -1, relative to the template; 0: either one.
    """

    group: np.ndarray
    template: np.ndarray
    start: np.ndarray
    end: np.ndarray
    strand: np.ndarray


class Windows(NamedTuple):
    """Windows on templates, each array [n_windows].

    Attributes:
      request: Number of the request that a window answers.
      piece: Number of the piece that its middle lies in.
      template: Number of the template.
      start: First position on the template.
      end: Position behind the last.
      strand: 1 or -1, relative to the template.
    """

    request: np.ndarray
    piece: np.ndarray
    template: np.ndarray
    start: np.ndarray
    end: np.ndarray
    strand: np.ndarray

    def where(self, chosen: np.ndarray) -> "Windows":
        """Returns some of the windows, by a mask or by their numbers."""
        return Windows(*(part[chosen] for part in self))


def draw(
    pieces: Pieces,
    templates: Templates,
    forbidden: Forbidden,
    group: np.ndarray,
    length: np.ndarray,
    rng: np.random.Generator,
) -> Windows:
    """Draws a window for each request; all positions of a group are equally likely.

    Requests fail where the window would leave its template or touch what is forbidden.

    Args:
      pieces: What to draw from.
      templates: The templates of the pieces.
      forbidden: What windows must not touch.
      group: Number of the group to draw from, [n_requests].
      length: Length of the window, in nucleotides, [n_requests].
      rng: Source of random numbers.

    Returns:
      The windows of the requests that did not fail, in their order.
    """
    sizes = pieces.end - pieces.start
    up_to = np.append(0, np.cumsum(sizes))
    low = up_to[np.searchsorted(pieces.group, group, "left")]
    high = up_to[np.searchsorted(pieces.group, group, "right")]
    place = low + np.floor(rng.random(len(group)) * (high - low)).astype(np.int64)
    coin = rng.choice([-1, 1], len(group))
    request = np.flatnonzero(high > low)
    place, length, coin = place[request], length[request], coin[request]
    piece = np.searchsorted(up_to, place, "right") - 1
    template = pieces.template[piece]
    start = pieces.start[piece] + place - up_to[piece] - length // 2
    strand = np.where(pieces.strand[piece] == 0, coin, pieces.strand[piece])
    windows = Windows(request, piece, template, start, start + length, strand)
    inside = (start >= 0) & (windows.end <= templates.lengths[template])
    windows = windows.where(inside)
    return windows.where(
        ~forbidden.touches(windows.template, windows.start, windows.end)
    )
