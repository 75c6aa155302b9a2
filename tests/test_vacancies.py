"""Advertisements: the day, the employer and the place beside what every record has."""

import datetime

import pandas
import pytest

from occ_autocoder.data.records import RecordsError, iter_records
from occ_autocoder.data.vacancies import iter_vacancies


def test_a_vacancy_has_a_day_an_employer_and_a_place_where_the_source_has_them(tmp_path):
    path = tmp_path / "vacancies.csv"
    path.write_text(
        "title,posted,company,location\nCook,2024-03-31T08:00,Harbour Inn,Leeds\nNurse,,,\nClerk,31/03/2024,,\n"
    )
    cook, nurse, clerk = iter_vacancies(path)
    assert (cook.job_title, cook.date, cook.employer, cook.place) == ("Cook", "2024-03-31", "Harbour Inn", "Leeds")
    assert (nurse.date, nurse.employer, nurse.place) == ("", "", "")
    assert (clerk.row, clerk.column) == (4, "date") and "allowed: one as 2024-03-31, 2024-03 or 2024" in clerk.reason
    [renamed, *_] = iter_vacancies(path, columns={"employer": None, "place": "company"})
    assert (renamed.employer, renamed.place) == ("", "Harbour Inn")
    with pytest.raises(RecordsError, match=r"unknown field\(s\) firm; allowed: .*employer, place"):
        iter_vacancies(path, columns={"firm": "company"})
    assert not hasattr(next(iter(iter_records(path))), "date")


def test_a_year_and_a_month_are_their_first_days(tmp_path):
    path = tmp_path / "vacancies.csv"
    path.write_text("title,date\nCook,2024\nNurse,2024-03\nClerk,2024-13\n")
    cook, nurse, clerk = iter_vacancies(path)
    assert (cook.date, nurse.date, clerk.column) == ("2024-01-01", "2024-03-01", "date")


def test_the_dates_of_a_sheet_are_days(tmp_path):
    path = tmp_path / "vacancies.parquet"
    pandas.DataFrame({"title": ["Cook"], "date": [datetime.date(2024, 3, 31)]}).to_parquet(path)
    assert next(iter(iter_vacancies(path))).date == "2024-03-31"
