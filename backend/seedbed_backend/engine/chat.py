"""Messages → the text that a model was trained to answer: its own chat template, and its thoughts.

Families that think before they answer mark the thought with a pair of tags. What is between them is
never part of the answer.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from jinja2 import TemplateError
from llama_cpp.llama_chat_format import Jinja2ChatFormatter

from seedbed.records import Message
from seedbed_backend.engine.llama_model import LlamaModel

logger = logging.getLogger(__name__)

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Used for a model that carries no chat template of its own."""

TODAY = datetime(2025, 1, 1, tzinfo=timezone.utc)
"""The date told to templates that ask for it: the same prompt must be the same tomorrow."""


@dataclass(frozen=True, slots=True)
class ThoughtTags:
    """What opens and closes a thought in a family's texts."""

    opening: str
    closing: str


FAMILIES = (
    ThoughtTags("<think>", "</think>"),  # Qwen3, DeepSeek-R1, QwQ, SmolLM3, GLM-4.5
    ThoughtTags("[THINK]", "[/THINK]"),  # Magistral
    ThoughtTags("<seed:think>", "</seed:think>"),  # Seed-OSS
    ThoughtTags(  # gpt-oss
        "<|channel|>analysis<|message|>",
        "<|end|><|start|>assistant<|channel|>final<|message|>",
    ),
)


class ChatTemplate:
    """The chat template of one model. Raises ModelError when the template itself is broken."""

    def __init__(self, model: LlamaModel) -> None:
        self._model = model
        template = model.chat_template
        if not template:
            logger.warning("%s has no chat template: ChatML is used", model.path.name)
        try:
            self._formatter = Jinja2ChatFormatter(
                template=template or CHATML, bos_token=model.bos_text, eos_token=model.eos_text
            )
        except TemplateError as exc:
            raise model.refused(f"its chat template is broken ({exc})") from exc
        self._formatter.strftime_now = TODAY.strftime
        self.thought_tags = next((tags for tags in FAMILIES if _knows(template, tags)), None)
        """How this model marks its thoughts; None for a model that answers at once."""
        self._has_system = self._accepts_system()

    def render(self, messages: Sequence[Message], *, is_thinking: bool = False) -> str:
        """Return the prompt's text, up to where the model goes on.

        With `is_thinking`, a model that can think goes on inside an opened thought; otherwise its
        thought is closed before it began. Control tokens in a message are broken up, so that a
        source cannot end its own turn. Raises ModelError when the template refuses the messages.
        """
        try:
            text = self._format(messages if self._has_system else _folded(messages), is_thinking)
        except (TemplateError, ValueError, TypeError) as exc:
            raise self._model.refused(
                f"its chat template refuses this prompt ({exc})",
                hint="Use another model, or another prompt.",
            ) from exc
        tags = self.thought_tags
        if tags is None:
            return text
        tail = text.rstrip()
        is_open = tail.endswith(tags.opening)
        if is_thinking:
            return text if is_open else f"{text}{tags.opening}\n"
        if tail.endswith(tags.closing):
            return text
        return f"{tail if is_open else text + tags.opening}\n\n{tags.closing}\n\n"

    def _format(self, messages: Sequence[Message], is_thinking: bool) -> str:
        turns = [{"role": m.role, "content": self._defused(m.content)} for m in messages]
        return str(self._formatter(messages=turns, enable_thinking=is_thinking).prompt)

    def _accepts_system(self) -> bool:
        marker = "a system message"
        try:
            return marker in self._format((Message("system", marker), Message("user", "x")), False)
        except (TemplateError, ValueError, TypeError):
            return False

    def _defused(self, text: str) -> str:
        for control in self._model.control_texts:
            if control in text:
                text = text.replace(control, f"{control[0]} {control[1:]}")
        return text


def _knows(template: str, tags: ThoughtTags) -> bool:
    # A template may name only the end of a thought, to leave thoughts out of earlier turns.
    return tags.opening in template or tags.closing in template


def _folded(messages: Sequence[Message]) -> list[Message]:
    """Put the system message at the head of the user's, for templates that know no system role."""
    system = "\n\n".join(m.content for m in messages if m.role == "system")
    first, *rest = [m for m in messages if m.role != "system"]
    content = f"{system}\n\n{first.content}" if system else first.content
    return [Message(first.role, content), *rest]
