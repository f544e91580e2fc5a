"""The errors of attachments."""

from __future__ import annotations

from .ours import Conflict, ContentTooLarge, InvalidInput, NotFound


class AttachmentNotFound(NotFound):
    code = "attachment_not_found"

    def __init__(self, attachment_id: str) -> None:
        super().__init__(
            f"There is no attachment {attachment_id!r} on this server, or it is not yours. An "
            "attachment that no message holds is deleted after one day: upload it again.",
            attachment_id=attachment_id,
        )


class AttachmentTooLarge(ContentTooLarge):
    code = "attachment_too_large"

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"The attachment has {size} bytes or more; at most {limit} are taken. Send a smaller "
            "file or a part of it, or ask the server's administrator for a larger "
            "ChatStream.max_attachment_bytes.",
            max_bytes=limit,
        )


class AttachmentTypeRefused(InvalidInput):
    """Nobody can read bytes of this type, or the bytes are of another type."""

    code = "attachment_type_refused"
    status = 415


class AttachmentInUse(Conflict):
    code = "attachment_in_use"

    def __init__(self, attachment_id: str) -> None:
        super().__init__(
            f"A message holds the attachment {attachment_id!r}, so it stays as long as that "
            "message. Delete the message's thread to delete both.",
            attachment_id=attachment_id,
        )


class TooMuchUnsent(Conflict):
    """A user has uploaded as many bytes as may wait for a message."""

    code = "too_much_unsent"

    def __init__(self, unsent_bytes: int, limit: int) -> None:
        super().__init__(
            f"{unsent_bytes} bytes of yours are uploaded that no message holds; at most {limit} "
            "may be. Send a message with them, or delete some with DELETE attachments/{id}; after "
            "one day they are deleted.",
            max_bytes=limit,
        )


class UploadLost(Conflict):
    """The bytes of an upload were deleted before its end: it took too long."""

    code = "upload_lost"

    def __init__(self) -> None:
        super().__init__(
            "The upload paused for more than an hour, and its bytes were deleted. Upload again."
        )
