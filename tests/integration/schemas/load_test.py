#!/usr/bin/env python3
"""Each set goes into each engine with its foreign keys enforced, and by the oracle all three are equal.

Servers: MIGRATOR_TEST_POSTGRES_URL and MIGRATOR_TEST_MYSQL_URL.
"""
import os
import pathlib
import secrets
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import load  # noqa: E402

ORACLE = pathlib.Path(__file__).parent.parent / "oracle.py"


def main():
    name = "s_" + secrets.token_hex(6)
    servers = [os.environ["MIGRATOR_TEST_POSTGRES_URL"], os.environ["MIGRATOR_TEST_MYSQL_URL"]]
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for chosen in ("chinook", "sakila"):
            database = f"{name}_{chosen}"
            urls = [server.rsplit("/", 1)[0] + "/" + database for server in servers]
            urls.append(f"sqlite:{folder}/{chosen}.db")
            for server, suffix in zip(servers, ("", " CHARACTER SET utf8mb4")):
                load.run(server, f"CREATE DATABASE {database}{suffix};")
            try:
                for url in urls:
                    load.load(chosen, url)
                for left, right in ((0, 1), (1, 2), (2, 0)):
                    status = subprocess.run([sys.executable, ORACLE, urls[left], urls[right]]).returncode
                    failed = failed or status != 0
            finally:
                for server in servers:
                    load.run(server, f"DROP DATABASE {database};")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
