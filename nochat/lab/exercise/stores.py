"""The exercises of notebook 03: aggregations, a microservice, sessions in SQL."""
