"""The worker that moves the votes from Redis to PostgreSQL."""

import json

import psycopg
from redis import Redis

redis = Redis("redis")
with psycopg.connect("host=db user=postgres", autocommit=True) as db:
    db.execute("CREATE TABLE IF NOT EXISTS votes (vote text)")
    while True:
        _, said = redis.blpop(["votes"])
        db.execute("INSERT INTO votes VALUES (%s)", [json.loads(said)["vote"]])
