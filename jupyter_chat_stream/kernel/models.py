"""The models of a chat's server, as a notebook lists them."""

from __future__ import annotations

from ..shared.model_records import ModelList, ModelRecord
from .link import current


class ModelMethods:
    """The methods of a chat that list its server's models."""

    def models(self, *, refresh: bool = False) -> list[ModelRecord]:
        """List the models that the server offers: ``id`` is what ``model=`` takes.

        A provider or an endpoint that cannot be used is listed with its ``error``. As rows of a
        table: ``pandas.DataFrame(chat.models())``.

        Args:
            refresh: whether the server asks every endpoint anew.
        """
        return current().command(_models(refresh))

    async def amodels(self, *, refresh: bool = False) -> list[ModelRecord]:
        """List the models that the server offers. See ``models``."""
        return await current().acommand(_models(refresh))


async def _models(refresh: bool) -> list[ModelRecord]:
    path = "models?refresh=1" if refresh else "models"
    model_list: ModelList = await current().request("GET", path)
    return model_list["models"]
