"""The servers that a bench runs on: PostgreSQL and MariaDB in a temporary folder, on loopback.

Source and target are two servers of their own, as in a real move; that also keeps `migrate` from copying
inside one server, which is another thing than moving rows. Each runs as an unprivileged user. Settings are
the same for every contender, since all of them meet the same two servers:

* Durability is the servers' default (a commit is on the disk when it is answered).
* Logs and caches are so large that no checkpoint and no forced flush falls into a run by chance: it would
  hit one contender and not the other. settle() empties them between the runs instead.
* No autovacuum, no statistics in the background, for the same reason.
"""

import ctypes
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import time

HOST = "127.0.0.1"
USER = "bench"
START_SECONDS = 60
SETTLE_SECONDS = 120

MIB = 1 << 20

POSTGRES_SETTINGS = {
    "listen_addresses": HOST,
    "shared_buffers": "1GB",
    "max_wal_size": "16GB",
    "min_wal_size": "4GB",  # segments are used again, not made anew in mid-run
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
    "max_connections": "50",
    "fsync": "on",
    "synchronous_commit": "on",
    "jit": "off",
    "unix_socket_directories": "",
}

MARIADB_SETTINGS = {
    "bind-address": HOST,
    "innodb-flush-log-at-trx-commit": "1",
    "innodb-stats-auto-recalc": "OFF",
    "innodb-adaptive-flushing": "OFF",
    "innodb-io-capacity": "4000",  # for settle(); a run itself does not reach the thresholds
    "skip-log-bin": None,
    "local-infile": "ON",
    "max-allowed-packet": "64M",
    "max-connections": "50",
    "character-set-server": "utf8mb4",
    "skip-name-resolve": None,
    "skip-ssl": None,
    "performance-schema": "OFF",
}


class BenchError(Exception):
    """A bench that cannot go on, with a message for the person who started it."""


def free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def server_user():
    """The account that servers run as: PostgreSQL refuses root."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


def _die_with_parent():
    # PR_SET_PDEATHSIG: a bench that is killed with -9 leaves no server behind. SIGQUIT is an immediate
    # shutdown for PostgreSQL and the end of MariaDB; both work on files that nobody wants any more.
    ctypes.CDLL(None).prctl(1, signal.SIGQUIT)


def run_checked(argv, **options):
    done = subprocess.run(argv, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(map(str, argv))[:200]} failed:\n{done.stderr.strip()[-2000:]}")
    return done.stdout


class Server:
    """One server process and its folder. start() returns when it answers; stop() is safe at any time."""

    def __init__(self, name, root):
        self.name = name
        self.folder = pathlib.Path(root) / name
        self.port = free_port()
        self.process = None
        self.account = server_user()

    def _as_account(self):
        if os.geteuid() != 0:
            return {}
        return {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}

    def _make_folder(self):
        self.folder.mkdir()
        if os.geteuid() == 0:
            os.chown(self.folder, self.account.pw_uid, self.account.pw_gid)

    def _launch(self, argv):
        with open(self.folder / "server.log", "wb") as log:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                start_new_session=True, preexec_fn=_die_with_parent, **self._as_account())
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                log = (self.folder / "server.log").read_text(errors="replace")
                raise BenchError(f"{self.name} did not start:\n{log[-2000:]}")
            time.sleep(0.1)

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGQUIT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class PostgresServer(Server):
    engine = "postgres"

    def start(self, rows_max):
        del rows_max  # the size of a table changes nothing here: the system's page cache does the work
        binaries = self.binaries()
        self._make_folder()
        run_checked([binaries / "initdb", "-D", self.folder / "data", "-U", USER, "-A", "trust",
                     "-E", "UTF8", "--locale=C.UTF-8"], cwd=self.folder, **self._as_account())
        argv = [binaries / "postgres", "-D", self.folder / "data", "-p", str(self.port)]
        for key, value in POSTGRES_SETTINGS.items():
            argv += ["-c", f"{key}={value}"]
        self._launch(argv)
        return self

    @staticmethod
    def binaries():
        folders = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"),
                         key=lambda folder: float(folder.parent.name))
        for folder in reversed(folders):
            if (folder / "initdb").exists():
                return folder
        raise BenchError("no PostgreSQL server: install it with scripts/setup.sh")

    def _answers(self):
        return subprocess.run(["pg_isready", "-q", "-h", HOST, "-p", str(self.port)]).returncode == 0

    def psql(self, database):
        return ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", HOST, "-p", str(self.port),
                "-U", USER, "-d", database]

    def sql(self, database, *statements):
        argv = self.psql(database)
        for statement in statements:
            argv += ["-c", statement]
        return run_checked(argv).strip()

    def url(self, database):
        return f"postgresql://{USER}@{HOST}:{self.port}/{database}"

    def new_database(self, database):
        self.sql("postgres", f"DROP DATABASE IF EXISTS {database} WITH (FORCE)",
                 f"CREATE DATABASE {database}")

    def settle(self):
        """All that was written is on the disk, and the next checkpoint far away."""
        self.sql("postgres", "CHECKPOINT")

    def version(self):
        return "PostgreSQL " + self.sql("postgres", "SHOW server_version").split()[0]

    def settings(self):
        return POSTGRES_SETTINGS


class MariaDbServer(Server):
    engine = "mysql"

    def start(self, rows_max):
        # The table (some 550 bytes a row with its pages' slack) stays in the buffer pool, and its redo
        # (about as much) below the age at which InnoDB flushes in a hurry.
        size = max(2048, -(-rows_max * 800 // MIB // 1024) * 1024)
        self._settings = dict(MARIADB_SETTINGS)
        self._settings["innodb-buffer-pool-size"] = f"{size}M"
        self._settings["innodb-log-file-size"] = f"{size}M"
        self._make_folder()
        data = self.folder / "data"
        run_checked(["mariadb-install-db", "--no-defaults", f"--datadir={data}", f"--tmpdir={self.folder}",
                     "--skip-test-db",
                     "--auth-root-authentication-method=normal", "--skip-name-resolve"],
                    cwd=self.folder, **self._as_account())
        init = self.folder / "init.sql"
        init.write_text(f"CREATE USER IF NOT EXISTS {USER}@'{HOST}';\n"
                        f"GRANT ALL ON *.* TO {USER}@'{HOST}' WITH GRANT OPTION;\n")
        argv = [self.binary(), "--no-defaults", f"--datadir={data}", f"--port={self.port}",
                f"--socket={self.folder / 'socket'}", f"--pid-file={self.folder / 'pid'}",
                f"--init-file={init}", f"--tmpdir={self.folder}"]
        for key, value in self._settings.items():
            argv.append(f"--{key}" if value is None else f"--{key}={value}")
        self._launch(argv)
        return self

    @staticmethod
    def binary():
        found = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin:/usr/libexec")
        if not found:
            raise BenchError("no MariaDB server: install it with scripts/setup.sh")
        return found

    def client(self, database):
        return ["mariadb", "--no-defaults", "--protocol=tcp", "-h", HOST, "-P", str(self.port), "-u", USER,
                "-N", "-B", "--default-character-set=utf8mb4", database]

    def _answers(self):
        return subprocess.run(self.client("mysql") + ["-e", "SELECT 1"], capture_output=True).returncode == 0

    def sql(self, database, *statements):
        return run_checked(self.client(database) + ["-e", ";\n".join(statements)]).strip()

    def url(self, database):
        return f"mysql://{USER}@{HOST}:{self.port}/{database}"

    def new_database(self, database):
        self.sql("mysql", f"DROP DATABASE IF EXISTS {database}", f"CREATE DATABASE {database}")

    def settle(self):
        """No dirty page and no row version to be purged is left."""
        self.sql("mysql", "SET GLOBAL innodb_max_dirty_pages_pct = 0")
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            left = self.sql("mysql", "SHOW GLOBAL STATUS WHERE Variable_name IN"
                            " ('Innodb_buffer_pool_pages_dirty', 'Innodb_history_list_length')")
            if all(int(line.split()[1]) <= 10 for line in left.splitlines()):
                break
            if time.monotonic() > deadline:
                raise BenchError(f"{self.name} does not come to rest: {left}")
            time.sleep(0.1)
        self.sql("mysql", "SET GLOBAL innodb_max_dirty_pages_pct = 90")

    def version(self):
        return "MariaDB " + self.sql("mysql", "SELECT version()").split("-")[0]

    def settings(self):
        return self._settings
