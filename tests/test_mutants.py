"""The sampling of mutations: its faults are faults, and its map of guards is that of the tree."""

import ast

import pytest
from tools.mutants import GUARDS, PACKAGE, ROOT, Mutant, mutants_of, sampled, suite_of, table


def source_of(file: str) -> str:
    return (ROOT / PACKAGE / file).read_text("utf-8")


@pytest.mark.parametrize("file", GUARDS)
def test_every_guard_and_its_tests_are_there(file: str) -> None:
    assert source_of(file)
    assert [path for path in suite_of(file) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("file", ["domain/runs.py", "storage/sqlite/runs.py", "loop/calls.py"])
def test_a_fault_is_another_program_that_python_reads(file: str) -> None:
    source = source_of(file)
    faults = mutants_of(file, source)

    assert len({fault.name for fault in faults}) == len(faults) > 20
    for fault in faults:
        assert ast.dump(ast.parse(fault.applied(source))) != ast.dump(ast.parse(source))


def test_the_faults_are_those_that_a_person_makes() -> None:
    source = (
        '"""SELECT nothing."""\n'
        "def guard(spent: int | None, limit: int = 5) -> bool:\n"
        "    check(spent)\n"
        '    logger.info("x %d", 7)\n'
        "    if spent is None or spent < limit - 1:\n"
        '        return "SELECT 1 WHERE łódź = 1 AND b IS NULL"\n'
        "    raise Refused(not spent)\n"
    )
    shown = {fault.shown(source) for fault in mutants_of("x.py", source)}
    assert shown == {
        "`5` → `6`",
        "`check(spent)` → `pass`",
        "`spent is None or spent < limit - 1` → `False`",
        "`spent is None or spent < limit - 1` → `True`",
        "`is` → `is not`",
        "`or` → `and`",
        "`<` → `<=`",
        "`-` → `+`",
        "`1` → `2`",
        "`AND` → `OR`",
        "`IS NULL` → `IS NOT NULL`",
        "`raise Refused(not spent)` → `pass`",
        "`not spent` → `(spent)`",
    }


def test_a_seed_names_the_same_sample_and_another_one_another() -> None:
    files = ["domain/runs.py", "loop/calls.py", "loop/react.py"]
    faults = {file: mutants_of(file, source_of(file)) for file in files}

    first = sampled(faults, 20, 1)
    assert first == sampled(faults, 20, 1)
    assert first != sampled(faults, 20, 2)
    assert len(first) == 20
    assert {fault.file for fault in first} == set(files)


def test_the_table_tells_the_rate_and_names_what_survived() -> None:
    source = "if a and b:\n    pass\n"
    faults = mutants_of("x.py", source)
    outcomes = dict.fromkeys(faults, "killed") | {faults[0]: "survived"}
    text = table(outcomes, {"x.py": faults}, {"x.py": source})  # pyright: ignore[reportArgumentType] literals

    assert "| x.py | 3 | 3 | 2 | 1 |" in text
    assert "2 of 3 noticed: 67 %." in text
    assert isinstance(faults[0], Mutant)
    assert faults[0].name in text
