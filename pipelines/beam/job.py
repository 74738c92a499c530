"""A Beam job: its runner, its options, its counters."""

import difflib
import logging
from collections.abc import Callable, Sequence

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.options import pipeline_options
from apache_beam.runners import runner as runners

from deeprke_tf.errors import UserError
from pipelines.beam.folding import NAMESPACE

logger = logging.getLogger(__name__)

_DIRECT = ("direct", "directrunner")
# Workers on this machine log to the terminal of the command. Beam takes the last value.
_QUIET = ["--default_sdk_harness_log_level=WARNING"]


class BeamJob:
    """Runs pipelines on one runner with one set of options.

    Args:
      runner: Name of a Beam runner, or the full name of its class.
      flags: Pipeline options, as on a command line.

    Raises:
      UserError: There is no such runner, or it has no such option.
    """

    def __init__(self, runner: str, flags: Sequence[str]):
        self._name = runner
        try:
            self._options = _parsed(runner, flags)
            self._runner = _created(runner, self._options)
        except (ValueError, ImportError, AttributeError) as error:
            raise UserError(f"--runner {runner}: {_first_line(error)}") from error
        # Files are opened before there is a pipeline.
        FileSystems.set_options(self._options)

    def run(self, build: Callable[[beam.Pipeline], None]) -> dict[str, int]:
        """Builds a pipeline, waits until it has run, and logs its counters.

        Args:
          build: Adds the steps to an empty pipeline.

        Returns:
          The values of our counters by name.

        Raises:
          UserError: The job failed.
        """
        logger.info("running on %s", self._name)
        pipeline = beam.Pipeline(self._runner, options=self._options)
        build(pipeline)
        try:
            result = pipeline.run()
            state = result.wait_until_finish()
        except Exception as error:  # runners raise errors of any class
            logging.exception("The Beam job failed.")
            raise UserError(
                f"The Beam job failed ({_last_line(error)}); nothing was written, and "
                "folds of workers that have a cache are kept."
            ) from error
        if state not in (None, runners.PipelineState.DONE):
            raise UserError(f"The Beam job ended as {state}; nothing was written.")
        counts = _counted(result)
        for name, n in sorted(counts.items()):
            logger.info("counted %s: %d", name, n)
        return counts


def _parsed(runner: str, flags: Sequence[str]) -> pipeline_options.PipelineOptions:
    """Returns the options; refuses unknown ones, which Beam would ignore.

    A job service may know more options than Beam does here; like all options of Beam,
    they are spelled with underscores.
    """
    options = pipeline_options.PipelineOptions([*_QUIET, *flags])
    known = options.get_all_options()
    takes_value = False
    for flag in flags:
        if not flag.startswith("--"):
            if not takes_value:
                raise UserError(
                    f"No option takes {flag}; several files are given as one pattern, "
                    "in quotation marks."
                )
            takes_value = False
            continue
        name, equals, _value = flag[2:].partition("=")
        takes_value = not equals and not isinstance(known.get(name), bool)
        is_ours = "-" in name or runner.lower() in _DIRECT
        if is_ours and name not in known and f"no_{name}" not in known:
            close = difflib.get_close_matches(name, known, 1)
            advice = f"; Beam has --{close[0]}" if close else ""
            raise UserError(
                f"--{name} is neither an option of this command nor of Beam{advice}."
            )
    return options


def _created(
    runner: str, options: pipeline_options.PipelineOptions
) -> runners.PipelineRunner:
    if runner.lower() not in _DIRECT:
        return runners.create_runner(runner)
    # By this name, Beam itself would first try to download another runner, Prism.
    from apache_beam.portability.api import beam_provision_api_pb2
    from apache_beam.runners.portability.fn_api_runner import fn_runner
    from apache_beam.runners.portability.portable_runner import JobServiceHandle

    encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options())
    provision = beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded)
    return fn_runner.FnApiRunner(
        provision_info=fn_runner.ExtendedProvisionInfo(provision)
    )


def _counted(result) -> dict[str, int]:
    counters = result.metrics().query(
        beam.metrics.MetricsFilter().with_namespace(NAMESPACE)
    )["counters"]
    counts: dict[str, int] = {}
    for counter in counters:
        # Some runners report one of the two only.
        value = counter.committed or counter.attempted or 0
        counts[counter.key.metric.name] = counts.get(counter.key.metric.name, 0) + value
    return counts


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _last_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
