"""How trainers want their rows: one declaration a format."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from seedbed import registry
from seedbed.errors import UserError
from seedbed.export.chunks import has_passage, passage_of
from seedbed.export.metadata import compact, known, metadata
from seedbed.export.rows import training_row
from seedbed.records import Example
from seedbed.technique import TrainingRow

Row = dict[str, Any]
Build = Callable[[TrainingRow], Row]


@dataclass(frozen=True, slots=True)
class Format:
    """How a consumer wants one row.

    `needs` says in words what `fits` tests: what an example must give. `build` makes the row, `chat`
    the same in messages where the consumer reads both. A format that takes more than the training
    row has `of_example`, and is written without the metadata that the others have beside the row.
    `suffix` is that of its files. `key` names the column of which equal values are written once.
    """

    name: str
    help: str
    needs: str
    fits: Callable[[Example, TrainingRow], bool]
    build: Build | None = None
    chat: Build | None = None
    of_example: Callable[[Example, TrainingRow], Row] | None = None
    suffix: str = ".jsonl"
    key: str = ""


def _is_any(_example: Example, _row: TrainingRow) -> bool:
    return True


def _is_pair(_example: Example, row: TrainingRow) -> bool:
    return row.rejected is not None


def _is_answer(_example: Example, row: TrainingRow) -> bool:
    return row.rejected is None


def _is_prompted(_example: Example, row: TrainingRow) -> bool:
    return row.rejected is None and bool(row.prompt)


def _is_record(_example: Example, row: TrainingRow) -> bool:
    return row.record is not None


def _is_of_document(example: Example, _row: TrainingRow) -> bool:
    return has_passage(example)


def _user(text: str) -> list[Row]:
    return [{"role": "user", "content": text}] if text else []


def _assistant(text: str | None) -> list[Row]:
    return [{"role": "assistant", "content": text}]


def _prompt_completion(row: TrainingRow) -> Row:
    return {"prompt": row.prompt, "completion": row.completion}


def _chat_prompt_completion(row: TrainingRow) -> Row:
    return {"prompt": _user(row.prompt), "completion": _assistant(row.completion)}


def _preference(row: TrainingRow) -> Row:
    return {"prompt": row.prompt, "chosen": row.completion, "rejected": row.rejected}


def _chat_preference(row: TrainingRow) -> Row:
    return {
        "prompt": _user(row.prompt),
        "chosen": _assistant(row.completion),
        "rejected": _assistant(row.rejected),
    }


def _text(row: TrainingRow) -> Row:
    return {"text": "\n\n".join(part for part in (row.prompt, row.completion) if part)}


def _messages(row: TrainingRow) -> Row:
    return {"messages": [*_user(row.prompt), *_assistant(row.completion)]}


def _said(speaker: str, text: str | None) -> Row:
    return {"from": speaker, "value": text}


def _sharegpt(row: TrainingRow) -> Row:
    return {"conversations": [_said("human", row.prompt), _said("gpt", row.completion)]}


def _alpaca(row: TrainingRow) -> Row:
    return {"instruction": row.prompt, "input": "", "output": row.completion}


def _llama_factory(row: TrainingRow) -> Row:
    if row.rejected is not None:
        replies = {"chosen": row.completion, "rejected": row.rejected}
        return {"instruction": row.prompt, "input": "", **replies}
    return _alpaca(row) if row.prompt else _text(row)


def _llama_factory_chat(row: TrainingRow) -> Row:
    if row.rejected is not None:
        replies = {"chosen": _said("gpt", row.completion), "rejected": _said("gpt", row.rejected)}
        return {"conversations": [_said("human", row.prompt)], **replies}
    return _sharegpt(row) if row.prompt else _text(row)


def _record(row: TrainingRow) -> Row:
    return {"record": dict(row.record or {})}


def _columns(example: Example, row: TrainingRow) -> Row:
    is_pair = row.rejected is not None
    return {
        "prompt": row.prompt,
        "completion": None if is_pair else row.completion,
        "chosen": row.completion if is_pair else None,
        "rejected": row.rejected,
        "source": compact(dict(example.source)),
        "output": compact(dict(example.output)),
        "record": None if row.record is None else json.dumps(row.record, ensure_ascii=False),
        **known(example),
    }


def _passage(example: Example, _row: TrainingRow) -> Row:
    return passage_of(example)


FORMATS: Mapping[str, Format] = {
    format_.name: format_
    for format_ in (
        Format(
            "trl-prompt-completion",
            "prompt, completion: TRL's SFTTrainer, which then learns from the completion alone.",
            "a prompt with one answer",
            _is_prompted,
            _prompt_completion,
            _chat_prompt_completion,
        ),
        Format(
            "trl-preference",
            "prompt, chosen, rejected: TRL's DPOTrainer and its kin.",
            "a preference pair",
            _is_pair,
            _preference,
            _chat_preference,
        ),
        Format(
            "trl-language-modeling",
            "text: the prompt, an empty line, the answer; with --chat messages. TRL's SFTTrainer.",
            "one answer",
            _is_answer,
            _text,
            _messages,
        ),
        Format(
            "openai-messages",
            "messages of user and assistant: chat fine-tuning.",
            "one answer",
            _is_answer,
            _messages,
            _messages,
        ),
        Format(
            "sharegpt",
            "conversations of human and gpt.",
            "a prompt with one answer",
            _is_prompted,
            _sharegpt,
            _sharegpt,
        ),
        Format(
            "alpaca",
            "instruction, input (empty), output.",
            "a prompt with one answer",
            _is_prompted,
            _alpaca,
        ),
        Format(
            "llama-factory",
            "Alpaca rows, pairs or texts, with --chat ShareGPT, and the dataset_info.json for them.",
            "one answer or a preference pair",
            _is_any,
            _llama_factory,
            _llama_factory_chat,
        ),
        Format(
            "records",
            "record: the typed fields as a JSON object, for tables and your own templates.",
            "a record with typed columns",
            _is_record,
            _record,
        ),
        Format(
            "rag-chunks",
            "text, document, page, page_end, char_start, char_end, source_id: the passages.",
            "a passage of a document",
            _is_of_document,
            of_example=_passage,
            key="source_id",
        ),
        Format(
            "parquet",
            "all of it in columns: the row, its source and output, and the metadata.",
            "an example",
            _is_any,
            of_example=_columns,
            suffix=".parquet",
        ),
    )
}
"""Every format by name."""


class RowBuilder:
    """Makes the rows of one data set in one format, all with the same keys.

    Raises NotFoundError for an unknown format, and UserError for a format without messages where
    `chat` asks for them.
    """

    def __init__(self, format_name: str, *, chat: bool = False) -> None:
        self.format: Format = registry.choose(FORMATS, format_name, "format")
        self.keys: tuple[str, ...] = ()
        self._written: set[str] = set()
        self._build = self.format.chat if chat else self.format.build
        if chat and self._build is None:
            with_chat = ", ".join(f.name for f in FORMATS.values() if f.chat)
            raise UserError(
                f"The format {format_name} has no messages.", hint=f"These have: {with_chat}."
            )

    def rows(self, examples: Iterable[Example]) -> Iterator[Row]:
        """Stream the rows, in the order of the examples.

        Raises UserError at the first example that does not fit the format, naming the formats that
        do, or that gives a row of other keys than those before.
        """
        for example in examples:
            row = self._row(example)
            self._check_alike(example, row)
            if self._is_new(row):
                yield row

    def _row(self, example: Example) -> Row:
        trained = training_row(example)
        if not self.format.fits(example, trained):
            raise _unfit(self.format, example, trained)
        if self.format.of_example is not None:
            return self.format.of_example(example, trained)
        assert self._build is not None  # noqa: S101 - a format has one or the other
        return {**self._build(trained), "metadata": metadata(example)}

    def _check_alike(self, example: Example, row: Row) -> None:
        keys = (*row, *row.get("record", ())) if self.format.name == "records" else tuple(row)
        self.keys = self.keys or keys
        if keys != self.keys:
            raise UserError(
                f"The example {example.id} of technique {example.technique} gives a row of "
                f"{_listed(keys)}, where those before have {_listed(self.keys)}.",
                hint="A data set has one kind of row: export them apart.",
            )

    def _is_new(self, row: Row) -> bool:
        if not self.format.key:
            return True
        n = len(self._written)
        self._written.add(row[self.format.key])
        return len(self._written) > n


def rows(
    examples: Iterable[Example], format_name: str, *, chat: bool = False
) -> Iterator[dict[str, Any]]:
    """Stream the rows of a format. Raises like `RowBuilder`, for a wrong name at once."""
    return RowBuilder(format_name, chat=chat).rows(examples)


def _unfit(format_: Format, example: Example, row: TrainingRow) -> UserError:
    fitting = ", ".join(f.name for f in FORMATS.values() if f.fits(example, row))
    return UserError(
        f"The format {format_.name} needs {format_.needs}, which the example {example.id} of "
        f"technique {example.technique} is not.",
        hint=f"Use one of: {fitting}.",
    )


def _listed(keys: Iterable[str]) -> str:
    return ", ".join(key for key in keys if key != "metadata")
