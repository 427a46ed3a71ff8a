"""Sizes and codes that Python shares with C and Cython."""

from fastgd.engines import layout
from fastgd.engines.protocol.outcomes import Status


def test_texts_hold_every_constant():
    header, include = layout.c_header(), layout.cython_include()
    assert len(layout.constants()) > 10
    for name, value in layout.constants().items():
        assert f"#define FGD_{name} ({value})\n" in header
        assert f"\n    {name} = {value}\n" in include


def test_statuses_are_the_codes_of_compiled_loops():
    codes = {name: int(status) for name, status in Status.__members__.items()}
    assert codes.pop("NOT_RUN") == layout.RUNNING
    assert codes == {name: layout.constants()[name] for name in codes}
    assert layout.SMALL_STEP not in list(Status)
