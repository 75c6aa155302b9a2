"""Skill lists are read with their faults told; spans are linked to the right skill, to several, or to none."""

import json

import numpy as np
import pandas
import pytest

pytest.importorskip("sklearn")

from tiny import words_encoder as encode

from benchmarks.skill_linking import MEASURES, Queries, measure_lines, report, reported
from occ_autocoder.emerging import skill_linking
from occ_autocoder.emerging.skill_linking import Skill, SkillLinker, SkillsError, read_skills, weighted

SKILLS = [
    Skill("s1", "shear sheep", ("clip fleeces",), "Cut the wool off live animals."),
    Skill("s2", "tune pianos", ("adjust piano strings", "voice hammers"), "Set the pitch of each string."),
    Skill("s3", "C++", (), "A language in which programs are written."),
    Skill("s4", "glaze pots", (), "Coat clay before it is fired."),
]


@pytest.fixture(scope="module")
def linker() -> SkillLinker:
    return SkillLinker(SKILLS, encode)


def written(path, rows):
    pandas.DataFrame(rows).to_csv(path, index=False)
    return path


def test_escos_columns_are_known_in_both_spellings(tmp_path):
    ours = {
        "skill_id": "a",
        "preferred_label": "mow  grass",
        "alt_labels": "cut lawns\nmow grass\n",
        "description": "x",
    }
    theirs = dict(zip(("conceptUri", "preferredLabel", "altLabels", "description"), ours.values(), strict=True))
    for number, row in enumerate((ours, theirs)):
        skills = read_skills(written(tmp_path / f"{number}.csv", [row]))
        assert skills == [Skill("a", "mow grass", ("cut lawns",), "x")]


def test_a_list_of_ones_own_needs_an_id_and_a_label(tmp_path):
    path = tmp_path / "own.jsonl"
    rows = [{"id": 7, "label": "weld"}, {"id": "8", "label": "rivet 🔩", "alternatives": ["bolt", "bolt"]}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read_skills(path) == [Skill("7", "weld"), Skill("8", "rivet 🔩", ("bolt",))]
    pandas.DataFrame([{"id": "1", "label": "saw", "alternatives": "cut|hew |"}]).to_parquet(tmp_path / "own.parquet")
    assert read_skills(tmp_path / "own.parquet") == [Skill("1", "saw", ("cut", "hew"))]


def test_a_tool_of_onet_is_one_skill_with_its_kinds(tmp_path):
    columns = ("O*NET-SOC Code", "Example", "Commodity Code", "Commodity Title")
    rows = [("1", "LoomWeaver", "9", "Textile software"), ("2", "LoomWeaver", "9", "Textile software")]
    rows += [("2", "LoomWeaver", "8", "Drawing software"), ("2", "Stitcher", "8", "Drawing software")]
    skills = read_skills(written(tmp_path / "tools.csv", [dict(zip(columns, row, strict=True)) for row in rows]))
    assert skills == [
        Skill("LoomWeaver", "LoomWeaver", (), "Textile software; Drawing software"),
        Skill("Stitcher", "Stitcher", (), "Drawing software"),
    ]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({"id": "1", "label": "x"}, "row 3, column id: '1' is row 2 too; allowed: once"),
        ({"id": "", "label": "x"}, "row 3, column id: empty; allowed: a text"),
        ({"id": "2", "label": " \u200b"}, "row 3, column label: empty; allowed: a text"),
    ],
)
def test_a_row_that_is_no_skill_is_told_with_its_place(tmp_path, row, fault):
    path = written(tmp_path / "own.csv", [{"id": "1", "label": "saw"}, row])
    with pytest.raises(SkillsError) as error:
        read_skills(path)
    assert str(error.value) == f"{path}, {fault}"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('{"id": "1", "label": ["x"]}', "row 2, column label: a list; allowed: text"),
        ('{"id": "1", "label": "x", "alternatives": [["y"]]}', "row 2, column alternatives: a list"),
        ('{"id": "1", "label": "x", "alternatives": 3}', "row 2, column alternatives: "),
        ('{"id": "1"', "row 2, not JSON"),
    ],
)
def test_a_cell_that_is_no_text_is_told(tmp_path, line, fault):
    path = tmp_path / "own.jsonl"
    path.write_text('{"id": "0", "label": "saw", "alternatives": []}\n' + line)
    with pytest.raises(SkillsError) as error:
        read_skills(path)
    assert fault in str(error.value)


def test_a_file_that_is_no_list_is_told(tmp_path):
    with pytest.raises(SkillsError, match=r"no such file; allowed: \.csv"):
        read_skills(tmp_path / "none.csv")
    with pytest.raises(SkillsError, match="columns name, code; allowed: id and label, or ESCO's or O"):
        read_skills(written(tmp_path / "a.csv", [{"name": "saw", "code": "1"}]))
    (tmp_path / "b.csv").write_text("id,label\n")
    with pytest.raises(SkillsError, match="no skill; allowed: at least one row"):
        read_skills(tmp_path / "b.csv")


def test_a_span_is_linked_to_its_skill_by_label_alternative_and_spelling(linker):
    spans = ["shear sheep", "Adjust piano strings", "glazing pots", "c++"]
    found = linker.link(spans, top_k=1, threshold=0.2)
    assert [skills[0].id for skills in found] == ["s1", "s2", "s4", "s3"]
    assert all(0.2 <= skills[0].score <= 1 for skills in found) and found[0][0].label == "shear sheep"


def test_what_is_near_to_no_skill_or_no_text_is_none(linker):
    assert linker.link(["bake bread", "", " \u200b", "🦆", "{}", "shear sheep"], top_k=1)[:5] == [None] * 5
    assert linker.link([]) == []
    assert linker.link(["shear sheep"], threshold=1.01) == [None]


def test_the_best_come_first_and_all_reach_the_threshold(linker):
    [found] = linker.link(["tune pianos and glaze pots"], top_k=4, threshold=0.2)
    scores = [skill.score for skill in found]
    assert {skill.id for skill in found} == {"s2", "s4"} and scores == sorted(scores, reverse=True)
    assert len(linker.link(["sheep"], top_k=3, threshold=0.0)[0]) == 3


def test_the_sentence_decides_between_skills_that_a_span_names_alike():
    skills = [Skill("a", "bow", (), "Bend the neck to a king."), Skill("b", "bow", (), "Shoot arrows at a target.")]
    linker = SkillLinker(skills, encode)
    contexts = ["shoot arrows with a bow at a target", "bend the neck and bow to a king", ""]
    first = [found[0] for found in linker.link(["bow"] * 3, contexts, threshold=0.0)]
    alone = linker.link(["bow"], threshold=0.0)[0][0]
    assert [skill.id for skill in first] == ["b", "a", alone.id] and first[2].score == pytest.approx(alone.score)


def test_a_part_at_a_time_gives_what_all_at_once_give(linker, monkeypatch):
    spans = ["tune pianos", "sheep", "pots", "hammers", "wool", "sheep"]
    whole = linker.link(spans, threshold=0.0)
    monkeypatch.setattr(skill_linking, "QUERIES", 2)
    for found, skills in zip(linker.link(spans, threshold=0.0), whole, strict=True):
        assert [skill.id for skill in found] == [skill.id for skill in skills]
        assert [skill.score for skill in found] == pytest.approx([skill.score for skill in skills], abs=1e-6)
    assert whole[1] == whole[5]


@pytest.mark.parametrize(("contexts", "top_k"), [(["x"], 1), (None, 0)])
def test_what_cannot_be_asked_is_told(linker, contexts, top_k):
    with pytest.raises(ValueError, match="allowed: 1 or more, and one for each span or none"):
        linker.link(["a", "b"], contexts, top_k)


@pytest.mark.parametrize("skills", [[], [SKILLS[0], SKILLS[0]]])
def test_no_skill_and_the_same_twice_are_refused(skills):
    with pytest.raises(SkillsError, match="skills; allowed: one or more, each id once"):
        SkillLinker(skills, encode)


def test_scores_are_weighted_means_of_the_cosines_and_the_context_counts_where_there_is_one():
    cosines = {"dense_label": np.array([[0.9], [0.9]]), "lexical_names": np.array([[0.3], [0.3]])}
    cosines["dense_context"] = np.array([[0.2], [0.2]])
    weights = {"dense_label": 2.0, "lexical_names": 1.0, "dense_context": 1.0}
    assert weighted(cosines, weights, ["a sentence", ""]) == pytest.approx(np.array([[0.575], [0.7]]))


BENCHMARK = pandas.DataFrame(
    [
        ("tech", "shear sheep and glaze pots", "shear sheep", "s1"),
        ("tech", "shear sheep and glaze pots", "glaze pots", "s4"),
        ("house", "voice hammers, smile", "voice hammers", "s2"),
        ("house", "voice hammers, smile", "smile", ""),
    ],
    columns=["subset", "sentence", "span", "esco_skill_id"],
).assign(split="validation")


def test_the_benchmarks_measures_agree_with_those_worked_by_hand(linker):
    sentences = Queries(BENCHMARK, "sentence", linker)
    assert sentences.gold.tolist() == [[0, 3], [1]]
    sentences.cosines = {"dense_label": np.array([[0.1, 0.9, 0.8, 0.7], [0.9, 0.8, 0.7, 0.6]])}
    found = sentences.measures({"dense_label": 1.0})
    assert found == pytest.approx(np.array([[1 / 3, 0.0, 1.0, 1.0], [1 / 2, 0.0, 1.0, 1.0]]))
    spans = Queries(BENCHMARK, "span", linker)
    assert spans.labelled.tolist() == [True, True, True, False]
    assert spans.links(np.ones(4, dtype=bool), 0.0) == pytest.approx([3 / 4, 1.0, 6 / 7])
    assert spans.links(np.ones(4, dtype=bool), 1.1) == [0.0, 0.0, 0.0]
    assert len(measure_lines(sentences, "tech validation", "sentence", {"a": {"dense_label": 1.0}})[0]) == 6


def test_weights_are_never_chosen_on_the_rows_that_are_reported(linker):
    assert reported(BENCHMARK) == [("tech validation", ["house validation"]), ("house validation", ["tech validation"])]
    tests = BENCHMARK.assign(split="test", sentence="so " + BENCHMARK["sentence"])
    both = pandas.concat([BENCHMARK, tests])
    known = ["tech validation", "house validation"]
    assert reported(both) == [("tech test", known), ("house test", known)]
    text = report(both, linker)
    assert "tech test: sentences (1)" in text and "house test: spans (1)" in text and MEASURES[3] in text
