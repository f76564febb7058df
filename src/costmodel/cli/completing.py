"""The command `costmodel completion`: scripts with which a shell completes commands, options and names.

A script is printed once and holds all words, so that completing starts no process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAMED = {"--gpu": "gpus", "--provider": "providers", "--region": "regions", "--purchase-model": "purchase models"}
"""Options whose values are names of the library."""
_FIRST = {"estimate": "models", "finetune": "models", "serve": "models", "layouts": "models", "models": "models"} | {
    "gpus": "gpus", "own": "gpus", "providers": "providers", "fit": "", "runs": "",
}  # fmt: skip
"""Names that can be the first argument of a command."""
_BASH = """_costmodel() {
  local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" words=""
  case "$previous" in
%(values)s
    *)
      if [ "$COMP_CWORD" -eq 1 ]; then
        words="%(commands)s"
      else
        case "${COMP_WORDS[1]}" in
%(options)s
        esac
      fi ;;
  esac
  COMPREPLY=( $(compgen -W "$words" -- "$current") )
}
complete -o default -F _costmodel costmodel"""
_ZSH = "autoload -U +X compinit bashcompinit && compinit -i && bashcompinit"


def completion(
    context: typer.Context, shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(help="Shell.")]
) -> None:
    """Print the script with which a shell completes commands, options and names.

    Load it in the start-up file of the shell, such as ~/.bashrc or ~/.zshrc; print it again after an update.
    """
    commands = dict(_commands(context.find_root().command))
    print("\n".join(_fish(commands)) if shell == "fish" else _bash(commands, shell))


def _commands(root: Any) -> Iterator[tuple[str, list[tuple[list[str], str]]]]:
    """Yield each command with its options, as names and help; those of a group together."""
    for name, command in root.commands.items():
        inner = getattr(command, "commands", {})
        params = [param for each in (command, *inner.values()) for param in each.params]
        options = [(list(param.opts), param.help or "") for param in params if param.param_type_name == "option"]
        yield name, [([word], "") for word in inner] + _once([*options, (["--help"], "Show this message and exit.")])


def _once(options: list[tuple[list[str], str]]) -> list[tuple[list[str], str]]:
    return list({names[0]: (names, text) for names, text in options}.values())


def _names() -> dict[str, list[str]]:
    """Return the names of the library by kind."""
    from costmodel.architecture.loading import architectures
    from costmodel.hardware.accelerator import accelerators
    from costmodel.hardware.site import regions
    from costmodel.market.gpu_prices import PURCHASE_MODELS, providers

    return {
        "models": [row["name"] for row in architectures()],
        "gpus": [row["name"] for row in accelerators()],
        "providers": ["market", *(name for name in providers() if ":" not in name)],
        "regions": [row["region"] for row in regions() if ":" not in row["region"]],
        "purchase models": list(PURCHASE_MODELS),
        "": [],
    }


def _bash(commands: dict[str, list[tuple[list[str], str]]], shell: str) -> str:
    names = _names()
    values = [f'    {option}) words="{" ".join(names[kind])}" ;;' for option, kind in _NAMED.items()]
    options = []
    for command, listed in commands.items():
        words = [*(name for each, _ in listed for name in each), *names[_FIRST.get(command, "")]]
        options.append(f'          {command}) words="{" ".join(words)}" ;;')
    parts = {"values": "\n".join(values), "commands": " ".join(commands), "options": "\n".join(options)}
    return (f"{_ZSH}\n" if shell == "zsh" else "") + _BASH % parts


def _fish(commands: dict[str, list[tuple[list[str], str]]]) -> Iterator[str]:
    names = _names()
    yield f'complete -c costmodel -n __fish_use_subcommand -f -a "{" ".join(commands)}"'
    for command, listed in commands.items():
        start = f'complete -c costmodel -n "__fish_seen_subcommand_from {command}"'
        if words := names[_FIRST.get(command, "")]:
            yield f'{start} -a "{" ".join(words)}"'
        for option, text in listed:
            if not option[0].startswith("-"):
                yield f'{start} -f -a "{option[0]}"'
                continue
            switches = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option)
            value = f' -x -a "{" ".join(names[_NAMED[option[0]]])}"' if option[0] in _NAMED else ""
            description = text.partition(". ")[0].replace("'", "\\'")
            yield f"{start} {switches}{value} -d '{description}'"
