"""Files for the commands."""

import pytest
from cli.cars import CARS, SIZES
from cli.commands import write
from cli.people import AGE, HEIGHT, WEIGHT


@pytest.fixture
def heights(tmp_path):
    columns = {"height": HEIGHT, "age": AGE, "weight": WEIGHT}
    return write(tmp_path / "heights.csv", columns)


@pytest.fixture
def cars(tmp_path):
    return write(tmp_path / "cars.csv", CARS)


@pytest.fixture
def sizes(tmp_path):
    return write(tmp_path / "sizes.csv", SIZES)
