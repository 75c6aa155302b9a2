"""Real vacancies and the codes that came later: what of SSOC 2024's new work a model of SSOC 2020 finds as clusters.

An ad is of a new code where its title has one of the code's titles that SSOC 2020 does not have.

python -m benchmarks.vacancies --data FOLDER
"""

import argparse
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas

from occ_autocoder.cli_emerging import emerging
from occ_autocoder.data.encoder import CACHE
from occ_autocoder.emerging.detection import NOVEL
from occ_autocoder.files import write_text
from occ_autocoder.markdown import markdown_table, percent

from .emerging import read
from .ours import parse_settings
from .records import read_table
from .run import BENCHMARKS
from .trust import trained

FILES = ("sg_vacancies_unlabelled", "en_vacancies_unlabelled")
CHANGES = "ssoc2020_to_2024_changes_derived"
FEWEST = 5  # ads of a code that could be a cluster
COLUMNS = ["id=ad_id", "job_title=job_title", "job_duties=description", "date=date", "place=", "employer="]


def new_titles(data: Path) -> dict[str, list[str]]:
    """The codes that are new in SSOC 2024 -> their titles that SSOC 2020 has for no code, by `plain`."""
    changes, index = read_table(data, CHANGES), read_table(data, "ssoc_title_index")
    index["read"] = index["title"].map(variants)
    index = index.explode("read")
    before = set(index["read"][index["ssoc_version"] == "2020"])
    now = index[(index["ssoc_version"] == "2024") & ~index["read"].isin(before)]
    codes = changes["code"][changes["status"] == "new_code_in_2024"]
    return {code: sorted(set(now["read"][now["ssoc_code"] == code])) for code in codes}


def variants(title: str) -> list[str]:
    """ "A/B engineer" as "a engineer" and "b engineer"; "Artificial intelligence (AI) engineer" as both names."""
    found = [re.sub(r"\s*\([^)]*\)", "", title)]
    if short := re.search(r"\(([A-Z]{2,})\)", title):
        found.append(f"{short[1]} {title[short.end() :]}")
    if pair := re.fullmatch(r"([^/]+)/([^/]+) (\S+)", found[0]):
        found += [f"{pair[1]} {pair[3]}", f"{pair[2]} {pair[3]}"]
    return [plain(text) for text in found]


def plain(text: str) -> str:
    """Its words and numbers in small letters."""
    return " ".join(re.findall(r"[^\W_]+", text.lower()))


def new_codes(titles: Sequence[str], names: dict[str, list[str]]) -> list[str]:
    """The new code of each title, "" for none; of several the one with the longest name in it."""
    pairs = sorted(((name, code) for code, own in names.items() for name in own), key=lambda pair: -len(pair[0]))
    read = [f" {plain(title)} " for title in titles]
    return [next((code for name, code in pairs if f" {name} " in title), "") for title in read]


def write_ads(data: Path, path: Path) -> pandas.DataFrame:
    """All ads as one table that `emerging` reads."""
    ads = pandas.concat([read_table(data, name) for name in FILES], ignore_index=True)
    ads = ads[["ad_id", "job_title", "description", "date"]]
    path.parent.mkdir(parents=True, exist_ok=True)
    ads.to_csv(path, index=False)
    return ads


def tables(ads: pandas.DataFrame, folder: Path, names: dict[str, list[str]], titles: dict[str, str]) -> str:
    """What became of the ads of each new code, and every cluster with what it holds."""
    ads = ads.assign(new=new_codes(ads["job_title"], names)).set_index("ad_id")
    ads = ads.join(read(folder / "detection.csv")["status"]).join(read(folder / "members.csv")["cluster"])
    ads = ads.fillna({"cluster": "", "status": "rejected"})
    clustered = ads[ads["cluster"] != ""]
    main, rows = clustered.groupby("cluster")["new"].agg(lambda codes: Counter(codes).most_common(1)[0]), []
    for code, own in ads[ads["new"] != ""].groupby("new"):
        if len(own) < FEWEST:
            continue
        best = Counter(own["cluster"][own["cluster"] != ""]).most_common(1)
        name, inside = best[0] if best else ("-", 0)
        share = percent(inside / (clustered["cluster"] == name).sum()) if best else "-"
        shares = [percent((own["status"] == status).mean()) for status in ("coded", NOVEL)]
        rows.append([code, titles[code], len(own), *shares, name, inside, share])
    columns = ["code", "title", "ads", "coded", "novel", "cluster with most", "of its ads", "share of the cluster"]
    parts = ["## New codes with ads", markdown_table(columns, rows)]
    rows = []
    for name, row in read(folder / "clusters.csv").iterrows():
        code, inside = main[name]
        held = f"{inside} of {code}" if code else "none"
        rows.append([name, row["name"] or row["keywords"], row["ads"], held, row["nearest_titles"].split("; ")[0]])
    parts += ["## Clusters", markdown_table(["rank", "name", "ads", "new code", "nearest"], rows)]
    return "\n\n".join(parts) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `emerging` on the ads, and write and print what it found."""
    asked = parser().parse_args(arguments)
    model = asked.model
    if model is None:
        model = asked.output / "model"
        trained(BENCHMARKS["ssoc_2020"](asked.data), parse_settings(asked.set), 0, model, asked.cache)
    ads = write_ads(asked.data, asked.output / "ads.csv")
    emerging(str(asked.output / "ads.csv"), asked.output / "report", str(model), period="year", columns=COLUMNS)
    titles = read_table(asked.data, CHANGES).set_index("code")["title_2024"].to_dict()
    found = tables(ads, asked.output / "report", new_titles(asked.data), titles)
    write_text(asked.output / "vacancies.md", found)
    print(found)


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    found = argparse.ArgumentParser(description="Find the work of SSOC 2024's new codes in real vacancies.")
    found.add_argument("--data", type=Path, required=True, help="folder of the public tables")
    found.add_argument("--model", type=Path, help="folder of a model of SSOC 2020; trained where none is given")
    found.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="a setting of the training")
    found.add_argument("--output", type=Path, default=Path("build/benchmarks/vacancies"), help="folder of the report")
    found.add_argument("--cache", type=Path, default=CACHE, help="folder of embeddings")
    return found


if __name__ == "__main__":
    main()
