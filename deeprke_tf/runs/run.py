"""A finished run, an ensemble of runs, or several of them averaged, as one model."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from deeprke_tf import config
from deeprke_tf.config import RunConfig
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.errors import UserError
from deeprke_tf.evaluation.calibration import Calibration
from deeprke_tf.runs import batching, ensemble, layout, onnx_scorer
from deeprke_tf.runs.ensemble import Scores, mean_and_sd

if TYPE_CHECKING:
    import keras
    from typing_extensions import Self

    from deeprke_tf.evaluation.calling import Calling
    from deeprke_tf.evaluation.thresholds import Target
    from deeprke_tf.networks.saved_weights import SavedNetwork
    from deeprke_tf.runs.batching import Scorer


class NetworkOutput(Protocol):
    """One output of a joint network."""

    def network(self) -> "keras.Model":
        """Returns it as a network of its own."""

    def score(self, inputs: dict[str, Any]) -> np.ndarray:
        """Returns the probabilities of a padded batch, float32 [batch]."""

    @property
    def onnx_scorer(self) -> "Scorer | None":
        """The same in onnxruntime; None: the joint run has no ONNX file."""


class Run:
    """A model, loaded by `Run.load`: a single training, or the mean of several.

    Args:
      threshold: Decision threshold; None: the largest MCC on validation.
      calibration: From probabilities to calibrated ones; None: fitted on validation.
      model: The network; None: the mean of the members' networks, or else the one in
        the directory, loaded when it is needed.
      output: The output of a joint network, in place of `model`.

    Attributes:
      directory: Where it lies; of runs that were given together, the first one's.
      config: All settings; of an ensemble, its first member's settings.
      encoding: How the model's k-mer ids are made.
      manifest: Contents of `manifest.json`; of runs that were given together, the
        first one's.
      members: The trainings that are averaged; none for a single training.
      given: Runs and ensembles that were given together; none for a single directory.
    """

    def __init__(
        self,
        directory: Path,
        config: RunConfig,
        encoding: Encoding,
        manifest: dict[str, Any],
        *,
        threshold: float | None = None,
        calibration: Calibration | None = None,
        model: "keras.Model | None" = None,
        output: "NetworkOutput | None" = None,
        members: Sequence["Self"] = (),
        given: Sequence["Self"] = (),
    ):
        self.directory = directory
        self.config = config
        self.encoding = encoding
        self.manifest = manifest
        self.members = tuple(members)
        self.given = tuple(given)
        self._threshold = threshold
        self._calibration = calibration
        self._model = model
        self._output = output

    @classmethod
    def load(cls, *directories: Path) -> "Self":
        """Loads finished runs and ensembles; nothing in their files can run code.

        Args:
          directories: One, or several to average: the members of an ensemble count as
            one run each. They may differ in all settings but the encoding.

        Raises:
          UserError: There is none, a directory is neither a run nor an ensemble, a file
            is damaged, one is given twice, or they differ in k, an alphabet or a fold
            setting.
        """
        if len(directories) == 1:
            return cls._load_one(Path(directories[0]))
        return cls.average([cls._load_one(Path(path)) for path in directories])

    @classmethod
    def load_output(cls, directory: Path, output: "NetworkOutput") -> "Self":
        """Loads the run of one RBP of a joint run, without its network.

        Args:
          directory: The run.
          output: Its output of the joint network.

        Raises:
          UserError: A file is damaged.
        """
        return cls._load_one(directory, output)

    @classmethod
    def load_mean(cls, directory: Path, members: Sequence["Self"]) -> "Self":
        """Loads an ensemble whose members are loaded already.

        Args:
          directory: The ensemble.
          members: Its members, in the order of its manifest.

        Raises:
          UserError: A file is damaged, or the ensemble was made of other members.
        """
        return cls._load_one(directory, members=members)

    @classmethod
    def average(cls, runs: Sequence["Self"]) -> "Self":
        """Returns the mean of runs and ensembles as one model.

        Raises:
          UserError: As for `load`.
        """
        members = [member for run in runs for member in run.trainings]
        ensemble.require_members(members)
        first = members[0]
        return cls(
            *(first.directory, first.config, first.encoding, first.manifest),
            members=members,
            given=runs,
        )

    @classmethod
    def _load_one(
        cls,
        directory: Path,
        output: "NetworkOutput | None" = None,
        members: Sequence["Self"] | None = None,
    ) -> "Self":
        manifest = layout.read_manifest(directory)
        run_config = config.load(RunConfig, directory / layout.CONFIG)
        with layout.damage_told(directory):
            source = str(directory / layout.MANIFEST)
            encoding = config.from_dict(
                Encoding, manifest["encoding"], f"{source}: encoding"
            )
            threshold = float(manifest["threshold"])
            if not 0 <= threshold <= 1:
                raise ValueError(f"threshold {threshold} is not from 0 to 1.")
            calibration = Calibration.from_json(manifest["calibration"], source)
            if members is None:
                members = cls._load_members(directory, manifest)
            _require_same_members(manifest, members)
            if not members and output is None:
                layout.require_network(directory, manifest, encoding)
            return cls(
                *(directory, run_config, encoding, manifest),
                threshold=threshold,
                calibration=calibration,
                output=output,
                members=members,
            )

    @classmethod
    def _load_members(cls, directory: Path, manifest: dict[str, Any]) -> list["Self"]:
        members = []
        for facts in manifest.get("members", ()):
            if (directory / facts["directory"]).resolve() == directory.resolve():
                raise ValueError(f"{layout.MANIFEST} names it as a member of itself.")
            members.append(cls._load_one(directory / facts["directory"]))
        return members

    @property
    def trainings(self) -> tuple["Self", ...]:
        """The members of an ensemble, or the run itself."""
        return self.members or (self,)

    @property
    def name(self) -> str:
        """The name of its directory; of runs given together, of each of them."""
        runs = self.given or (self,)
        return ", ".join(run.directory.resolve().name for run in runs)

    @property
    def full_name(self) -> str:
        """The name; of one RBP of a joint run that of both, as in "rbp31/QKI"."""
        runs = self.given or (self,)
        return ", ".join(layout.full_name(run.directory) for run in runs)

    @property
    def training_names(self) -> list[str]:
        """The names of the directories of all trainings."""
        return [
            f"{run.full_name}/{training.directory.name}"
            if run.members and not layout.joint_above(training.directory)
            else training.full_name
            for run in self.given or (self,)
            for training in run.trainings
        ]

    @property
    def model_sha256(self) -> str | None:
        """Digest of the network or, for an ensemble, of all networks."""
        if self.given:
            return ensemble.combined_sha256(run.model_sha256 for run in self.members)
        return self.manifest.get("model_sha256")

    @property
    def views(self) -> tuple[str, ...]:
        """The features of a site that the model, or any of its members, reads."""
        return max((run.config.model.views for run in self.trainings), key=len)

    @property
    def reads_structure(self) -> bool:
        """Whether sites must be folded to be scored."""
        return any(run.config.model.structure for run in self.trainings)

    @property
    def longest_site(self) -> int | None:
        """Length of the longest training site of every member; None: not known."""
        known = [run.manifest.get("longest_site") for run in self.trainings]
        return min((n for n in known if isinstance(n, int)), default=None)

    def window_length(self, window: int | None = None) -> int:
        """Returns the length of the windows to score in longer RNAs, in nucleotides.

        Args:
          window: As given; None: the length of the longest training site.

        Raises:
          UserError: It is not known, or shorter than k.
        """
        length = window or self.longest_site
        if length is None:
            raise UserError(
                f"The manifest of {self.directory} does not hold the length of its "
                "training sites; give `window`."
            )
        if length < self.encoding.k:
            raise UserError(
                f"`window` must be at least k, {self.encoding.k} nt here, got {length}."
            )
        return length

    @functools.cached_property
    def model(self) -> "keras.Model":
        """The network; of an ensemble, one that gives the mean probability."""
        if self._output is not None:
            return self._output.network()
        if self._model is not None:
            return self._model
        if self.members:
            from deeprke_tf.networks.mean_network import mean_network

            return mean_network([member.model for member in self.members])
        with layout.damage_told(self.directory):
            return layout.load_network(self.directory, self.manifest, self.config)

    @functools.cached_property
    def saved_network(self) -> "SavedNetwork | None":
        """Where the network of a single training lies; None: it was given as `model`.

        Raises:
          UserError: The file is damaged.
        """
        if self._model is not None:
            return None
        with layout.damage_told(self.directory):
            return layout.saved_network(self.directory, self.manifest)

    # === Threshold and calibration ===

    @functools.cached_property
    def validation(self) -> tuple[np.ndarray, np.ndarray]:
        """Labels, int64, and probabilities, float32, of the validation sites.

        Raises:
          UserError: They cannot be read, or the members were validated on different
            sites; this holds for threshold and calibration of runs given together too.
        """
        if self.given:
            return ensemble.mean_validation(
                [(run.directory, run.manifest) for run in self.members]
            )
        return layout.read_validation(self.directory)

    @property
    def threshold(self) -> float:
        """Probability from which a site is called bound."""
        return self.calling().threshold

    @functools.cached_property
    def calibration(self) -> Calibration:
        """From probabilities to calibrated probabilities."""
        if self._calibration is None:
            from deeprke_tf.evaluation import calibration_fit

            return calibration_fit.fit(*self.validation)
        return self._calibration

    def calling(
        self,
        threshold: float | None = None,
        target: "Target | None" = None,
        prior: float | None = None,
    ) -> "Calling":
        """Chooses the decision threshold.

        Args:
          threshold: Taken as it is, if given.
          target: Target FDR, precision or recall on the validation sites; None: the
            largest MCC.
          prior: Fraction of bound sites to expect; None: that of the validation sites.

        Raises:
          UserError: No threshold reaches the target, or `validation` cannot be had.
        """
        from deeprke_tf.evaluation import calling

        if threshold is not None:
            return calling.Calling(threshold, calling.GIVEN)
        if target is None and prior is None and self._threshold is not None:
            return calling.Calling(self._threshold, calling.OF_MODEL)
        return calling.call_on_validation(*self.validation, target, prior)

    def applied_calibration(self, calibrate: bool) -> Calibration:
        """Returns the calibration; without it, one that only knows the prior."""
        if calibrate:
            return self.calibration
        priors = {run.calibration.prior for run in self.trainings}
        return Calibration("none", priors.pop() if len(priors) == 1 else None)

    # === Scoring ===

    def scorer(
        self,
        batch_size: int,
        prior: float | None = None,
        calibrate: bool = True,
        *,
        few: bool = False,
    ) -> Callable[[Sequence[dict[str, np.ndarray]]], Scores]:
        """Compiles the networks.

        Args:
          batch_size: Sites that a network scores at once.
          prior: Fraction of bound sites to expect, for the calibrated probability.
          calibrate: Whether to apply the calibration; without it, only `prior` makes
            calibrated probabilities differ from probabilities.
          few: Whether so little is to be scored that onnxruntime is faster.

        Returns:
          A function from encoded sites, the k-mer ids of each by view, to scores.
        """
        calibration = self.applied_calibration(calibrate)
        scorers = onnx_scorer.all_of(self.trainings) if few else []
        onnx_scorer.log(bool(scorers))
        if not scorers:
            scorers = [run.network_scorer for run in self.trainings]

        def score(sites: Sequence[dict[str, np.ndarray]]) -> Scores:
            each = []
            for run, network in zip(self.trainings, scorers, strict=True):
                views = run.config.model.views
                read = [{view: site[view] for view in views} for site in sites]
                each.append(batching.score_sites(network, read, batch_size))
            mean, sd = mean_and_sd(each)
            return Scores(mean, calibration(mean, prior), sd)

        return score

    @functools.cached_property
    def network_scorer(self) -> "Scorer":
        """The compiled network of a single training; see `scorer.scorer`."""
        if self._output is not None:
            return self._output.score
        network = self.model
        from deeprke_tf.runs import scorer

        return scorer.scorer(network)

    @functools.cached_property
    def onnx_scorer(self) -> "Scorer | None":
        """The network of a single training in onnxruntime; None: it has no ONNX file.

        Raises:
          UserError: The file is damaged.
        """
        if self._output is not None:
            return self._output.onnx_scorer
        if self._model is not None:
            return None
        with layout.damage_told(self.directory):
            return onnx_scorer.load(self.directory, self.manifest)

    @functools.cached_property
    def log_odds_scorer(self) -> "Scorer":
        """The same without its last step: gives log odds, which never saturate."""
        network = self.model
        from deeprke_tf.runs import scorer

        return scorer.scorer(scorer.log_odds_network(network))


def _require_same_members(manifest: dict[str, Any], members: Sequence[Run]) -> None:
    """Checks that an ensemble was made of these members.

    Raises:
      ValueError: It was made of others.
    """
    for facts, member in zip(manifest.get("members", ()), members, strict=True):
        if member.manifest["model_sha256"] != facts["model_sha256"]:
            raise ValueError(
                f"{facts['directory']} is not the run that the ensemble was made of."
            )
