"""split: components that share no origin go to train, validation and test; rows near a golden case leave."""

from __future__ import annotations

from collections import Counter
from statistics import mean

from stages.shared.answers import AnswerSpec
from stages.shared.edge import run_stage
from stages.shared.embeddings import embed
from stages.shared.engine import running
from stages.shared.errors import UserError
from stages.shared.files import Row, file_hash, read_lines, read_rows, write_json, write_rows
from stages.shared.ngrams import similar_texts_between
from stages.shared.paths import PARAMS, metrics_file, out, pins_file
from stages.shared.report import counted, row_metrics, say
from stages.shared.similarity import near_pairs, near_pairs_between
from stages.shared.slices import load_slices
from stages.split.assign import SPLITS, assign, check_quotas, random_split
from stages.split.certificate import METHOD, Part, leak_certificate, leaks
from stages.split.hard import with_difficulty
from stages.split.links import check_giant, links_of, without_each
from stages.split.params import SplitParams
from stages.split.pins import check_pins
from stages.split.quarantine import quarantine


def main(task: str) -> None:
    """Write `data/split/<task>/{train,validation,test,quarantine,moves}.jsonl`, metrics and the leak
    certificate."""
    params = SplitParams.load(task)
    spec = AnswerSpec.load(task)
    pins = check_pins(read_lines(pins_file(task)), pins_file(task))
    rows = read_rows(out("dedupe", task), "dedupe")
    golden = read_rows(out("ingest", task, "golden"), "ingest")
    texts, golden_texts = [row["input"] for row in rows], [case["input"] for case in golden]
    apart, link, engine = params.quarantine, params.link, params.engine
    with running(engine, f"{PARAMS}: {task}.split.engine"):
        vectors = embed([*texts, *golden_texts], params.encoder, engine)
        vectors, golden_vectors = vectors[: len(rows)], vectors[len(rows) :]
        near_golden = near_pairs_between(
            vectors, golden_vectors, texts, golden_texts, apart.meaning, apart.text, engine
        )
        alike = similar_texts_between(texts, golden_texts, apart.text_alone)
        near_ids = {(rows[pair.left]["id"], golden[pair.right]["id"]) for pair in near_golden}
        near_ids |= {(rows[left]["id"], golden[right]["id"]) for left, right, _ in alike}
        stay, quarantined = quarantine(rows, golden, near_golden, alike)
        if not stay:
            raise UserError(
                f"params.yaml: {task}.split.quarantine: every row is near a golden case; raise the thresholds"
            )
        vectors, rows, texts = vectors[stay], [rows[i] for i in stay], [texts[i] for i in stay]
        near = near_pairs(vectors, texts, link.meaning, link.text, engine)
    rows = with_difficulty(rows, params, [one.name for one in load_slices(task)], task)
    links = links_of(rows, near)
    check_giant(rows, links, params.largest_component, task)
    placed = assign(rows, links, params, pins)
    parts = placed.parts
    check_quotas(parts, params, task)

    position = {row["id"]: i for i, row in enumerate(rows)}
    near_ids |= {(rows[pair.left]["id"], rows[pair.right]["id"]) for pair in near}

    def certificate_of(split: dict[str, list[Row]]) -> Row:
        measured = [
            Part(name, part, vectors[[position[row["id"]] for row in part]]) for name, part in split.items()
        ]
        return leak_certificate([*measured, Part("golden", golden, golden_vectors)], near_ids)

    certificate = certificate_of(parts)
    assert not leaks(certificate), leaks(certificate)
    by_chance = certificate_of(random_split(parts, params.seed))

    for name in SPLITS:
        write_rows(out("split", task, name), [as_chat(row, spec) for row in parts[name]])
    write_rows(out("split", task, "quarantine"), quarantined)
    write_rows(out("split", task, "moves"), placed.moves)
    counts = {name: len(parts[name]) for name in SPLITS}
    sizes = Counter(row["component"] for part in parts.values() for row in part)
    largest = max(sizes, key=lambda name: (sizes[name], name))
    metrics = row_metrics(
        len(rows) + len(quarantined),
        len(rows),
        ["near_golden"] * len(quarantined),
        **counts,
        components=len(sizes),
        largest_component={
            "name": largest,
            "rows": sizes[largest],
            "rows_without_links_by": without_each(len(rows), links),
        },
        links={kind: len(some) for kind, some in links.items()},
        moved_by_links=len(placed.moves),
        split_reasons=dict(sorted(Counter(row["split_reason"] for p in parts.values() for row in p).items())),
        difficulty={name: round(mean(row["difficulty"] for row in parts[name]), 4) for name in SPLITS},
        labels={name: dict(sorted(Counter(row["label"] for row in parts[name]).items())) for name in SPLITS},
        hard_slices_in_test={s: sum(s in row["hard"] for row in parts["test"]) for s in params.hard_slices},
    )
    write_json(metrics_file(task, "split"), metrics)
    files = {name: out("split", task, name) for name in SPLITS} | {"golden": out("ingest", task, "golden")}
    hashes = {name: file_hash(path) for name, path in files.items()}
    thresholds = {"link": params.link.model_dump(), "quarantine": params.quarantine.model_dump()}
    facts = {"method": METHOD, "encoder": params.encoder, "thresholds": thresholds}
    write_json(metrics_file(task, "leaks"), facts | {"files_sha256": hashes, "pairs": certificate})
    write_json(metrics_file(task, "leaks_random"), facts | {"pairs": by_chance})
    nearest = {pair: found["nearest_text"]["similarity"] for pair, found in certificate.items()}
    chance = [sum(found[kind] for found in by_chance.values()) for kind in ("shared_keys", "near_pairs")]
    say(
        "split",
        task,
        [
            f"{counted(counts)}; {len(quarantined)} rows near a golden case quarantined",
            f"{len(sizes)} components, the largest of {sizes[largest]} rows; "
            f"{len(placed.moves)} rows moved by links",
            f"no key and no near pair in two splits (a random split: {chance[0]} and {chance[1]})",
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
