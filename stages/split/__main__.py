"""split: components that share no origin go to train, validation and test; rows near a golden case leave."""

from __future__ import annotations

from collections import Counter
from typing import Any

from stages.shared.answers import AnswerSpec
from stages.shared.edge import run_stage
from stages.shared.embeddings import embed
from stages.shared.errors import UserError
from stages.shared.files import Row, file_hash, read_rows, write_json, write_rows
from stages.shared.paths import metrics_file, out
from stages.shared.report import counted, row_metrics, say
from stages.shared.similarity import near_pairs, near_pairs_between
from stages.split.assign import SPLITS, assign, check_quotas, random_split
from stages.split.certificate import Part, leak_certificate, leaks
from stages.split.components import check_giant, components
from stages.split.params import SplitParams
from stages.split.quarantine import quarantine


def main(task: str) -> None:
    """Write `data/split/<task>/{train,validation,test,quarantine}.jsonl`, metrics and the leak
    certificate."""
    params = SplitParams.load(task)
    spec = AnswerSpec.load(task)
    rows = read_rows(out("dedupe", task), "dedupe")
    golden = read_rows(out("ingest", task, "golden"), "ingest")
    texts, golden_texts = [row["input"] for row in rows], [case["input"] for case in golden]
    vectors = embed([*texts, *golden_texts], params.encoder)
    vectors, golden_vectors = vectors[: len(rows)], vectors[len(rows) :]

    near_golden = near_pairs_between(
        vectors, golden_vectors, texts, golden_texts, params.quarantine.meaning, params.quarantine.text
    )
    stay, quarantined = quarantine(rows, golden, near_golden)
    if not stay:
        raise UserError(
            f"params.yaml: {task}.split.quarantine: every row is near a golden case; raise the thresholds"
        )
    vectors, rows = vectors[stay], [rows[i] for i in stay]
    near = near_pairs(vectors, [row["input"] for row in rows], params.link.meaning, params.link.text)
    members = components(rows, near)
    check_giant(members, rows, near, params.largest_component, task)
    parts = assign(rows, members, params)
    check_quotas(parts, params, task)

    position = {row["id"]: i for i, row in enumerate(rows)}

    def certificate_of(split: dict[str, list[Row]]) -> dict[str, Any]:
        measured = [
            Part(name, part, vectors[[position[r["id"]] for r in part]]) for name, part in split.items()
        ]
        return leak_certificate([*measured, Part("golden", golden, golden_vectors)])

    certificate = certificate_of(parts)
    assert not leaks(certificate), leaks(certificate)
    by_chance = certificate_of(random_split(parts, params.seed))

    for name in SPLITS:
        write_rows(out("split", task, name), [as_chat(row, spec) for row in parts[name]])
    write_rows(out("split", task, "quarantine"), quarantined)
    counts = {name: len(parts[name]) for name in SPLITS}
    metrics = row_metrics(
        len(rows) + len(quarantined),
        len(rows),
        ["near_golden"] * len(quarantined),
        **counts,
        components=len(members),
        largest_component=max(len(component) for component in members),
        labels={name: dict(sorted(Counter(row["label"] for row in parts[name]).items())) for name in SPLITS},
        hard_slices_in_test={s: sum(s in row["slices"] for row in parts["test"]) for s in params.hard_slices},
    )
    write_json(metrics_file(task, "split"), metrics)
    hashes = {name: file_hash(out("split", task, name)) for name in SPLITS}
    write_json(metrics_file(task, "leaks"), {"files_sha256": hashes, "pairs": certificate})
    write_json(metrics_file(task, "leaks_random"), {"pairs": by_chance})
    nearest = {pair: found["nearest_text"]["similarity"] for pair, found in certificate.items()}
    say(
        "split",
        task,
        [
            f"{counted(counts)}; {len(quarantined)} rows near a golden case quarantined",
            f"{len(members)} components, the largest of {metrics['largest_component']} rows; "
            f"no key in two splits (a random split: {sum(f['shared_keys'] for f in by_chance.values())})",
            f"nearest texts: {', '.join(f'{pair} {value:.2f}' for pair, value in nearest.items())}",
        ],
    )


def as_chat(row: Row, spec: AnswerSpec) -> Row:
    """The row with `messages`, as Hugging Face datasets, TRL and OpenAI fine-tuning read it: no prompt in
    it."""
    messages = [
        {"role": "user", "content": row["input"]},
        {"role": "assistant", "content": spec.text(row["answer"])},
    ]
    return {"messages": messages} | row


if __name__ == "__main__":
    run_stage(main, "Split the rows of a task without leaks.")
