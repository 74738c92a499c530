"""A joint run: one network with an output for each of several RBPs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from deeprke_tf.errors import UserError
from deeprke_tf.runs import batching, ensemble, layout, onnx_scorer
from deeprke_tf.runs.ensemble import Scores
from deeprke_tf.runs.joint_network import JointNetwork, Output, require_rbps
from deeprke_tf.runs.run import Run

if TYPE_CHECKING:
    import keras
    from typing_extensions import Self

AnyRun = TypeVar("AnyRun", bound=Run)
Site = Mapping[str, np.ndarray]


class JointRun(Generic[AnyRun]):
    """The runs of several RBPs that share one network; several joint runs averaged.

    Args:
      directories: The joint runs and ensembles.
      manifest: Contents of the first one's manifest.
      runs: By RBP; their networks are made when they are needed.
      networks: The network of each training.

    Attributes:
      directories: Where they lie.
      manifest: Contents of the first one's manifest.
      names: Names of the RBPs, in order.
    """

    # The class of the runs of single RBPs.
    run_class: type[AnyRun]

    def __init__(
        self,
        directories: Sequence[Path],
        manifest: dict[str, Any],
        runs: Mapping[str, AnyRun],
        networks: Sequence[JointNetwork],
    ):
        self.directories = tuple(directories)
        self.manifest = manifest
        self.names = tuple(runs)
        self._runs = dict(runs)
        self._networks = tuple(networks)

    @classmethod
    def load(cls, *directories: Path) -> "Self":
        """Loads a joint run or ensemble, or several of the same RBPs to average.

        Raises:
          UserError: A directory is no joint run, a file is damaged, or the runs have
            different RBPs or encodings.
        """
        loaded = [cls._load_one(Path(directory)) for directory in directories]
        if len(loaded) == 1:
            return loaded[0]
        first = loaded[0]
        for directory, other in zip(directories[1:], loaded[1:], strict=True):
            if set(other.names) != set(first.names):
                raise UserError(
                    f"{directories[0]} and {directory} are joint runs of different "
                    "RBPs, and cannot be averaged."
                )
        runs = {
            name: cls.run_class.average([joint.run(name) for joint in loaded])
            for name in first.names
        }
        return cls(
            [directory for joint in loaded for directory in joint.directories],
            first.manifest,
            runs,
            [network for joint in loaded for network in joint._networks],
        )

    @classmethod
    def _load_one(cls, directory: Path) -> "Self":
        manifest = layout.read_manifest(directory)
        if "members" in manifest:
            return cls._load_ensemble(directory, manifest)
        network = JointNetwork.load(directory)
        with layout.damage_told(directory):
            runs = {
                row["name"]: cls.run_class.load_output(
                    directory / row["directory"], Output(network, place)
                )
                for place, row in enumerate(manifest["rbps"])
            }
        return cls([directory], manifest, runs, [network])

    @classmethod
    def _load_ensemble(cls, directory: Path, manifest: dict[str, Any]) -> "Self":
        with layout.damage_told(directory):
            members = [
                cls._load_one(directory / facts["directory"])
                for facts in manifest["members"]
            ]
            runs = {
                row["name"]: cls.run_class.load_mean(
                    directory / row["directory"],
                    [member.run(row["name"]) for member in members],
                )
                for row in manifest["rbps"]
            }
        networks = [network for member in members for network in member._networks]
        return cls([directory], manifest, runs, networks)

    def __repr__(self) -> str:
        names = ", ".join(self.names[:3]) + (", ..." if len(self.names) > 3 else "")
        return f"<JointRun {self.name}: {len(self.names)} RBPs ({names})>"

    def __getitem__(self, name: str) -> AnyRun:
        return self.run(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def run(self, name: str) -> AnyRun:
        """Returns the run of one RBP.

        Raises:
          UserError: There is no such RBP.
        """
        self.require(name)
        return self._runs[name]

    def require(self, *names: str) -> None:
        """Refuses names that are not those of its RBPs.

        Raises:
          UserError: There is no such RBP.
        """
        require_rbps(self.name, self.names, names)

    @property
    def name(self) -> str:
        """Names of its directories."""
        return ", ".join(directory.resolve().name for directory in self.directories)

    @property
    def n_trainings(self) -> int:
        """Number of networks that are averaged."""
        return len(self._networks)

    @property
    def models(self) -> list["keras.Model"]:
        """The networks of all trainings; outputs in the order of `names`.

        Raises:
          UserError: A file is damaged, or the joint runs have another order.
        """
        for network in self._networks:
            if network.names != list(self.names):
                raise UserError(
                    f"The joint runs {self.name} have their RBPs in different orders; "
                    "train them with the datasets in one order."
                )
        return [network.model for network in self._networks]

    @property
    def _first(self) -> AnyRun:
        return self._runs[self.names[0]]

    @property
    def encoding(self) -> Any:
        """How the k-mer ids of the network are made."""
        return self._first.encoding

    @property
    def views(self) -> tuple[str, ...]:
        """The features of a site that the network reads."""
        return self._first.views

    @property
    def reads_structure(self) -> bool:
        """Whether sites must be folded to be scored."""
        return self._first.reads_structure

    @property
    def longest_site(self) -> int | None:
        """Length of the longest training site; None: not known."""
        known = [run.longest_site for run in self._runs.values()]
        return max((n for n in known if n is not None), default=None)

    def scorer(
        self,
        batch_size: int,
        names: Sequence[str] = (),
        prior: float | None = None,
        calibrate: bool = True,
        *,
        few: bool = False,
    ) -> Callable[[Sequence[Site]], Scores]:
        """Compiles the networks; one pass gives the probabilities of all RBPs.

        Args:
          batch_size: Sites that a network scores at once.
          names: The RBPs to return; all by default.
          prior: Fraction of bound sites to expect, for calibrated probabilities.
          calibrate: Whether to apply the calibration of each RBP.
          few: Whether so little is to be scored that onnxruntime is faster.

        Returns:
          A function from encoded sites, the k-mer ids of each by view, to scores, each
          float64 [n_sites, n_rbps]; `probability_sd` is NaN for a single training.

        Raises:
          UserError: There is no such RBP.
        """
        names = tuple(names) or self.names
        self.require(*names)
        calibrations = [self.run(n).applied_calibration(calibrate) for n in names]
        scorers = onnx_scorer.all_of(self._networks) if few else []
        onnx_scorer.log(bool(scorers))
        if not scorers:
            scorers = [network.score for network in self._networks]
        # Joint runs that are averaged may have their RBPs in another order.
        outputs = [[net.names.index(n) for n in names] for net in self._networks]

        def scores(sites: Sequence[Site]) -> Scores:
            each = [
                batching.score_sites(
                    network,
                    [{view: site[view] for view in self.views} for site in sites],
                    batch_size,
                    n_rbps=len(self.names),
                )[:, places]
                for network, places in zip(scorers, outputs, strict=True)
            ]
            flat = [probabilities.ravel() for probabilities in each]
            mean, sd = (
                column.reshape(len(sites), len(names))
                for column in ensemble.mean_and_sd(flat)
            )
            calibrated = np.empty_like(mean)
            for place, calibration in enumerate(calibrations):
                calibrated[:, place] = calibration(mean[:, place], prior)
            return Scores(mean, calibrated, sd)

        return scores
