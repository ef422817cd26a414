"""The life of the embedded PostgreSQL: started, stopped, killed, in the way of another."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from recorder.embedded import DataDirectoryError, EmbeddedError, EmbeddedPostgres, ServerFailedError, ServerRunningError
from recorder.embedded.account import server_account
from recorder.errors import OutsideError
from tests.folders import server_directory
from tests.postgres import postgres_15_binaries
from tests.recorder.embedded_starter import (
    fetch_value,
    printed,
    processes_of,
    starter,
    wait_for_end,
    wait_until,
)

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone ends a child with its parent")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data directory that is not there yet, in memory where there is room."""
    with server_directory() as parent:
        yield parent / "data"


@pytest.fixture(scope="session")
def stopped_server() -> Iterator[Path]:
    """The data directory of a server that has run once: initdb takes most of a first start."""
    with server_directory() as parent:
        with EmbeddedPostgres(parent / "data", durable=False):
            pass
        yield parent / "data"


@pytest.fixture
def used_folder(stopped_server: Path, folder: Path) -> Path:
    """A data directory that has served before."""
    subprocess.run(["cp", "-a", stopped_server, folder], check=True)
    return folder


def test_data_is_there_after_a_restart(folder: Path) -> None:
    """What was written before a stop is read after the next start, by the same object too."""
    server = EmbeddedPostgres(folder, durable=False)
    with server:
        assert fetch_value(server.url(), "CREATE TABLE kept AS SELECT 42 AS value") is None
        first = server.pid
    assert not server.running
    with server:
        assert server.pid != first
        assert fetch_value(server.url(), "SELECT value FROM kept") == 42
    with EmbeddedPostgres(folder, durable=False) as another:
        assert fetch_value(another.url(), "SELECT value FROM kept") == 42


def test_the_server_is_set_up_for_the_recorder(folder: Path) -> None:
    """UTF-8 with letters beyond ASCII, UTC, pg_stat_statements; careless only where asked to be."""
    with EmbeddedPostgres(folder, durable=False, settings={"work_mem": "7MB"}) as server:
        url = server.url()
        assert fetch_value(url, "SHOW server_encoding") == "UTF8"
        assert fetch_value(url, "SELECT lower('ÄÖÜ')") == "äöü"
        assert fetch_value(url, "SHOW timezone") == "UTC"
        assert fetch_value(url, "SHOW fsync") == "off"
        assert fetch_value(url, "SHOW work_mem") == "7MB"
        assert fetch_value(url, "SHOW server_version").startswith(server.version)
        fetch_value(url, "CREATE EXTENSION pg_stat_statements")
        assert fetch_value(url, "SELECT count(*) > 0 FROM pg_stat_statements") is True
    with EmbeddedPostgres(folder) as durable:
        settings = "SELECT current_setting('fsync') || current_setting('synchronous_commit')"
        assert fetch_value(durable.url(), settings) == "onon"


@pytest.mark.parametrize(
    "name", ["Prozess Daten für Würzburg", "50% off? #1&2", "a\"quote's", "数据", "a,b", "-c", "x" * 120]
)
def test_any_name_of_a_folder_will_do(used_folder: Path, name: str) -> None:
    """Spaces, umlauts and what means something in a URL; too long a path for a socket, or a comma, has it elsewhere."""
    folder = used_folder.rename(used_folder.parent / name)
    with EmbeddedPostgres(folder, durable=False) as server:
        assert fetch_value(server.url("template1"), "SELECT current_database()") == "template1"
        socket_folder = server.socket_folder
        assert len(os.fsencode(socket_folder)) < 90
    assert not socket_folder.exists()


def test_only_a_private_socket_listens(used_folder: Path) -> None:
    """The socket's folder is the server's user's alone, and no process of the server has a TCP socket."""
    with EmbeddedPostgres(used_folder, durable=False) as server:
        status = server.socket_folder.stat()
        assert status.st_mode & 0o777 == 0o700
        assert status.st_uid == server_account().uid
        assert fetch_value(server.url(), "SHOW listen_addresses") == ""
        if sys.platform == "linux":
            tcp = {
                f"socket:[{line.split()[9]}]"
                for table in ("tcp", "tcp6")
                for line in Path(f"/proc/{server.pid}/net/{table}").read_text().splitlines()[1:]
            }
            ours = {str(entry.readlink()) for entry in Path(f"/proc/{server.pid}/fd").iterdir()}
            assert not tcp & ours
    with pytest.raises(EmbeddedError, match="listen_addresses"):
        EmbeddedPostgres(used_folder, settings={"listen_addresses": "*"})


@linux_only
def test_a_program_killed_with_9_leaves_no_server(used_folder: Path) -> None:
    """Linux tells the server, which stops in order; a start at once after that waits for it and keeps the data."""
    with starter(used_folder) as program:
        pid, url = printed(program)
        fetch_value(url, "CREATE TABLE kept AS SELECT 42 AS value")
        assert pid in processes_of(used_folder)
        pidfd = os.pidfd_open(pid)
        try:
            program.kill()
            with EmbeddedPostgres(used_folder, durable=False) as server:
                wait_for_end(pidfd)
                assert fetch_value(server.url(), "SELECT value FROM kept") == 42
        finally:
            os.close(pidfd)
    assert processes_of(used_folder) == []
    assert "database system was shut down" in server.log_path.read_text(), "not stopped in order"


@linux_only
def test_a_program_killed_during_initdb_leaves_nothing_in_the_way(folder: Path) -> None:
    """The half-made data is never taken for data, and the next start removes it."""
    with starter(folder) as program:
        wait_until(lambda: any(folder.glob("initdb-*/PG_VERSION")), "initdb has begun")
        program.kill()
        program.wait()
        assert not (folder / "cluster").exists()
        with EmbeddedPostgres(folder, durable=False) as server:
            assert fetch_value(server.url(), "SELECT 1") == 1
    assert list(folder.glob("initdb-*")) == []
    assert processes_of(folder) == []


@linux_only
def test_a_killed_server_is_recovered(used_folder: Path) -> None:
    """The server itself killed with -9: `running` says so, and the next start recovers what was committed."""
    server = EmbeddedPostgres(used_folder)
    with server:
        fetch_value(server.url(), "CREATE TABLE kept AS SELECT 42 AS value")
        os.kill(server.pid, signal.SIGKILL)
        wait_until(lambda: not server.running, "the end of the server is noticed")
    with server:
        assert fetch_value(server.url(), "SELECT value FROM kept") == 42


def test_a_second_start_is_refused_by_name(used_folder: Path) -> None:
    """The message tells the server's process, its program's and what to do; the first server goes on."""
    with EmbeddedPostgres(used_folder, durable=False) as server:
        with pytest.raises(ServerRunningError) as caught:
            EmbeddedPostgres(used_folder, durable=False).start()
        assert caught.value.pid == server.pid
        for part in (str(used_folder), str(server.pid), str(os.getpid()), "choose another data directory"):
            assert part in str(caught.value)
        assert isinstance(caught.value, OutsideError)
        assert fetch_value(server.url(), "SELECT 1") == 1
        with pytest.raises(EmbeddedError, match="started already"):
            server.start()


@linux_only
def test_a_server_that_somebody_else_started_is_refused_by_name(used_folder: Path) -> None:
    """A server on the data that holds no lock of ours is not waited for in vain, nor disturbed."""
    with EmbeddedPostgres(used_folder, durable=False) as server:
        program = Path(f"/proc/{server.pid}/exe").readlink()
    account = server_account()
    data = used_folder / "cluster"
    arguments = ["-D", str(data), "-c", "listen_addresses=", "-c", f"unix_socket_directories={data}"]
    with subprocess.Popen(account.command(data, program, *arguments), stderr=subprocess.DEVNULL) as other:
        try:
            pid_file = data / "postmaster.pid"
            wait_until(lambda: pid_file.exists() and "ready" in pid_file.read_text(), "the other server is ready")
            with pytest.raises(ServerRunningError, match=f"kill -INT {other.pid}"):
                server.start()
            assert other.poll() is None
        finally:
            other.send_signal(signal.SIGINT)


@linux_only
def test_a_process_number_used_again_is_not_in_the_way(used_folder: Path) -> None:
    """After a crash and a restart another process of the same user often has the number in postmaster.pid."""
    server = EmbeddedPostgres(used_folder, durable=False)
    pid_file = used_folder / "cluster" / "postmaster.pid"
    with server:
        lines = pid_file.read_text().splitlines()
    account = server_account()
    with subprocess.Popen(account.command(Path("/"), "/bin/sleep", "60")) as other:
        pid_file.write_text("\n".join([str(other.pid), *lines[1:]]) + "\n")
        account.own(pid_file)
        wait_until(lambda: Path(f"/proc/{other.pid}/comm").read_text() == "sleep\n", "the other process runs")
        with server:
            assert fetch_value(server.url(), "SELECT 1") == 1
        other.terminate()


def test_a_failed_start_tells_the_reason_from_the_log(folder: Path) -> None:
    """The message ends with the server's own words, and nothing is left running or locked."""
    with pytest.raises(ServerFailedError, match=r"shared_buffers.*lots") as caught:
        EmbeddedPostgres(folder, durable=False, settings={"shared_buffers": "lots"}).start()
    assert caught.value.log_lines
    assert "\n" not in str(caught.value)
    with EmbeddedPostgres(folder, durable=False) as server:
        assert server.running


def test_a_deadline_that_passes_stops_the_server(used_folder: Path) -> None:
    """A server that does not get ready in time is an error, and is not left behind."""
    server = EmbeddedPostgres(used_folder, durable=False, ready_deadline_s=0)
    with pytest.raises(ServerFailedError, match="not ready within 0 s"):
        server.start()
    assert not server.running


def test_data_of_another_version_is_refused_by_name(used_folder: Path) -> None:
    """The message tells both versions; the data is not touched."""
    server = EmbeddedPostgres(used_folder, durable=False)
    (used_folder / "cluster" / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(DataDirectoryError, match=r"made by PostgreSQL 9\.6, and this is 1\d"):
        server.start()
    (used_folder / "cluster" / "PG_VERSION").unlink()
    with pytest.raises(DataDirectoryError, match="is no PostgreSQL data"):
        server.start()


def test_postgres_15_serves_as_well(folder: Path) -> None:
    """Any folder of PostgreSQL programs can be given; its data is not for the wheel's version."""
    binaries = postgres_15_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL 15 on this machine (on Debian 12: apt-get install postgresql-15)")
    with EmbeddedPostgres(folder, binaries=binaries, durable=False) as server:
        assert server.version.startswith("15.")
        assert fetch_value(server.url(), "SELECT lower('Ä')") == "ä"
    with pytest.raises(DataDirectoryError, match="made by PostgreSQL 15"):
        EmbeddedPostgres(folder, durable=False).start()


async def test_it_serves_async_code_and_ends_its_sessions(used_folder: Path) -> None:
    """A start in a running loop is fine; a fast stop does not wait for the clients."""
    with EmbeddedPostgres(used_folder, durable=False) as server:
        connection = await asyncpg.connect(server.url())
        assert await connection.fetchval("SELECT 1") == 1
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await connection.fetchval("SELECT 1")
    await connection.close()


async def test_a_start_from_another_thread_is_refused(folder: Path) -> None:
    """Linux would stop the server when that thread ends, long before the program does."""
    with pytest.raises(EmbeddedError, match="main thread"):
        await asyncio.to_thread(EmbeddedPostgres(folder, durable=False).start)


def test_ctrl_c_at_the_terminal_does_not_reach_the_server(used_folder: Path) -> None:
    """The program still has to write what it holds, so the server is in a session of its own."""
    with EmbeddedPostgres(used_folder, durable=False) as server:
        assert os.getsid(server.pid) != os.getsid(0)


def test_what_is_not_started_says_so(folder: Path) -> None:
    """No URL, process or version is made up; a stop is harmless."""
    server = EmbeddedPostgres(folder)
    for ask in (server.url, lambda: server.pid, lambda: server.version, lambda: server.socket_folder):
        with pytest.raises(EmbeddedError, match="not started"):
            ask()
    server.stop()
    assert not server.running
    assert not folder.exists()


def test_the_log_of_the_start_before_is_kept(used_folder: Path) -> None:
    """One log a start, and one before it: neither grows for ever."""
    for _ in range(3):
        with EmbeddedPostgres(used_folder, durable=False) as server:
            log = server.log_path
    assert sorted(path.name for path in used_folder.glob("postgres.log*")) == ["postgres.log", "postgres.log.1"]
    assert log.read_text().count("ready to accept connections") == 1
