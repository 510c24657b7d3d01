"""The page to vote on."""

import json

from flask import Flask, request
from redis import Redis

app = Flask(__name__)
redis = Redis("redis")
PAGE = """<!doctype html><title>Vote</title><form method="post">
<button name="vote" value="cats">Cats</button><button name="vote" value="dogs">Dogs</button>
</form>"""


@app.route("/", methods=["GET", "POST"])
def vote() -> str:
    """Show the form, and queue a vote."""
    if request.method == "POST":
        redis.rpush("votes", json.dumps({"vote": request.form["vote"]}))
    return PAGE
