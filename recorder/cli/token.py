"""``ald-recorder token``: who may use the api, and under which name."""

from typing import Annotated

import typer

from recorder.api.tokens import Role, Tokens, plain
from recorder.cli.app import ConfigOption, JsonOption, app, read_config
from recorder.cli.output import local_time, print_json, print_table

token_app = typer.Typer(no_args_is_help=True, help="Who may use the api: create, list and revoke tokens.")
app.add_typer(token_app, name="token")


@token_app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose it is: the change log and notes say this name.")],
    role: Annotated[Role, typer.Option(help="reader sees everything; operator also changes.")] = Role.OPERATOR,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Make a token and print it; it is shown this once, and only its hash is kept."""
    tokens = Tokens(read_config(config).token_file)
    secret = tokens.create(name, role)
    if json:
        print_json({"name": name, "role": role, "token": secret, "file": str(tokens.path)})
    else:
        print(secret)


@token_app.command("list")
def list_(config: ConfigOption = None, json: JsonOption = False) -> None:
    """List the tokens by name; none of them can be shown again."""
    tokens = Tokens(read_config(config).token_file).all()
    if json:
        print_json([plain(token) for token in tokens])
    else:
        print_table(
            ("name", "role", "created"), [(token.name, token.role, local_time(token.created_at)) for token in tokens]
        )


@token_app.command()
def revoke(
    name: Annotated[str, typer.Argument(help="The token's name.")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Let a token be good for nothing from now on; a running api refuses it at once."""
    Tokens(read_config(config).token_file).revoke(name)
    if json:
        print_json({"revoked": name})
    else:
        print(f"token {name} is revoked")
