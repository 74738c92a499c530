"""The command line, and what all commands have in common."""

import dataclasses
import errno
import importlib
import io
import os
import shutil
import subprocess
import sys

import pytest

import deeprke_tf
from deeprke_tf import __version__, cli
from deeprke_tf.errors import UserError
from deeprke_tf.system import tables


@dataclasses.dataclass(frozen=True)
class Flags:
    """Counts sites."""

    n_sites: int = 1
    """Sites to count,
    1/2 of them at a time."""


def run_with(action, *arguments, **options):
    return cli.run("count", Flags, action, arguments, **options)


def fail(flags):
    raise UserError(f"{flags.n_sites} sites are too many; give fewer.")


def fill_the_disk(_flags):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "runs/QKI/model.keras")


# === deeprke ===


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_the_overview_lists_every_command(arguments, capsys):
    assert cli.main(arguments) == 0
    overview = capsys.readouterr().out
    for name, (_module, summary) in cli.COMMANDS.items():
        assert f"  {name} " in overview and summary in overview


def test_a_full_standard_output_is_an_error_of_one_line(monkeypatch, capsys):
    class Full(io.StringIO):
        def write(self, text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(sys, "stdout", Full())
    assert cli.main(["--help"]) == 1
    monkeypatch.undo()
    said = "deeprke: error: No space left on device: standard output\n"
    assert capsys.readouterr().err == said


def test_messages_do_not_go_to_standard_output_where_standard_error_is_closed(
    monkeypatch, capsys
):
    monkeypatch.setattr(sys, "stderr", None)
    assert run_with(fail, "--n-sites", "7") == 1
    assert not capsys.readouterr().out


def test_help_does_not_fail_where_standard_output_is_closed(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(SystemExit) as ended:
        run_with(print, "--help")
    assert ended.value.code == 0


def test_the_version_is_printed(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"deeprke_tf {__version__}\n"


@pytest.mark.parametrize(
    ("command", "advice"),
    [
        ("trian", "did you mean 'train'?"),
        ("TRAIN", "did you mean 'train'?"),
        ("preproces", "did you mean 'preprocess'?"),
        ("--verbose", "deeprke --help lists them."),
        ("", "deeprke --help lists them."),
    ],
)
def test_an_unknown_command_is_refused_with_the_likely_one(command, advice, capsys):
    assert cli.main([command]) == 2
    said = capsys.readouterr()
    assert not said.out
    assert said.err == f"deeprke: error: no command {command!r}; {advice}\n"


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_bash_completes_commands_and_flags(tmp_path, capsys):
    assert cli.main(["completion", "bash"]) == 0
    script = tmp_path / "completion.sh"
    script.write_text(capsys.readouterr().out)

    def completed(*words):
        lines = [
            f"source {script}",
            f"COMP_WORDS=({' '.join(words)})",
            f"COMP_CWORD={len(words) - 1}",
            "COMPREPLY=()",
            "$(complete -p deeprke | sed 's/.*-F \\([^ ]*\\).*/\\1/')",
            'printf "%s\\n" "${COMPREPLY[@]}"',
        ]
        ended = subprocess.run(
            ["bash", "-c", "\n".join(lines)], capture_output=True, text=True
        )
        return ended.stdout.split()

    assert set(completed("deeprke", "pre")) == {"predict", "preprocess"}
    assert "--max-length" in completed("deeprke", "predict", "--max")


def test_a_command_gets_its_arguments(capsys, tmp_path):
    out = tmp_path / "sites.fa"
    assert cli.main(["simulate", "--out", str(out), "--n-sites", "4"]) == 0
    assert out.read_text().count(">") == 4


def test_arguments_come_from_the_shell(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["deeprke", "preprocess", "--out", "x"])
    assert cli.main() == 1
    assert "deeprke preprocess: error: No input" in capsys.readouterr().err


def test_the_module_runs_as_the_command_does():
    command = [sys.executable, "-m", "deeprke_tf", "nothing"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 2
    assert "no command 'nothing'" in ended.stderr


@pytest.mark.parametrize("given", [None, "0"])
def test_onednn_is_on_unless_the_user_turned_it_off(given, monkeypatch):
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    if given:
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", given)
    importlib.reload(deeprke_tf)
    assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == (given or "1")


# === Every command ===

# What a command asks for before its flags.
POSITIONAL = {"benchmark": ["rbp31"], "completion": ["bash"]}


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr()
    assert f"deeprke {command}" in said.out and not said.err


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_refuses_an_unknown_flag(command, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([command, *POSITIONAL.get(command, []), "--no-such-flag"])
    assert ended.value.code == 2
    assert "no-such-flag" in capsys.readouterr().err


def test_every_command_has_a_main():
    for module, _summary in cli.COMMANDS.values():
        assert callable(importlib.import_module(module).main)


def test_commands_load_nothing_heavy_before_their_flags_are_parsed():
    program = f"""
import importlib, sys
for module, _summary in {list(cli.COMMANDS.values())}:
    importlib.import_module(module)
heavy = ("tensorflow", "keras", "keras_tuner", "pandas", "matplotlib", "gensim")
heavy += ("sklearn",)
print(*(name for name in heavy if name in sys.modules))
"""
    command = [sys.executable, "-c", program]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert loaded.split() == []


# === Running a command ===


def test_flags_reach_the_action():
    seen = []
    assert run_with(seen.append, "--n-sites", "7") == 0
    assert run_with(seen.append) == 0
    assert seen == [Flags(7), Flags(1)]


def test_help_has_none_of_the_line_breaks_of_docstrings(capsys):
    with pytest.raises(SystemExit):
        run_with(print, "--help")
    assert "Sites to count, 1/2 of them at a time. " in capsys.readouterr().out


def test_defaults_may_depend_on_the_arguments():
    seen = []
    assert run_with(seen.append, default=lambda arguments: Flags(9)) == 0
    assert seen == [Flags(9)]


def test_a_user_error_is_one_line(capsys):
    assert run_with(fail, "--n-sites", "7") == 1
    said = capsys.readouterr()
    assert said.err == ("deeprke count: error: 7 sites are too many; give fewer.\n")
    assert not said.out


def test_control_characters_in_an_error_are_escaped(capsys):
    def fail(flags):
        raise UserError("Cannot read a\x1b[31mb.")

    assert run_with(fail) == 1
    assert capsys.readouterr().err.endswith("error: Cannot read a\\x1b[31mb.\n")


def test_verbose_shows_where_a_user_error_comes_from(capsys):
    assert run_with(fail, "--n-sites", "7", "--verbose") == 1
    said = capsys.readouterr().err
    assert said.startswith("Traceback") and "in fail" in said
    assert said.endswith("deeprke count: error: 7 sites are too many; give fewer.\n")


def test_a_user_error_of_the_defaults_is_one_line(capsys):
    assert run_with(print, default=lambda arguments: fail(Flags(3))) == 1
    assert capsys.readouterr().err == (
        "deeprke count: error: 3 sites are too many; give fewer.\n"
    )


def test_a_defect_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_with(lambda flags: 1 / 0)


def test_an_interrupt_ends_with_130(capsys):
    def interrupt(flags):
        raise KeyboardInterrupt

    assert run_with(interrupt) == 130
    assert capsys.readouterr().err == "deeprke count: interrupted.\n"


@pytest.mark.parametrize(
    "arguments", [["--n-sites"], ["--n-sites", "many"], ["--sites", "3"], ["7"]]
)
def test_flags_that_do_not_parse_end_with_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        run_with(print, *arguments)
    assert ended.value.code == 2


def test_a_full_disk_is_reported_in_one_line(capsys):
    assert run_with(fill_the_disk) == 1
    said = "error: No space left on device: runs/QKI/model.keras"
    assert capsys.readouterr().err == f"deeprke count: {said}\n"


def test_a_closed_output_pipe_is_no_defect():
    program = """
import sys
from tests.test_cli import run_with

def write_much(flags):
    for number in range(100_000):
        print(number)

sys.exit(run_with(write_much))
"""
    writer = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    writer.stdout.readline()
    writer.stdout.close()
    said = writer.stderr.read()
    assert (writer.wait(timeout=120), said) == (141, b"")
    writer.stderr.close()


# === Tables ===


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([["a", "b"]], "a  b"),
        ([["AUROC", "0.87"], ["n", "3"]], "AUROC  0.87\nn      3"),
        ([["n", ""], ["", "3"]], "n\n   3"),
    ],
)
def test_a_table_is_aligned_without_white_space_at_line_ends(rows, text):
    assert tables.text_table(rows) == text
