"""A group of commands that suggests one where the name given is unknown."""

from __future__ import annotations

import click

from seqtrain.errors import did_you_mean


class Group(click.Group):
    """Click's group, with a suggestion for a misspelled command, as click itself has for a misspelled option."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments begin with."""
        name = args[0]
        if self.get_command(ctx, name) is None and not ctx.resilient_parsing:
            raise click.UsageError(f"No such command {name!r}.{self.hint(ctx, name)}", ctx)
        return super().resolve_command(ctx, args)

    def hint(self, ctx: click.Context, name: str) -> str:
        """Say what may have been meant, in a sentence after a blank; nothing where there is no telling."""
        return did_you_mean(name, self.list_commands(ctx))
