"""`memory-mcp completion`: what a shell needs to complete our commands."""

import argparse

SHELLS = ("bash", "zsh", "fish")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    parser.description = "Print the completions of commands and options for a shell."
    parser.epilog = (
        "example: memory-mcp completion bash > ~/.memory-mcp.bash    and source it in ~/.bashrc\n"
        "         memory-mcp completion zsh > _memory-mcp            in a folder of $fpath\n"
        "         memory-mcp completion fish > ~/.config/fish/completions/memory-mcp.fish"
    )
    parser.add_argument("shell", choices=SHELLS, help="which shell")


def run(arguments: argparse.Namespace) -> int:
    """Print them."""
    import shtab

    from memory_mcp.cli import whole_parser

    print(shtab.complete(whole_parser(), shell=arguments.shell))
    return 0
