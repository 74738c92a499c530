"""Windows over an RNA: tiling, profile by position, site calling.

A window is a stretch of an RNA of the length that the model was trained on; its
probability is that of a site. Positions count from 0, ends are exclusive.
"""

import dataclasses

import numpy as np

from deeprke_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class Tiling:
    """Where windows lie: every `stride` nt from the 5' end, the last at the 3' end.

    >>> starts, ends = Tiling(window=10, stride=4).place(21)
    >>> starts.tolist(), ends.tolist()
    ([0, 4, 8, 11], [10, 14, 18, 21])
    >>> Tiling(window=10, stride=4).place(7)[1].tolist()
    [7]

    Attributes:
      window: Length of a window, in nucleotides; an RNA that is shorter is one window.
      stride: Nucleotides from one window to the next.
    """

    window: int
    stride: int

    def __post_init__(self):
        if not 1 <= self.stride <= self.window:
            raise UserError(
                f"stride must be between 1 and the window of {self.window} nt, got "
                f"{self.stride}: with gaps between windows sites would be missed."
            )

    def place(self, length: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns starts and ends of the windows over an RNA, each int64 [n_windows].

        Args:
          length: Length of the RNA, in nucleotides, at least 1.
        """
        last = max(0, length - self.window)
        starts = np.arange(0, last + 1, self.stride)
        if starts[-1] != last:
            starts = np.append(starts, last)
        return starts, np.minimum(starts + self.window, length)


@dataclasses.dataclass(frozen=True, slots=True)
class CalledSite:
    """Overlapping windows that reach the threshold, as one site.

    Attributes:
      start: Start of the first window.
      end: End of the last window.
      probability: The highest probability of the windows.
      summit: Middle of the window that has it, the first of equals.
      n_windows: Number of windows.
      best: Index, among the windows of the RNA, of the one with that probability.
    """

    start: int
    end: int
    probability: float
    summit: int
    n_windows: int
    best: int


def call_sites(
    starts: np.ndarray, ends: np.ndarray, probabilities: np.ndarray, threshold: float
) -> list[CalledSite]:
    """Merges the windows that reach a threshold where they overlap.

    >>> starts = np.array([0, 4, 8, 30])
    >>> call_sites(starts, starts + 10, np.array([0.5, 0.9, 0.8, 0.1]), 0.5)
    [CalledSite(start=0, end=18, probability=0.9, summit=9, n_windows=3, best=1)]

    Args:
      starts: Starts of the windows of one RNA, ascending, [n_windows].
      ends: Their ends, [n_windows].
      probabilities: Their probabilities; NaN where there is none, [n_windows].
      threshold: A window is called if its probability is at least this.

    Returns:
      Sites from 5' to 3'. Windows that only touch are sites of their own.
    """
    groups: list[list[int]] = []
    for i in np.flatnonzero(probabilities >= threshold).tolist():
        if groups and starts[i] < ends[groups[-1][-1]]:
            groups[-1].append(i)
        else:
            groups.append([i])
    sites = []
    for group in groups:
        best = max(group, key=lambda i: probabilities[i])
        sites.append(
            CalledSite(
                start=int(starts[group[0]]),
                end=int(ends[group[-1]]),
                probability=float(probabilities[best]),
                summit=int(starts[best] + ends[best]) // 2,
                n_windows=len(group),
                best=best,
            )
        )
    return sites


def highest_before(
    starts: np.ndarray, ends: np.ndarray, probabilities: np.ndarray
) -> np.ndarray:
    """Returns, for each window, the highest probability of earlier overlapping ones.

    >>> starts = np.array([0, 4, 8, 30])
    >>> highest_before(starts, starts + 10, np.array([0.9, 0.5, 0.8, 0.1])).tolist()
    [-1.0, 0.9, 0.9, -1.0]

    Args:
      starts: Starts of the windows of one RNA, ascending, [n_windows].
      ends: Their ends, ascending, [n_windows].
      probabilities: Their probabilities; NaN where there is none, [n_windows].

    Returns:
      [n_windows], in the dtype of the probabilities; -1 where no window overlaps.
    """
    highest = np.full(len(starts), -1, probabilities.dtype)
    for distance in range(1, len(starts)):
        overlap = ends[:-distance] > starts[distance:]
        if not overlap.any():
            break
        here = highest[distance:]
        np.fmax(here, probabilities[:-distance], out=here, where=overlap)
    return highest


def profile(
    starts: np.ndarray, ends: np.ndarray, probabilities: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the highest probability of the windows that cover each position.

    Unlike the mean, it reaches the threshold exactly on called sites, and does not
    depend on how many windows cover a position.

    >>> starts = np.array([0, 4, 8])
    >>> profile(starts, starts + 10, np.array([0.5, 1.0, 1.0]))
    (array([0, 4]), array([ 4, 18]), array([0.5, 1. ]))

    Args:
      starts: Starts of the windows of one RNA, ascending, [n_windows].
      ends: Their ends, [n_windows].
      probabilities: Their probabilities; NaN where there is none, [n_windows].

    Returns:
      Starts, ends and probabilities of intervals that do not overlap, ascending,
      [n_intervals]; positions without a window that has a probability are in none.
    """
    known = ~np.isnan(probabilities)
    starts, ends, probabilities = starts[known], ends[known], probabilities[known]
    edges = np.unique(np.concatenate([starts, ends]))
    if not len(starts):
        return edges, edges, probabilities
    # Windows ascend, so those over an interval are neighbors: the first that ends
    # after its start, up to the last that starts before its end.
    first = np.searchsorted(ends, edges[:-1], side="right")
    after_last = np.searchsorted(starts, edges[:-1], side="right")
    covered = first < after_last
    stretches = np.column_stack([first, after_last])[covered].ravel()
    # `reduceat` wants every index within the array.
    highest = np.maximum.reduceat(np.append(probabilities, 0), stretches)[::2]
    return joined(edges[:-1][covered], edges[1:][covered], highest)


def joined(
    starts: np.ndarray, ends: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Joins intervals that touch and have the same value.

    Args:
      starts: Of intervals that do not overlap, ascending, [n_intervals]; at least one.
      ends: Their ends, [n_intervals].
      values: Their values, [n_intervals].
    """
    begins = np.append(True, (starts[1:] != ends[:-1]) | (values[1:] != values[:-1]))
    return starts[begins], ends[np.append(begins[1:], True)], values[begins]
