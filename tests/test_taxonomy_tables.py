"""What a user relies on when reading an official table or one's own, and what a wrong table is answered."""

import csv
import gzip
import time

import openpyxl
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occ_autocoder.taxonomy import TaxonomyError, load_isco08, read_taxonomy
from occ_autocoder.taxonomy.items import SPLITTERS, split_items

HEADER = ["Kode", "Name", "Above", "Depth", "About"]
NAMES = {"code": "Kode", "title": "Name", "parent": "Above", "level": "Depth", "definition": "About"}
ROWS = [
    ["0", "Sea", "", "1", "All who sail."],
    ["01", "NA", "0", "2", 'Says "aye",\nthen goes.'],
    ["011", "Köche an Bord", "01", "3", ""],
    ["1", "Land", "", "1", "null"],
]


def write(path, rows, header=HEADER):
    """The rows as a table of the kind that the path's ending names."""
    kind = path.name.removesuffix(".gz").rpartition(".")[2]
    if kind == "xlsx":
        book = openpyxl.Workbook()
        for row in [header, *rows]:
            book.active.append(row)
        book.save(path)
    elif kind == "parquet":
        pyarrow.parquet.write_table(
            pyarrow.table(dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))), path
        )
    else:
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "wt", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter="\t" if kind == "tsv" else ",").writerows([header, *rows])
    return path


def table(tmp_path, text, name="own.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return path


def refusal(path, **options) -> str:
    with pytest.raises(TaxonomyError) as error:
        read_taxonomy(path, **options)
    return str(error.value)


@pytest.mark.parametrize("name", ["t.csv", "t.CSV", "t.csv.gz", "t.tsv", "t.xlsx", "t.parquet"])
def test_every_kind_of_file_gives_the_same_taxonomy(tmp_path, name):
    taxonomy = read_taxonomy(write(tmp_path / name, ROWS), "farm", "2030", columns=NAMES)
    assert (taxonomy.scheme, taxonomy.version) == ("farm", "2030")
    assert [[o.code, o.title, o.parent or "", str(o.level), o.definition] for o in taxonomy] == ROWS


def test_numbers_in_excel_are_codes_with_the_zeros_that_are_shown(tmp_path):
    path = write(tmp_path / "t.xlsx", [])
    book = openpyxl.load_workbook(path)
    for number, (code, title, above, depth) in enumerate([(1, "Sea", None, 1), (11, "Cook", 1, 2.0)], start=2):
        book.active.append([code, title, above, depth, None])
        for letter, shown in (("A", "0" * (number + 1)), ("C", "000")):
            book.active[f"{letter}{number}"].number_format = shown
    book.save(path)
    taxonomy = read_taxonomy(path, columns=NAMES)
    assert [(o.code, o.parent, o.level) for o in taxonomy] == [("001", None, 1), ("0011", "001", 2)]


CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20).map(str.strip)


@settings(max_examples=40, deadline=None)
@given(
    texts=st.lists(st.tuples(CELLS.filter(bool), CELLS), min_size=1, max_size=8), kind=st.sampled_from(["csv", "tsv"])
)
def test_text_is_read_as_it_was_written(tmp_path_factory, texts, kind):
    rows = [[f"{number:03}", *text] for number, text in enumerate(texts)]
    path = write(tmp_path_factory.mktemp("texts") / f"t.{kind}", rows, ["code", "title", "definition"])
    read = [(o.code, o.title, o.definition) for o in read_taxonomy(path)]
    assert read == [(code, " ".join(title.split()), definition) for code, title, definition in rows]


def test_the_short_names_are_found_without_naming_them(tmp_path):
    text = "title,examples,code,parent,definition,tasks,excluded,remark\nSea,,0,,,,,\n"
    text += 'Cook, ship cook; galley hand (n.e.c.);,01,0,Cooks.,"- peel\n- boil;","(a) baker; (b) smith",kept out\n'
    cook = read_taxonomy(table(tmp_path, text))["01"]
    assert (cook.title, cook.parent, cook.level, cook.definition) == ("Cook", "0", 2, "Cooks.")
    assert cook.examples == ("ship cook", "galley hand (n.e.c.)")
    assert cook.tasks == ("peel", "boil") and cook.excluded == ("baker", "smith")


def test_the_level_is_the_depth_where_nothing_tells_it(tmp_path):
    taxonomy = read_taxonomy(table(tmp_path, "code,title,parent\nb1,B one,b\nb,B,a\na,A,\n"))
    assert [(o.code, o.level) for o in taxonomy] == [("b1", 3), ("b", 2), ("a", 1)]


def test_a_given_level_is_every_rows_level(tmp_path):
    taxonomy = read_taxonomy(table(tmp_path, "code,title,level\na,A,\nb,B,7\n"), level=4)
    assert taxonomy.levels == [4]


def test_named_levels_are_numbered(tmp_path):
    path = table(tmp_path, "code,title,parent,level\na,A,,Group\nb,B,a,Job\n")
    assert [o.level for o in read_taxonomy(path, level={"Group": 1, "Job": 2})] == [1, 2]
    assert "row 3, column 'level': level 'Job'; allowed: Group, Work" in refusal(path, level={"Group": 1, "Work": 2})


def test_parents_by_prefix_for_a_table_without_parents(tmp_path):
    path = table(tmp_path, "code,title\n0,Sea\n01,Sailors\n0111,Cooks\n1,Land\n")
    assert [o.parent for o in read_taxonomy(path, parents="prefix")] == [None, "0", "01", None]
    assert [o.parent for o in read_taxonomy(path)] == [None] * 4
    parented = table(tmp_path, "code,title,parent\n0,Sea,\n", "parented.csv")
    assert "column 'parent'" in refusal(parented, parents="prefix")


def test_a_column_can_be_named_as_absent(tmp_path):
    path = table(tmp_path, "code,title,parent\n0,Sea,of water\n")
    assert read_taxonomy(path, columns={"parent": None})["0"].parent is None


def test_a_saved_taxonomy_is_read_as_it_was(tmp_path):
    before = read_taxonomy(write(tmp_path / "t.csv", ROWS), "farm", "2030", columns=NAMES)
    before.save(tmp_path / "saved.parquet")
    after = read_taxonomy(tmp_path / "saved.parquet")
    assert list(after) == list(before) and (after.scheme, after.version) == ("farm", "2030")
    assert "the saved taxonomy is farm; allowed: that scheme, not isco-08" in refusal(
        tmp_path / "saved.parquet", scheme="isco-08"
    )


@pytest.mark.parametrize("scheme", ["ssoc-2020", "ssoc-2024"])
def test_ssoc_with_codes_directly_below_x(tmp_path, scheme):
    header = "code,level,parent_code,title,definition,tasks,notes,examples,examples_elsewhere,groups_under\n"
    rows = "1,1,,Chiefs,,,,,,\n11,2,1,Heads,,,,,,\nX,1,,Unsorted,,,,,,\nX1000,5,X,Unclear work,,,,,,\n"
    rows += '111,3,11,Heads of sea,,,,,,\n1110,4,111,Heads of ports,Lead ports.,"- steer; and\n- count",n,,,\n'
    rows += '11101,5,1110,Port head,Leads one.,,,"• Dock head\n• Quay head\n• Dock head","• Pilot, see 11102",\n'
    rows += "11102,5,1110,Pilot,,,,,,\n"
    ssoc = read_taxonomy(table(tmp_path, header + rows), scheme)
    assert ssoc.scheme == scheme and ssoc.levels == [1, 2, 3, 4, 5]
    assert ssoc["X1000"].level == 5 and ssoc.parent_of("X1000").code == "X" and ssoc.ancestor_at("X1000", 4) is None
    assert ssoc["1110"].tasks == ("steer", "count") and ssoc["11101"].examples == ("Dock head", "Quay head")
    assert ssoc["11101"].excluded == ("Pilot, see 11102",)


def test_isco_with_lettered_tasks_and_without_subgroups_as_examples(tmp_path):
    header = "code,level,parent_code,title,definition,tasks,included_occupations,excluded_occupations,notes\n"
    rows = '0,1,,Guards,Guard.,Tasks performed usually include: watching; calling.,"Occupations in this major group '
    rows += 'are classified into the following sub-major groups:\n01 Gate Guards",,\n'
    rows += '01,2,0,Gate Guards,Guard gates.,"Tasks include -\n(a) opening gates, doors; and\n(b) closing them, etc.;",'
    rows += '"Examples of the occupations classified here:\n- Gatekeeper\n-Porter",'
    rows += '"Classified elsewhere:\n- Smith - 72",n\n'
    isco = read_taxonomy(table(tmp_path, header + rows), "isco-08")
    assert isco["0"].tasks == ("watching", "calling") and isco["0"].examples == ()
    assert isco["01"].tasks == ("opening gates, doors", "closing them, etc.")
    assert isco["01"].examples == ("Gatekeeper", "Porter") and isco["01"].excluded == ("Smith - 72",)


US_SOC = """code,level,parent_code,title,definition
11-0000,Major,,Leading Work,
11-1000,Minor,11-0000,High Leading Work,
11-1010,Broad,11-1000,Captains,
11-1011,Detailed,11-1010,Captains,Steer.
"""
ONET = """onet_soc_code,title,description,soc2018_code
11-1011.00,Captains,Steer.,11-1011
11-1011.03,Whalers,Hunt.,11-1011
"""


def test_us_soc_with_named_levels(tmp_path):
    us_soc = read_taxonomy(table(tmp_path, US_SOC), "us-soc-2018")
    assert [o.level for o in us_soc] == [1, 2, 3, 4] and us_soc["11-1011"].definition == "Steer."


def test_onet_under_us_soc_and_alone(tmp_path):
    onet, us_soc = table(tmp_path, ONET, "onet.csv"), table(tmp_path, US_SOC, "us.csv")
    whole = read_taxonomy(onet, "onet-soc-2019", upper=us_soc)
    assert [o.code for o in whole.path("11-1011.03")] == ["11-0000", "11-1000", "11-1010", "11-1011", "11-1011.03"]
    assert [o.code for o in whole.leaves] == ["11-1011.00", "11-1011.03"] and whole["11-1011.03"].level == 5
    flat = read_taxonomy(onet, "onet-soc-2019")
    assert flat.levels == [5] and flat.codes == ["11-1011.00", "11-1011.03"] and flat.roots == flat.leaves


def test_uk_soc(tmp_path):
    text = "code,level,parent_code,title,description,tasks,related_titles,entry_routes\n"
    text += '1,1,,Chiefs,Lead.,,,\n11,2,1,Heads,Lead some.,"- signs\n- asks, then signs,","- Head\n- Nun",by vote\n'
    heads = read_taxonomy(table(tmp_path, text), "uk-soc-2020")["11"]
    assert (heads.definition, heads.tasks, heads.examples) == (
        "Lead some.",
        ("signs", "asks, then signs"),
        ("Head", "Nun"),
    )


ESCO = """esco_code,isco08_code,preferred_label,alt_labels,description
2310.1,2310,lecturer,"reader
don",Teaches.
2310.1.10,2310,lecturer in law,,Teaches law.
2310.1.1,2310,lecturer in art,,Teaches art.
"""
GROUPS = "code,title,description\n2,Experts,\n23,Teachers,\n231,At colleges,\n2310,Lecturers and the like,Teach.\n"


def test_esco_hangs_below_its_isco_groups(tmp_path):
    occupations, groups = table(tmp_path, ESCO, "occupations.csv"), table(tmp_path, GROUPS, "groups.csv")
    esco = read_taxonomy(occupations, "esco-1.1", upper=groups)
    assert [o.code for o in esco.path("2310.1.10")] == ["2", "23", "231", "2310", "2310.1", "2310.1.10"]
    assert esco.levels == [1, 2, 3, 4, 5, 6] and esco["2310.1"].examples == ("reader", "don")
    assert esco["2310"].definition == "Teach."
    assert "also needs, as upper=" in refusal(occupations, scheme="esco-1.1")


def test_an_upper_table_is_refused_where_a_scheme_has_none(tmp_path):
    path = table(tmp_path, US_SOC)
    assert "allowed for: onet-soc-2019, esco-1.1" in refusal(path, scheme="us-soc-2018", upper=path)


def test_faults_of_both_tables_name_their_own_file(tmp_path):
    onet = table(tmp_path, ONET.replace("Hunt.,11-1011", "Hunt.,11-1012"), "onet.csv")
    upper = table(tmp_path, US_SOC.replace("Captains,Steer", ",Steer"), "us.csv")
    message = refusal(onet, scheme="onet-soc-2019", upper=upper)
    assert "onet.csv, row 3, column 'soc2018_code': parent '11-1012' of '11-1011.03' is not in the table" in message
    assert "us.csv, row 5, column 'title': the title of code '11-1011' is empty" in message


def test_the_shipped_isco_has_example_titles_for_every_unit_group():
    isco = load_isco08()
    assert [o.code for o in isco.leaves if not o.examples] == []
    assert all(example == example.strip() and ";" not in example for o in isco for example in o.examples)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0,Sea,,1,\n0,Ocean,,1,\n", ["row 3, column 'Kode'", "code '0' is already used by 'Sea'"]),
        ("0,Sea,,1,\n01,Cook,9,2,\n", ["row 3, column 'Above'", "parent '9' of '01' is not in the table"]),
        ("0,A,1,1,\n1,B,0,1,\n", ["row 2, column 'Above'", "row 3, column 'Above'", "above itself: 0 under 1 under 0"]),
        ("0,Sea,,,\n", ["row 2, column 'Depth'", "the level is not given", "a whole number from 1"]),
        ("0,Sea,,one,\n", ["row 2, column 'Depth'", "level 'one'"]),
        ("0,Sea,,１,\n", ["row 2, column 'Depth'", "level '１'"]),
        ("0,Sea,,1,\n011,Cook,0,3,\n0111,C,011,4,\n", ["row 3, column 'Depth'", "skips levels under '0'"]),
        ("0, ,,1,\n", ["row 2, column 'Name'", "the title of code '0' is empty"]),
        (",Sea,,1,\n", ["row 2, column 'Kode'", "the code is empty"]),
        ("0,Sea,,1,\nO1,Cook,0,2,\n", ["row 3, column 'Kode'", "the letter O beside a digit", "the digit 0"]),
        ("０１,Sea,,1,\n", ["row 2, column 'Kode'", "U+FF10", "ASCII"]),
        ("٠١,Sea,,1,\n", ["row 2, column 'Kode'", "U+0660", "ASCII"]),
        ("0,Sea,,1,\n01,Cook\n", ["row 3", "2 cells", "allowed: 5"]),
        ("0,Sea,,1,,\n", ["row 2", "6 cells", "allowed: 5"]),
        ('0,Sea,,1,\n01,"Cook,0,2,\n', ["3", "quote"]),
    ],
)
def test_a_faulty_row_is_named_with_its_column(tmp_path, text, said):
    message = refusal(table(tmp_path, ",".join(HEADER) + "\n" + text), columns=NAMES)
    assert [part for part in ["own.csv", *said] if part not in message] == []


def test_every_fault_is_named_at_once(tmp_path):
    message = refusal(table(tmp_path, "code,title,parent\n1,Sea,\nO2,,\n3,Fire,9\n"))
    places = [line.partition("own.csv, ")[2].partition(":")[0] for line in message.splitlines()[1:]]
    assert places == ["row 3, column 'code'", "row 3, column 'title'", "row 4, column 'parent'"]


def test_row_numbers_are_those_of_a_spreadsheet(tmp_path):
    path = table(tmp_path, 'code,title\n0,"Two\nlines"\n\n1,\n')
    assert "row 4, column 'title'" in refusal(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("code,title\n0,Sea\n".encode("utf-16"), "UTF-16"),
        (b"code,title\n0,S\xe9a\n", "not UTF-8"),
        (b"code,title\n0,S\x00a\n", "own.csv"),
        (b"", "row 1"),
        (b"code,title\n", "no row"),
        (b"code,title,code\n0,Sea,1\n", "row 1: doubled column(s) code"),
        (b"code;title\n0;Sea\n", "row 1: missing column(s) 'code', 'title'; found: 'code;title'"),
        (b"code,name\n0,Sea\n", "row 1: missing column(s) 'title'; found: 'code', 'name'"),
    ],
)
def test_a_file_that_is_no_table_is_refused_by_name(tmp_path, content, said):
    message = refusal(table(tmp_path, content))
    assert "own.csv" in message and said in message


def test_a_column_that_was_named_must_be_there(tmp_path):
    path = table(tmp_path, "code,title\n0,Sea\n")
    assert "missing column(s) 'Depth'" in refusal(path, columns={"level": "Depth"})
    assert "missing column(s) 'level', 'definition'" in refusal(
        table(tmp_path, "code,parent_code,title\n0,,Sea\n", "us.csv"), scheme="us-soc-2018"
    )


def test_what_the_caller_asks_for_is_checked(tmp_path):
    path = table(tmp_path, "code,title\n0,Sea\n")
    assert "unknown field(s) name; allowed: code, title" in refusal(path, columns={"name": "title"})
    assert "parents: 'digits'; allowed: column, prefix, dotted" in refusal(path, parents="digits")
    with pytest.raises(FileNotFoundError):
        read_taxonomy(tmp_path / "absent.csv")
    assert "own.json" in refusal(table(tmp_path, "{}", "own.json"))


def test_an_excel_formula_is_not_taken_for_a_value(tmp_path):
    path = write(tmp_path / "t.xlsx", [["0", "Sea", None, 1, None], ["01", '=CONCAT("C","ook")', "0", 2, None]])
    message = refusal(path, columns=NAMES)
    assert "t.xlsx, row 3, column 'Name'" in message and "formula" in message


@pytest.mark.parametrize("name", ["t.xlsx", "t.parquet", "t.csv.gz"])
def test_a_truncated_file_is_refused_by_name(tmp_path, name):
    path = write(tmp_path / name, ROWS)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    assert name in refusal(path, columns=NAMES)


def test_more_rows_than_any_classification_has_are_refused(tmp_path):
    path = table(tmp_path, "code,title\n" + "".join(f"{number},job\n" for number in range(100_001)))
    assert "100,001 rows; allowed: at most 100,000" in refusal(path)


@pytest.mark.parametrize("splitter", SPLITTERS)
@pytest.mark.parametrize("odd", ["\n", ";", " ", "\n;", ": ", ".", "(a", "and "])
def test_a_huge_list_cell_is_split_in_a_moment(splitter, odd):
    begun = time.perf_counter()
    split_items("a" + odd * 30_000 + "b", splitter)
    assert time.perf_counter() - begun < 2
