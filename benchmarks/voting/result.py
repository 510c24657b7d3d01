"""The page that counts."""

import psycopg
from flask import Flask

app = Flask(__name__)


@app.route("/")
def result() -> dict[str, int]:
    """How many votes there are for each."""
    with psycopg.connect("host=db user=postgres") as db:
        db.execute("CREATE TABLE IF NOT EXISTS votes (vote text)")
        return dict(db.execute("SELECT vote, count(*) FROM votes GROUP BY vote").fetchall())
