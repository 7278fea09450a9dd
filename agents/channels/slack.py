"""Tell a Slack channel through its incoming webhook."""

from dataclasses import dataclass, field

from pydantic import SecretStr

from agents.channels.outside import Heard
from agents.channels.posting import Post, always
from agents.channels.sender import Answer
from schemas.channels import Slack
from streams.alerting.inputs import Rejected, Retry, Sent
from streams.channels import slack
from streams.channels.message import Message

#: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors
PERMANENT = (
    "invalid_payload",
    "invalid_token",
    "no_service",
    "no_service_id",
    "no_team",
    "no_text",
    "team_disabled",
    "too_many_attachments",
    "action_prohibited",
    "channel_is_archived",
    "channel_not_found",
    "posting_to_general_channel_denied",
    "user_not_found",
)


@dataclass(frozen=True, kw_only=True)
class SlackSender:
    """One webhook."""

    channel: Slack
    url: SecretStr
    post: Post = field(repr=False, compare=False)

    async def send(self, message: Message, attempt: int, deadline_s: float) -> Answer:  # noqa: ARG002 - the protocol's
        """Make one attempt."""
        return await always(self.post.mask, self.channel.name, self._send(message, deadline_s))

    async def _send(self, message: Message, deadline_s: float) -> Answer:
        request = slack.request(message, self.channel, self.url.get_secret_value())
        return await self.post.answer(request, deadline_s, judge)


def judge(post: Post, heard: Heard) -> Answer:
    """Answer what Slack means: success is 200 and the body `ok`, and nothing else is."""
    said = heard.body.decode("utf-8", "replace").strip()
    if heard.status != 200:
        return post.by_status(heard)
    if said == "ok" and heard.whole:
        return Sent(answer="200 ok")
    if said in PERMANENT:
        return Rejected(answer=post.told(heard))
    if not heard.whole:
        return Retry(answer=f"{post.told(heard)} (cut off)", ambiguous=True)
    return Retry(answer=f"{post.told(heard)} (not Slack's ok)")
