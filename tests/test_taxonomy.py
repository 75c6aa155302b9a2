"""What a user relies on when asking a taxonomy about codes and hierarchy, and when saving one."""

import subprocess
import sys
from dataclasses import replace

import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occ_autocoder.taxonomy import Occupation, Taxonomy, TaxonomyError, UnknownCodeError, load_isco08

FARM = [
    Occupation("0", "People of the sea", 1),
    Occupation("01", "Sailors", 2, "0"),
    Occupation("011", "Cooks afloat", 3, "01", "Cook at sea.", ("peel", "boil"), ("galley cook",), ("baker",)),
    Occupation("012", "Stokers", 3, "01"),
    Occupation("1", "People of the land", 1),
    Occupation("11", "Growers", 2, "1"),
    Occupation("110", "Growers of beans", 3, "11"),
    Occupation("X900", "No work told", 3, "1"),
]


@pytest.fixture
def farm() -> Taxonomy:
    return Taxonomy(FARM, "farm", "2030")


def codes(occupations) -> list[str]:
    return [occupation.code for occupation in occupations]


def refusal(*occupations: Occupation) -> str:
    with pytest.raises(TaxonomyError) as error:
        Taxonomy(occupations, "farm")
    return str(error.value)


def test_codes_keep_the_order_of_the_table(farm):
    assert farm.codes == codes(farm) == ["0", "01", "011", "012", "1", "11", "110", "X900"]
    assert len(farm) == 8 and "011" in farm and "11 " not in farm and 11 not in farm


def test_an_occupation_is_found_by_its_code(farm):
    assert farm["011"].title == "Cooks afloat" and farm["011"].tasks == ("peel", "boil")


def test_an_unknown_code_is_named_with_its_neighbours(farm):
    with pytest.raises(UnknownCodeError, match=r"^farm has no code '0110'; nearest: 110, 011"):
        farm["0110"]
    with pytest.raises(KeyError):
        farm.parent_of(None)


def test_levels_leaves_and_roots(farm):
    assert farm.levels == [1, 2, 3] and farm.level_of("X900") == 3
    assert codes(farm.roots) == ["0", "1"]
    assert codes(farm.leaves) == ["011", "012", "110", "X900"]


def test_the_way_up_from_a_code(farm):
    assert farm.parent_of("0") is None and farm.parent_of("011").code == "01"
    assert codes(farm.ancestors("011")) == ["01", "0"] and farm.ancestors("1") == []
    assert codes(farm.path("011")) == ["0", "01", "011"]


def test_the_ancestor_at_a_level_is_none_where_the_path_skips_it(farm):
    assert farm.ancestor_at("011", 1).code == "0" and farm.ancestor_at("011", 3).code == "011"
    assert farm.ancestor_at("X900", 1).code == "1" and farm.ancestor_at("X900", 2) is None
    assert farm.ancestor_at("01", 3) is None


def test_the_way_down_from_a_code(farm):
    assert codes(farm.children("1")) == ["11", "X900"] and farm.children("110") == []
    assert codes(farm.leaves_under("0")) == ["011", "012"] and codes(farm.leaves_under("110")) == ["110"]


def test_parents_come_from_the_table_and_not_from_the_digits():
    taxonomy = Taxonomy([Occupation("A", "a", 1), Occupation("B", "b", 1), Occupation("A1", "c", 2, "B")], "odd")
    assert taxonomy.parent_of("A1").code == "B" and taxonomy.children("A") == []


@st.composite
def forests(draw) -> list[Occupation]:
    """Any taxonomy of up to 30 codes: a parent is any earlier code."""
    rows: list[Occupation] = []
    for number in range(draw(st.integers(1, 30))):
        parent = draw(st.sampled_from([None, *rows]))
        title = draw(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip))
        level = parent.level + 1 if parent else 1
        rows.append(Occupation(f"{number:03}", title, level, parent.code if parent else None, title[::-1], (title,)))
    return rows


@settings(max_examples=50, deadline=None)
@given(forests())
def test_leaves_and_paths_agree_in_any_hierarchy(rows):
    taxonomy = Taxonomy(rows, "any")
    below_roots = [leaf for root in taxonomy.roots for leaf in taxonomy.leaves_under(root.code)]
    assert sorted(codes(below_roots)) == codes(taxonomy.leaves)
    for occupation in taxonomy:
        path = taxonomy.path(occupation.code)
        assert [step.level for step in path] == list(range(1, occupation.level + 1)) and path[-1] == occupation
        assert all(occupation in taxonomy.path(leaf.code) for leaf in taxonomy.leaves_under(occupation.code))


@settings(max_examples=25, deadline=None)
@given(rows=forests(), version=st.text(st.characters(exclude_categories=["Cs"])))
def test_a_saved_taxonomy_comes_back_the_same(tmp_path_factory, rows, version):
    path = tmp_path_factory.mktemp("saved") / "any.parquet"
    before = Taxonomy(rows, "any", version)
    before.save(path)
    after = Taxonomy.load(path)
    assert list(after) == rows and (after.scheme, after.version) == ("any", version)
    assert after.fingerprint == before.fingerprint


def test_saving_replaces_the_earlier_file_and_leaves_nothing_beside_it(farm, tmp_path):
    Taxonomy(FARM[:1], "farm").save(tmp_path / "farm.parquet")
    farm.save(tmp_path / "farm.parquet")
    assert list(Taxonomy.load(tmp_path / "farm.parquet")) == FARM
    assert [path.name for path in tmp_path.iterdir()] == ["farm.parquet"]


def test_a_save_that_fails_midway_keeps_the_earlier_file(farm, tmp_path, monkeypatch):
    def disk_full(table, where):
        with open(where, "wb") as file:
            file.write(b"PAR1")
        raise OSError("no space left")

    path = tmp_path / "farm.parquet"
    farm.save(path)
    monkeypatch.setattr(pyarrow.parquet, "write_table", disk_full)
    with pytest.raises(OSError, match="no space left"):
        Taxonomy(FARM[:1], "farm").save(path)
    assert list(Taxonomy.load(path)) == FARM


def test_a_damaged_file_is_refused_by_name(farm, tmp_path):
    path = tmp_path / "farm.parquet"
    farm.save(path)
    whole = bytearray(path.read_bytes())
    for place in range(4, len(whole), 97):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            assert list(Taxonomy.load(path)) == FARM  # a byte that carries nothing
        except TaxonomyError as error:
            assert "farm.parquet" in str(error)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TaxonomyError, match=r"farm\.parquet"):
        Taxonomy.load(path)
    path.write_bytes(changed := whole.replace(b"galley cook", b"galley boss"))
    assert changed != whole
    with pytest.raises(TaxonomyError, match=r"farm\.parquet: damaged \(its contents are not those that were saved\)"):
        Taxonomy.load(path)


def test_a_table_that_is_not_a_saved_taxonomy_is_refused(tmp_path):
    (tmp_path / "other.csv").write_text("code,title\n1,One\n")
    with pytest.raises(TaxonomyError, match=r"other\.csv: not a saved taxonomy"):
        Taxonomy.load(tmp_path / "other.csv")


def test_the_frame_has_a_row_an_occupation_and_codes_as_text(farm):
    frame = farm.to_frame()
    assert frame["code"].tolist() == farm.codes and frame["level"].tolist() == [1, 2, 3, 3, 1, 2, 3, 3]
    assert frame["parent"].isna().tolist() == [True, False, False, False, True, False, False, False]


@pytest.mark.parametrize(
    "other",
    [
        Taxonomy(FARM, "garden"),
        Taxonomy([*FARM[:7], replace(FARM[7], title="Told nothing")], "farm"),
        Taxonomy([*FARM[:7], replace(FARM[7], code="X901")], "farm"),
        Taxonomy([*FARM[:7], replace(FARM[7], parent="0")], "farm"),
        Taxonomy([*FARM[4:], *FARM[:4]], "farm"),
    ],
    ids=["scheme", "title", "code", "parent", "order"],
)
def test_the_fingerprint_tells_taxonomies_apart(farm, other):
    assert len(farm.fingerprint) == 64 and other.fingerprint != farm.fingerprint


def test_the_fingerprint_stays_where_only_the_texts_were_improved(farm):
    better = [replace(occupation, definition="Better words.", examples=("hand",)) for occupation in FARM]
    assert Taxonomy(better, "farm", "2031").fingerprint == farm.fingerprint


def test_refusals_name_the_position_the_code_and_the_field():
    message = refusal(FARM[0], Occupation("01", "Sailors", 2, "9"))
    assert message == (
        "occupation 2 (code '01'), field 'parent': parent '9' of '01' is not in the table; "
        "allowed: a code of the table, or empty at the top"
    )


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([FARM[0], Occupation("0", "Again", 1)], "code '0' is already used by 'People of the sea'"),
        ([FARM[0], FARM[0]], "code '0' is already used"),
        ([Occupation("", "Nobody", 1)], "the code is empty"),
        ([Occupation(110, "Number", 1)], "110 is a int; allowed: text"),
        ([Occupation("1", "Above", 1, 7)], "7 is not text"),
        ([Occupation("1", " \t", 1)], "the title of code '1' is empty"),
        ([Occupation("0" * 1000, "Long", 1)], "a code of 1,000 characters"),
        ([Occupation("1", "a", 0)], "level 0 of code '1'; allowed: a whole number from 1 to 99"),
        ([Occupation("1", "a", "1")], "level '1' of code '1'"),
        ([Occupation("1", "a", True)], "level True of code '1'"),
        ([Occupation("1", "a", 1, "1")], "code '1' is above itself: 1 under 1"),
        ([Occupation("1", "a", 1), Occupation("11", "b", 1, "1")], "is not below level 1 of its parent '1'"),
        ([Occupation("1", "a", 1), Occupation("11", "b", 2)], "which has no parent; allowed there: level 1"),
        ([*FARM[:3], Occupation("1", "a", 1), Occupation("19", "b", 3, "1"), Occupation("190", "c", 4, "19")], "skips"),
    ],
)
def test_what_is_no_taxonomy_is_refused(rows, said):
    assert said in refusal(*rows)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("O110", "the letter O beside a digit"),
        ("01o", "the letter O beside a digit"),
        ("X1O00", "the letter O beside a digit"),
        ("\uff11\uff12", r"code '\uff11\uff12' holds '１' (U+FF11)"),
        ("\u0661\u0662", "(U+0661); allowed: ASCII letters, digits and signs"),
        ("1\u200b1", "(U+200B)"),
        ("1 1", "(U+0020)"),
    ],
)
def test_codes_with_characters_that_look_like_others_are_refused(code, said):
    assert said in refusal(Occupation(code, "Look again", 1))


@pytest.mark.parametrize("code", ["0110", "11-1011.00", "X1000", "2310.1.42", "INFO1", "TO", "http://esco/c1"])
def test_codes_of_real_schemes_are_taken(code):
    assert Taxonomy([Occupation(code, "Fine", 1)], "x").codes == [code]


def test_a_cycle_is_shown_for_each_of_its_codes_and_for_no_other():
    ring = [Occupation("a", "A", 1, "b"), Occupation("b", "B", 2, "c"), Occupation("c", "C", 3, "a")]
    message = refusal(*ring, Occupation("d", "D", 4, "a"))
    for way in ("a under b under c under a", "b under c under a under b", "c under a under b under c"):
        assert f"is above itself: {way}; allowed" in message
    assert "code 'd' is above itself" not in message


def test_many_faults_are_counted_and_the_first_ten_shown():
    with pytest.raises(TaxonomyError) as error:
        Taxonomy([Occupation(f"{number}", "", 1) for number in range(1, 41)], "x")
    assert len(error.value.problems) == 40
    assert str(error.value).startswith("40 problems\n- occupation 1 (") and str(error.value).count("\n") == 11


def test_a_deep_chain_and_a_long_cycle_are_refused_in_a_moment():
    size = 20_000
    assert "allowed: a whole number from 1 to 99" in refusal(
        *(Occupation(f"c{i}", "t", i + 1, f"c{i - 1}" if i else None) for i in range(size))
    )
    cycle = refusal(*(Occupation(f"c{i}", "t", 1, f"c{(i + 1) % size}") for i in range(size)))
    assert "c0 under c1 under c2" in cycle and len(cycle) < 5000


def test_an_empty_taxonomy_or_scheme_is_refused():
    assert "no occupation" in refusal()
    with pytest.raises(TaxonomyError, match="scheme is empty"):
        Taxonomy(FARM, "")


def test_isco08_ships_with_all_its_groups():
    isco = load_isco08()
    assert [sum(o.level == level for o in isco) for level in (1, 2, 3, 4)] == [10, 43, 130, 436]
    assert (isco.scheme, isco.version, len(isco.leaves)) == ("isco-08", "2008", 436)
    assert codes(isco.path("0110")) == ["0", "01", "011", "0110"]
    assert isco["2512"].title == "Software Developers" and isco.parent_of("2512").code == "251"
    assert all(o.parent == (o.code[:-1] or None) for o in isco)


def test_importing_and_reading_a_csv_loads_no_table_library():
    script = (
        "import sys, occ_autocoder.taxonomy as t; t.load_isco08();"
        "print([m for m in ('pandas', 'pyarrow', 'openpyxl', 'torch', 'transformers') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
