"""The tables of tools: calls that are made, tools that executors offer, and standing consents."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Text, text
from sqlmodel import Field, SQLModel


def _ms(nullable: bool = False) -> Column[int]:
    return Column(BigInteger, nullable=nullable)


class ToolCallRow(SQLModel, table=True):
    """A tool call of an open run, from the review of its round on; its part tells the rest.

    ``state`` is asked, open, claimed or ended. ``claim`` names the executor's right to make the
    call, until ``lease_ms``; a call in place has the attempt as its claim and no lease.
    ``wake_ms`` is the time for which a call in place sleeps. The end of the run deletes its rows.
    """

    __tablename__ = "tool_call"
    __table_args__ = (
        Index(  # a sweep looks for leases that are over
            "tool_call_claimed",
            "lease_ms",
            sqlite_where=text("state = 'claimed'"),
            postgresql_where=text("state = 'claimed'"),
        ),
    )

    run: int = Field(primary_key=True, foreign_key="run.pk", ondelete="CASCADE")
    tool_call_id: str = Field(primary_key=True)
    state: str
    idempotent: bool = False
    expires_ms: int = Field(sa_column=_ms())
    claim: str | None = None
    executor: str | None = None
    lease_ms: int | None = Field(default=None, sa_column=_ms(True))
    wake_ms: int | None = Field(default=None, sa_column=_ms(True))
    next_output: int = 0  # the number of the next piece of output
    output_bytes: int = 0


class ToolOfferRow(SQLModel, table=True):
    """A tool that an executor offers in a thread, until ``until_ms`` unless it is renewed.

    ``socket`` is the id of the connection over which it came.
    """

    __tablename__ = "tool_offer"
    __table_args__ = (Index("tool_offer_by_socket", "socket"),)

    thread: int = Field(primary_key=True, foreign_key="thread.pk", ondelete="CASCADE")
    executor: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    label: str
    socket: str
    definition: str = Field(sa_column=Column(Text, nullable=False))
    until_ms: int = Field(sa_column=_ms())


class ConsentRow(SQLModel, table=True):
    """A standing consent of a person to a tool, as it was defined then (``digest``).

    ``operation`` is empty for a tool without operations; ``thread`` is NULL for all threads.
    """

    __tablename__ = "consent"
    __table_args__ = (
        Index("consent_by_tool", "owner", "tool"),
        Index("consent_by_thread", "thread"),
    )

    pk: int | None = Field(
        default=None,
        # SQLite numbers rows by itself only if the type is exactly INTEGER.
        sa_column=Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    )
    id: str = Field(unique=True)
    owner: str
    tool: str
    operation: str = ""
    digest: str
    thread: int | None = Field(default=None, foreign_key="thread.pk", ondelete="CASCADE")
    at_ms: int = Field(sa_column=_ms())
