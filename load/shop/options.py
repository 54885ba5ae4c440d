"""What can be said on the command line, in the web page or by the environment, and its bounds."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from load.kit.bad_use import BadUse
from load.kit.curves import CURVES
from load.shop.where import PORTS, Where

HOST = "http://localhost"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run shall be, beside what Locust itself asks for."""

    where: Where
    think_s: tuple[float, float]
    rate: float
    customers: int
    products: int
    hot_stock: int
    seed: bool

    @staticmethod
    def of(options: Mapping[str, Any], host: str | None) -> Wanted:
        """Read Locust's options; the web page gives some of them as text. Raises BadUse."""
        given = {role: options.get(role.replace("-", "_")) for role in PORTS}
        try:
            return Wanted(
                Where.of(host or HOST, given),
                think(options["think"]),
                rate(options["rate"]),
                some(options["customers"]),
                some(options["products"]),
                stock(options["hot_stock"]),
                seed=not options["no_seed"],
            )
        except argparse.ArgumentTypeError as error:
            raise BadUse(str(error)) from error


def variable(role: str) -> str:
    """The environment variable that says where a role is."""
    return f"LOCUST_{role.upper().replace('-', '_')}"


def add(parser: Any) -> None:  # Locust's own parser: argparse's, with more arguments
    """Add the options to Locust's."""
    for role, port in PORTS.items():
        parser.add_argument(
            f"--{role}",
            metavar="URL",
            default="",
            env_var=variable(role),
            include_in_web_ui=False,
            help=f"where {role} is, if not at port {port} of --host (default {HOST});"
            " several URLs between commas",
        )
    parser.add_argument(
        "--shape",
        choices=sorted(CURVES),
        env_var="LOCUST_SHAPE",
        include_in_web_ui=False,
        help="how the number of users goes, up to --users, within --run-time;"
        " the web page has a picker instead",
    )
    for name, kind, default, metavar, help in (
        (
            "think",
            _checked(think),
            "0.1-0.5",
            "SECONDS",
            "pause between a user's steps, 0.1-0.5 or 1",
        ),
        (
            "rate",
            rate,
            10.0,
            "N",
            "orders a second from each Arrivals user, however slow the answers",
        ),
        ("customers", some, 10, "N", "customers that the run makes, and orders for"),
        ("products", some, 10, "N", "products that it makes, with plenty in stock"),
        ("hot-stock", stock, 100, "N", "pieces of the one product that all HotProduct users want"),
    ):
        parser.add_argument(
            f"--{name}",
            type=kind,
            default=default,
            metavar=metavar,
            env_var=f"LOCUST_{name.upper().replace('-', '_')}",
            help=f"{help} (default {default})",
        )
    parser.add_argument(
        "--no-seed",
        action="store_true",
        env_var="LOCUST_NO_SEED",
        help="make no products: order the ones that are there",
    )


def _checked(check: Any) -> Any:  # argparse's type of a type
    """Check the text, and keep it as it is: the web page shows it, and sends it back."""

    def checked(text: str) -> str:
        check(text)
        return text

    return checked


def think(text: str) -> tuple[float, float]:
    low, _, high = str(text).partition("-")
    try:
        span = float(low), float(high or low)
    except ValueError:
        span = -1.0, -1.0
    if not 0 <= span[0] <= span[1] <= 3600:
        raise argparse.ArgumentTypeError(f"--think {text!r}: seconds, as 0.5 or 0.1-0.5")
    return span


def rate(text: object) -> float:
    try:
        number = float(str(text))
    except ValueError:
        number = 0.0
    if not 0.01 <= number <= 10_000:
        raise argparse.ArgumentTypeError(f"--rate {text!r}: orders a second, 0.01 to 10000")
    return number


def seconds(text: object) -> float:
    try:
        number = float(str(text))
    except ValueError:
        number = -1.0
    if not 0 <= number <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0 to 86400")
    return number


def some(text: object) -> int:
    return _whole(text, 1, 1_000)


def stock(text: object) -> int:
    return _whole(text, 1, 1_000_000_000)


def _whole(text: object, least: int, most: int) -> int:
    if not str(text).isdecimal() or not least <= int(str(text)) <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
    return int(str(text))
