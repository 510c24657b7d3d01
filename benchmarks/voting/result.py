"""The page with the results."""

import psycopg
from flask import Flask

app = Flask(__name__)


@app.route("/")
def result() -> dict[str, int]:
    """Return the number of votes for each choice."""
    with psycopg.connect("host=db user=postgres") as db:
        db.execute("CREATE TABLE IF NOT EXISTS votes (vote text)")
        return dict(db.execute("SELECT vote, count(*) FROM votes GROUP BY vote").fetchall())
