"""The SQLite driver the server would choose: pysqlite3 where it is installed."""

import importlib
import importlib.util

sqlite3 = importlib.import_module(
    "pysqlite3" if importlib.util.find_spec("pysqlite3") else "sqlite3"
)
