"""Every statement has a test, and every test a statement."""

import pytest

from conformance.table import Table, ids_of, statements

pytestmark = pytest.mark.tool


def test_every_statement_has_a_test(covered_ids, request):
    collected = {item.fspath.basename for item in request.session.items}
    if len(collected) < 3:
        pytest.skip("only a part of the suite was collected")
    missing = sorted(set(statements()) - covered_ids)
    assert not missing, f"no test is named after {missing}"


def test_no_test_names_a_statement_that_is_not_there(covered_ids):
    assert covered_ids <= set(statements()), covered_ids - set(statements())


def test_names_are_read_as_written():
    assert ids_of("test_smtp_06_07_received[3]") == ["SMTP-06", "SMTP-07"]
    assert ids_of("test_smtp_02_ext_01_x") == ["SMTP-02", "EXT-01"]
    assert ids_of("test_pop_22") == ["POP-22"]
    assert ids_of("test_names_are_read") == []


def test_a_failure_is_not_hidden_by_what_passed():
    table = Table()
    table.add("a::test_pop_01_x", "failed")
    table.add("a::test_pop_01_x", "passed")
    table.add("a::test_pop_01_y", "passed")
    assert table.result("POP-01") == ("failed", "")
    table.add("a::test_pop_02_x", "skipped", "no peer")
    assert table.result("POP-02") == ("skipped", "no peer")
    assert table.result("POP-03") == ("untested", "")
    table.add("a::test_pop_04_x", "passed")
    table.add("a::test_pop_04_y", "missing", "no such thing yet")
    assert table.result("POP-04") == ("missing", "no such thing yet")
