"""`seedbed db`: look after the store."""

from __future__ import annotations

import click

from seedbed_backend.store.store import Store


@click.group(short_help="create, upgrade or check the store")
def db() -> None:
    """Look after the store."""


@db.command()
def upgrade() -> None:
    """Create the store's tables, or bring them up to date."""
    store = _open()
    try:
        before = store.revision()
        store.migrate()
        click.echo(f"{store.url}: revision {store.revision()} (before: {before or 'none'})")
    finally:
        store.close()


@db.command()
def check() -> None:
    """Say whether the store can be reached and is up to date."""
    store = _open()
    try:
        store.check()
        click.echo(f"{store.url}: revision {store.revision()}, up to date")
    finally:
        store.close()


def _open() -> Store:
    from seedbed_backend.settings import Settings

    return Store.open(Settings.from_environment().store_url)
