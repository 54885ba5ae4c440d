"""An adapter is found in a file, and what is wrong with it is said in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.strangers.adapters import SHIPPED, BadAdapter, load
from chaos.strangers.ground import Ground

GOOD = """
from chaos.kit import blackbox as kit

class Mine(kit.Stranger):
    name = "mine"
    needs = ("kafka", "mysql")
    processes = (kit.Process("api", ("serve", "{port}"), {"DB": "{mysql.host}:{mysql.port}"}),)
    states = kit.States({}, (), ())
    sees = ~kit.Sight.VIEWS
    blind = (kit.Blind(kit.Sight.VIEWS, "there are none"),)

    def client(self, number):
        raise NotImplementedError

    def events(self, record):
        return ()
"""


def written(folder: Path, old: str = "", new: str = "") -> str:
    assert old in GOOD
    file = folder / "mine.py"
    file.write_text(GOOD.replace(old, new) if old else GOOD)
    return str(file)


@pytest.mark.parametrize(
    ("needs", "placeholder", "filled"),
    [
        ("mysql", "{mysql.database}", "ecommerce"),
        ("mysql", "{mysql.database:orders}", "ecommerce_orders"),
        ("mariadb", "{mysql.database:orders}", "ecommerce_orders"),
        ("postgres", "{postgres.database}", "postgres"),
        ("postgres", "{postgres.database:orders}", "ecommerce_orders"),
        ("mongo", "{mongo:orders}", "/orders"),
    ],
)
def test_a_service_may_have_a_database_of_its_own(
    tmp_path: Path, needs: str, placeholder: str, filled: str
) -> None:
    text = GOOD.replace('"mysql")', f'"{needs}")').replace("{mysql.host}:{mysql.port}", placeholder)
    file = tmp_path / "mine.py"
    file.write_text(text)
    stranger, _ = load(str(file))

    assert filled in Ground(stranger).environment(stranger.processes[0])["DB"]


@pytest.mark.parametrize("name", SHIPPED)
def test_what_comes_with_the_kit_can_be_loaded_and_its_commands_be_filled(name: str) -> None:
    stranger, folder = load(name)

    assert Ground(stranger).lines
    assert folder.is_dir()


def test_the_folder_of_an_adapter_is_where_its_commands_are_seen_from(tmp_path: Path) -> None:
    stranger, folder = load(written(tmp_path))

    assert (stranger.name, folder) == ("mine", tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"there are none"),)', '"there are none"),)\n    known = {"no such": ""}', "no promise 'no such'"),
        ("sees = ~kit.Sight.VIEWS", "sees = kit.Sight.READS", "say of MARKS and AMOUNTS"),
        ("sees = ~kit.Sight.VIEWS", "sees = ~kit.Sight(0)", "VIEWS is in sees and in blind"),
        ('    name = "mine"\n', "", "`name` is not set"),
        ("class Mine(kit.Stranger)", "class Mine", "no subclass of Stranger"),
        ('{"DB":', '{}, after=("db",)), kit.Process("db", ("d",), after=("api",)), kit.Process("c", ("c",), {"DB":', "after: api waits for db waits for api"),
        ('{"DB":', '{}, after=("cache",)), kit.Process("c", ("c",), {"DB":', "api: after: there is no process 'cache'; there are api, c"),
        ('    name = "mine"', '    name = "mine"\n    topics = (kit.Topic("t", by=("api", "relay")),)', "t: by: there is no process 'relay'"),
        ("def events", "def event", "abstract method"),
        ("    name =", "    workload = kit.Workload(accounts=1)\n    name =", "at least 2"),
        ("import blackbox as kit", "import blackbox as ki", "cannot be loaded: NameError"),
        ("class Mine(kit", "raise SystemExit('bye')\nclass Mine(kit", "cannot be loaded: SystemExit: bye"),
        ("    name =", "    def __init__(self):\n        raise OSError('no file')\n    name =", r"Mine\(\) raised OSError: no file"),
        ('"there are none"),)', '"there are none"))', "`blind` wants each Blind in a tuple"),
        ('"mysql")', '"mysql")\n    topics = ("things",)', "`topics` wants each Topic in a tuple"),
        ('("kafka", "mysql")', '"kafka"', "`needs` wants each str in a tuple"),
        ("kit.States({}, (), ())", "{}", "`states` is {}, and no States"),
        ("    name =", "    quiet_s = '12'\n    name =", "`quiet_s` is '12', and no int or float"),
        ('("serve", "{port}")', '"serve {port}"', "api: argv wants a text for each word"),
        ("{mysql.port}\"}", "{mysql.port}\", 'N': 7}", "api: env wants texts"),
        ("{mysql.port}\"}", "{mysql.port}\"}, ready='GET healthz'", "ready is 'GET healthz'; there are"),
        ("{mysql.port}\"}", "{mysql.port}\"}, falls='never'", "falls is 'never'; there are"),
        ("(kit.Process(", "(kit.Process('api', ('a',)), kit.Process(", "processes: api is there 2 times"),
        ('(kit.Process("api", ("serve", "{port}"), {"DB": "{mysql.host}:{mysql.port}"}),)', "()", "processes: at least 1"),
        ('("kafka", "mysql")', '("mysql",)\n    topics = (kit.Topic("t"),)', "kafka is not among"),
        ("    name =", "    topics = (kit.Topic('t', partitions=0),)\n    name =", "topic t: partitions: at least 1"),
        ("    name =", "    topics = (kit.Topic('t'), kit.Topic('t'))\n    name =", "topics: t is there 2 times"),
        ("    name =", "    tells = {'plaec': ('placed',)}\n    name =", "tells: there is no command 'plaec'"),
        ("    name =", "    tells = {'place': 'placed'}\n    name =", "tells: place wants its kinds in a tuple"),
        ("    name =", "    tells = {'place': ('plaecd',)}\n    name =", "tells: place: there is no kind 'plaecd'"),
        ("States({}, ()", "States({'NEW': {'DONE'}}, ('DNOE',)", "final: there is no state in `steps` 'DNOE'"),
        ("States({}, ()", "States({'NEW': 'DONE'}, ()", "steps from NEW wants a set"),
        ("States({}, (), ()", "States({}, (), (), {'cancle': {'DONE'}}", "no command or kind 'cancle'"),
        ("    name =", "    workload = kit.Workload(weights={'place': 0})\n    name =", "weights: at least one above 0"),
        ("    name =", "    workload = kit.Workload(weights={'plaec': 1})\n    name =", "no command 'plaec'"),
        ("    name =", "    known = ['told once']\n    name =", "`known` is .*, and no Mapping"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(BadAdapter, match=said):
        load(written(tmp_path, old, new))


def test_a_class_that_there_is_not_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(BadAdapter, match="no adapter Yours; it has Mine"):
        load(f"{written(tmp_path)}:Yours")


def test_the_first_of_the_file_is_taken_or_the_one_that_is_named_and_none_that_it_imports(
    tmp_path: Path,
) -> None:
    file = tmp_path / "mine.py"
    other = 'class Other(Mine):\n    name = "other"\n'
    file.write_text(f"from chaos.strangers.ours import Ours\n{GOOD}\n\n{other}")

    assert load(str(file))[0].name == "mine"
    assert load(f"{file}:Other")[0].name == "other"


def test_a_file_that_there_is_not_is_named() -> None:
    with pytest.raises(BadAdapter, match=r"no file mine\.py"):
        load("mine.py")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{mysql.port}", "{mysql.prot}", "api: {mysql.prot} is unknown"),
        ("{mysql.port}", "{postgres.port}", "wants postgres, which is not among `needs`"),
        ("{mysql.port}", "{url:other}", "no process 'other'"),
        ('"kafka", "mysql"', '"kafka", "oracle"', "needs 'oracle'"),
    ],
)
def test_a_placeholder_that_cannot_be_filled_is_named_before_anything_starts(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    stranger, _ = load(written(tmp_path, old, new))

    with pytest.raises(BadAdapter, match=said):
        Ground(stranger)


def test_braces_that_are_no_placeholder_stay_as_they_are(tmp_path: Path) -> None:
    stranger, _ = load(written(tmp_path, '"serve"', '"{\\"a\\": {}}"'))
    ground = Ground(stranger)

    (process,) = stranger.processes
    assert ground.command(process) == ['{"a": {}}', str(ground.ports["api"])]
    assert ground.environment(process)["DB"].startswith("127.0.0.1:")


def test_each_process_has_a_line_of_its_own_and_all_share_that_to_kafka() -> None:
    stranger, _ = load("naive")
    names = set(Ground(stranger).lines)

    assert names == {"kafka", "purchases-mysql", "warehouse-mysql", "purchases-warehouse"}


@pytest.mark.parametrize(
    ("needs", "said", "filled"),
    [
        ("mysql", "{mysql.user}/{mysql.database}", "ecommerce/ecommerce"),
        ("mariadb", "{mysql.user}/{mysql.database}", "ecommerce/ecommerce"),
        ("postgres", "{postgres.user}/{postgres.database}", "postgres/postgres"),
    ],
)
def test_each_database_has_its_own_login(
    tmp_path: Path, needs: str, said: str, filled: str
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        GOOD.replace('"kafka", "mysql"', f'"{needs}",').replace("{mysql.host}:{mysql.port}", said)
    )
    stranger, _ = load(str(file))

    (process,) = stranger.processes
    assert Ground(stranger).environment(process)["DB"] == filled


def test_what_a_process_is_told_leads_through_a_proxy_to_what_it_means() -> None:
    stranger, _ = load("naive")
    ground = Ground(stranger)
    told = {process.name: ground.environment(process) for process in stranger.processes}

    ports = {name: line.port for name, line in ground.lines.items()}
    assert told["purchases"]["WAREHOUSE"].endswith(f":{ports['purchases-warehouse']}")
    assert told["purchases"]["KAFKA"].endswith(f":{ports['kafka']}")
    assert told["purchases"]["DB_PORT"] == str(ports["purchases-mysql"])
    assert told["warehouse"]["DB_PORT"] == str(ports["warehouse-mysql"])
    assert ports["purchases-warehouse"] != ground.ports["warehouse"]
    assert ports["kafka"] != ground.kafka.port
    assert len(set(ports.values())) == len(ports)


def test_a_proxy_stands_before_what_it_is_named_after() -> None:
    stranger, _ = load("naive")
    ground = Ground(stranger)

    upstream = {name: ground.upstream(line) for name, line in ground.lines.items()}

    assert upstream["purchases-warehouse"].endswith(f":{ground.ports['warehouse']}")
    assert upstream["purchases-mysql"] == upstream["warehouse-mysql"]
    assert upstream["kafka"] == ground.kafka.behind_proxy
